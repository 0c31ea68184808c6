"""What the context from other files is worth: exact match on lines that use a symbol defined in another file.

    python tests/eval/context.py make FOLDER... --cases CASES.jsonl
    python tests/eval/context.py serve CASES.jsonl --json ANSWERS.json
    python tests/eval/context.py ask CASES.jsonl --variant none:form=0 --variant repository --json ANSWERS.json
    python tests/eval/context.py report ANSWERS.json...

`make` indexes each folder (the source of a package) and takes lines of its code away that use what another of its
files defines. Kinds of cases, by where the cursor stands: `line` (at the line's first letter), `name` (before the
name of the other file's symbol), `call` (behind its opening parenthesis), `member` (behind the dot, where only
other files define a method of that name). `serve` asks the real server, with an index and without, for what an
editor would show while one types there. `ask` puts each case to the engine alone, once a variant, unless
ANSWERS.json has it. Settings: `form` (0: no context, 1: the model's repository format, 2: code at the head of the
prefix, below comments with the paths, 3: all of that as comments), `budget` (bytes of context), `imports` (1: the
imports that the window leaves out are shown), `edits` (so many places are said to be edited lately, which use a
name that the line uses; if negative, so many chosen at random), `before` and `after` (bytes of the file itself).
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import contextlib
import io
import json
import os
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, median
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from systems import read_ahead

from midfill import app
from midfill.bench.processes import own_host
from midfill.client import Editor, editor
from midfill.completion import context, fim
from midfill.completion.recent import Place
from midfill.completion.window import Budget, Window, fresh
from midfill.document import Document
from midfill.engine.base import Chunk, Part, Request, Usage
from midfill.engine.generate import generate
from midfill.engine.llama import LlamaModel, load
from midfill.engine.threads import Threads
from midfill.index.build import update
from midfill.index.extract import extract
from midfill.index.store import Reader, database
from midfill.index.symbols import Workspace
from midfill.models import catalog
from midfill.text import Encoding

DEFAULTS = {"form": 1, "budget": 1600, "imports": 0, "edits": 0, "before": 3200, "after": 400}
BUILT_IN = frozenset(
    name
    for type in (str, bytes, list, dict, set, Path, re.Pattern, re.Match, io.TextIOWrapper, os, time)
    for name in dir(type)
)
KINDS = ("line", "name", "call", "member")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    making = commands.add_parser("make")
    making.add_argument("folders", type=Path, nargs="+")
    making.add_argument("--cases", type=Path, required=True)
    making.add_argument("--each", type=int, default=3, help="cases of each kind and folder")
    making.add_argument("--seed", type=int, default=1)
    asking = commands.add_parser("ask")
    asking.add_argument("cases", type=Path)
    asking.add_argument("--variant", action="append", help="NAME[:SETTING=NUMBER,...]")
    asking.add_argument("--model", default="complete")
    asking.add_argument("--seconds", type=float, default=1e9, help="stop after the case that is asked then")
    asking.add_argument("--json", type=Path, required=True)
    serving = commands.add_parser("serve")
    serving.add_argument("cases", type=Path)
    serving.add_argument("--seconds", type=float, default=1e9, help="stop after the case that is asked then")
    serving.add_argument("--json", type=Path, required=True)
    telling = commands.add_parser("report")
    telling.add_argument("answers", type=Path, nargs="+")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MIDFILL_CACHE"] = cache
        if options.command == "make":
            cases = [case for folder in options.folders for case in made(folder, options.each, options.seed)]
            random.Random(options.seed).shuffle(cases)
            options.cases.write_text("".join(f"{json.dumps(case)}\n" for case in cases))
            print(Counter((Path(case["root"]).name, case["kind"]) for case in cases))
        elif options.command == "ask":
            ask(options)
        elif options.command == "serve":
            with own_host():
                asyncio.run(serve(options))
        else:
            report([answer for path in options.answers for answer in json.loads(path.read_text())])


def made(root: Path, each: int, seed: int) -> list[dict[str, Any]]:
    """Cases from one package, at most two a file."""
    root = root.resolve()
    update(root)
    workspace = Workspace(root, Reader(database(root)), {})
    paths = sorted(path for path in root.rglob("*.py") if not {"tests", "docs", "examples"} & {*path.parts})
    found = [case for path in paths for case in _of_file(root, path, workspace)]
    random.Random(seed).shuffle(found)
    chosen: list[dict[str, Any]] = []
    for case in found:
        kinds = sum(other["kind"] == case["kind"] for other in chosen)
        files = sum(other["path"] == case["path"] for other in chosen)
        lines = any(other["path"] == case["path"] and abs(other["line"] - case["line"]) < 15 for other in chosen)
        if kinds < each and files < 3 and not lines:
            chosen.append(case)
    return chosen


def _of_file(root: Path, file: Path, workspace: Workspace) -> Iterator[dict[str, Any]]:
    text = file.read_text("utf-8")
    path = file.relative_to(root).as_posix()
    document = Document.open(file.as_uri(), None, 1, text)
    own = extract(document, path)
    everything = context.gather(document, path, len(document.text) // 2, workspace, 100_000)
    told = {symbol.name for symbol in everything.told if not symbol.container}
    imported = {each.alias or each.name for each in own.imports if each.name in told} - {None}
    names = {symbol.name for symbol in own.symbols}
    inside = _code_lines(text)
    at = 0
    for number, line in enumerate(text.splitlines(keepends=True)):
        start, at = at, at + len(line)
        code = line.rstrip()
        if number not in inside or "#" in code or not 16 < len(code.strip()) < 100:
            continue
        places: list[tuple[str, int]] = []
        for match in re.finditer(r"(?<![\w.\"'])([A-Za-z_]\w*)(\(?)", code):
            if match[1] in imported:
                places += [("line", len(code) - len(code.lstrip())), ("name", match.start())]
                places += [("call", match.end())] if match[2] and not code[match.end() :].startswith(")") else []
        for match in re.finditer(r"(?<=[\w\])])\.([a-z]\w+)\(", code):
            definers = {symbol.path for symbol in workspace.named([match[1]]) if symbol.container}
            if definers and path not in definers and match[1] not in names | BUILT_IN:
                places.append(("member", match.start(1)))
        for kind, column in dict.fromkeys(places):
            if len(code) - column < 4:
                continue
            yield {
                "id": f"{root.name}/{path}:{number + 1}:{column}",
                "kind": kind,
                "root": str(root),
                "path": path,
                "line": number,
                "prefix": text[: start + column],
                "middle": code[column:],
                "suffix": text[start + len(code) :],
            }


def _code_lines(text: str) -> set[int]:
    """The lines, from 0, on which a statement inside a function stands alone."""
    lines: set[int] = set()
    for unit in ast.walk(ast.parse(text)):
        if isinstance(unit, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(unit):
                simple = ast.Assign | ast.Return | ast.Expr | ast.AugAssign | ast.AnnAssign | ast.Raise
                docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
                alone = isinstance(node, simple) and node.lineno == node.end_lineno and not docstring
                header = isinstance(node, ast.If | ast.For) and node.body[0].lineno > node.lineno
                if alone or header:
                    lines.add(node.lineno - 1)
    return lines


async def serve(options: argparse.Namespace) -> None:
    """What is shown while one types at a place that was read before, in a window with an index and one without."""
    answers, known = _answered_before(options)
    async with contextlib.AsyncExitStack() as stack:
        windows: dict[tuple[str, str], Editor] = {}
        for case in _cases(options, answers):
            root = Path(case["root"])
            for name in ("without", "with index"):
                if (case["id"], name) in known:
                    continue
                if (case["root"], name) not in windows:
                    # The window finds an index that needs no more than to be looked through.
                    update(root)
                    opened = editor(root, {"index": name == "with index"})
                    windows[case["root"], name] = await stack.enter_async_context(opened)
                    await asyncio.sleep(3)
                answers.append({**await shown(windows[case["root"], name], root, case), "variant": name})
    report(answers)


def _answered_before(options: argparse.Namespace) -> tuple[list[dict[str, Any]], set[tuple[str, str]]]:
    """The answers that the file has already, and of which cases and variants they are."""
    answers = json.loads(options.json.read_text()) if options.json.exists() else []
    return answers, {(answer["id"], answer["variant"]) for answer in answers}


def _cases(options: argparse.Namespace, answers: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The cases, as long as there is time; the answers are written behind each of them."""
    cases = [json.loads(line) for line in options.cases.read_text("utf-8").splitlines()]
    started = time.perf_counter()
    for number, case in enumerate(cases, 1):
        yield case
        print(f"\r{number}/{len(cases)}", end="", file=sys.stderr)
        options.json.write_text(json.dumps(answers, indent=1))
        if time.perf_counter() - started > options.seconds:
            break
    print(file=sys.stderr)


async def shown(window: Editor, root: Path, case: dict[str, Any]) -> dict[str, Any]:
    document = window.open(root / case["path"], case["prefix"] + case["suffix"])
    at = document.text.position(len(case["prefix"].encode()), Encoding.UTF32)
    window.move_cursor(document, at)
    await read_ahead()
    items = await window.complete(document, at, invoked=False)
    told = await window.explain(document)
    text = str(items[0].insert_text) if items else ""
    middle = case["middle"].rstrip()
    return {
        "id": case["id"],
        "kind": case["kind"],
        "exact": text.rstrip() == middle,
        "tokens": told["prompt"]["tokens"],
        "gather_ms": told["millis"]["context"],
        "text": text,
        "middle": middle,
    }


def ask(options: argparse.Namespace) -> None:
    variants = dict(_variant(text) for text in options.variant or ["none:form=0", "repository"])
    answers, known = _answered_before(options)
    entry = catalog.find(options.model)
    info = app.ModelInfo(entry.name, entry.family, 8192)
    model = load(app.ModelFile(info, catalog.present(entry)), lambda _: None, Threads(2))
    workspaces: dict[str, Workspace] = {}
    for case in _cases(options, answers):
        root = Path(case["root"])
        if case["root"] not in workspaces:
            update(root)
            workspaces[case["root"]] = Workspace(root, Reader(database(root)), {})
        for name, settings in variants.items():
            if (case["id"], name) in known:
                continue
            answer = answered(model, entry.family, case, settings, workspaces[case["root"]])
            answers.append({**answer, "variant": name})
    report(answers)


def _variant(text: str) -> tuple[str, dict[str, int]]:
    name, _, settings = text.partition(":")
    chosen = dict(DEFAULTS)
    for setting in filter(None, settings.split(",")):
        key, _, value = setting.partition("=")
        if key not in DEFAULTS:
            sys.exit(f"There is no setting {key!r}; choose from {', '.join(DEFAULTS)}.")
        chosen[key] = int(value)
    return name, chosen


def answered(
    model: LlamaModel, family: str, case: dict[str, Any], settings: dict[str, int], workspace: Workspace
) -> dict[str, Any]:
    root = Path(case["root"])
    document = Document.open((root / case["path"]).as_uri(), None, 1, case["prefix"] + case["suffix"])
    cursor = len(case["prefix"].encode())
    window = fresh(document, cursor, (), Budget(settings["before"], settings["after"]))
    told = context.NOTHING
    began = time.perf_counter()
    if settings["form"]:
        edits = edited(case, settings["edits"], cursor)
        told = context.gather(document, case["path"], cursor, workspace, settings["budget"], edits=edits)
    gathered = time.perf_counter()
    parts = prompt(document, case["path"], root.name, window, told, family, settings)
    request = Request("complete", "", parts, 64, heal=True, stop=("\n",))
    chunks: list[Chunk] = []
    generate(model, request, Usage(), chunks.append)
    text = "".join(chunk.text for chunk in chunks).split("\n")[0].rstrip()
    middle = case["middle"].rstrip()
    return {
        "id": case["id"],
        "kind": case["kind"],
        "exact": text == middle,
        "tokens": chunks[-1].usage.prompt,
        "context": told.size,
        "gather_ms": (gathered - began) * 1000,
        "text": text,
        "middle": middle,
    }


def edited(case: dict[str, Any], most: int, cursor: int) -> list[context.Fragment]:
    """Places of the package, out of sight of the cursor, that could have been edited just before."""
    if not most:
        return []
    root = Path(case["root"])
    dice = random.Random(case["id"])
    names = set(re.findall(r"[A-Za-z_]\w{3,}", case["middle"])) - {"self", "None", "True", "False", "return"}
    places: list[Place] = []
    for path in sorted(root.rglob("*.py")):
        document = Document.open(path.as_uri(), None, 1, path.read_text("utf-8"))
        own = path == root / case["path"]
        for number, line in enumerate(str(document.text).splitlines()):
            used = not names.isdisjoint(re.findall(r"\w+", line)) and not line.startswith(("import", "from"))
            far = not own or abs(document.text.line_start(number) - cursor) > 4500
            if far and (used if most > 0 else line.strip()):
                places.append(Place(document, number))
    dice.shuffle(places)
    chosen = ((Path(url2pathname(urlsplit(place.document.uri).path)), place) for place in places[: abs(most)])
    return [context.Fragment(path.relative_to(root).as_posix(), place.text) for path, place in chosen]


def prompt(
    document: Document,
    path: str,
    name: str,
    window: Window,
    told: context.Context,
    family: str,
    settings: dict[str, int],
) -> tuple[Part, ...]:
    before = fim.readable(window.before)
    if settings["imports"]:
        before = context.imports_above(document, path, window.anchor - len(window.before)) + before
    if settings["form"] in (2, 3):
        mark = document.language.line_comments[0] if document.language else "#"
        head = "".join(f"{mark} {each.path}\n{each.text}\n" for each in told.fragments)
        if settings["form"] == 3:
            head = "".join(
                f"{mark} {line}\n" for line in head.removesuffix("\n").replace(f"{mark} ", "").splitlines()
            )
        before = head + before
    parts = fim.prompt(
        fim.family(family),
        before_anchor=before,
        typed=fim.readable(document.text.data[window.anchor : window.cursor]),
        after_cursor=fim.readable(window.after),
    )
    if settings["form"] != 1 or not told.fragments:
        return parts
    files = [(each.path, each.text) for each in told.fragments]
    head = [Part("<|repo_name|>", control=True), Part(f"{name}\n")]
    for where, text in [*files, (path, "")]:
        head += [Part("<|file_sep|>", control=True), Part(f"{where}\n{text}")]
    return (*head, *parts)


def report(answers: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(answer["variant"] for answer in answers))
    cases = list(dict.fromkeys(answer["id"] for answer in answers))
    by = {(answer["id"], answer["variant"]): answer for answer in answers}
    for case in cases:
        marks = " ".join("+" if by[case, name]["exact"] else "." for name in names if (case, name) in by)
        print(f"{marks}  {by[case, names[0]]['kind']:6} {case}  {by[case, names[0]]['middle']}")
    print(
        f"\n{'variant':16} {'n':>4} {'exact':>6} {'won':>4} {'lost':>5} {'tokens':>7} {'gather ms':>9}  ", *KINDS
    )
    for name in names:
        mine = [by[case, name] for case in cases if (case, name) in by]
        won = sum(answer["exact"] > by[answer["id"], names[0]]["exact"] for answer in mine)
        lost = sum(answer["exact"] < by[answer["id"], names[0]]["exact"] for answer in mine)
        kinds = [[answer["exact"] for answer in mine if answer["kind"] == kind] for kind in KINDS]
        each = " ".join(f"{fmean(of):.2f}" if of else "   -" for of in kinds)
        tokens, gather = median(a["tokens"] for a in mine), median(a["gather_ms"] for a in mine)
        exact = fmean(a["exact"] for a in mine)
        print(f"{name:16} {len(mine):4} {exact:6.3f} {won:4} {lost:5} {tokens:7.0f} {gather:9.1f}  {each}")


if __name__ == "__main__":
    main()
