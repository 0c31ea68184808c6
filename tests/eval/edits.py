"""How good the edits are: what an editor receives, beside the same model's zero-shot answer.

    python tests/eval/edits.py DATA [--kinds editeval,fix,mutant,docstring] [--limit N] [--minutes M] [--json FILE]

| kind | data | Midfill is asked for | right |
|---|---|---|---|
| editeval | editeval.jsonl | "Refactor with AI..." on the whole code, with the instruction | the tests pass |
| fix | humanevalfix_python.jsonl | "Fix", with an example that fails as the diagnostic | the tests pass |
| mutant | humaneval_infilling_*.jsonl, each function with a fault of `mutants.py` | as above | as above |
| docstring | docstrings.jsonl | "Add docstring" | the code is as before, every argument is named, and no other |

`raw` is one greedy answer to the same words in a plain conversation; its first code block counts, or all of it
where there is none. Both are told the same. Answers are kept in build/eval: those of the model alone for good,
Midfill's for one state of `edits/`; `--minutes 0` reports what is known.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import contextlib
import hashlib
import json
import re
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sandbox
from data import DONE
from mutants import Mutant, mutants

import midfill
from midfill import app
from midfill.bench.figures import percentile
from midfill.bench.processes import own_host
from midfill.client import Editor, editor
from midfill.config import Config
from midfill.edits import chat
from midfill.engine.base import CancelToken, Engine, Part, Request
from midfill.errors import MidfillError
from midfill.text import Position, Range

BUILD = Path(__file__).resolve().parents[2] / "build" / "eval"
# Names the way in which the model alone is asked: to be raised with any change of it.
RECIPE = "1"
TOKENS = 700
SECONDS = 10.0


@dataclass(frozen=True)
class Case:
    """`code` to be edited by `action`, as `told` says; `judge` names what is wrong with the result, or nothing."""

    id: str
    kind: str
    code: str
    action: str
    told: str
    judge: Callable[[str], str | None]
    place: int = 0
    """The line at which documentation is asked for."""


@dataclass(frozen=True)
class Answer:
    """The whole code after the edit, or why there is none."""

    code: str | None
    reason: str | None
    attempts: int
    millis: float
    raw: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with the .jsonl files")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS))
    parser.add_argument("--systems", type=lambda text: text.split(","), default=["midfill", "raw"])
    parser.add_argument("--limit", type=int, help="the first so many of each kind")
    parser.add_argument("--minutes", type=float, default=1e9, help="ask no more cases after so many minutes")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if unknown := [kind for kind in options.kinds if kind not in KINDS]:
        sys.exit(f"There is no kind {unknown[0]!r}; choose from {', '.join(KINDS)}.")
    cases = [case for kind in options.kinds for case in KINDS[kind](options.data)[: options.limit]]
    kept = {"midfill": Kept("midfill", _key()), "raw": Kept("raw", RECIPE)}
    if options.minutes:
        try:
            with own_host():
                asyncio.run(_ask(cases, {name: kept[name] for name in options.systems}, options.minutes))
        except MidfillError as error:
            sys.exit(str(error))
    rows = [_judged(case, kept) for case in cases]
    for kind in options.kinds:
        _show(kind, [row for row in rows if row["kind"] == kind])
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"edits": _key(), "cases": rows}, indent=1) + "\n", "utf-8")


# -- the data --------------------------------------------------------------------------------------------------


def _editeval(data: Path) -> list[Case]:
    def case(row: dict[str, Any]) -> Case:
        def judge(code: str) -> str | None:
            context = row.get("context") or "{{Code}}"
            program = f"{context.replace('{{Code}}', code)}\n\n{row['test']}\n\ncheck()\nprint({DONE!r})\n"
            return _failure(program)

        return Case(row["task_id"], "editeval", _ended(row["input"]), "refactor", row["instruction"], judge)

    return [case(row) for row in _rows(data / "editeval.jsonl")]


def _fix(data: Path) -> list[Case]:
    def case(row: dict[str, Any]) -> Case:
        code = _ended(row["declaration"] + row["buggy_solution"])
        told = _symptom(code, row["example_test"], row["entry_point"]) or f"`{row['entry_point']}`: wrong result"

        def judge(fixed: str) -> str | None:
            return _failure(f"{fixed}\n{row['test']}\ncheck({row['entry_point']})\nprint({DONE!r})\n")

        return Case(row["task_id"], "fix", code, "fix", told, judge)

    return [case(row) for row in _rows(data / "humanevalfix_python.jsonl")]


def _mutant(data: Path) -> list[Case]:
    def fails(mutant: Mutant) -> bool:
        return _failure(f"{mutant.code}\n{mutant.tests}\ncheck({mutant.entry})\nprint({DONE!r})\n") is not None

    def case(mutant: Mutant) -> Case:
        # `assert True`, with which some tests begin, is no example; the first that fails is.
        told = _symptom(mutant.code, mutant.tests, mutant.entry) or f"`{mutant.entry}`: wrong result"

        def judge(fixed: str) -> str | None:
            return _failure(f"{fixed}\n{mutant.tests}\ncheck({mutant.entry})\nprint({DONE!r})\n")

        return Case(mutant.id, "mutant", mutant.code, "fix", told, judge)

    rows = [row for path in sorted(data.glob("humaneval_infilling_*.jsonl")) for row in _rows(path)]
    return [case(each) for each in mutants(rows, fails)]


def _docstring(data: Path) -> list[Case]:
    def case(row: dict[str, Any]) -> Case:
        code = textwrap.dedent(row["code"])
        lines = code.split("\n")
        place = next(at for at, line in enumerate(lines) if re.match(r"\s*(?:async )?def |\s*class ", line))

        def judge(documented: str) -> str | None:
            return _documentation_failure(code, documented, row["args"])

        return Case(row["id"], "docstring", _ended(code), "docstring", "", judge, place)

    return [case(row) for row in _rows(data / "docstrings.jsonl")]


KINDS = {"editeval": _editeval, "fix": _fix, "mutant": _mutant, "docstring": _docstring}


def _symptom(code: str, examples: str, entry: str) -> str | None:
    """The first of the public examples that fails, and what the code makes of it: what a test run shows a user."""
    try:
        # The first line of some is indented as if it were inside of something.
        tree = ast.parse(examples.strip())
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assert):
            continue
        test = ast.unparse(node.test).replace("candidate(", f"{entry}(")
        if DONE in sandbox.run(f"{code}\nassert {test}\nprint({DONE!r})\n", seconds=3.0).output:
            continue
        if not isinstance(node.test, ast.Compare):
            return f"A test fails: {test}"
        call = ast.unparse(node.test.left).replace("candidate(", f"{entry}(")
        shown = (
            f"try:\n    print(repr({call}))\nexcept Exception as error:\n    print(type(error).__name__, error)"
        )
        got = sandbox.run(f"{code}\n{shown}\n", seconds=3.0).output.strip().split("\n")[0]
        return f"A test fails: expected {test}, got {got or 'no end'}"
    return None


def _failure(program: str) -> str | None:
    outcome = sandbox.run(program, seconds=SECONDS)
    if DONE in outcome.output:
        return None
    return f"{outcome.ended}: {(outcome.errors.strip().splitlines() or [''])[-1][:120]}"


def _documentation_failure(before: str, after: str, arguments: Sequence[str]) -> str | None:
    try:
        tree, old = ast.parse(textwrap.dedent(after)), ast.parse(textwrap.dedent(before))
    except SyntaxError:
        return "syntax"
    definition = next(each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    written = ast.get_docstring(definition)
    if written is None:
        return "no docstring"
    definition.body = definition.body[1:]
    was = next(each for each in ast.walk(old) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    was.body = was.body[1:] if ast.get_docstring(was) else was.body
    if ast.dump(tree) != ast.dump(old):
        return "code changed"
    listed = re.split(r"^\s*(?:Returns|Raises|Yields|Examples?|Note)\b.*$", written, flags=re.MULTILINE)[0]
    section = re.search(r"^\s*Args:\s*\n(.*)", listed, re.DOTALL | re.MULTILINE)
    entries = re.findall(r"^\s+[*`]*(\w+)[`]*\s*(?:\([^)]*\))?:", section[1], re.MULTILINE) if section else []
    if any(name.lstrip("*") not in written for name in arguments):
        return "argument missing"
    if any(entry not in {name.lstrip("*") for name in arguments} for entry in entries):
        return "argument invented"
    return None


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _ended(code: str) -> str:
    return code.rstrip() + "\n"


# -- the systems -----------------------------------------------------------------------------------------------


async def _ask(cases: Sequence[Case], kept: Mapping[str, Kept], minutes: float) -> None:
    """All systems answer a case in turn, so that a run which ends early compares the same cases."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="midfill-eval-")))
        window = await stack.enter_async_context(editor(folder, {"warmUp": False, "index": False}))
        engine = app.host_engine(Config)
        stack.push_async_callback(engine.close)
        until = time.monotonic() + minutes * 60
        for number, case in enumerate(cases, 1):
            for name, answers in kept.items():
                if case.id in answers.known:
                    continue
                if time.monotonic() > until:
                    return
                ask = _raw(engine, case) if name == "raw" else _midfill(window, folder, case)
                answers.add(case.id, await ask)
            print(f"\r{number} of {len(cases)} cases", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)


async def _midfill(window: Editor, folder: Path, case: Case) -> Answer:
    """What the editor receives, applied."""
    name = hashlib.sha256(case.id.encode()).hexdigest()[:12]
    document = window.open(folder / f"{name}.py", case.code)
    text = document.text
    where = Range(Position(0, 0), Position(text.line_count, 0))
    if case.action == "docstring":
        at = Position(case.place, len(text.line(case.place)))
        where = Range(at, at)
    problems = [(_definition(case.code), case.told)] if case.action == "fix" else []
    started = time.perf_counter()
    offered = await window.actions(document, where, problems)
    action = next(each for each in offered if (each.data or {}).get("action") == case.action)
    resolved = await window.resolve(action, "" if case.action == "fix" else case.told)
    millis = (time.perf_counter() - started) * 1000
    result = resolved.data["result"]
    code = str(window.apply(document, window.edits_of(resolved)).text) if resolved.edit else None
    return Answer(code, result["reason"], result["attempts"], millis)


def _definition(code: str) -> Range:
    """Where a test runner points: the line of the last function's name."""
    lines = code.split("\n")
    at = max(number for number, line in enumerate(lines) if re.match(r"(?:async )?def ", line))
    return Range(Position(at, 0), Position(at, len(lines[at])))


async def _raw(engine: Engine, case: Case) -> Answer:
    """One answer of the model to the same words, greedy; its first code block."""
    asked = {
        "refactor": case.told,
        "fix": f"Fix the bug in this code. {case.told}.",
        "docstring": "Add a Google-style docstring to this function. Answer with the complete code.",
    }[case.action]
    info = engine.info("edit")
    turns = [
        chat.Turn("system", "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
        chat.Turn("user", f"{asked}\n\n```python\n{case.code}```"),
    ]
    parts: tuple[Part, ...] = chat.conversation(info, turns, "")
    written, started = "", time.perf_counter()
    async with aclosing(engine.generate(Request("edit", info.name, parts, TOKENS), CancelToken())) as chunks:
        async for chunk in chunks:
            written += chunk.text
    millis = (time.perf_counter() - started) * 1000
    block = re.search(r"```[a-z]*\n(.*?)(?:\n```|\Z)", written, re.DOTALL)
    return Answer(block[1] if block else written, None, 1, millis, written)


class Kept:
    """The answers of one system, kept in a file."""

    def __init__(self, system: str, key: str) -> None:
        BUILD.mkdir(parents=True, exist_ok=True)
        self._path = BUILD / f"edits-{system}-{key}.jsonl"
        self.known: dict[str, Answer] = {}
        for row in _rows(self._path) if self._path.exists() else ():
            self.known[row["id"]] = Answer(**row["answer"])

    def add(self, id: str, answer: Answer) -> None:
        self.known[id] = answer
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"id": id, "answer": asdict(answer)}) + "\n")


def _key() -> str:
    """A digest of what makes edits."""
    digest = hashlib.sha256()
    for path in sorted((Path(midfill.__file__).parent / "edits").glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


# -- the report ------------------------------------------------------------------------------------------------


def _judged(case: Case, kept: Mapping[str, Kept]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": case.id, "kind": case.kind}
    for name, answers in kept.items():
        if (answer := answers.known.get(case.id)) is None:
            continue
        wrong = f"no edit: {answer.reason}" if answer.code is None else case.judge(answer.code)
        row[name] = {
            "right": wrong is None,
            "wrong": wrong,
            "edit": answer.code is not None,
            "syntax": answer.code is None or _parses(answer.code),
            "attempts": answer.attempts,
            "ms": round(answer.millis),
        }
    return row


def _parses(code: str) -> bool:
    try:
        ast.parse(textwrap.dedent(code))
    except SyntaxError:
        return False
    return True


def _show(kind: str, rows: Sequence[dict[str, Any]]) -> None:
    for name in ("raw", "midfill"):
        own = [row[name] for row in rows if name in row]
        if not own:
            continue
        seconds = [each["ms"] / 1000 for each in own]
        print(
            f"{kind:10} {name:8} {sum(each['right'] for each in own):3} of {len(own):3} right, "
            f"{sum(each['edit'] for each in own)} edits, {sum(not each['syntax'] for each in own)} with a syntax "
            f"error, {sum(each['attempts'] > 1 for each in own)} tried again, "
            f"{percentile(seconds, 50):.1f} s at the median, {percentile(seconds, 95):.1f} s at p95"
        )
    both = [row for row in rows if "raw" in row and "midfill" in row]
    gained = sum(row["midfill"]["right"] and not row["raw"]["right"] for row in both)
    lost = sum(row["raw"]["right"] and not row["midfill"]["right"] for row in both)
    print(f"{kind:10} of {len(both)} with both, only Midfill is right in {gained}, only the raw answer in {lost}")
    for row in rows:
        if "midfill" in row and row["midfill"]["wrong"]:
            print(f"    {row['id']}: {row['midfill']['wrong']}")


if __name__ == "__main__":
    main()
