"""Documents under edits: the text equals a plain string's, the tree equals that of a fresh parse."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
import tree_sitter
from buffers import marked

from midfill import document as document_module
from midfill.document import Document
from midfill.text import Change, Edit, Encoding, Position, Range

PYTHON = '''\
"""Grüße … 😀"""
import os

class Straße:
    name = "é😀"

    def länge(self, ü=1):
        # …
        if ü:
            return f"{ü!r} 😀 {self.name}"
        return """a
    b 😀
"""
'''
JAVASCRIPT = """\
// Grüße … 😀
export class Straße {
  länge(ü = 1) {
    const s = `é ${ü} 😀`;
    if (ü) { return /a[/]é/g.test(s); }
    return {a: 1, "😀": [2, 3]};
  }
}
"""
SOURCES = {"a.py": PYTHON, "a.js": JAVASCRIPT}
PIECES = [
    "x", "é", "…", "😀", "\n", "\r\n", "\r", " ", "    ", ":", "(", ")", "{", "}", '"', "'", "`", "#", "//", "\\",
    "if x:\n    y\n", "{ z() }", "def f(): pass\n", "f(1, 2)", "",
]  # fmt: skip
Node = tuple[str, int, int, bool, bool, bool, tuple[int, int], tuple[int, int]]


def nodes(tree: tree_sitter.Tree | None) -> list[Node]:
    """Every node of a tree, in preorder."""
    assert tree is not None

    def walk(node: tree_sitter.Node) -> Iterator[Node]:
        yield (
            node.type,
            node.start_byte,
            node.end_byte,
            node.is_missing,
            node.is_error,
            node.has_error,
            (node.start_point.row, node.start_point.column),
            (node.end_point.row, node.end_point.column),
        )
        for child in node.children:
            yield from walk(child)

    return list(walk(tree.root_node))


def fresh(document: Document) -> list[Node]:
    return nodes(Document.open(document.uri, None, 1, str(document.text)).tree)


def position(content: str, index: int, encoding: Encoding) -> Position:
    """Where a character of a plain string is, found in the plainest way."""
    before = content[:index].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    last = before[-1]
    size = {Encoding.UTF8: 1, Encoding.UTF16: 2, Encoding.UTF32: 4}[encoding]
    codec = {Encoding.UTF8: "utf-8", Encoding.UTF16: "utf-16-le", Encoding.UTF32: "utf-32-le"}[encoding]
    return Position(len(before) - 1, len(last.encode(codec)) // size)


def random_place(content: str, dice: random.Random) -> int:
    """An index that an editor can name: any but the one between \\r and \\n."""
    index = dice.randint(0, len(content))
    return index - 1 if content[index - 1 : index + 1] == "\r\n" else index


def random_change(content: str, encoding: Encoding, dice: random.Random) -> tuple[Change, str]:
    """A change, and the content after it."""
    start = random_place(content, dice)
    end = start if dice.random() < 0.5 else min(start + dice.randint(0, 12), len(content))
    end = max(start, end - 1 if content[end - 1 : end + 1] == "\r\n" else end)
    text = dice.choice(PIECES)
    named = Range(position(content, start, encoding), position(content, end, encoding))
    return Change(named, text), content[:start] + text + content[end:]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", list(Encoding))
@pytest.mark.parametrize("path", SOURCES)
def test_random_changes_give_the_text_and_the_tree_of_a_new_document(
    path: str, encoding: Encoding, newline: str
) -> None:
    dice = random.Random(f"{path} {encoding} {newline!r}")
    content = SOURCES[path].replace("\n", newline)
    document = Document.open(f"file:///{path}", None, 1, content)
    for version in range(2, 42):
        changes = []
        for _ in range(dice.randint(1, 3)):
            change, content = random_change(content, encoding, dice)
            changes.append(change)
        document = document.apply(changes, encoding, version)
        assert (document.version, str(document.text)) == (version, content)
        # Often many changes lie between two parses, as in a burst of typing.
        if dice.random() < 0.5:
            assert nodes(document.tree) == fresh(document)


@pytest.mark.parametrize("path", SOURCES)
def test_edited_gives_the_text_and_the_tree_of_a_new_document(path: str) -> None:
    dice = random.Random(path)
    for _ in range(30):
        document = Document.open(f"file:///{path}", None, 7, SOURCES[path])
        offsets = sorted(document.text.boundary(dice.randint(0, len(document.text))) for _ in range(6))
        edits = [Edit(a, b, dice.choice(PIECES)) for a, b in zip(offsets[::2], offsets[1::2], strict=True)]
        dice.shuffle(edits)
        before = nodes(document.tree)
        after = document.edited(edits)
        assert (after.version, after.uri, after.language) == (7, document.uri, document.language)
        expected = SOURCES[path].encode()
        for edit in sorted(edits, key=lambda edit: (-edit.start, -edit.end)):
            expected = expected[: edit.start] + edit.text.encode() + expected[edit.end :]
        assert after.text.data == expected
        assert nodes(after.tree) == fresh(after)
        assert (str(document.text), nodes(document.tree)) == (SOURCES[path], before)


def test_edited_refuses_edits_that_overlap_or_lie_outside() -> None:
    document = Document.open("file:///a.py", None, 1, "a = 1\n")
    with pytest.raises(ValueError, match="overlap"):
        document.edited([Edit(0, 3, ""), Edit(2, 4, "")])
    with pytest.raises(ValueError, match="outside"):
        document.edited([Edit(0, 7, "")])


@pytest.mark.parametrize("asked_first", [True, False])
@pytest.mark.parametrize("path", SOURCES)
def test_a_snapshot_stays_as_it_is_while_newer_versions_come(path: str, asked_first: bool) -> None:
    dice = random.Random(path)
    content = SOURCES[path]
    held = [(Document.open(f"file:///{path}", None, 1, content), content)]
    for version in range(2, 22):
        if asked_first:
            assert held[-1][0].tree is not None
        change, content = random_change(content, Encoding.UTF16, dice)
        held.append((held[-1][0].apply([change], Encoding.UTF16, version), content))
        held[-1][0].edited([Edit(0, 1, "ä\n\n")])
    for version, (document, text) in enumerate(held, 1):
        assert (document.version, str(document.text)) == (version, text)
        assert nodes(document.tree) == fresh(document)


@pytest.mark.parametrize("path", SOURCES)
def test_a_change_without_a_range_replaces_everything(path: str) -> None:
    document = Document.open(f"file:///{path}", None, 1, SOURCES[path])
    assert document.tree is not None
    start = Range(Position(0, 0), Position(0, 0))
    after = document.apply([Change(start, "lost"), Change(None, "é = 1\n")], Encoding.UTF16, 2)
    assert str(after.text) == "é = 1\n"
    assert nodes(after.tree) == fresh(after)
    then = document.apply([Change(None, "é = 1\n"), Change(start, "x")], Encoding.UTF16, 2)
    assert str(then.text) == "xé = 1\n"
    assert nodes(then.tree) == fresh(then)


def test_nothing_of_the_older_tree_is_left_when_everything_is_replaced() -> None:
    document = marked("a = 1\nb = 2\n").document
    assert document.tree is not None
    after = document.apply([Change(None, "a(1)\nb(2)\n")], Encoding.UTF16, 2)
    assert nodes(after.tree) == fresh(after)


def test_each_change_is_relative_to_the_text_after_the_one_before() -> None:
    document = Document.open("file:///a.py", None, 1, "ab")
    one = Change(Range(Position(0, 0), Position(0, 0)), "😀\n")
    two = Change(Range(Position(1, 1), Position(1, 2)), "c")
    assert str(document.apply([one, two], Encoding.UTF16, 2).text) == "😀\nac"


def test_a_reversed_range_is_an_insertion_at_its_start() -> None:
    document = Document.open("file:///a.py", None, 1, "abcd")
    change = Change(Range(Position(0, 3), Position(0, 1)), "x")
    assert str(document.apply([change], Encoding.UTF16, 2).text) == "abcxd"


def test_a_range_past_the_end_means_all_of_the_rest() -> None:
    document = Document.open("file:///a.py", None, 1, "a = 1\nb = 2\n")
    after = document.apply([Change(Range(Position(1, 0), Position(99, 0)), "é")], Encoding.UTF16, 2)
    assert str(after.text) == "a = 1\né"
    assert nodes(after.tree) == fresh(after)


def test_the_older_tree_is_told_where_the_edit_was() -> None:
    document = Document.open("file:///a.py", None, 1, PYTHON)
    assert document.tree is not None
    after = document.edited([Edit(0, 0, "x = 1\n")])
    assert after._stale is not None and after.tree is not None
    assert [(each.start_byte, each.end_byte) for each in after._stale.changed_ranges(after.tree)] == [(0, 6)]


def test_a_language_that_is_not_known_has_no_tree() -> None:
    document = marked("a := 1\n‸", path="a.cobol").document
    assert (document.language, document.tree) == (None, None)
    after = document.apply([Change(Range(Position(0, 0), Position(0, 1)), "é")], Encoding.UTF8, 2)
    assert (str(after.text), after.tree) == ("é := 1\n", None)
    assert str(after.edited([Edit(0, 2, "b")]).text) == "b := 1\n"


def test_a_text_that_is_too_large_has_no_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_module, "LARGEST_PARSED", 20)
    at_limit = Document.open("file:///a.py", None, 1, "a = 1\nb = 2\nc = 3456")
    assert nodes(at_limit.tree) == fresh(at_limit)
    end = Position(2, 8)
    beyond = at_limit.apply([Change(Range(end, end), "7")], Encoding.UTF8, 2)
    assert (str(beyond.text), beyond.tree) == ("a = 1\nb = 2\nc = 34567", None)
    again = beyond.apply([Change(Range(Position(0, 0), Position(1, 0)), "")], Encoding.UTF8, 3)
    assert str(again.text) == "b = 2\nc = 34567"
    assert nodes(again.tree) == fresh(again)


def test_the_editors_language_wins_over_the_files_name() -> None:
    for language_id, uri, expected in [
        ("javascript", "file:///a.py", "javascript"),
        ("plaintext", "file:///a.py", "python"),
        (None, "file:///a.rs", "rust"),
    ]:
        document = Document.open(uri, language_id, 1, "")
        assert document.language is not None
        assert document.language.id == expected
