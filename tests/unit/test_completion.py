"""The completion pipeline, on buffers. The model's words are given; what the editor would get is asserted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from types import SimpleNamespace

import pytest
from completions import check, check_nothing, suggest
from scripted import ScriptedEngine

from midfill.completion import Completer
from midfill.completion.cache import Memory
from midfill.completion.context import Context, Fragment
from midfill.completion.window import Window
from midfill.config import Config
from midfill.document import Document
from midfill.engine.base import CancelToken, Chunk, Request, Usage
from midfill.errors import LoadError, ModelMissing
from midfill.text import Edit


def test_completes_the_rest_of_a_line() -> None:
    check(before="total = su‸\n", model="m(prices)\nprint(total)", after="total = sum(prices)‸\n")


def test_drops_the_closing_paren_the_editor_already_typed() -> None:
    check(before="print(‸)\n", model="name)", after="print(name‸)\n")


def test_drops_all_of_the_tail_that_the_model_repeats() -> None:
    check(before="f(‸, b)[0]\n", model="a, b)[0]", after="f(a‸, b)[0]\n")


def test_keeps_a_bracket_that_closes_one_of_its_own() -> None:
    check(before="print(‸)\n", model="f(x)", after="print(f(x)‸)\n")


def test_replaces_the_closers_that_the_model_writes_itself() -> None:
    check(before="print(‸)\n", model="names)[0]", after="print(names)[0]‸\n")
    check(before='x = f("‸")\n', model='a") + "b"', after='x = f("a") + "b"‸\n')
    check(before="x = f([‸])\n", model="a], b", after="x = f([a], b‸)\n")


def test_replaces_the_end_of_the_line_that_the_model_writes_behind_such_closers() -> None:
    check(before='printf("‸");\n', model='%d", x);', after='printf("%d", x);‸\n', path="a.c")
    check(before='if (!f("‸")) {\n}\n', model='a", b) || c) {', after='if (!f("a", b) || c) {‸\n}\n', path="a.c")
    check(before="def f(a, ‸):\n    pass\n", model="b=1) -> int:", after="def f(a, b=1) -> int:‸\n    pass\n")
    check(before="const x = { ‸ }\n", model="a: 1 };", after="const x = { a: 1 };‸\n", path="a.ts")


def test_nothing_when_the_model_repeats_the_tail_only() -> None:
    check_nothing(before="print(a‸)\n", model=")", reason="repeatsSuffix")


def test_nothing_when_the_model_writes_nothing() -> None:
    check_nothing(before="x = 1‸\n", model="\ny = 2", reason="empty")


def test_nothing_when_the_model_writes_the_next_line_again() -> None:
    check_nothing(before="def f():\n    ‸\n    return 1\n", model="return 1", reason="repeatsSuffix")


def test_nothing_inside_a_word() -> None:
    check_nothing(before="pri‸nt(x)\n", model="ma", reason="insideWord")


def test_inside_a_word_when_asked_for() -> None:
    completion, _ = suggest("pri‸nt(x)\n", "ma", invoked=True)
    assert completion.text == "ma"


def test_nothing_when_switched_off() -> None:
    check_nothing(before="x = ‸", model="1", reason="disabled", config=Config(enabled=False))
    off = Config(disabled_languages=("python",))
    check_nothing(before="x = ‸", model="1", reason="languageDisabled", config=off)


def test_a_block_behind_its_opener() -> None:
    check(
        before="def area(w, h):‸\n",
        model="\n    size = w * h\n    return size\n\n\ndef other():\n    pass\n",
        after="def area(w, h):\n    size = w * h\n    return size‸\n",
    )


def test_a_block_on_the_blank_line_of_a_body() -> None:
    check(
        before="class A:\n    def f(self):\n        ‸\n\n    def g(self): ...\n",
        model="x = 1\n        return x\n    def h(self):\n        pass\n",
        after="class A:\n    def f(self):\n        x = 1\n        return x‸\n\n    def g(self): ...\n",
    )


def test_a_block_ends_before_a_line_that_is_less_indented() -> None:
    check(
        before="def f():\n    ‸\n",
        model="return 1\nprint(f())\n",
        after="def f():\n    return 1‸\n",
    )


def test_a_block_ends_before_such_a_line_also_where_the_model_ends_with_it() -> None:
    check(
        before="for a in b:\n    if a:\n        ‸\n    print(a)\n",
        model="x = 1\n    y = 2",
        after="for a in b:\n    if a:\n        x = 1‸\n    print(a)\n",
    )


def test_a_block_ends_before_the_line_that_already_follows() -> None:
    check(
        before="def f():\n    ‸\n\n    return a\n",
        model="a = 1\n    return a\n",
        after="def f():\n    a = 1‸\n\n    return a\n",
    )


def test_a_blank_line_in_a_docstring_does_not_end_a_block() -> None:
    check(
        before="def f():\n    ‸\n",
        model='"""One.\n\n    Two.\n    """\n    return 1\n\nmore',
        after='def f():\n    """One.\n\n    Two.\n    """\n    return 1‸\n',
    )


def test_a_block_is_indented_by_what_the_lines_around_it_are() -> None:
    """In Python, tabs here and spaces there are an error that no parser of ours sees."""
    check(
        before="def f():\n\tif a:\n\t\t‸\n",
        model="b = [\n          1]\n        if b:\n            c()\n",
        after="def f():\n\tif a:\n\t\tb = [\n\t\t  1]\n\t\tif b:\n\t\t\tc()‸\n",
    )
    check(
        before="def f():\n    if a:‸\n",
        model="\n\t\tb = 1\n\t\tc()\n",
        after="def f():\n    if a:\n        b = 1\n        c()‸\n",
    )


def test_a_block_in_a_language_with_braces_takes_its_closing_brace() -> None:
    check(
        before="function f(a) {‸\n",
        model="\n  return a;\n}\n\nfunction g() {}\n",
        after="function f(a) {\n  return a;\n}‸\n",
        path="a.js",
    )


def test_a_block_leaves_the_closing_brace_that_is_there() -> None:
    check(
        before="function f(a) {‸\n}\n",
        model="\n  return a;\n}\n\nfunction g() {}\n",
        after="function f(a) {\n  return a;‸\n}\n",
        path="a.js",
    )


@pytest.mark.parametrize("invoked", [True, False])
def test_a_block_between_its_opener_and_the_closers_that_an_editor_adds(invoked: bool) -> None:
    def fill(before: str, model: str, after: str, path: str) -> None:
        check(before, model, after, path, invoked)

    body = "\n  return a;\n"
    fill("function f(a) {‸}\n", f"{body}}}\n\nfunction g() {{}}\n", f"function f(a) {{{body}‸}}\n", "a.js")
    fill("function f(a) {‸}\n", body, f"function f(a) {{{body}‸}}\n", "a.js")
    fill("f(function (a) {‸})\n", f"{body}}})\ng()\n", f"f(function (a) {{{body}‸}})\n", "a.js")
    fill("f(function (a) {‸})\n", f"{body}}});\ng();\n", f"f(function (a) {{{body}}});‸\n", "a.js")
    fill("  f(a => {‸});\n", "\n    a();\n  });\n", "  f(a => {\n    a();\n  ‸});\n", "a.js")
    fill('{"a": {‸}}\n', '\n  "b": 1\n}}', '{"a": {\n  "b": 1\n‸}}\n', "a.json")
    fill("x = f(‸)\n", "\n    a,\n    b,\n)\ny = 1\n", "x = f(\n    a,\n    b,\n‸)\n", "a.py")
    fill("x = [‸]\n", "\n    1,\n    2,\n]\n", "x = [\n    1,\n    2,\n‸]\n", "a.py")
    fill("e(() => {‸}, [])\n", "\n  f();\n}, []);\ng();\n", "e(() => {\n  f();\n‸}, [])\n", "a.js")
    fill("if (a) {‸} else {\n}\n", "\n  f();\n}\ng();\n", "if (a) {\n  f();\n‸} else {\n}\n", "a.js")
    # One line is one.
    fill("a {‸}\n", " color: red; }\nb {\n", "a { color: red; ‸}\n", "a.css")
    fill("f({‸})\n", "a: 1})\ng()\n", "f({a: 1‸})\n", "a.js")


def test_asked_for_in_a_line_several_may_lead_onto_the_text_behind() -> None:
    before, lines = "f(‸, d)\n", "a, {\n  b: 1,\n  c: 2\n}"
    check(before, f"{lines}, d)\ng()\n", f"f({lines}‸, d)\n", "a.js", invoked=True)
    check(before, lines, f"f({lines}‸, d)\n", "a.js", invoked=True)
    check("f(‸);\n", "a\n\n\n\n  + b);\n", "f(a‸);\n", "a.js", invoked=True)
    check("f(‸)\n", f"{lines})\ng()\n", f"f({lines}‸)\n", "a.js", invoked=True)
    # What leads elsewhere, or makes sense by itself, is one line.
    check(before, "all, {\n  b: 1,\n  c: 2\n}, e)\ng()\n", "f(all‸, d)\n", "a.js", invoked=True)
    check(before, "a, b\n  + c, d)\n", "f(a, b‸, d)\n", "a.js", invoked=True)
    check(before, "all, {\n  b: 1\n}, d)\ng()\n", "f(all‸, d)\n", "a.js")


def test_one_line_where_code_goes_on_below() -> None:
    check(
        before="def f(xs):\n    ‸\n        print(x)\n",
        model="for x in xs:\n        print(x)\n",
        after="def f(xs):\n    for x in xs:‸\n        print(x)\n",
    )


def test_asked_for_lines_are_as_many_as_lead_onto_the_code_below() -> None:
    before = "def f(xs):\n    total = 0\n    ‸\n    return total\n"
    lines = "for x in xs:\n        total += x"
    check(before, f"{lines}\n    return total\n", before.replace("‸", f"{lines}‸"), invoked=True)
    # What leads elsewhere is the shortest that makes sense.
    check(before, f"{lines}\n    total *= 2\nprint(1)\n", before.replace("‸", f"{lines}‸"), invoked=True)
    check(before, "a = 1\n    b = 2\nprint(1)\n", before.replace("‸", "a = 1‸"), invoked=True)
    # In the middle of a line too.
    before = "def f(xs):\n    total ‸\n    return total\n"
    check(
        before, "= 0\n    total = 1\n    return total\n", before.replace("‸", "= 0\n    total = 1‸"), invoked=True
    )
    check(before, "= 0\n    total = 1\nprint(1)\n", before.replace("‸", "= 0‸"), invoked=True)


def test_asked_for_at_the_end_of_a_block_a_blank_line_is_no_end() -> None:
    lines = "    a = 1\n\n    return a"
    check("def f():\n‸\n", f"{lines}\n\n\ndef g():\n", f"def f():\n{lines}‸\n", invoked=True)
    check("def f():\n‸\n", f"{lines}\n", "def f():\n    a = 1‸\n")
    check("def f():\n‸\n\n    b = 2\n", f"{lines}\n", "def f():\n    a = 1‸\n\n    b = 2\n", invoked=True)


def test_in_the_first_column_all_that_is_deeper_than_the_code_below_may_be_missing() -> None:
    before = "def f(xs):\n    for x in xs:\n        if x:\n            a()\n‸\n    return 1\n"
    lines = "        else:\n            b()"
    check(before, f"{lines}\n    return 1\n", before.replace("‸", f"{lines}‸"), invoked=True)
    # The first line may be less deep than the one above.
    before = "def f(xs):\n    if xs:\n        a()\n‸\n        b()\n"
    check(before, "    else:\n        b()\n", before.replace("‸", "    else:‸"), invoked=True)
    check("def f():\n    pass\n\n‸\n", "x = 1\n\ny = 2\n", "def f():\n    pass\n\nx = 1‸\n", invoked=True)


def test_a_block_is_cut_to_what_adds_no_syntax_error() -> None:
    check(
        before="def f():\n    ‸\n",
        model="x = 1\n    y = (2,\n",
        after="def f():\n    x = 1‸\n",
    )


def test_a_block_without_a_sound_part_is_nothing() -> None:
    check_nothing(before="def f():‸\n", model="\n    x = (1,\n         (2,\n", reason="breaksSyntax")


def test_a_line_is_cut_to_what_adds_no_syntax_error() -> None:
    check(before="print(‸) + 1\n", model="values[0] + (a", after="print(values[0]‸) + 1\n")
    check_nothing(before="print(‸) + 1\n", model="[[[", reason="breaksSyntax")


def test_in_the_middle_of_a_line_no_error_may_touch_what_is_inserted() -> None:
    check_nothing(before="if (‸) {\n  y();\n}\n", model="stale check", reason="breaksSyntax", path="a.js")
    check(before="if (‸) {\n  y();\n}\n", model="stale", after="if (stale‸) {\n  y();\n}\n", path="a.js")


def test_a_line_being_typed_may_leave_brackets_open() -> None:
    check(before="x = ‸\n", model="compute(a,", after="x = compute(a,‸\n")
    check(before="if (x‸\ny();\n", model=" > 0) {", after="if (x > 0) {‸\ny();\n", path="a.js")


def test_what_opens_the_brackets_that_are_closed_below_is_required() -> None:
    broken = "function f(a) {\n  ‸\n    g(a);\n  }\n  return 1;\n}\n"
    check(before=broken, model="if (a) {", after=broken.replace("‸", "if (a) {‸"), path="a.js")
    check_nothing(before=broken, model="a = 1;", reason="breaksSyntax", path="a.js")
    check_nothing(before=broken, model="a = 1;\n", reason="breaksSyntax", path="a.js", invoked=True)


def test_a_blank_line_inside_of_what_the_block_opens_is_no_end() -> None:
    body = "if (a)\n  {\n    b();\n\n    c();\n  }"
    for invoked in (True, False):
        check(
            before="function f() {\n  ‸\n\n  d();\n}\n",
            model=f"{body}\n\n  e();\n",
            after=f"function f() {{\n  {body}‸\n\n  d();\n}}\n",
            path="a.js",
            invoked=invoked,
        )

    # Nothing of it is open here.
    check("{\n  ‸\n\n  d();\n}\n", "a();\n  }\n\n  b();\n  {\n", "{\n  a();‸\n\n  d();\n}\n", "a.js", invoked=True)
    check("a=(\n  b\n)\n‸\n", "for c in d; do\n  e\ndone\n", "a=(\n  b\n)\nfor c in d; do\n  e\ndone‸\n", "a.sh")


def test_a_block_may_begin_as_the_code_below_does() -> None:
    block = "/**\n * One.\n */\nfunction f() {}"
    below = "\n\n/**\n * Two.\n */\nfunction g() {}\n"
    check(f"‸{below}", f"{block}{below}", f"{block}‸{below}", path="a.js", invoked=True)
    check_nothing(f"‸{below}", below.lstrip(), reason="repeatsSuffix", path="a.js", invoked=True)


def test_a_block_is_as_deep_as_the_cursor_whatever_the_line_above() -> None:
    before = "class A(\n  val a: Int\n) :\n  B(a) {\n  ‸\n}\n"
    check(before, "val b = 1\n  val c = 2\n}\n", before.replace("‸", "val b = 1\n  val c = 2‸"), path="a.kt")


def test_lines_end_in_no_comment_that_is_open() -> None:
    before = "interface A {\n  ‸\n  f(): void;\n\n  /** Two. */\n  g(): void;\n}\n"
    lines = "/**\n   * One.\n   */"
    check(before, f"{lines}\n  h(): void;\n}}\n", before.replace("‸", f"{lines}‸"), path="a.ts", invoked=True)
    check("f();\n‸", "// One.", "f();\n// One.‸", path="a.ts", invoked=True)


def test_a_bracket_that_needs_no_other_requires_none() -> None:
    broken = "case $a in\n  b) c ;;\nesac\n‸\n| g\n"
    check(before=broken, model="e=f", after=broken.replace("‸", "e=f‸"), path="a.sh")


def test_an_error_elsewhere_stops_no_suggestion() -> None:
    broken = "def f(:\n    pass\n\n\nx = ‸\n"
    check(before=broken, model="1", after=broken.replace("‸", "1‸"))
    open_above = "class A {\n  f() {\n    x = ‸\n"
    check(before=open_above, model="1;", after=open_above.replace("‸", "1;‸"), path="a.js")
    closed_below = "x = ‸\n\nfunction f() {}\n}\n"
    check(before=closed_below, model="1;", after=closed_below.replace("‸", "1;‸"), path="a.js")


def test_while_typing_a_block_may_begin_with_what_opens_the_next() -> None:
    before = "def f(xs):\n    a = 1\n    ‸\n"
    check(before, "for x in xs:\n\n", before.replace("‸", "for x in xs:‸"))
    check_nothing(before, "for x in xs:\n\n", reason="breaksSyntax", invoked=True)


def test_one_line_when_blocks_are_switched_off() -> None:
    completion, _ = suggest("def f():\n    ‸\n", "x = 1\n    return x\n", config=Config(multiline=False))
    assert completion.text == "x = 1"


def test_keeps_windows_line_ends() -> None:
    check(
        before="def f():\r\n    ‸\r\n",
        model="x = 1\n    return x\n\n",
        after="def f():\r\n    x = 1\r\n    return x‸\r\n",
    )


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_line_ends_are_the_files_whatever_the_model_writes(newline: str) -> None:
    check(
        before="def f():\n    ‸\n".replace("\n", newline),
        model="a = 1\r\n    return a\r\n",
        after="def f():\n    a = 1\n    return a‸\n".replace("\n", newline),
    )


def test_the_model_sees_unix_line_ends() -> None:
    completion, _ = suggest("a = 1\r\nb = ‸\r\nc = 3\r\n", "2")
    assert "\r" not in completion.prompt


def test_counts_in_bytes_with_text_that_is_not_ascii() -> None:
    check(before='größe = "ü" + ‸\n', model="name", after='größe = "ü" + name‸\n')


def test_a_file_of_an_unknown_language() -> None:
    check(before="server:\n  port: ‸\n", model="8080\n  host: x", after="server:\n  port: 8080‸\n", path="a.conf")


def test_an_empty_file() -> None:
    check(before="‸", model="import os\n\nimport sys", after="import os‸")


def test_the_prompt_is_anchored_and_the_users_text_is_no_control_part() -> None:
    engine = ScriptedEngine(["4"])
    source = "".join(f"v{i} = {i}\n" for i in range(9)) + "x = <|fim_middle|>"
    document = Document.open("file:///a.py", None, 1, source)
    asyncio.run(Completer(Config(), engine, Memory()).complete(document, len(source), False, CancelToken()))
    prompt = engine.requests[0].prompt
    assert [part.text for part in prompt] == [
        "<|fim_prefix|>",
        "".join(f"v{i} = {i}\n" for i in range(6)),
        "<|fim_suffix|>",
        "",
        "<|fim_middle|>",
        "v6 = 6\nv7 = 7\nv8 = 8\nx = <|fim_middle|>",
    ]
    assert [part.control for part in prompt] == [True, False, True, False, True, False]


class Typist:
    """Types into a buffer and asks, with one memory, for what is suggested and by whom."""

    def __init__(self, before: str, *answers: str, path: str = "a.py") -> None:
        left, _, right = before.partition("‸")
        self.document = Document.open(f"file:///{path}", None, 1, left + right)
        self.cursor = len(left.encode())
        self.engine = ScriptedEngine(list(answers))
        self.memory = Memory()

    def type(self, text: str, behind: str = "", over: int = 0) -> None:
        """Insert text; the editor adds `behind`, or lets the text go over so many characters."""
        self.document = self.document.edited([Edit(self.cursor, self.cursor + over, text + behind)])
        self.cursor += len(text.encode())

    def ask(self, invoked: bool = False) -> tuple[str, str]:
        answer = asyncio.run(
            Completer(Config(), self.engine, self.memory).complete(
                self.document, self.cursor, invoked, CancelToken()
            )
        )
        return answer.text, answer.source

    def accepted(self) -> str:
        answer = asyncio.run(
            Completer(Config(), self.engine, self.memory).complete(
                self.document, self.cursor, False, CancelToken()
            )
        )
        edit = Edit(answer.cursor, answer.cursor + answer.replaces, answer.text)
        return str(self.document.edited([edit]).text)


def test_the_same_question_is_answered_from_the_cache() -> None:
    typist = Typist("x = ‸", "1", "2")
    assert typist.ask() == ("1", "model")
    assert typist.ask() == ("1", "cache")
    # Whoever asks wants more than what is suggested to one who types.
    assert typist.ask(invoked=True) == ("2", "model")
    assert typist.ask() == ("2", "cache")


def test_typing_what_is_suggested_needs_no_model() -> None:
    typist = Typist("x = ‸\n", "compute(y)", "nothing")
    typist.ask()
    for letter in "compute":
        typist.type(letter)
        assert typist.ask()[1] == "typeThrough"
    assert typist.ask() == ("(y)", "typeThrough")
    assert len(typist.engine.requests) == 1


def test_typing_back_finds_the_suggestion_again() -> None:
    typist = Typist("x = ‸\n", "compute(y)", "nothing")
    typist.ask()
    typist.type("com")
    assert typist.ask() == ("pute(y)", "typeThrough")
    typist.document = typist.document.edited([Edit(typist.cursor - 2, typist.cursor, "")])
    typist.cursor -= 2
    assert typist.ask() == ("ompute(y)", "typeThrough")
    assert len(typist.engine.requests) == 1


def test_typing_something_else_asks_the_model() -> None:
    typist = Typist("x = ‸\n", "compute(y)", "st(z)")
    typist.ask()
    typist.type("co")
    typist.type("a")
    assert typist.ask() == ("st(z)", "model")


def test_typing_through_with_brackets_that_the_editor_closes() -> None:
    typist = Typist("x = ‸\n", "compute(y, [1])")
    typist.ask()
    typist.type("compute(", behind=")")
    assert typist.ask() == ("y, [1]", "typeThrough")
    typist.type("y, [", behind="]")
    assert typist.ask() == ("1", "typeThrough")
    assert typist.accepted() == "x = compute(y, [1])\n"


def test_typing_over_a_closer_that_the_suggestion_brings() -> None:
    typist = Typist("print(‸)\n", "names)[0]")
    assert typist.ask() == ("names)[0]", "model")
    typist.type("names")
    assert typist.accepted() == "print(names)[0]\n"
    typist.type(")", over=1)
    assert typist.ask() == ("[0]", "typeThrough")
    assert typist.accepted() == "print(names)[0]\n"


@pytest.mark.parametrize("closed", ["", ")"])
def test_typing_on_changes_nothing_of_what_a_suggestion_makes(closed: str) -> None:
    """With and without an editor that closes brackets."""
    typist = Typist("if (‸) {\n}\n", "isOk(x) && y", "nothing", path="a.js")
    assert typist.ask() == ("isOk(x) && y", "model")
    typist.type("isOk(", behind=closed)
    assert typist.ask() == ("x) && y", "typeThrough")
    assert typist.accepted() == "if (isOk(x) && y) {\n}\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_enter_between_brackets_goes_on_in_the_block_that_is_suggested_there(newline: str) -> None:
    typist = Typist(f"{{{newline}  function f(x) {{‸}}{newline}}}{newline}", "\n    return x;\n  }\n", path="a.js")
    block = f"{newline}    return x;{newline}  "
    assert typist.ask() == (block, "model")
    typist.type(f"{newline}    ", behind=f"{newline}  ")
    assert typist.ask() == ("return x;", "typeThrough")
    typist.type("ret")
    assert typist.ask() == ("urn x;", "typeThrough")
    assert typist.accepted() == f"{{{newline}  function f(x) {{{block}}}{newline}}}{newline}"


def test_enter_between_brackets_with_another_indentation_asks_the_model() -> None:
    typist = Typist("function f(x) {‸}\n", "\n  return x;\n}\n", "return x;\n}\n", path="a.js")
    typist.ask()
    typist.type("\n    ", behind="\n")
    assert typist.ask() == ("return x;", "model")


def test_a_change_behind_the_cursor_ends_a_suggestion() -> None:
    typist = Typist("x = ‸\n", "compute(y)", "fresh")
    typist.ask()
    typist.type("c", behind=" + 1")
    assert typist.ask()[1] == "model"


def test_a_suggestion_that_is_accepted_is_used_up() -> None:
    typist = Typist("x = ‸\n", "compute(y)", " + 1")
    typist.ask()
    typist.type("compute(y)")
    assert typist.ask() == (" + 1", "model")


def test_a_block_is_typed_through_over_its_lines() -> None:
    typist = Typist("def f():\n    ‸\n", "a = 1\n    b = 2\n")
    typist.ask(invoked=True)
    typist.type("a = 1\n    ")
    assert typist.ask() == ("b = 2", "typeThrough")


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ModelMissing("run fetch"), "modelMissing"), (LoadError("no memory"), "engineFailed")],
)
def test_a_failure_has_a_reason_and_a_message(error: Exception, reason: str) -> None:
    document = Document.open("file:///a.py", None, 1, "x = ")
    engine = ScriptedEngine([error])
    answer = asyncio.run(Completer(Config(), engine, Memory()).complete(document, 4, False, CancelToken()))
    assert (answer.outcome, answer.reason, answer.message) == ("failed", reason, str(error))


def test_cancelled_while_the_model_writes() -> None:
    async def run() -> None:
        engine = ScriptedEngine(["a long answer"], hold=asyncio.Event())
        document = Document.open("file:///a.py", None, 1, "x = ")
        memory = Memory()
        cancel = CancelToken()
        asking = asyncio.ensure_future(Completer(Config(), engine, memory).complete(document, 4, False, cancel))
        await asyncio.sleep(0.02)
        cancel.cancel()
        answer = await asyncio.wait_for(asking, 1)
        assert (answer.outcome, answer.reason, answer.text) == ("cancelled", "cancelled", "")
        # A cancelled answer is no answer: the next request asks again.
        assert memory.recall(document, 4, False) is None

    asyncio.run(run())


def test_asked_for_gives_distinct_alternatives_the_likeliest_first() -> None:
    engine = ScriptedEngine(["b)<or>a)<or>c)<or>b)"])
    document = Document.open("file:///a.py", None, 1, "f()\n")
    answer = asyncio.run(
        Completer(Config(alternatives=4), engine, Memory()).complete(document, 2, True, CancelToken())
    )
    # The third is much less likely.
    assert [answer.text, *(other.text for other in answer.others)] == ["b", "a"]


@pytest.mark.parametrize("invoked", [True, False])
def test_a_line_that_could_be_a_block_is_as_long_as_any(invoked: bool) -> None:
    completion, _ = suggest("f(‸)\n", "a + " * 200, invoked=invoked, config=Config(max_line_tokens=8))
    assert completion.usage.generated <= 9
    assert completion.text == "a + a + a + a + a + a + a + a"


def test_where_the_model_repeats_what_follows_an_alternative_is_shown() -> None:
    engine = ScriptedEngine([")<or>a"])
    document = Document.open("file:///a.py", None, 1, "f()\n")
    answer = asyncio.run(Completer(Config(), engine, Memory()).complete(document, 2, True, CancelToken()))
    assert (answer.text, answer.others) == ("a", ())


def test_a_block_while_typing_ends_with_the_line_that_is_complete_in_time() -> None:
    document = Document.open("file:///a.py", None, 1, "def f():\n    ")
    written = "a = 1\n    b = 2\n    c = 3\n"

    def ask(invoked: bool) -> str:
        engine = ScriptedEngine([written])
        config = Config(latency_target_ms=0)
        return asyncio.run(Completer(config, engine, Memory()).complete(document, 13, invoked, CancelToken())).text

    assert ask(invoked=False) == "a = 1"
    assert ask(invoked=True) == written.rstrip()


def test_a_line_that_only_opens_a_block_is_given_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    written = "if (a) {\n    b();\n  }\n  c();\n  d();\n}\n"

    def typed(seconds_a_chunk: float) -> str:
        clock = itertools.count(1.0, seconds_a_chunk)
        monkeypatch.setattr("midfill.completion.answer.time", SimpleNamespace(perf_counter=lambda: next(clock)))
        return suggest("function f(a) {\n  ‸\n}\n", written, "a.js")[0].text

    # A chunk is four letters, and 0.2 seconds are what there is.
    assert typed(0.0) == written.removesuffix("\n}\n")
    assert typed(0.05) == "if (a) {\n    b();\n  }"
    assert typed(0.3) == ""


@pytest.mark.parametrize(
    ("before", "blank"), [("def f():\n    ‸\n", "\n"), ("def f():\n    ‸\n", " "), ("x‸\n", " ")]
)
def test_a_model_that_writes_blanks_is_stopped(before: str, blank: str) -> None:
    typist = Typist(before, blank * 400)
    answer = asyncio.run(
        Completer(Config(), typist.engine, typist.memory).complete(
            typist.document, typist.cursor, True, CancelToken()
        )
    )
    assert answer.reason == "empty"
    assert answer.usage.generated < 10


def test_warms_up_what_the_next_completion_needs() -> None:
    async def run() -> None:
        source = "".join(f"x{i} = {i}\n" for i in range(400))
        document = Document.open("file:///a.py", None, 1, source)
        cursor = document.text.line_end(200)
        engine, memory, config = ScriptedEngine([" + 1"]), Memory(), Config()
        await Completer(config, engine, memory).warm_up(document, cursor, CancelToken())
        await Completer(config, engine, memory).complete(document, cursor, True, CancelToken())
        # A small window is read first, for one who is in a hurry.
        sizes = [sum(len(part.text) for part in request.prompt) for request in engine.warmed]
        assert sizes[0] * 2 < sizes[1]
        assert engine.warmed[1].prompt == engine.requests[0].prompt
        assert engine.warmed[0].when == "idle"
        # Typed on far below, the anchor is moved ahead of need.
        document = document.edited([Edit(cursor, cursor, "\nnew = 1" * 9)])
        await Completer(config, engine, memory).complete(document, cursor + 9 * 8, True, CancelToken())
        await Completer(config, engine, memory).warm_up(document, cursor + 9 * 8, CancelToken())
        document = document.edited([Edit(cursor + 9 * 8, cursor + 9 * 8, "0")])
        await Completer(config, engine, memory).complete(document, cursor + 9 * 8 + 1, True, CancelToken())
        assert engine.requests[1].prompt[:4] == engine.requests[0].prompt[:4]
        assert engine.requests[2].prompt[:4] == engine.warmed[-1].prompt[:4] != engine.requests[0].prompt[:4]

    asyncio.run(run())


def test_warms_up_the_beginning_of_a_short_file_where_the_cursor_is_unknown() -> None:
    document = Document.open("file:///a.py", None, 1, "x = 1\n" * 20)
    engine = ScriptedEngine(["1"])
    asyncio.run(Completer(Config(), engine, Memory()).warm_up(document, None, CancelToken()))
    assert [part.text for part in engine.warmed[0].prompt] == ["<|fim_prefix|>", "x = 1\n" * 20]


def test_what_is_read_ahead_ends_with_a_whole_character() -> None:
    """Where a long file begins, and where the cursor was before the text changed."""
    document = Document.open("file:///a.py", None, 1, "# " + "é" * 10_000)
    engine, memory = ScriptedEngine(["x"]), Memory()
    completer = Completer(Config(), engine, memory)
    asyncio.run(completer.warm_up(document, None, CancelToken()))
    asyncio.run(completer.warm_up(document, 7, CancelToken()))
    assert len(engine.warmed) >= 2
    assert engine.warmed[-1].prompt[-1].text == "# éé"


def test_what_comes_after_a_suggestion_is_found_ahead() -> None:
    typist = Typist("x = ‸\n", "compute(y)", " + 1")
    typist.ask()

    async def look_ahead() -> None:
        shown = typist.memory.recall(typist.document, typist.cursor, False)
        assert shown
        await Completer(Config(), typist.engine, typist.memory).prefetch(typist.document, shown, CancelToken())

    asyncio.run(look_ahead())
    assert typist.engine.requests[-1].when == "soon"
    typist.type("compute(y)")
    assert typist.ask() == (" + 1", "prefetch")
    assert len(typist.engine.requests) == 2


def test_what_the_model_is_unsure_of_is_not_shown_while_typing() -> None:
    # The scripted model gives every piece the probability exp(-0.1).
    check_nothing(before="x = ‸\n", model="y", reason="unlikely", config=Config(min_confidence=95))
    assert suggest("x = ‸\n", "y", config=Config(min_confidence=85))[0].text == "y"
    assert suggest("x = ‸\n", "y", invoked=True, config=Config(min_confidence=95))[0].text == "y"


@pytest.mark.parametrize(("written", "text", "reason"), [("", "", "late"), ("a = 1\nb = ", "a = 1", None)])
def test_after_the_deadline_the_complete_lines_do(written: str, text: str, reason: str | None) -> None:
    class Slow(ScriptedEngine):
        async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
            assert request.deadline_ms == 20 * 500
            yield Chunk(written, -0.1, Usage())
            yield Chunk("", 0.0, Usage(), "deadline")

    source = "def f():\n    "
    document = Document.open("file:///a.py", None, 1, source)
    completer = Completer(Config(), Slow([]), Memory())
    completion = asyncio.run(completer.complete(document, len(source), False, CancelToken()))
    assert (completion.text, completion.reason) == (text, reason)


def test_a_place_where_the_model_was_late_once_is_asked_about_again() -> None:
    class SlowAtFirst(ScriptedEngine):
        async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
            self.requests.append(request)
            if len(self.requests) == 1:
                yield Chunk("", 0.0, Usage(), "deadline")
            else:
                yield Chunk("1", -0.1, Usage(), "end")

    typist = Typist("x = ‸\n")
    typist.engine = SlowAtFirst([])
    assert typist.ask() == ("", "model")
    assert typist.ask() == ("1", "model")


def test_no_suggestion_in_a_file_that_holds_secrets() -> None:
    check_nothing(before="KEY = ‸\n", model="1", reason="denied", path=".env")
    check_nothing(before="KEY = ‸\n", model="1", reason="denied", path="home/.ssh/config")


def test_no_suggestion_where_it_would_be_noise() -> None:
    check_nothing(before="x = 1;‸\n", model="y", reason="finished", path="a.js")
    check_nothing(before="if (x) {\n}‸\n", model="y", reason="finished", path="a.js")
    # Whoever goes on behind it has more to say.
    check(before="if (x) {\n} ‸\n", model="else {", after="if (x) {\n} else {‸\n", path="a.js")
    check(
        before="for (let i = 0;‸\n", model=" i < n; i++) {", after="for (let i = 0; i < n; i++) {‸\n", path="a.js"
    )
    check(before="x = 'a;‸\n", model="b'", after="x = 'a;b'‸\n", path="a.js")
    check_nothing(before="x = 1  # a‸\n", model="y", reason="inComment", config=Config(in_comments=False))
    check_nothing(before="x = 'a‸'\n", model="y", reason="inString", config=Config(in_strings=False))
    assert suggest("x = 'a‸'\n", "y", invoked=True, config=Config(in_strings=False))[0].text == "y"


def test_what_other_files_tell_stands_first_and_stays() -> None:
    told = Context((Fragment("lib/util.py", "def helper(a, b): ...\n"),), project="shop", path="app.py")
    looks = 0

    def look(document: Document, window: Window, before: Context) -> Context:
        nonlocal looks
        looks += 1
        return before if before.fragments else told

    async def run() -> None:
        engine, memory = ScriptedEngine([" + 1", "y"]), Memory()
        document = Document.open("file:///app.py", None, 1, "x = 1\ny = helper(‸)\n".replace("‸", ""))
        cursor = document.text.line_end(1) - 1
        await Completer(Config(), engine, memory, look).warm_up(document, cursor, CancelToken())
        await Completer(Config(), engine, memory, look).complete(document, cursor, False, CancelToken())
        prompt = engine.requests[0].prompt
        assert engine.warmed[-1].prompt == prompt
        start = "".join(part.text for part in prompt[:6])
        assert start == ("<|repo_name|>shop\n<|file_sep|>lib/util.py\ndef helper(a, b): ...\n<|file_sep|>app.py\n")
        assert [part.control for part in prompt[:7]] == [True, False, True, False, True, False, True]
        # No keystroke asks the index: the window keeps what was told.
        before = looks
        document = document.edited([Edit(cursor, cursor, "a")])
        await Completer(Config(), engine, memory, look).complete(document, cursor + 1, False, CancelToken())
        assert looks == before
        assert engine.requests[1].prompt[:6] == prompt[:6]

    asyncio.run(run())


def test_how_sure_the_model_is() -> None:
    (completion, *_) = suggest("x = ‸\n", "y")
    assert 0 < completion.weakest <= completion.confidence < 1


def test_imports_that_the_window_leaves_out_stand_before_it() -> None:
    told = Context(imports="import os\n")

    async def run() -> None:
        engine = ScriptedEngine(["y"])
        document = Document.open("file:///app.py", None, 1, "x = 1\n" * 9)
        completer = Completer(Config(), engine, Memory(), lambda document, window, before: told)
        await completer.complete(document, len(document.text), True, CancelToken())
        texts = [part.text for part in engine.requests[0].prompt]
        assert texts[:2] == ["<|fim_prefix|>", "import os\n" + "x = 1\n" * 6]

    asyncio.run(run())


def test_ends_where_the_text_behind_the_cursor_closes_the_bracket() -> None:
    check(
        before="fn cmp(‸) -> Ordering {\n}\n",
        model="&self, other: &Self) -> std::cmp::Ordering {",
        after="fn cmp(&self, other: &Self‸) -> Ordering {\n}\n",
        path="a.rs",
    )


def test_ends_where_the_text_behind_the_cursor_closes_the_bracket_after_a_blank() -> None:
    check(
        before="import { ‸ } from 'x';\n",
        model="a, b } from 'y';",
        after="import { a, b‸ } from 'x';\n",
        path="a.ts",
    )
    check(before="const { ‸ } = props;\n", model="a } = this.props;", after="const { a‸ } = props;\n", path="a.ts")


def test_ends_where_the_text_behind_the_cursor_closes_the_string() -> None:
    check(before='foo("‸", 1)\n', model='bar", 2)', after='foo("bar‸", 1)\n')
    check(before="a['‸'] = 1;\n", model="it\\'s'] = 2;", after="a['it\\'s‸'] = 1;\n", path="a.ts")
    check(before="x = ‸'b' + c\n", model="f('a') + ", after="x = f('a') + ‸'b' + c\n")
    # What stands there opens one.
    check(
        before="// unlike‸ `a` here\n", model=" `b`, since", after="// unlike `b`, since‸ `a` here\n", path="a.ts"
    )


def test_what_happens_to_end_as_the_text_behind_the_cursor_begins_is_kept() -> None:
    check(before="‸expo.modules;\n", model="package ", after="package ‸expo.modules;\n", path="a.java")
    check(before='x = ["b‸"c"]\n', model='", ', after='x = ["b", ‸"c"]\n')
    check(before="// a ‸= b\n", model="b =", after="// a b =‸= b\n", path="a.ts")
    check(before="f(‸bar, c)\n", model="a, bar", after="f(a, ‸bar, c)\n")


def test_a_closer_that_is_there_already_is_repeated_where_one_is_missing() -> None:
    check(before="f(g(‸)\n", model="a)", after="f(g(a)‸)\n")
    check(before="‸';\n", model="import { b } from './a", after="import { b } from './a‸';\n", path="a.ts")
    check(before="if (f(‸) {\n}\n", model=")", after="if (f()‸) {\n}\n", path="a.js")


def test_drops_all_of_the_tail_that_closes_what_the_suggestion_opens() -> None:
    check(before="return ‸err));\n", model="Ready(Err(err));", after="return Ready(Err(‸err));\n", path="a.js")
    check(before="# ‸y).\n", model="see f(x, y).", after="# see f(x, ‸y).\n")


def test_a_beginning_makes_no_word_with_the_text_behind_the_cursor() -> None:
    check_nothing(before="return ‸err;\n", model="some value(((", reason="breaksSyntax", path="a.js")


def test_words_are_not_joined() -> None:
    check(before="if ‸b:\n    c()\n", model="not ", after="if not ‸b:\n    c()\n")
    check(before="f(‸)\n", model="a ", after="f(a‸)\n")


def test_ends_where_the_text_behind_the_cursor_closes_the_type_or_the_tag() -> None:
    check(before="M<S, ‸> m = null;\n", model="I> m = new H<>();", after="M<S, I‸> m = null;\n", path="A.java")
    check(before="let v: Vec<‸>;\n", model="Vec<i32>> = x;", after="let v: Vec<Vec<i32>‸>;\n", path="a.rs")
    check(before="<p class=‸>\n</p>\n", model='"x">hello</p>', after='<p class="x"‸>\n</p>\n', path="a.html")
    check(before="if (a ‸> b) {}\n", model="+ f(() => c) ", after="if (a + f(() => c) ‸> b) {}\n", path="a.ts")


def test_a_block_goes_on_until_it_mends_what_is_broken() -> None:
    check(
        before="x = [\n    ‸\n\ny = 1\n",
        model="1,\n\n    2,\n]\n\nz = 3\n",
        after="x = [\n    1,\n\n    2,\n]‸\n\ny = 1\n",
    )


def test_a_line_end_is_not_tokenized_anew() -> None:
    for before, heals in (("x = 1\n‸\n", False), ("x = 1\n    ‸\n", True), ("x‸\n", True)):
        typist = Typist(before, "y")
        typist.ask()
        assert typist.engine.requests[0].heal is heals
