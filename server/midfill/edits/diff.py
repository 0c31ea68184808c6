"""From the whole new text of a scope to the smallest edits, line by line; and from one version to the next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from midfill.text import Edit, Text, split_lines


def minimal_edits(old: str, new: str, start: int) -> list[Edit]:
    """Edits that turn `old`, which begins at byte offset `start`, into `new`; whole lines, in order."""
    before, after = split_lines(old), split_lines(new)
    offsets = [start]
    for line in before:
        offsets.append(offsets[-1] + len(line.encode("utf-8", "surrogatepass")))
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    return [
        Edit(offsets[a], offsets[a_end], "".join(after[b:b_end]))
        for kind, a, a_end, b, b_end in matcher.get_opcodes()
        if kind != "equal"
    ]


def joined(edits: Iterable[Edit]) -> list[Edit]:
    """The same edits in order, and one of those that touch: clients differ in which of two they apply first."""
    found: list[Edit] = []
    for each in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if found and found[-1].end == each.start:
            last = found.pop()
            each = Edit(last.start, each.end, last.text + each.text)
        found.append(each)
    return found


def moved(old: Text, new: Text, start: int, end: int) -> int | None:
    """By how many bytes the range `start..end` of an older text has moved in a newer one; None when it changed.

    What changed is taken to be between the beginning and the end that both texts have in common; where that tells
    nothing, because there were changes on both sides, the range must occur once, and only once.
    """
    low = _shared(old.data, new.data)
    high = min(_shared(old.data[::-1], new.data[::-1]), len(old) - low, len(new) - low)
    if end <= low:
        return 0
    if start >= len(old) - high:
        return len(new) - len(old)
    piece = old.data[start:end]
    if not piece.strip() or old.data.count(piece) != 1 or new.data.count(piece) != 1:
        return None
    at = new.data.index(piece)
    # Whole lines only: a piece inside a line is another one.
    begins = at == 0 or new.data[at - 1 : at] in (b"\n", b"\r")
    return at - start if begins or old.data[max(start - 1, 0) : start] not in (b"", b"\n", b"\r") else None


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
