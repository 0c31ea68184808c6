"""What the model writes, as it comes: where it ends, and what of it is worth showing."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from midfill.completion import fim, postprocess
from midfill.completion.trigger import Block, Line
from midfill.document import Document
from midfill.engine.base import Chunk
from midfill.syntax import error_count, kind_at
from midfill.text import Edit

# How many bytes behind the cursor a suggestion is compared with.
_FOLLOWING = 1500


@dataclass(frozen=True)
class Suggestion:
    """Text in place of the `replaces` bytes behind the cursor, which are closers that it contains itself."""

    text: str
    replaces: int = 0


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
        self._likelihood: defaultdict[int, list[float]] = defaultdict(list)
        self._began: float | None = None

    def add(self, chunk: Chunk) -> None:
        index = chunk.index
        self._began = self._began or time.perf_counter()
        if index in self.ended:
            return
        self.raw[index] += chunk.text
        if chunk.text:
            self._likelihood[index].append(chunk.logprob)
        raw = self.raw[index]
        end: int | None = None
        if isinstance(self._want, Block) and "\n" in raw:
            if "\n" in chunk.text:
                end = postprocess.block_end(raw, self._want, self._after, _in_string(self._document, self._cursor))
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
        """The distinct ones worth showing, the one that the model thinks likeliest first."""
        found: dict[str, Suggestion] = {}
        rank = {index: fmean(values) for index, values in self._likelihood.items()}
        for index in sorted(self.ended, key=lambda index: (index != 0, -rank.get(index, 0.0))):
            raw = self.raw[index][: self.ended[index]]
            suggestion = _clean(
                self._document, self._cursor, self._want, raw, self._after, index in self._cut_short
            )
            if suggestion.text:
                found.setdefault(suggestion.text, suggestion)
        return list(found.values())


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
        text = postprocess.longest_sound(text.rstrip(), _adds_no_error(document, cursor))
    line_start = document.text.line_start(document.text.line_of(cursor))
    text = postprocess.without_following_lines(text, document.text.slice(line_start, cursor), after)
    text = text if text.strip() else ""
    return Suggestion(text.replace("\n", document.text.newline), replaces)


def _adds_no_error(document: Document, cursor: int) -> Callable[[str], bool]:
    before = error_count(document)
    return lambda text: error_count(document.edited([Edit(cursor, cursor, text)])) <= before


def _in_string(document: Document, cursor: int) -> Callable[[str], bool]:
    """Whether the end of a text inserted at the cursor is inside a string."""

    def in_string(text: str) -> bool:
        edited = document.edited([Edit(cursor, cursor, text)])
        return kind_at(edited, cursor + len(text.encode("utf-8", "surrogatepass"))) == "string"

    return in_string
