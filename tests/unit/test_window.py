"""The window and the anchor stay put while the user types, and move in large steps."""

from __future__ import annotations

from midfill.completion.window import (
    ANCHOR_LINES,
    ANCHOR_LINES_MOST,
    MIDDLE_MOST,
    PREFIX,
    PREFIX_MOST,
    SUFFIX,
    Window,
    window_at,
)
from midfill.document import Document
from midfill.text import Edit

FUNCTION = "def f{i}(a, b):\n    c = a + b\n    return c\n\n\n"
SOURCE = "".join(FUNCTION.format(i=i) for i in range(400))


def opened(text: str) -> Document:
    return Document.open("file:///a.py", None, 1, text)


def stable(window: Window) -> tuple[int, int, bytes]:
    return window.start, window.anchor, window.before_anchor


def test_a_small_file_is_seen_whole() -> None:
    document = opened("a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n")
    window = window_at(document, 24, None)
    assert (window.start, window.end) == (0, 30)
    assert window.anchor == 6


def test_the_anchor_is_some_lines_above_the_cursor() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    window = window_at(document, cursor, None)
    assert document.text.line_of(window.anchor) == 1000 - ANCHOR_LINES
    assert window.anchor - window.start <= PREFIX
    assert window.end - cursor <= SUFFIX


def test_the_window_begins_with_a_top_level_statement() -> None:
    document = opened(SOURCE)
    window = window_at(document, document.text.line_end(1000), None)
    assert document.text.slice(window.start).startswith("def f")


def test_typing_moves_nothing() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    first = window = window_at(document, cursor, None)
    after = document.text.slice(cursor, window.end)
    for letter in "return c + 1":
        document = document.edited([Edit(cursor, cursor, letter)])
        cursor += 1
        window = window_at(document, cursor, window)
        assert stable(window) == stable(first)
        assert document.text.slice(cursor, window.end) == after


def test_new_lines_move_the_anchor_rarely_and_the_start_more_rarely() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    window: Window | None = None
    anchors, starts = [], []
    for _ in range(200):
        document = document.edited([Edit(cursor, cursor, "\n    x = 12345678")])
        cursor += len("\n    x = 12345678")
        window = window_at(document, cursor, window)
        anchors.append(window.anchor)
        starts.append(window.start)
        assert window.anchor - window.start <= PREFIX_MOST
    assert len(set(anchors)) <= 200 / (ANCHOR_LINES_MOST - ANCHOR_LINES) + 2
    assert len(set(starts)) <= 4


def test_an_edit_above_the_anchor_makes_a_new_window() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    window = window_at(document, cursor, None)
    changed = document.edited([Edit(window.anchor - 10, window.anchor - 9, "X")])
    after = window_at(changed, cursor, window)
    assert after.before_anchor == changed.text.data[after.start : after.anchor]


def test_the_cursor_above_the_anchor_makes_a_new_one() -> None:
    document = opened(SOURCE)
    window = window_at(document, document.text.line_end(1000), None)
    above = document.text.line_end(900)
    after = window_at(document, above, window)
    assert after.start <= after.anchor <= above <= after.end


def test_lines_longer_than_any_window() -> None:
    document = opened("x = '" + "é" * 20_000 + "'\n" * 2)
    for cursor in (0, 7, 10_001, 39_999, len(document.text)):
        window = window_at(document, document.text.boundary(cursor), None)
        assert 0 <= window.start <= window.anchor <= window.cursor <= window.end <= len(document.text)
        assert window.cursor - window.anchor <= MIDDLE_MOST
        assert window.anchor - window.start <= PREFIX + 1
        assert window.start < window.anchor or cursor < MIDDLE_MOST


def test_typing_in_a_line_longer_than_any_window_moves_little() -> None:
    document = opened("x = '" + "a" * 20_000)
    window: Window | None = None
    stables = set()
    for _ in range(3000):
        cursor = len(document.text)
        document = document.edited([Edit(cursor, cursor, "b")])
        window = window_at(document, cursor + 1, window)
        stables.add(stable(window))
    assert len(stables) <= 4
