"""From the whole new text of a scope to the smallest edits, line by line."""

from __future__ import annotations

import difflib

from midfill.text import Edit, split_lines


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
