"""What a person types: keystrokes in real files, as an editor with auto-closing brackets sends them.

Pieces of a file are cut out and typed again, with mistakes that are taken back, jumps, and other files in between.
Everything follows from a seed, and after the last keystroke every file is what it was at first.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from midfill.text import Edit, Encoding, Position, Text, indentation, is_blank

Kind = Literal[
    "cold",  # the first request in a file, right after it was opened
    "jump",  # the cursor is set somewhere else; nothing changes
    "cut",  # the piece that is typed next is taken out
    "type",  # a character is added, with its closing bracket or quote where the editor adds one
    "overtype",  # a closing character that the editor had added is typed or passed
    "newline",  # Enter, with the indentation that the editor adds
    "delete",  # a character, or white space that the editor had added, is taken back
    "switch",  # the first character after coming back from another file
]

TYPED: tuple[Kind, ...] = ("type", "overtype", "newline", "delete", "switch")
"""The keystrokes of somebody who writes, in contrast to those that go elsewhere."""

# How often a person mistypes a letter, and how often the next key comes before the answer to this one.
_MISTAKES = 0.03
_HURRY = 0.2
# How often a person looks what is suggested on a new line.
_LOOKS = 0.7
# So many keys are typed before another file is visited.
_STAY = (12, 24)
# A piece has so many lines, and rarely more bytes altogether or in its first line.
_LINES = (2, 5)
_LONGEST = 90
_LONGEST_FIRST = 30

_PAIRS = {"(": ")", "[": "]", "{": "}", '"': '"', "'": "'"}
_CLOSERS = frozenset(_PAIRS.values())
_QUOTES = "\"'"


@dataclass(frozen=True, slots=True)
class Key:
    """One keystroke in the file with index `file`.

    The range `start..end` is replaced by `text`; a key that changes nothing has an empty range and no text.
    `cursor` is where it leaves the cursor. Positions count code points. `hurried`: the next key comes before an
    answer can.
    """

    kind: Kind
    file: int
    start: Position
    end: Position
    text: str
    cursor: Position
    hurried: bool = False

    @property
    def changes(self) -> bool:
        return self.start != self.end or self.text != ""


def script(texts: Sequence[str], count: int, seed: int) -> list[Key]:
    """About `count` keystrokes in these files. A piece that is begun is typed to its end.

    Raises ValueError when a file has no line to type.
    """
    share = -(-count // len(texts))
    typed = [list(_typing(file, text, share, random.Random(f"{seed} {file}"))) for file, text in enumerate(texts)]
    return list(_in_visits(typed, random.Random(seed)))


def _in_visits(typed: Sequence[Sequence[Key]], chance: random.Random) -> Iterator[Key]:
    """The keys of all files, going from one file to another in the middle of a piece.

    The first character after coming back is the one that shows what the switch costs.
    """
    done = [0] * len(typed)
    last = -1
    while waiting := [file for file, keys in enumerate(typed) if done[file] < len(keys)]:
        file = chance.choice([file for file in waiting if file != last] or waiting)
        start, keys = done[file], typed[file]
        done[file] = end = _leave(keys, start + chance.randint(*_STAY))
        came_back = file != last and start > 0
        yield replace(keys[start], kind="switch") if came_back else keys[start]
        yield from keys[start + 1 : end]
        last = file


def _leave(keys: Sequence[Key], earliest: int) -> int:
    """The first place from `earliest` on between two characters, both of which are waited for."""
    for at in range(earliest, len(keys)):
        before, after = keys[at - 1 : at + 1]
        if (before.kind, after.kind) == ("type", "type") and not before.hurried and not after.hurried:
            return at
    return len(keys)


def _typing(file: int, text: str, count: int, chance: random.Random) -> Iterator[Key]:
    """At least `count` keystrokes in one file: a jump, a cut, and the piece typed again; then the next one."""
    buffer = _Buffer(file, Text.of(text))
    newline = buffer.text.newline
    kind: Kind = "cold"
    made = 0
    while made < count:
        start, end = _piece(buffer.text, min(_LONGEST, count - made), chance)
        piece = buffer.text.slice(start, end)
        yield buffer.go(end, kind)
        yield buffer.replace("cut", start, end, "")
        for key in (*_type(buffer, piece, newline, chance), *_look(buffer, newline, chance)):
            made += 1
            yield replace(key, hurried=True) if chance.random() < _HURRY else key
        kind = "jump"


def _look(buffer: _Buffer, newline: str, chance: random.Random) -> Iterator[Key]:
    """Often: Enter at the end of the line to see what is suggested there, and back again."""
    if chance.random() < _LOOKS:
        end = buffer.cursor
        yield buffer.replace("newline", end, end, newline + _indent(buffer.line_before(), buffer.unit))
        yield buffer.replace("delete", end, buffer.cursor, "")


def _piece(text: Text, longest: int, chance: random.Random) -> tuple[int, int]:
    """Where a piece begins and ends, in bytes: from a word of a line inside some body to the end of a line.

    It has at most `longest` bytes, or else is the last word of a line.
    """
    lines = [line for line in range(text.line_count) if not is_blank(text.line(line))]
    if not lines:
        raise ValueError("there is no line to type")
    inner = [line for line in lines if indentation(text.line(line))]
    first = chance.choice(inner or lines)
    line = text.line(first)
    words = [at for at, c in enumerate(line) if not c.isspace() and (at == 0 or not (line[at - 1] + c).isalnum())]
    near = [at for at in words if len(line.rstrip()) - at <= min(longest, _LONGEST_FIRST)] or words[-1:]
    # A third of the pieces begins with its line, the others inside it.
    at = near[0] if chance.random() < 0.33 else chance.choice(near)
    start = text.line_start(first) + len(line[:at].encode("utf-8", "surrogatepass"))
    most = first + chance.randint(*_LINES)
    ends = [_end_of_code(text, line) for line in lines if first <= line < most]
    return start, max((end for end in ends if end - start <= longest), default=ends[0])


def _end_of_code(text: Text, line: int) -> int:
    """The offset after a line's last character that is no white space."""
    return text.line_start(line) + len(text.line(line).rstrip().encode("utf-8", "surrogatepass"))


def _type(buffer: _Buffer, piece: str, newline: str, chance: random.Random) -> Iterator[Key]:
    """Type a piece at the cursor.

    `ahead` is what the editor has put behind the cursor: before it the piece is typed, and what is left of it at
    the end was not wanted.
    """
    ahead, rest = "", piece
    while rest:
        if rest.startswith(newline):
            ahead, rest = yield from _type_newline(buffer, ahead, rest, newline)
        else:
            ahead, rest = yield from _type_character(buffer, ahead, rest, chance)
    if ahead:
        yield buffer.replace("delete", buffer.cursor, buffer.cursor + len(ahead.encode()), "")


_Typed = Generator[Key, None, tuple[str, str]]
"""Keys, and in the end what is `ahead` and the rest that is to be typed."""


def _type_newline(buffer: _Buffer, ahead: str, rest: str, newline: str) -> _Typed:
    below = _closing_line(ahead, newline)
    if below and rest.startswith(below) and not buffer.indented:
        # The closing bracket is on the next line already.
        yield buffer.go(buffer.cursor + len(below.encode()), "overtype")
        return ahead[len(below) :], rest[len(below) :]
    if ahead and ahead[0] in _QUOTES:
        # A quote that is left over at the end of a line.
        yield buffer.replace("delete", buffer.cursor, buffer.cursor + 1, "")
        ahead = ahead[1:]
    rest = rest[len(newline) :]
    wanted = indentation(rest)
    line = buffer.line_before()
    added = _indent(line, buffer.unit)
    # The editor takes its own indentation off a line that stays blank.
    start = buffer.cursor - (len(line) if buffer.indented else 0)
    # Enter between two brackets puts the closing one on a line of its own.
    is_between = bool(line and ahead) and _PAIRS.get(line[-1]) == ahead[0]
    behind = newline + indentation(line) if is_between else ""
    yield buffer.replace("newline", start, buffer.cursor, newline + added, behind)
    if rest.startswith(newline):
        buffer.indented = True
    else:
        yield from _reindent(buffer, added, wanted)
        rest = rest[len(wanted) :]
    return behind + ahead, rest


def _type_character(buffer: _Buffer, ahead: str, rest: str, chance: random.Random) -> _Typed:
    char = rest[0]
    if leftover := _before_closer(ahead, char):
        yield buffer.replace("delete", buffer.cursor, buffer.cursor + len(leftover.encode()), "")
        ahead = ahead[len(leftover) :]
    if ahead[:1] == char and buffer.line_before()[-1:] != "\\":
        yield buffer.replace("overtype", buffer.cursor, buffer.cursor + 1, char)
        return ahead[1:], rest[1:]
    if _is_closed_by_the_editor(char, buffer):
        yield buffer.replace("type", buffer.cursor, buffer.cursor, char, _PAIRS[char])
        return _PAIRS[char] + ahead, rest[1:]
    if char.isalpha() and chance.random() < _MISTAKES:
        yield buffer.replace("type", buffer.cursor, buffer.cursor, chance.choice("aeionrst"))
        yield buffer.replace("delete", buffer.cursor - 1, buffer.cursor, "")
    yield buffer.replace("type", buffer.cursor, buffer.cursor, char)
    return ahead, rest[1:]


def _closing_line(ahead: str, newline: str) -> str:
    """The line break, indentation and closing bracket that an Enter between two brackets has put below."""
    bracket = len(newline) + len(indentation(ahead[len(newline) :])) if ahead.startswith(newline) else 0
    return ahead[: bracket + 1] if bracket else ""


def _before_closer(ahead: str, char: str) -> str:
    """What stands between the cursor and the closing character that is typed, and must go."""
    if char not in _CLOSERS or char not in ahead or (ahead[0] in _QUOTES and ahead[0] != char):
        return ""
    return ahead[: ahead.index(char)]


def _is_closed_by_the_editor(char: str, buffer: _Buffer) -> bool:
    """As VS Code does: only in front of white space or a closing bracket, and a quote only at a word's start."""
    if char not in _PAIRS:
        return False
    after = buffer.text.slice(buffer.cursor, buffer.cursor + 1)
    before = buffer.line_before()[-1:]
    if char in _QUOTES and (before.isalnum() or before in ("_", "\\", *_QUOTES)):
        return False
    return not after or after.isspace() or after in _CLOSERS


def _indent(line: str, unit: str) -> str:
    """What an editor begins the next line with, after the text before the cursor."""
    deeper = line.rstrip().endswith((":", "(", "[", "{"))
    return indentation(line) + (unit if deeper else "")


def _reindent(buffer: _Buffer, added: str, wanted: str) -> Iterator[Key]:
    """Shift-Tab and Tab until the indentation is right."""
    kept = added if wanted.startswith(added) else wanted if added.startswith(wanted) else ""
    if surplus := len(added) - len(kept):
        yield buffer.replace("delete", buffer.cursor - surplus, buffer.cursor, "")
    if wanted != kept:
        yield buffer.replace("type", buffer.cursor, buffer.cursor, wanted[len(kept) :])


def _unit(text: Text) -> str:
    """By what a file's lines are indented deeper than the line before, most often."""
    indents = [indentation(line) for at in range(text.line_count) if not is_blank(line := text.line(at))]
    deeper = Counter(b[len(a) :] for a, b in pairwise(indents) if len(b) > len(a) and b.startswith(a))
    return deeper.most_common(1)[0][0] if deeper else "    "


class _Buffer:
    """The file as the editor has it, and the cursor, in bytes."""

    def __init__(self, file: int, text: Text) -> None:
        self.text = text
        self.cursor = 0
        self.indented = False
        """Whether the line before the cursor is blank but for the editor's own indentation."""
        self._file = file
        self.unit = _unit(text)

    def go(self, offset: int, kind: Kind) -> Key:
        self.cursor = offset
        at = self._position(offset)
        return Key(kind, self._file, at, at, "", at)

    def replace(self, kind: Kind, start: int, end: int, text: str, behind: str = "") -> Key:
        """Put `text` in place of a range, with the cursor after it, and `behind` after the cursor."""
        where = self._position(start), self._position(end)
        self.text = self.text.replace(Edit(start, end, text + behind))
        self.cursor = start + len(text.encode("utf-8", "surrogatepass"))
        self.indented = False
        return Key(kind, self._file, *where, text + behind, self._position(self.cursor))

    def line_before(self) -> str:
        """The text from the line's start to the cursor."""
        return self.text.slice(self.text.line_start(self.text.line_of(self.cursor)), self.cursor)

    def _position(self, offset: int) -> Position:
        return self.text.position(offset, Encoding.UTF32)
