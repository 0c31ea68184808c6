"""The evaluation data as cases: a hole in a file, and how to tell whether it was filled well."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

HOLE = "{{completion}}"
DONE = "all checks have passed"
"""What a program prints at its very end, so that code which exits early has not passed."""


@dataclass(frozen=True)
class Kind:
    """One sort of hole. `invoked`: the user asks for it; else it is suggested while typing.

    `one_line`: the others write to the end of the line only. `tested`: programs decide, not the text.
    """

    name: str
    file: str
    invoked: bool
    one_line: bool
    tested: bool


# Whoever wants the rest of a line types and gets it: automatic. Whoever wants lines asks for them: a block while
# typing is cut short after half of the latency target, on purpose. The other trigger is measured beside it.
KINDS = {
    kind.name: kind
    for kind in (
        Kind("eol", "real_code_fim", invoked=False, one_line=True, tested=False),
        Kind("midword", "real_code_fim", invoked=False, one_line=True, tested=False),
        Kind("line", "real_code_fim", invoked=False, one_line=True, tested=False),
        Kind("span", "real_code_fim", invoked=False, one_line=True, tested=False),
        Kind("block", "real_code_fim", invoked=True, one_line=False, tested=False),
        Kind("HE single line", "humaneval_infilling_single_line", invoked=False, one_line=False, tested=True),
        Kind("HE multi line", "humaneval_infilling_multi_line", invoked=True, one_line=False, tested=True),
        Kind("HE random span", "humaneval_infilling_random_span", invoked=True, one_line=False, tested=True),
        Kind("SAFIM api", "safim_api", invoked=False, one_line=True, tested=False),
        Kind("SAFIM control", "safim_control", invoked=False, one_line=False, tested=True),
        Kind("SAFIM block", "safim_block", invoked=True, one_line=False, tested=True),
    )
}


@dataclass(frozen=True)
class Check:
    """A program to run: the file and `code` behind it. `expected`: the outputs for `stdin` that are right."""

    code: str = ""
    stdin: str = ""
    expected: tuple[str, ...] = (DONE,)


@dataclass(frozen=True)
class Case:
    """A file with a hole: `prefix`, `middle` to be found, `suffix`. Line ends are \\n.

    `gap` stands between cursor and suffix in an editor: where a hole is whole lines, the editor has an empty line.
    """

    id: str
    kind: str
    path: str
    prefix: str
    middle: str
    suffix: str
    gap: str = ""
    checks: tuple[Check, ...] = ()

    @property
    def buffer(self) -> str:
        return self.prefix + self.gap + self.suffix


def load(folder: Path, kinds: Iterable[str] = tuple(KINDS), limit: int | None = None, seed: int = 1) -> list[Case]:
    """At most `limit` cases of each kind, drawn by `seed`. Kinds take turns: any beginning is a fair sample."""
    by_kind = []
    for name in kinds:
        rows = _rows(folder / f"{KINDS[name].file}.jsonl")
        cases = [case for case in (parse(name, row) for row in rows) if case.kind == name]
        random.Random(f"{seed} {name}").shuffle(cases)
        by_kind.append(cases[:limit])
    return [case for case in chain.from_iterable(zip_longest(*by_kind)) if case]


def parse(kind: str, row: dict[str, Any]) -> Case:
    """A line of the data; of a file that holds several kinds, `kind` of the result is the row's own."""
    file = KINDS[kind].file
    if file.startswith("safim"):
        prefix, suffix = _plain(row["eval_prompt"]).split(HOLE)
        tests = row["unit_tests"] or ()
        checks = tuple(Check("", _plain(test["input"]), tuple(map(_plain, test["output"]))) for test in tests)
        return Case(
            f"{kind}/{row['task_id']}", kind, "main.py", prefix, _plain(row["ground_truth"]), suffix, "", checks
        )
    if file.startswith("humaneval"):
        prefix, suffix = row["prompt"], row["suffix"]
        whole_lines = prefix.endswith("\n") and row["canonical_solution"].endswith("\n")
        middle = row["canonical_solution"].removesuffix("\n") if whole_lines else row["canonical_solution"]
        check = Check(f"\n{row['test']}\ncheck({row['entry_point']})\nprint({DONE!r})\n")
        return Case(row["task_id"], kind, "main.py", prefix, middle, suffix, "\n" * whole_lines, (check,))
    path, texts = row["path"].rsplit("/", 1)[-1], (_plain(row[key]) for key in ("prefix", "middle", "suffix"))
    return Case(f"{row['id']}/{row['kind']}", row["kind"], path, *texts)


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
