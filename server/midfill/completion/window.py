"""Which part of the file the model sees, and where the anchor is. Both stay put while the user types.

The texts before the anchor and after the cursor are in the KV cache; as long as the same texts are sent, a
keystroke costs only the token typed. So a window is kept while the code close to it is what it was: what has
changed further away (an import added at the top) and the closers that the editor inserts by itself wait until
there is time to evaluate a fresh window. That one is anchored close to the cursor and begins with a syntactic
boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from midfill.completion.context import NOTHING, Context
from midfill.document import Document
from midfill.syntax import top_level_starts

# The anchor's distance above the cursor in a fresh window, in lines: 3 measured best.
ANCHOR_LINES = 3
# From so many lines on a fresh window is worth its evaluation in idle time; at the second number it must be.
ANCHOR_LINES_FAR, ANCHOR_LINES_MOST = 8, 40
# The same in bytes, for long lines: how much may stand, and how much stands in a fresh window, behind the anchor.
MIDDLE_MOST, MIDDLE_LEAST = 4000, 500
# Somebody who waits at a new place is given an answer from this part of the text before the anchor.
QUICK = 4
# So much code before the anchor and behind the cursor must be as it was for a window to be kept. In bytes.
NEAR_BEFORE, NEAR_AFTER = 400, 120

# What an editor closes by itself behind the cursor, and what may follow that.
_CLOSERS = b")]}>\"'`;,:"


@dataclass(frozen=True)
class Budget:
    """How many bytes of code a fresh window shows before its anchor and behind the cursor.

    The text before the anchor may grow by half before the window must begin further down.
    """

    before: int = 3000
    after: int = 400

    @property
    def context(self) -> int:
        """Bytes of other files. Twice as much as 800 were no better, and cost twice as much."""
        return min(self.before // 4, 1200)

    @property
    def quick(self) -> Budget:
        """For a place where nothing is read yet and somebody waits; more is read in idle time."""
        return Budget(self.before // QUICK, self.after)


DEFAULT = Budget()


@dataclass(frozen=True)
class Window:
    """Byte offsets `anchor <= cursor`, the texts before and after, and what is told of other files."""

    anchor: int
    cursor: int
    before: bytes
    after: bytes
    context: Context = NOTHING


def window_at(document: Document, cursor: int, known: Sequence[Window] = (), budget: Budget = DEFAULT) -> Window:
    """The window for a cursor: the first of `known` that still serves there, else a fresh one."""
    kept = (_kept(document, cursor, window) for window in known)
    return next((window for window in kept if window), None) or fresh(document, cursor, known, budget)


def fresh(document: Document, cursor: int, known: Sequence[Window] = (), budget: Budget = DEFAULT) -> Window:
    """The best window for a cursor. It begins where a known one does, if it can, to share its cache."""
    text = document.text
    anchor = anchor_at(document, cursor)
    starts = (window.anchor - len(window.before) for window in known if _is_true(document, window))
    near = (start for start in starts if _fits(anchor - start, start, budget))
    start = next(near, None)
    if start is None:
        start = _start(document, anchor, budget.before)
    after = cursor if _tail(document, cursor).strip(_CLOSERS + b" \t") else text.line_end(text.line_of(cursor))
    return Window(anchor, cursor, text.data[start:anchor], text.data[after : _end(document, after, budget.after)])


def _fits(length: int, start: int, budget: Budget) -> bool:
    """Whether so many bytes before the anchor, from `start`, are neither too much nor too little."""
    return 0 <= length <= budget.before * 3 // 2 and (start == 0 or length >= budget.before // 3)


def anchor_at(document: Document, cursor: int) -> int:
    text = document.text
    anchor = text.line_start(max(text.line_of(cursor) - ANCHOR_LINES, 0))
    return anchor if cursor - anchor <= MIDDLE_MOST else text.boundary(cursor - MIDDLE_LEAST)


def outdated(document: Document, window: Window, better: Window) -> bool:
    """Whether evaluating `better`, a fresh window, in idle time is worth it."""
    text = document.text
    lines = text.line_of(window.cursor) - text.line_of(window.anchor)
    far = lines >= ANCHOR_LINES_FAR or window.cursor - window.anchor > MIDDLE_MOST // 2
    short = 2 * len(window.before) < len(better.before)
    stale = window.after != better.after or not _is_true(document, window)
    return better != window and (far or short or stale or window.context != better.context)


def _is_true(document: Document, window: Window) -> bool:
    """Whether the text before the anchor is still what it was."""
    start = window.anchor - len(window.before)
    return start >= 0 and document.text.data[start : window.anchor] == window.before


def _kept(document: Document, cursor: int, window: Window) -> Window | None:
    """The window with its anchor where it is now, if it may serve at `cursor`."""
    text = document.text
    anchor = _moved(text.data, window)
    if anchor is None or anchor > cursor:
        return None
    line = text.line_of(cursor)
    if line - text.line_of(anchor) > ANCHOR_LINES_MOST or cursor - anchor > MIDDLE_MOST:
        return None
    if anchor > max(text.line_start(line), cursor - MIDDLE_LEAST):
        return None
    if not _goes_on(document, cursor, window.after):
        return None
    return replace(window, anchor=anchor, cursor=cursor)


def _moved(data: bytes, window: Window) -> int | None:
    """Where the code before the anchor ends now: the place closest to where it was."""
    near = window.before[-NEAR_BEFORE:]
    was = window.anchor - len(near)
    if was >= 0 and data.startswith(near, was):
        return window.anchor
    if not near:
        return None
    places = (data.rfind(near, 0, max(was, 0) + len(near)), data.find(near, max(was, 0)))
    found = [place for place in places if place >= 0]
    return min(found, key=lambda place: abs(place - was)) + len(near) if found else None


def _goes_on(document: Document, cursor: int, after: bytes) -> bool:
    """Whether the code behind the cursor still is `after`, but for closers and blank lines at once behind it."""
    data = document.text.data
    if _tail(document, cursor).strip(_CLOSERS + b" \t"):
        return data.startswith(after[:NEAR_AFTER], cursor) and after[:1] not in (b"", b"\n", b"\r")
    if after[:1] not in (b"", b"\n", b"\r"):
        return False
    closed_now, now = _closers(data[cursor : cursor + 2 * NEAR_AFTER + len(after)])
    closed_then, then = _closers(after)
    # Closers may have come, and none may have gone: a model that is shown again what stands above writes nothing.
    return closed_now.endswith(closed_then) and bool(now) == bool(then) and now.startswith(then[:NEAR_AFTER])


def _closers(code: bytes) -> tuple[bytes, bytes]:
    """The closers that code begins with, without the white space between them, and the rest."""
    rest = code.lstrip(_CLOSERS + b" \t\r\n")
    return b"".join(code[: len(code) - len(rest)].split()), rest


def _tail(document: Document, cursor: int) -> bytes:
    text = document.text
    return text.data[cursor : text.line_end(text.line_of(cursor))]


def _start(document: Document, anchor: int, most: int) -> int:
    """The first top-level boundary within reach, else the first line."""
    text = document.text
    earliest = anchor - most
    if earliest <= 0:
        return 0
    boundaries = (start for start in top_level_starts(document) if earliest <= start <= anchor - most // 3)
    line = text.line_start(text.line_of(earliest) + 1)
    return next(boundaries, line if line < anchor else text.boundary(earliest))


def _end(document: Document, start: int, most: int) -> int:
    """Whole lines up to `most` bytes. It depends only on the text behind the cursor, so typing keeps it."""
    text = document.text
    if len(text) - start <= most:
        return len(text)
    last = text.line_start(text.line_of(start + most))
    return last if last > start else text.boundary(start + most)
