"""How good a filled hole is."""

from __future__ import annotations

import difflib
import functools
import math
from dataclasses import dataclass

import sandbox
from data import DONE, KINDS, Case, Check

from midfill.document import Document
from midfill.syntax import error_count


@dataclass(frozen=True)
class Answer:
    """What a system makes of a hole: `text` in place of `start..end` of `buffer`; code points.

    `raw` is what the model wrote, if that is known to be something else. `reason`: why there is no text.
    """

    buffer: str
    text: str
    start: int
    end: int
    reason: str | None = None
    confidence: float | None = None
    raw: str | None = None
    millis: float = 0.0
    evaluated: int = 0
    generated: int = 0
    weakest: float | None = None

    @property
    def final(self) -> str:
        """The file that the user would have."""
        return self.buffer[: self.start] + self.text + self.buffer[self.end :]


@dataclass(frozen=True)
class Score:
    """`right`: the tests pass, where there are some, else the text is the expected one."""

    right: bool
    exact: bool
    similar: float
    parses: bool
    shown: bool


def score(case: Case, answer: Answer) -> Score:
    final = answer.final
    middle, expected = filling(case, answer).rstrip(), case.middle.rstrip()
    exact = middle == expected
    right = passes(case, final) if KINDS[case.kind].tested else exact
    similar = difflib.SequenceMatcher(None, middle, expected, autojunk=False).ratio()
    return Score(right, exact, similar, parses(case, final), bool(answer.text.strip()))


def filling(case: Case, answer: Answer) -> str:
    """What stands in the hole afterwards, without closers behind the cursor that a suggestion brings itself."""
    final, after = answer.final, case.gap + case.suffix
    if len(final) >= len(case.prefix) + len(after) and final.startswith(case.prefix) and final.endswith(after):
        return final[len(case.prefix) : len(final) - len(after)]
    return answer.text


def parses(case: Case, final: str) -> bool:
    """No more syntax errors than the original file has."""
    return _errors(case.path, final) <= _errors(case.path, case.prefix + case.middle + case.gap + case.suffix)


def passes(case: Case, final: str) -> bool:
    return all(_passes(check, final) for check in case.checks)


def mcnemar(won: int, lost: int) -> float:
    """How likely so uneven a split is where neither side is better (exact, two-sided)."""
    n = won + lost
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1)) / 2**n
    return min(1.0, 2 * tail)


@functools.cache
def _passes(check: Check, final: str) -> bool:
    outcome = sandbox.run(final + check.code, check.stdin)
    words = outcome.output.split()
    if check.code:
        return outcome.ended == "ok" and words[-len(DONE.split()) :] == DONE.split()
    return outcome.ended == "ok" and any(words == expected.split() for expected in check.expected)


@functools.lru_cache(maxsize=1024)
def _errors(path: str, text: str) -> int:
    return error_count(Document.open(f"file:///{path}", None, 1, text))
