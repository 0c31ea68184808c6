"""The places that were edited lately, and when the model is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import indexed

from midfill.completion.context import NOTHING, Context, Fragment, gather
from midfill.completion.recent import AROUND, PLACES, Recent
from midfill.document import Document

LINES = "".join(f"line {number}\n" for number in range(100))


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path_factory.mktemp("cache")))


def opened(name: str, text: str = LINES) -> Document:
    return Document.open(f"file:///project/{name}", None, 1, text)


def seen(recent: Recent, document: Document, cursor: int = 0, far: int = 100) -> list[tuple[str, int]]:
    return [(each.document.uri[-4:], each.line) for each in recent.elsewhere(document, cursor, far)]


def test_the_latest_place_comes_first_and_one_place_is_one() -> None:
    recent = Recent()
    here = opened("c.py")
    for name, line in (("a.py", 50), ("a.py", 51), ("b.py", 3), ("a.py", 90)):
        recent.edited(opened(name), line)
    assert seen(recent, here) == [("a.py", 90), ("b.py", 3), ("a.py", 51)]


def test_what_is_in_sight_of_the_cursor_is_not_elsewhere() -> None:
    recent = Recent()
    document = opened("a.py")
    recent.edited(document, 50)
    at = document.text.line_start(52)
    assert seen(recent, document, at) == []
    assert seen(recent, document, at, far=10) == [("a.py", 50)]
    assert seen(recent, opened("b.py"), at) == [("a.py", 50)]


def test_only_a_few_places_are_kept_and_none_of_a_closed_file() -> None:
    recent = Recent()
    for number in range(PLACES + 3):
        recent.edited(opened("a.py"), number * (AROUND + 1))
    recent.edited(opened("b.py"), 1)
    assert len(seen(recent, opened("c.py"))) == PLACES
    recent.forget("file:///project/a.py")
    assert seen(recent, opened("c.py")) == [("b.py", 1)]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        (LINES, 0, "line 0\nline 1\nline 2\n"),
        (LINES, 99, "line 97\nline 98\nline 99\n"),
        ("only\n\n\n", 0, "only\n"),
        ("shorter now", 7, "shorter now\n"),
        ("é\r\nü\r\n", 1, "é\r\nü\n"),
    ],
)
def test_a_place_is_the_lines_around_it(text: str, line: int, expected: str) -> None:
    recent = Recent()
    recent.edited(opened("a.py", text), line)
    (place,) = recent.elsewhere(opened("b.py"), 0, 0)
    assert place.text == expected


HERE = "def b(cart, item):\n    cart.add(item, "
EDIT = Fragment("shop/a.py", "def a(cart, item):\n    cart.add(item, count=1, silent=True)\n")


def told(
    tmp_path: Path, edits: list[Fragment], previous: Context | None = None, budget: int = 800, code: str = HERE
) -> Context:
    workspace = indexed(tmp_path, "#- shop/a.py\ndef a(): ...\n")
    document = Document.open((tmp_path / "main.py").as_uri(), None, 1, code)
    return gather(document, "main.py", len(code), workspace, budget, (), previous, edits)


def test_an_edit_that_has_to_do_with_the_code_is_told(tmp_path: Path) -> None:
    assert told(tmp_path, [EDIT]).fragments == (EDIT,)


def test_the_latest_edit_stands_closest_to_the_code(tmp_path: Path) -> None:
    older = Fragment("shop/b.py", "cart.add(item, 2)\n")
    oldest = Fragment("shop/c.py", "cart.add(item, 3)\n")
    assert told(tmp_path, [EDIT, older, oldest]).fragments == (older, EDIT)


@pytest.mark.parametrize(
    "edit",
    [
        Fragment("shop/a.py", "class Engine:\n    def start(self, speed): ...\n"),
        Fragment("shop/a.go", EDIT.text),
        Fragment(".env.py", EDIT.text),
        Fragment("shop/a.py", EDIT.text + 'cart.key = "AKIAIOSFODNN7EXAMPLQ"\n'),
        Fragment("shop/a.py", "# 1\n"),
    ],
    ids=["of other things", "of another language", "in a denied file", "with a secret", "without a name"],
)
def test_other_edits_are_not(tmp_path: Path, edit: Fragment) -> None:
    assert told(tmp_path, [edit]).fragments == ()


def test_an_edit_is_not_told_twice(tmp_path: Path) -> None:
    workspace = indexed(tmp_path, "#- shop/a.py\ndef a(): ...\n")
    document = Document.open((tmp_path / "main.py").as_uri(), None, 1, HERE)
    others = [(EDIT.path, Document.open((tmp_path / "shop/a.py").as_uri(), None, 1, EDIT.text))]
    assert gather(document, "main.py", len(HERE), workspace, 800, others).fragments == (EDIT,)
    assert gather(document, "main.py", len(HERE), workspace, 800, others, None, [EDIT]).fragments == (EDIT,)
    longer = Fragment(EDIT.path, f"{EDIT.text}\n")
    assert gather(document, "main.py", len(HERE), workspace, 800, others, None, [longer]).fragments == (longer,)


def test_an_edit_beyond_the_budget_is_not_told(tmp_path: Path) -> None:
    assert told(tmp_path, [EDIT], budget=100).fragments == ()


def test_a_context_is_kept_until_there_is_an_edit_that_it_lacks(tmp_path: Path) -> None:
    first = told(tmp_path, [EDIT])
    grown = Fragment(EDIT.path, EDIT.text + "    return cart\n")
    assert told(tmp_path, [grown], previous=first) is first
    other = Fragment("shop/b.py", "cart.add(item, b)\n")
    assert told(tmp_path, [other, grown], previous=first).fragments == (grown, other)
    assert told(tmp_path, [], previous=NOTHING) is NOTHING
