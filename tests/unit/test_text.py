"""Offsets and positions in three encodings, the line index under edits, and indentation."""

from __future__ import annotations

import random

import pytest

from midfill.text import (
    Edit,
    Encoding,
    Position,
    Text,
    apply,
    dedent,
    in_order,
    indent,
    indentation,
    is_blank,
    split_lines,
)

ENCODINGS = list(Encoding)
# 1, 2, 3 and 4 bytes; the emoji is the only one of two UTF-16 code units.
LINE = "aé…😀z"
PIECES = [
    "",
    "a",
    "bc",
    "é",
    "…",
    "😀",
    "\ud800",
    "\n",
    "\r\n",
    "\r",
    "\n\r",
    "\r\r\n",
    "x\ny",
    "\x0b\x0c\x85\u2028",
]


def units(text: str, encoding: Encoding) -> int:
    """The length of a text, by Python's own codecs."""
    size = {Encoding.UTF8: 1, Encoding.UTF16: 2, Encoding.UTF32: 4}[encoding]
    return len(text.encode(f"{encoding}{'' if size == 1 else '-le'}", "surrogatepass")) // size


def lines(text: str) -> list[str]:
    """The lines without their terminators, in the plainest way."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def index(text: Text) -> list[tuple[int, int, str]]:
    """All that the line index says."""
    every = range(text.line_count + 1)
    return [(text.line_start(line), text.line_end(line), text.line(line)) for line in every]


def points(text: Text) -> list[tuple[int, int]]:
    return [text.point(offset) for offset in range(len(text) + 1)]


# -- positions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "columns"),
    [
        (Encoding.UTF8, [0, 1, 3, 6, 10, 11]),
        (Encoding.UTF16, [0, 1, 2, 3, 5, 6]),
        (Encoding.UTF32, [0, 1, 2, 3, 4, 5]),
    ],
)
@pytest.mark.parametrize("terminator", ["\n", "\r\n", "\r"])
def test_positions_count_in_the_editors_encoding(encoding: Encoding, columns: list[int], terminator: str) -> None:
    text = Text.of(f"é{terminator}{LINE}{terminator}")
    start = len(f"é{terminator}".encode())
    for column, offset in zip(columns, [0, 1, 3, 6, 10, 11], strict=True):
        assert text.position(start + offset, encoding) == Position(1, column)
        assert text.offset(Position(1, column), encoding) == start + offset


@pytest.mark.parametrize(
    ("encoding", "column", "offset"),
    [
        (Encoding.UTF8, 2, 1),
        (Encoding.UTF8, 4, 3),
        (Encoding.UTF8, 5, 3),
        (Encoding.UTF8, 7, 6),
        (Encoding.UTF8, 9, 6),
        (Encoding.UTF16, 4, 6),
    ],
)
def test_a_position_inside_a_character_means_its_start(encoding: Encoding, column: int, offset: int) -> None:
    assert Text.of(LINE).offset(Position(0, column), encoding) == offset


def test_a_position_between_two_surrogate_pairs_and_inside_the_second() -> None:
    text = Text.of("😀😀b")
    assert [text.offset(Position(0, unit), Encoding.UTF16) for unit in range(7)] == [0, 0, 4, 4, 8, 9, 9]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("line", ["ab", LINE, "😀", ""])
@pytest.mark.parametrize("terminator", ["\n", "\r\n", "\r"])
def test_a_position_past_the_line_means_its_end(encoding: Encoding, line: str, terminator: str) -> None:
    text = Text.of(f"{line}{terminator}next")
    for beyond in (1, 2, 1000, 2**31 - 1):
        assert text.offset(Position(0, units(line, encoding) + beyond), encoding) == len(line.encode())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_position_past_the_text_means_its_end(encoding: Encoding) -> None:
    for text in (Text.of(""), Text.of("é"), Text.of("é\n"), Text.of("a\r\nb\r")):
        for line in (text.line_count, text.line_count + 1, 2**31 - 1):
            assert text.offset(Position(line, 0), encoding) == len(text)
            assert text.offset(Position(line, 7), encoding) == len(text)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_offset_inside_a_terminator_is_the_end_of_its_line(encoding: Encoding) -> None:
    text = Text.of("ab\r\nc")
    assert [text.position(offset, encoding) for offset in range(6)] == [
        Position(0, 0),
        Position(0, 1),
        Position(0, 2),
        Position(0, 2),
        Position(1, 0),
        Position(1, 1),
    ]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_offset_outside_the_text_or_inside_a_character_is_clamped(encoding: Encoding) -> None:
    text = Text.of("a😀")
    assert text.position(-5, encoding) == Position(0, 0)
    assert {text.position(offset, encoding) for offset in (1, 2, 3, 4)} == {Position(0, 1)}
    assert text.position(99, encoding) == Position(0, units("a😀", encoding))


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("seed", range(20))
def test_every_character_goes_there_and_back(encoding: Encoding, seed: int) -> None:
    content = "".join(random.Random(seed).choices(PIECES, k=30))
    text = Text.of(content)
    assert [text.line(line) for line in range(text.line_count)] == lines(content)
    at = 0
    for line, expected in enumerate(lines(content)):
        assert text.line_start(line) == at
        for character in range(len(expected) + 1):
            position = Position(line, units(expected[:character], encoding))
            offset = at + units(expected[:character], Encoding.UTF8)
            assert text.position(offset, encoding) == position
            assert text.offset(position, encoding) == offset
            assert text.line_of(offset) == line
        at = text.line_start(line + 1)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_lone_surrogate_survives(encoding: Encoding) -> None:
    content = "a\ud83db\udc00\n"
    text = Text.of(content)
    assert str(text) == content
    assert text.line(0) == "a\ud83db\udc00"
    for at in range(5):
        offset = units(content[:at], Encoding.UTF8)
        position = Position(0, units(content[:at], encoding))
        assert (text.position(offset, encoding), text.offset(position, encoding)) == (position, offset)
    assert str(text.replace(Edit(4, 5, "\ude00"))) == "a\ud83d\ude00\udc00\n"


# -- lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", [""]),
        ("a", ["a"]),
        ("a\n", ["a", ""]),
        ("a\r\nb\rc\nd", ["a", "b", "c", "d"]),
        ("\n\r", ["", "", ""]),
        ("\r\r\n\n", ["", "", "", ""]),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g", ["a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g"]),
    ],
)
def test_only_the_terminators_of_lsp_end_a_line(content: str, expected: list[str]) -> None:
    text = Text.of(content)
    assert text.line_count == len(expected)
    assert [text.line(line) for line in range(text.line_count)] == expected


def test_the_lines_past_the_last_are_empty_and_at_the_end() -> None:
    text = Text.of("a\nbc")
    for line in (2, 3, 100):
        assert (text.line_start(line), text.line_end(line), text.line(line)) == (4, 4, "")


def test_a_terminator_belongs_to_the_line_it_ends() -> None:
    text = Text.of("a\r\n\rb\n")
    assert [text.line_of(offset) for offset in range(7)] == [0, 0, 0, 1, 2, 2, 3]
    assert [text.line_end(line) for line in range(4)] == [1, 3, 5, 6]


def test_a_slice_never_splits_a_character() -> None:
    text = Text.of("aé😀")
    assert text.slice() == "aé😀"
    assert text.slice(2, 6) == "é"
    assert text.slice(-3, 1) == "a"
    assert text.slice(3, 99) == "😀"
    assert [text.boundary(offset) for offset in (-1, 0, 1, 2, 3, 4, 6, 7, 8)] == [0, 0, 1, 1, 3, 3, 3, 7, 7]


@pytest.mark.parametrize(
    ("content", "newline"),
    [
        ("", "\n"),
        ("a", "\n"),
        ("a\nb\n", "\n"),
        ("a\r\nb", "\r\n"),
        ("a\rb", "\r"),
        ("a\r\nb\r\nc\n", "\r\n"),
        ("a\nb\nc\r\n", "\n"),
        ("\r\r\r\n\n", "\r"),
        ("a\nb\r\n", "\n"),
    ],
)
def test_the_terminator_that_most_lines_have(content: str, newline: str) -> None:
    assert Text.of(content).newline == newline


def test_tree_sitters_rows_end_with_a_line_feed_alone() -> None:
    assert points(Text.of("é\r\nb")) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]
    assert points(Text.of("a\rb\nc")) == [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1)]
    assert points(Text.of("\r")) == [(0, 0), (0, 1)]


# -- edits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(60))
def test_the_line_index_after_an_edit_is_that_of_a_new_text(seed: int) -> None:
    dice = random.Random(seed)
    # Some runs begin and stay without a lone \r, where rows are lines.
    pieces = [piece for piece in PIECES if seed % 3 or "\r" not in piece.replace("\r\n", "")]
    content = "".join(dice.choices(pieces, k=20))
    text = Text.of(content)
    for _ in range(25):
        ends = sorted(dice.randint(0, len(content)) for _ in range(2))
        if dice.random() < 0.5:
            ends[1] = min(ends[0] + 2, ends[1])
        start, end = (units(content[:at], Encoding.UTF8) for at in ends)
        piece = "".join(dice.choices(pieces, k=dice.randint(0, 3)))
        content = content[: ends[0]] + piece + content[ends[1] :]
        text = text.replace(Edit(start, end, piece))
        fresh = Text.of(content)
        assert str(text) == content
        assert text == fresh
        assert index(text) == index(fresh)
        assert points(text) == points(fresh)
        every = range(len(fresh) + 1)
        assert [text.line_of(offset) for offset in every] == [fresh.line_of(offset) for offset in every]


@pytest.mark.parametrize(
    ("content", "edit"),
    [
        ("a\r\nb", Edit(2, 3, "")),  # A \r\n that loses its \n,
        ("a\r\nb", Edit(1, 2, "")),  # or its \r,
        ("a\r\nb", Edit(2, 2, "x")),  # or is torn apart,
        ("a\r\nb", Edit(2, 2, "\n")),
        ("a\rb", Edit(2, 2, "\n")),  # and a \r that gets a \n,
        ("a\nb", Edit(1, 1, "\r")),  # and a \n that gets a \r.
        ("\r\r\n", Edit(0, 1, "")),
        ("\r\nx", Edit(0, 1, "")),
        ("ab\r", Edit(3, 3, "\n")),
        ("", Edit(0, 0, "\r\n")),
    ],
)
def test_an_edit_at_a_terminator(content: str, edit: Edit) -> None:
    after = Text.of(content).replace(edit)
    fresh = Text.of(content[: edit.start] + edit.text + content[edit.end :])
    assert (str(after), index(after), points(after)) == (str(fresh), index(fresh), points(fresh))


def test_an_edit_leaves_the_text_before_it_as_it_was() -> None:
    before = Text.of("a\nb\nc\n")
    expected = index(before)
    before.replace(Edit(0, 3, "x\r\ny\r\n")).replace(Edit(1, 1, "\n"))
    assert str(before) == "a\nb\nc\n"
    assert index(before) == expected


@pytest.mark.parametrize("edit", [Edit(-1, 0, ""), Edit(0, 4, ""), Edit(2, 1, ""), Edit(4, 4, "x")])
def test_an_edit_outside_the_text_is_an_error(edit: Edit) -> None:
    with pytest.raises(ValueError, match="outside"):
        Text.of("abc").replace(edit)


def test_edits_apply_in_the_offsets_of_the_text_before_them_all() -> None:
    text = Text.of("één twee drie")
    edits = [Edit(11, 15, "3"), Edit(0, 5, "1"), Edit(6, 10, "2")]
    assert str(apply(text, edits)) == "1 2 3"
    assert [edit.text for edit in in_order(edits)] == ["1", "2", "3"]


def test_insertions_at_one_place_keep_their_order() -> None:
    text = Text.of("ad")
    assert str(apply(text, [Edit(1, 1, "b"), Edit(1, 1, "c")])) == "abcd"
    assert str(apply(text, [Edit(1, 2, "D"), Edit(1, 1, "b"), Edit(1, 1, "c")])) == "abcD"


def test_edits_may_touch_but_not_overlap() -> None:
    text = Text.of("abcd")
    assert str(apply(text, [Edit(2, 4, "Y"), Edit(0, 2, "X")])) == "XY"
    for overlapping in ([Edit(0, 2, ""), Edit(1, 3, "")], [Edit(0, 4, ""), Edit(2, 2, "x")], [Edit(0, 1, "")] * 2):
        with pytest.raises(ValueError, match="overlap"):
            in_order(overlapping)
        with pytest.raises(ValueError, match="overlap"):
            apply(text, overlapping)


# -- indentation -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("block", "dedented", "shared"),
    [
        ("", "", ""),
        ("a\n  b\n", "a\n  b\n", ""),
        ("    a\n      b\n    c", "a\n  b\nc", "    "),
        ("\t\ta\n\t\t\tb\n", "a\n\tb\n", "\t\t"),
        ("\t  a\n\t\tb\n", "  a\n\tb\n", "\t"),
        ("\ta\n    b\n", "\ta\n    b\n", ""),
        ("    a\n\n  \n    b\n", "a\n\n  \nb\n", "    "),
        ("  a\r\n\r\n    b\r  c", "a\r\n\r\n  b\rc", "  "),
        ("  \n\n", "  \n\n", ""),
        ("  é\n  \u00a0\n", "é\n  \u00a0\n", "  "),
    ],
)
def test_dedent_takes_what_all_lines_share_and_indent_gives_it_back(
    block: str, dedented: str, shared: str
) -> None:
    assert dedent(block) == (dedented, shared)
    assert indent(dedented, shared) == block


@pytest.mark.parametrize("seed", range(50))
def test_dedent_and_indent_restore_every_byte(seed: int) -> None:
    dice = random.Random(seed)
    starts = ["    ", "\t", "\t\t", "    \t", "      "]
    block = "".join(
        dice.choice(["", dice.choice(starts) + dice.choice(["a", "é b ", "", "\x0c"])])
        + dice.choice(["\n", "\r\n", "\r"])
        for _ in range(8)
    )
    dedented, shared = dedent(block)
    assert indent(dedented, shared) == block
    assert dedent(dedented) == (dedented, "")


def test_indent_leaves_blank_lines_alone() -> None:
    assert indent("a\n\n  \n\tb", "  ") == "  a\n\n  \n  \tb"


def test_split_lines_keeps_terminators() -> None:
    assert split_lines("a\r\n\rb\x0c\u2028\n\nc") == ["a\r\n", "\r", "b\x0c\u2028\n", "\n", "c"]
    assert split_lines("") == []


def test_indentation_is_spaces_and_tabs() -> None:
    assert indentation(" \t a ") == " \t "
    assert indentation("\u00a0a") == ""
    assert is_blank(" \t\r\n") and is_blank("") and not is_blank(" x ")
