"""What a terminal shows."""

from __future__ import annotations

import difflib

from midfill.document import Document
from midfill.show import diff, ghost

SOURCE = "a = 1\ndef f():\n    return (x)\nb = 2\n"


def test_a_suggestion_stands_in_its_place() -> None:
    document = Document.open("file:///a.py", None, 1, SOURCE)
    at = SOURCE.index("(x)") + 1
    assert ghost(document, at, "y + ", colour=False, around=1) == (
        "    2 def f():\n    3     return («y + »x)\n    4 b = 2"
    )


def test_the_further_lines_of_a_suggestion_have_no_numbers() -> None:
    document = Document.open("file:///a.py", None, 1, SOURCE)
    at = SOURCE.index("def f():") + len("def f():")
    assert ghost(document, at, "\n    pass", colour=False, around=1) == (
        "    1 a = 1\n    2 def f():\n      «    pass»\n    3     return (x)"
    )


def test_a_diff_shows_no_more_than_what_differs() -> None:
    before = "".join(f"x{i} = (\n    1,\n)\n\n" for i in range(300))
    after = before.replace("x150 = (", "y = (")
    assert diff(before, after, "a.py", colour=False).count("\n") == 11
    assert "@@ -598,7 +598,7 @@\n" in diff(before, after, "a.py", colour=False)
    assert diff(before, before, "a.py", colour=False) == ""


def test_diffs_are_those_of_difflib() -> None:
    old, new = ["a\n", "b\n", "c\n", "d\n"], ["b\n", "c\n", "x\n", "d\n", "e\n"]
    for before, after in ((old, new), (new, old), ([], new), (old, []), (["a\n"], ["b\n"])):
        expected = "".join(difflib.unified_diff(before, after, "a/a.py", "b/a.py"))
        assert diff("".join(before), "".join(after), "a.py", colour=False) == expected


def test_colours_are_for_terminals() -> None:
    document = Document.open("file:///a.py", None, 1, SOURCE)
    assert "\x1b[" in ghost(document, 5, "0", colour=True)
    assert "\x1b[" in diff("a\n", "b\n", "a.py", colour=True)
    assert diff("a\n", "b", "a.py", colour=False) == (
        "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-a\n+b\n\\ No newline at end of file\n"
    )
