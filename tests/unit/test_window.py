"""The window and the anchor stay put while the user types, and move in large steps."""

from __future__ import annotations

from midfill.completion.window import (
    ANCHOR_LINES,
    ANCHOR_LINES_FAR,
    ANCHOR_LINES_MOST,
    MIDDLE_MOST,
    Budget,
    Window,
    fresh,
    outdated,
    window_at,
)
from midfill.document import Document
from midfill.text import Edit

BUDGET = Budget()
FUNCTION = "def f{i}(a, b):\n    c = a + b\n    return c\n\n\n"
SOURCE = "".join(FUNCTION.format(i=i) for i in range(400))


def opened(text: str) -> Document:
    return Document.open("file:///a.py", None, 1, text)


def typed(document: Document, cursor: int, text: str, behind: str = "") -> tuple[Document, int]:
    """Type `text` at the cursor; the editor adds `behind` after it."""
    return document.edited([Edit(cursor, cursor, text + behind)]), cursor + len(text.encode())


def sent(window: Window) -> tuple[bytes, bytes]:
    """What must stay the same for the cache to hold."""
    return window.before, window.after


def test_a_small_file_is_seen_whole() -> None:
    window = window_at(opened("a = 1\nb = 2\nc = 3\nd = 4\ne = 5\n"), 24)
    assert window == Window(6, 24, b"a = 1\n", b"e = 5\n")


def test_the_anchor_is_some_lines_above_the_cursor() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    window = window_at(document, cursor)
    assert document.text.line_of(window.anchor) == 1000 - ANCHOR_LINES
    assert 0 < len(window.before) <= BUDGET.before
    assert 0 < len(window.after) <= BUDGET.after


def test_the_window_begins_with_a_top_level_statement() -> None:
    document = opened(SOURCE)
    assert window_at(document, document.text.line_end(1000)).before.startswith(b"def f")


def test_typing_moves_nothing() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    first = window = window_at(document, cursor)
    for letter in "return c + 1":
        document, cursor = typed(document, cursor, letter)
        window = window_at(document, cursor, [window])
        assert sent(window) == sent(first)
        assert (window.anchor, window.cursor) == (first.anchor, cursor)


def test_closers_that_the_editor_inserts_move_nothing() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    first = window = window_at(document, cursor)
    for text, behind in (("\n    if f(", ")"), ("[", "]"), ('"', '"'), ("x", "")):
        document, cursor = typed(document, cursor, text, behind)
        window = window_at(document, cursor, [window])
        assert sent(window) == sent(first)
    # Enter between braces puts the closing one on a line of its own.
    document, cursor = typed(opened("f();\n" * 9 + "if (x) {}\nrest();\n"), 53, "")
    first = window_at(document, cursor)
    document, cursor = typed(document, cursor, "\n  ", "\n")
    assert sent(window_at(document, cursor, [first])) == sent(first)


def test_other_code_behind_the_cursor_makes_a_new_window() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    first = window_at(document, cursor)
    changed = document.edited([Edit(cursor + 5, cursor + 5, "new")])
    assert window_at(changed, cursor, [first]).after != first.after


def test_new_lines_move_the_anchor_rarely_and_the_start_more_rarely() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    windows: list[Window] = []
    befores, starts = set(), set()
    for _ in range(200):
        document, cursor = typed(document, cursor, "\n    x = 12345678")
        window = window_at(document, cursor, windows)
        windows = [window, *windows[:5]]
        befores.add(window.before)
        starts.add(window.before[:50])
        assert len(window.before) <= BUDGET.before * 3 // 2
    assert len(befores) <= 200 / (ANCHOR_LINES_MOST - ANCHOR_LINES) + 2
    assert len(starts) <= 4


def test_a_change_close_above_the_anchor_makes_a_new_window() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    window = window_at(document, cursor)
    changed = document.edited([Edit(window.anchor - 10, window.anchor - 9, "X")])
    after = window_at(changed, cursor, [window])
    assert changed.text.data[: after.anchor].endswith(after.before)


def test_a_change_far_above_waits_for_idle_time() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    window = window_at(document, cursor)
    top = document.text.line_start(document.text.line_of(window.anchor - BUDGET.before // 2))
    changed = document.edited([Edit(top, top, "# changed\n")])
    kept = window_at(changed, cursor + 10, [window])
    assert sent(kept) == sent(window)
    assert kept.anchor == window.anchor + 10
    better = fresh(changed, cursor + 10, [kept])
    assert outdated(changed, kept, better)
    assert b"# changed" in better.before
    assert not outdated(changed, better, better)


def test_an_anchor_that_is_far_away_is_moved_in_idle_time() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    window = window_at(document, cursor)
    document, cursor = typed(document, cursor, "\n    x = 1" * (ANCHOR_LINES_FAR - ANCHOR_LINES - 1))
    window = window_at(document, cursor, [window])
    assert not outdated(document, window, fresh(document, cursor, [window]))
    document, cursor = typed(document, cursor, "\n    x = 1")
    window = window_at(document, cursor, [window])
    better = fresh(document, cursor, [window])
    assert outdated(document, window, better)
    # It shares the cache of the old one up to the old anchor.
    assert better.before.startswith(window.before)


def test_going_back_to_a_place_finds_its_window() -> None:
    document = opened(SOURCE)
    here, there = document.text.line_end(1000), document.text.line_end(300)
    first = window_at(document, here)
    other = window_at(document, there, [first])
    assert sent(other) != sent(first)
    document, _ = typed(document, there, "\n    y = 2")
    assert sent(window_at(document, here + 10, [other, first])) == sent(first)


def test_the_cursor_above_the_anchor_makes_a_new_one() -> None:
    document = opened(SOURCE)
    window = window_at(document, document.text.line_end(1000))
    above = document.text.line_end(900)
    after = window_at(document, above, [window])
    assert after.anchor <= above
    assert document.text.data[: after.anchor].endswith(after.before)


def test_lines_longer_than_any_window() -> None:
    document = opened("x = '" + "é" * 20_000 + "'\n" * 2)
    for cursor in (0, 7, 10_001, 39_999, len(document.text)):
        at = document.text.boundary(cursor)
        window = window_at(document, at)
        assert 0 <= window.anchor <= window.cursor == at
        assert window.cursor - window.anchor <= MIDDLE_MOST
        assert len(window.before) <= BUDGET.before + 1
        assert window.before or cursor < MIDDLE_MOST


def test_typing_in_a_line_longer_than_any_window_moves_little() -> None:
    document = opened("x = '" + "a" * 20_000)
    windows: list[Window] = []
    seen = set()
    for _ in range(3000):
        document, cursor = typed(document, len(document.text), "b")
        windows = [window_at(document, cursor, windows), *windows[:5]]
        seen.add(sent(windows[0]))
    assert len(seen) <= 4


def test_a_place_where_somebody_waits_is_read_in_two_steps() -> None:
    document = opened(SOURCE)
    cursor = document.text.line_end(1000)
    quick = window_at(document, cursor, budget=BUDGET.quick)
    assert len(quick.before) <= BUDGET.before // 4
    better = fresh(document, cursor, [quick], BUDGET)
    assert len(better.before) > 2 * len(quick.before)
    assert outdated(document, quick, better)
    # Once it is read, the larger window is kept.
    assert sent(window_at(document, cursor, [better, quick], BUDGET.quick)) == sent(better)
    assert not outdated(document, better, fresh(document, cursor, [better, quick], BUDGET))


def test_a_short_file_is_read_at_once() -> None:
    document = opened("x = 1\n" * 50)
    quick = window_at(document, 200, budget=BUDGET.quick)
    assert not outdated(document, quick, fresh(document, 200, [quick], BUDGET))


def test_a_closer_that_is_above_the_cursor_now_is_not_shown_below_it() -> None:
    document = opened("f();\n" * 9 + "if (x) {\n  a();\n}\nrest();\n")
    inside = window_at(document, document.text.line_end(10))
    assert inside.after.startswith(b"\n}")
    behind = window_at(document, document.text.line_end(11), [inside])
    assert behind.after == b"\nrest();\n"
