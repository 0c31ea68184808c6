"""Offsets, positions, edits and indentation.

Inside Midfill every offset is a count of UTF-8 bytes, because tree-sitter counts so. Only a `Position` counts in
the encoding that the editor negotiated. Lone surrogates, which JSON strings may hold, are kept as three bytes.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import accumulate, pairwise
from typing import Self

TAB = 4
"""The width of a tab, in columns."""


class Encoding(StrEnum):
    """What `Position.character` counts: bytes, UTF-16 code units or code points."""

    UTF8 = "utf-8"
    UTF16 = "utf-16"
    UTF32 = "utf-32"


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A zero-based line and character, the latter in some `Encoding`."""

    line: int
    character: int


@dataclass(frozen=True, slots=True)
class Range:
    """From `start` up to, not including, `end`."""

    start: Position
    end: Position


@dataclass(frozen=True, slots=True)
class Change:
    """What an editor says has changed; without a range, the text replaces the whole document."""

    range: Range | None
    text: str


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the bytes `start..end` by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """An immutable text with an index of its lines. A line ends with \\n, \\r\\n or \\r, as in LSP.

    The index is a gap buffer. The starts of the lines before the gap (`_head`) count from the start of the text,
    those of the lines after it (`_tail`) count back from its end, so that an edit inside the gap moves neither.
    """

    data: bytes
    _head: array[int] = field(repr=False, compare=False)
    _tail: array[int] = field(repr=False, compare=False)
    _rows_are_lines: bool = field(repr=False, compare=False)

    @classmethod
    def of(cls, text: str) -> Self:
        data = _encode(text)
        head = array("Q", [0, *_line_starts(data, 1, len(data))])
        return cls(data, head, array("Q"), len(head) == data.count(b"\n") + 1)

    def __len__(self) -> int:
        """The length in bytes."""
        return len(self.data)

    def __str__(self) -> str:
        return _decode(self.data)

    def slice(self, start: int = 0, end: int | None = None) -> str:
        """The text between two offsets; one inside a character counts as the character's start."""
        end = len(self.data) if end is None else end
        return _decode(self.data[self.boundary(start) : self.boundary(end)])

    def boundary(self, offset: int) -> int:
        """The last offset up to this one, inside the text, at which a character begins or the text ends."""
        offset = max(0, min(offset, len(self.data)))
        while 0 < offset < len(self.data) and self.data[offset] & 0xC0 == 0x80:
            offset -= 1
        return offset

    @property
    def line_count(self) -> int:
        """At least 1; a text that ends with a terminator has an empty last line."""
        return len(self._head) + len(self._tail)

    @property
    def newline(self) -> str:
        """The terminator that most lines have; \\n when there is none."""
        if b"\r" not in self.data:
            return "\n"
        crlf = self.data.count(b"\r\n")
        counts = {"\n": self.data.count(b"\n") - crlf, "\r\n": crlf, "\r": self.data.count(b"\r") - crlf}
        return max(counts, key=counts.__getitem__)

    def line_of(self, offset: int) -> int:
        """The line that holds the offset; a terminator belongs to the line it ends."""
        line = bisect_right(self._head, offset)
        if line == len(self._head):
            line += bisect_right(self._tail, offset - len(self.data), key=int.__neg__)
        return line - 1

    def line_start(self, line: int) -> int:
        """The offset at which a line begins; the end of the text for lines past the last."""
        if line < len(self._head):
            return self._head[line]
        line -= len(self._head)
        return len(self.data) - self._tail[line] if line < len(self._tail) else len(self.data)

    def line_end(self, line: int) -> int:
        """The offset before the line's terminator."""
        end = self.line_start(line + 1)
        start = self.line_start(line)
        if end > start and self.data[end - 1] == 0x0A:
            end -= 1
            return end - 1 if end > start and self.data[end - 1] == 0x0D else end
        return end - 1 if end > start and self.data[end - 1] == 0x0D else end

    def line(self, line: int) -> str:
        """A line without its terminator; empty past the last."""
        return _decode(self.data[self.line_start(line) : self.line_end(line)])

    def offset(self, position: Position, encoding: Encoding) -> int:
        """The offset of a position, clamped to the line's end and the text's end, and to a character's start."""
        if position.line >= self.line_count:
            return len(self.data)
        start, end = self.line_start(position.line), self.line_end(position.line)
        character = max(0, position.character)
        if encoding is Encoding.UTF8:
            return self.boundary(min(start + character, end))
        line = self.data[start:end]
        if line.isascii():
            return min(start + character, end)
        decoded = _decode(line)
        index = _index_of_unit(decoded, character) if encoding is Encoding.UTF16 else character
        return start + len(_encode(decoded[:index]))

    def position(self, offset: int, encoding: Encoding) -> Position:
        """The position of an offset, clamped to the text and to a character's start.

        An offset inside a terminator is given as the end of its line, since LSP has no position there.
        """
        offset = self.boundary(offset)
        line = self.line_of(offset)
        before = self.data[self.line_start(line) : min(offset, self.line_end(line))]
        if encoding is Encoding.UTF8 or before.isascii():
            return Position(line, len(before))
        decoded = _decode(before)
        pairs = len(_ASTRAL.findall(decoded)) if encoding is Encoding.UTF16 else 0
        return Position(line, len(decoded) + pairs)

    def point(self, offset: int) -> tuple[int, int]:
        """Tree-sitter's row and byte column. Its rows end with \\n alone."""
        if self._rows_are_lines:
            line = self.line_of(offset)
            return line, offset - self.line_start(line)
        return self.data.count(b"\n", 0, offset), offset - (self.data.rfind(b"\n", 0, offset) + 1)

    def replace(self, edit: Edit) -> Text:
        """The text after one edit. Raises ValueError for a range that is reversed or outside the text.

        Costs a copy of the text and of the index, both by memcpy, and a step for every line between this edit
        and the one before it.
        """
        start, end, size = edit.start, edit.end, len(self.data)
        if not 0 <= start <= end <= size:
            raise ValueError(f"the edit {start}..{end} is outside the text's {size} bytes")
        inserted = _encode(edit.text)
        data = b"".join((self.data[:start], inserted, self.data[end:]))
        # Whether a line starts at p depends on the bytes p-1 and p alone, so the starts in start..end are those
        # to find anew.
        first, after = self._first_start(start), self._first_start(end + 1)
        starts = array("Q", [0] if start == 0 else [])
        starts.extend(_line_starts(data, max(start, 1), start + len(inserted)))
        tail = self._starts_from_end(after)
        rows_are_lines = self._rows_are_lines and b"\r" not in data[max(0, start - 1) : start + len(inserted) + 1]
        return Text(data, self._starts_up_to(first) + starts, tail, rows_are_lines)

    def _first_start(self, offset: int) -> int:
        """The first line that starts at the offset or after it."""
        line = bisect_left(self._head, offset)
        if line == len(self._head):
            line += bisect_left(self._tail, offset - len(self.data), key=int.__neg__)
        return line

    def _starts_up_to(self, line: int) -> array[int]:
        """The starts of the lines before this one, from the start of the text."""
        moved = self._tail[: max(0, line - len(self._head))]
        size = len(self.data)
        return self._head[:line] + array("Q", [size - back for back in moved])

    def _starts_from_end(self, line: int) -> array[int]:
        """The starts of this line and those after it, from the end of the text."""
        size = len(self.data)
        moved = array("Q", [size - start for start in self._head[line:]])
        return moved + self._tail[max(0, line - len(self._head)) :]


def apply(text: Text, edits: Sequence[Edit]) -> Text:
    """The text after edits given in its own offsets, in any order. Insertions at one place keep their order.

    Raises ValueError when two edits overlap or one is outside the text.
    """
    ordered = in_order(edits)
    for edit in reversed(ordered):
        text = text.replace(edit)
    return text


def in_order(edits: Iterable[Edit]) -> list[Edit]:
    """The edits from first to last. Raises ValueError when two overlap."""
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    for before, after in pairwise(ordered):
        if after.start < before.end:
            raise ValueError(f"the edits {before.start}..{before.end} and {after.start}..{after.end} overlap")
    return ordered


def split_lines(text: str) -> list[str]:
    """The lines with their terminators, which are LSP's; `str.splitlines` knows many more."""
    return _LINE.findall(text)


def is_blank(line: str) -> bool:
    """Whether a line holds nothing but white space."""
    return not line.strip()


def indentation(line: str) -> str:
    """The spaces and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def columns(indentation: str) -> int:
    """The width of leading white space, a tab being `TAB` columns."""
    return len(indentation.expandtabs(TAB))


def dedent(block: str) -> tuple[str, str]:
    """The block without the indentation that its lines share, and that indentation.

    Blank lines have no say and stay as they are, so that `indent` restores every byte.
    """
    lines = split_lines(block)
    indents = [indentation(line) for line in lines if not is_blank(line)]
    low, high = min(indents, default=""), max(indents, default="")
    shared = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return "".join(line if is_blank(line) else line[shared:] for line in lines), low[:shared]


def indent(block: str, indentation: str) -> str:
    """The block with the indentation before each line that is not blank."""
    return "".join(line if is_blank(line) else indentation + line for line in split_lines(block))


_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _line_starts(data: bytes, low: int, high: int) -> Iterable[int]:
    """The offsets in `low..high`, both included and `low` at least 1, at which a line follows a terminator."""
    # The byte after `high` decides whether a \r at its end stands alone.
    lines = data[low - 1 : high + 1].splitlines(keepends=True)
    if not lines:
        return ()
    ends = list(accumulate(map(len, lines), initial=low - 1))[1:]
    if ends[-1] > high or lines[-1][-1:] not in (b"\n", b"\r"):
        ends.pop()
    return ends


def _index_of_unit(line: str, unit: int) -> int:
    """The index of the character that holds a UTF-16 code unit."""
    pairs = 0
    for match in _ASTRAL.finditer(line):
        index = match.start()
        if unit <= index + pairs:
            break
        pairs += 1
    return unit - pairs
