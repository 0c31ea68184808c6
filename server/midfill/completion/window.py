"""Which part of the file the model sees, and where the anchor is. Both stay put while the user types.

The texts before the anchor and after the cursor are in the KV cache; as long as they do not change, a keystroke
costs only the token typed. So the window moves rarely, in large steps, and to a syntactic boundary.
"""

from __future__ import annotations

from dataclasses import dataclass

from midfill.document import Document
from midfill.syntax import top_level_starts

# In bytes. A prompt of about 1,000 tokens takes five seconds to evaluate on two slow cores, once.
PREFIX = 3000
PREFIX_MOST = 4500
SUFFIX = 700
# The anchor's distance above the cursor, in lines: 3 measured best (exact match of the rest of a line).
ANCHOR_LINES = 3
ANCHOR_LINES_MOST = 20
# In bytes, for lines longer than any window: how much may stand, and how much at least stands, behind the anchor.
MIDDLE_MOST = 2000
MIDDLE_LEAST = 500


@dataclass(frozen=True)
class Window:
    """Byte offsets, `start <= anchor <= cursor <= end`, and the text before the anchor as it was."""

    start: int
    anchor: int
    cursor: int
    end: int
    before_anchor: bytes


def window_at(document: Document, cursor: int, previous: Window | None) -> Window:
    """The window for a cursor. `previous` is the last one of this document; it is kept where it still holds."""
    text = document.text
    end = _suffix_end(document, cursor)
    line = text.line_of(cursor)
    if previous is not None and _unchanged(document, previous):
        lines = line - text.line_of(previous.anchor)
        reaches = previous.anchor <= max(text.line_start(line), cursor - MIDDLE_LEAST)
        if reaches and lines <= ANCHOR_LINES_MOST and cursor - previous.anchor <= MIDDLE_MOST:
            return Window(previous.start, previous.anchor, cursor, end, previous.before_anchor)
    anchor = text.line_start(max(line - ANCHOR_LINES, 0))
    if cursor - anchor > MIDDLE_MOST:
        anchor = text.boundary(cursor - MIDDLE_MOST // 2)
    start = _start(document, anchor)
    if previous is not None and previous.start <= anchor <= previous.start + PREFIX_MOST:
        known = previous.before_anchor[: anchor - previous.start]
        if text.data[previous.start : previous.start + len(known)] == known:
            start = previous.start
    return Window(start, anchor, cursor, end, text.data[start:anchor])


def _unchanged(document: Document, window: Window) -> bool:
    return document.text.data[window.start : window.anchor] == window.before_anchor


def _start(document: Document, anchor: int) -> int:
    """The first top-level boundary within reach, else the first line."""
    text = document.text
    earliest = anchor - PREFIX
    if earliest <= 0:
        return 0
    boundaries = (start for start in top_level_starts(document) if earliest <= start <= anchor - PREFIX // 3)
    line = text.line_start(text.line_of(earliest) + 1)
    return next(boundaries, line if line < anchor else text.boundary(earliest))


def _suffix_end(document: Document, cursor: int) -> int:
    """Whole lines up to `SUFFIX` bytes. It depends only on the text behind the cursor, so typing keeps it."""
    text = document.text
    if len(text) - cursor <= SUFFIX:
        return len(text)
    line = text.line_of(cursor + SUFFIX)
    last = text.line_start(line)
    return last if last > cursor else text.boundary(cursor + SUFFIX)
