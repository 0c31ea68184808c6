"""What the model writes, as it comes: where it ends, and what of it is worth showing."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from statistics import fmean

from midfill.completion import fim, postprocess
from midfill.completion.result import Suggestion
from midfill.completion.trigger import Block, Line
from midfill.document import Document
from midfill.engine.base import Chunk
from midfill.syntax import error_count, kind_at
from midfill.text import Edit

# How many bytes behind the cursor a suggestion is compared with.
_FOLLOWING = 1500
# What begins with more blank lines, or with more tokens of white space, than these has nothing to say.
_BLANK_LINES, _BLANKS = 3, 8


class Answer:
    """What the model has written so far, alternative by alternative, and where each ends.

    `most_ms`: after so many milliseconds of writing a block, the lines that are complete must do.
    """

    def __init__(self, document: Document, cursor: int, want: Line | Block, most_ms: float | None) -> None:
        self.raw: defaultdict[int, str] = defaultdict(str)
        self.ended: dict[int, int] = {}
        self._document, self._cursor, self._want, self._most_ms = document.seen_at(cursor), cursor, want, most_ms
        text = document.text
        self._after = fim.readable(text.data[cursor : text.boundary(min(cursor + _FOLLOWING, len(text)))])
        self._cut_short: set[int] = set()
        # Of each piece of text where it begins and the logarithm of its probability.
        self._pieces: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        self._began: float | None = None

    def add(self, chunk: Chunk) -> None:
        if chunk.finish == "deadline":
            for index in {chunk.index, *self.raw} - set(self.ended):
                self.ended[index] = len(self.raw[index])
                self._cut_short.add(index)
            return
        index = chunk.index
        self._began = self._began or time.perf_counter()
        if index in self.ended:
            return
        if chunk.text:
            self._pieces[index].append((len(self.raw[index]), chunk.logprob))
        self.raw[index] += chunk.text
        raw = self.raw[index]
        end: int | None = None
        if not raw.strip() and (raw.count("\n") > _BLANK_LINES or len(self._pieces[index]) > _BLANKS):
            end = 0
        elif isinstance(self._want, Block) and "\n" in raw:
            if "\n" in chunk.text:
                end = postprocess.block_end(raw, self._want, self._after, _goes_on(self._document, self._cursor))
            if (
                end is None
                and self._most_ms is not None
                and (time.perf_counter() - self._began) * 1000 > self._most_ms
            ):
                # Better the beginning of the block in time than all of it too late.
                end = raw.rindex("\n") if raw.strip() and raw[: raw.rindex("\n")].strip() else None
        if end is None and chunk.finish:
            end = len(raw)
            if chunk.finish == "length":
                self._cut_short.add(index)
        if end is not None:
            self.ended[index] = end

    @property
    def complete(self) -> bool:
        """Whether nothing more is needed. The alternatives begin before the first one goes on."""
        return 0 in self.ended and len(self.ended) == len(self.raw)

    def suggestions(self) -> list[Suggestion]:
        """The distinct ones worth showing: first what the model wrote by itself, then the likelier ones."""
        found: dict[str, Suggestion] = {}
        for index in sorted(self.ended):
            raw = self.raw[index][: self.ended[index]]
            suggestion = _clean(
                self._document, self._cursor, self._want, raw, self._after, index in self._cut_short
            )
            if suggestion.text:
                confidence = self._confidence(index, len(suggestion.text))
                found.setdefault(suggestion.text.strip(), replace(suggestion, confidence=confidence))
        first = list(found.values())[:1] if 0 in self.ended else []
        others = [suggestion for suggestion in found.values() if suggestion not in first]
        return [*first, *sorted(others, key=lambda suggestion: -suggestion.confidence)]

    def _confidence(self, index: int, length: int) -> float:
        """Over the pieces of which the first `length` characters consist."""
        logprobs = [logprob for start, logprob in self._pieces[index] if start < length]
        return math.exp(fmean(logprobs)) if logprobs else 0.0


def _clean(
    document: Document, cursor: int, want: Line | Block, text: str, after: str, cut_short: bool
) -> Suggestion:
    """What is left of the model's text; empty when nothing is worth showing."""
    replaces = 0
    if isinstance(want, Line):
        text, replaces = postprocess.fitted(text.rstrip(), want.tail)
    else:
        if cut_short:
            text = postprocess.without_last_line(text)
        text = postprocess.soundest(text.rstrip(), _errors_with(document, cursor), error_count(document))
    line_start = document.text.line_start(document.text.line_of(cursor))
    text = postprocess.without_following_lines(text, document.text.slice(line_start, cursor), after)
    text = text if text.strip() else ""
    return Suggestion(text.replace("\n", document.text.newline), replaces)


def _errors_with(document: Document, cursor: int) -> Callable[[str], int]:
    """How many syntax errors there are with a text inserted at the cursor."""
    return lambda text: error_count(document.edited([Edit(cursor, cursor, text)]))


def _goes_on(document: Document, cursor: int) -> Callable[[str], bool]:
    """Whether a block goes on behind a text inserted at the cursor: in a string, or while it mends nothing."""
    before = error_count(document)

    def goes_on(text: str) -> bool:
        edited = document.edited([Edit(cursor, cursor, text)])
        if kind_at(edited, cursor + len(text.encode("utf-8", "surrogatepass"))) == "string":
            return True
        return 0 < before <= error_count(edited)

    return goes_on
