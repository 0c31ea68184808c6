"""Code inside other code, a Markdown fence or an HTML script, is of its own language; and blocks end in words."""

from __future__ import annotations

import pytest
from buffers import marked
from completions import check, check_nothing
from edited import edit, refusal

from midfill.config import Config
from midfill.document import Document
from midfill.edits import propose
from midfill.syntax import error_count, kind_at, opens_block
from midfill.text import Change, Edit, Encoding


@pytest.mark.parametrize(
    ("path", "text", "language", "code"),
    [
        ("a.md", "```python\nx = ‸1\n```\n", "python", "x = 1\n"),
        ("a.md", "```python\n‸x = 1\n```\n", "python", "x = 1\n"),
        ("a.md", "```python\nx = 1‸\n```\n", "python", "x = 1\n"),
        ("a.md", "é\n\n```python\n‸\n```\n", "python", "\n"),
        ("a.md", "é\n\n```python\n‸```\n", "python", ""),
        ("a.md", "é\n\n```python\n‸", "python", ""),
        ("a.md", "é\n\n~~~py title\nx‸", "python", "x"),
        ("a.md", "```js\na\n```\n\n```sh\nb‸\n```\n", "bash", "b\n"),
        ("a.md", "```C#\na‸\n```\n", "csharp", "a\n"),
        ("a.md", "- a\n\n  ```rs\n  fn f() {‸}\n  ```\n", "rust", "  fn f() {}\n"),
        ("a.md", "---\na: ‸b\n---\n\n# T\n", "yaml", "---\na: b\n---\n"),
        ("a.md", "```html\n<script>\nf(‸)\n</script>\n```\n", "javascript", "\nf()\n"),
        ("a.md", "````md\n```python\nx‸\n```\n````\n", "python", "x\n"),
        ("a.html", "<script>‸</script>\n", "javascript", ""),
        ("a.html", "<p>é</p><script type='module'>\nf(‸)\n</script>\n", "javascript", "\nf()\n"),
        ("a.html", '<script type="application/ld+json">{‸}</script>\n', "json", "{}"),
        ("a.html", '<script type="text/x-template"><p>‸</p></script>\n', "html", "<p></p>"),
        ("a.html", '<script lang="ts">let a‸</script>\n', "typescript", "let a"),
        ("a.html", "<SCRIPT>\nf(‸", "javascript", "\nf("),
        ("a.html", "<style>a {‸}</style>\n", "css", "a {}"),
        ("a.html", "<style>a {‸", "css", "a {"),
        ("a.php", "<p>‸</p>\n<?php f(); ?>\n", "html", "<p></p>\n"),
        ("a.php", "<?php f(); ?>\n<script>g(‸)</script>\n", "javascript", "g()"),
    ],
)
def test_embedded_code_is_seen_as_its_own_language(path: str, text: str, language: str, code: str) -> None:
    for each, expected in ((text, code), (text.replace("\n", "\r\n"), code.replace("\n", "\r\n"))):
        buffer = marked(each, path)
        seen = buffer.document.seen_at(buffer.start)
        assert seen.language is not None and seen.language.id == language
        assert seen.text is buffer.document.text
        assert seen.code == expected
        assert seen.seen_at(buffer.start) is seen
        assert buffer.document.seen_at(buffer.start) is seen


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.md", "a‸\n\n```python\nx\n```\n"),
        ("a.md", "```pyth‸on\nx\n```\n"),
        ("a.md", "```python\nx\n```‸\n"),
        ("a.md", "```python\nx\n```\n‸"),
        ("a.md", "```unheard\nx‸\n```\n"),
        ("a.md", "```\nx‸\n```\n"),
        ("a.md", "> ```python\n> x‸\n> ```\n"),
        ("a.md", "    x‸\n"),
        ("a.html", "<p>‸</p><script>f()</script>\n"),
        ("a.html", "<scr‸ipt>f()</script>\n"),
        ("a.php", "<p></p>\n<?php f(‸); ?>\n"),
        ("a.php", "f(‸);\n"),
        ("a.py", "x = ‸1\n"),
        ("a.cobol", "x‸\n"),
    ],
)
def test_other_places_are_of_the_files_language(path: str, text: str) -> None:
    buffer = marked(text, path)
    assert buffer.document.seen_at(buffer.start) is buffer.document
    assert buffer.document.end == len(buffer.document.text)
    assert buffer.document.code == str(buffer.document.text)


def test_a_range_must_be_inside_the_code() -> None:
    buffer = marked("«a\n\n```python\nx»\n```\n", "a.md")
    assert buffer.document.seen_at(buffer.start, buffer.end) is buffer.document


def test_what_is_inserted_at_the_ends_belongs_to_the_code() -> None:
    buffer = marked("a\n\n```python\n«x = 1\n»```\n\nb\n", "a.md")
    seen = buffer.document.seen_at(buffer.start)
    assert seen.part is not None
    start, end = seen.part
    for place, text in ((end, "z = 3\n"), (start, "y = 2\n"), (0, "é\n"), (end + 20, "c"), (end + 9, "w = 4\n")):
        seen = seen.edited([Edit(place, place, text)])
        fresh = Document.open(seen.uri, None, 1, str(seen.text)).seen_at(seen.end - 1)
        assert seen.part == fresh.part
        assert seen.tree is not None and fresh.tree is not None
        assert str(seen.tree.root_node) == str(fresh.tree.root_node)
    assert error_count(seen) == 0
    assert error_count(seen.edited([Edit(seen.end, seen.end, "f(\n")])) == 1


def test_changes_are_seen() -> None:
    buffer = marked("```python\nx = ‸\n```\n", "a.md")
    assert error_count(buffer.document.seen_at(buffer.start)) > 0
    assert error_count(buffer.document) == 0
    changed = buffer.document.edited([Edit(buffer.start, buffer.start, "1")])
    assert error_count(changed.seen_at(buffer.start)) == 0
    whole = changed.apply([Change(None, "```js\nf(\n```\n")], Encoding.UTF16, 2)
    seen = whole.seen_at(8)
    assert seen.language is not None and seen.language.id == "javascript" and seen.version == 2


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("a.md", "it's\n\n```python\nx = f(‸\n```\n", "code"),
        ("a.md", "it's\n\n```python\nx = '‸\n```\n", "string"),
        ("a.md", "it's\n\n```python\n# c‸\n```\n", "comment"),
        ("a.html", "<p>it's</p><script>f(‸</script>\n", "code"),
        ("a.html", "<p>it's</p><script>f('‸</script>\n", "string"),
    ],
)
def test_only_the_embedded_code_tells_the_kind_of_a_place(path: str, text: str, kind: str) -> None:
    buffer = marked(text, path)
    assert kind_at(buffer.document.seen_at(buffer.start), buffer.start) == kind


def test_the_embedded_language_tells_what_opens_a_block() -> None:
    for path, text in (("a.md", "```python\ndef f():‸\n```\n"), ("a.html", "<script>\nif (a) {‸\n</script>\n")):
        buffer = marked(text, path)
        assert opens_block(buffer.document.seen_at(buffer.start), buffer.start)


# -- suggestions -----------------------------------------------------------------------------------------------


def test_completes_a_block_in_a_fence() -> None:
    check(
        path="a.md",
        before="It's:\n\n```python\ndef f(a):‸\n```\n",
        model="\n    return a\n\n\ndef g(): pass\n",
        after="It's:\n\n```python\ndef f(a):\n    return a‸\n```\n",
    )


def test_a_fence_ends_the_block() -> None:
    for fence in ("```\n", ""):
        check(
            path="a.md",
            before=f"It's:\n\n```python\n‸\n{fence}",
            model="def f(a):\n    return a\n```\n\nText.\n",
            after=f"It's:\n\n```python\ndef f(a):\n    return a‸\n{fence}",
        )


def test_a_block_in_a_fence_is_cut_to_what_adds_no_error() -> None:
    check(
        path="a.md",
        before="It's:\n\n```python\ndef f(a):\n    ‸\n```\n",
        model="b()\n    return (a\n```\n",
        after="It's:\n\n```python\ndef f(a):\n    b()‸\n```\n",
    )


def test_a_fence_in_a_list_keeps_its_margin() -> None:
    check(
        path="a.md",
        before="- a\n\n  ```python\n  def f(a):‸\n  ```\n",
        model="\n      if a:\n          return a\n      return 1\n  ```\n",
        after="- a\n\n  ```python\n  def f(a):\n      if a:\n          return a\n      return 1‸\n  ```\n",
    )


def test_completes_a_block_in_a_script_and_in_a_style() -> None:
    check(
        path="a.html",
        before="<p>it's</p>\n<script>\nfunction f(a) {‸\n</script>\n",
        model="\n  return a;\n}\n</script>\n",
        after="<p>it's</p>\n<script>\nfunction f(a) {\n  return a;\n}‸\n</script>\n",
    )
    check(
        path="a.html",
        before="<style>\n  a {‸\n</style>\n",
        model="\n    color: red;\n  }\n  b {\n",
        after="<style>\n  a {\n    color: red;\n  }‸\n</style>\n",
    )
    check(
        path="a.html",
        before="<script>\n  ‸\n</script>\n",
        model="f();\n  g();\n</script>\n",
        after="<script>\n  f();\n  g();‸\n</script>\n",
    )


def test_either_language_can_be_switched_off() -> None:
    for off in ("markdown", "python"):
        config = Config(disabled_languages=(off,))
        check_nothing("```python\nx = ‸\n```\n", "1", "languageDisabled", "a.md", config)


@pytest.mark.parametrize(
    ("path", "before", "model", "after"),
    [
        ("a.rb", "def f(a)‸\n", "\n  a\nend\n\ndef g\n", "def f(a)\n  a\nend‸\n"),
        ("a.rb", "def f(a)‸\nend\n", "\n  a\nend\n\ndef g\n", "def f(a)\n  a‸\nend\n"),
        ("a.rb", "def f\n‸\nend\n", "  a\n  b\nend\n", "def f\n  a\n  b‸\nend\n"),
        ("a.lua", "f(function(a)‸\n", "\n  g(a)\nend)\nh()\n", "f(function(a)\n  g(a)\nend)‸\n"),
        ("a.sh", "if [ $# -lt 1 ]; then‸\n", "\n  exit 1\nfi\nls\n", "if [ $# -lt 1 ]; then\n  exit 1\nfi‸\n"),
        ("a.sh", "for x in *; do‸\n", "\n  ls\ndone\nls\n", "for x in *; do\n  ls\ndone‸\n"),
        ("a.html", "<ul>‸\n", "\n  <li>a</li>\n</ul>\n<p>\n", "<ul>\n  <li>a</li>\n</ul>‸\n"),
        ("a.html", "<ul>‸\n</ul>\n", "\n  <li>a</li>\n</ul>\n<p>\n", "<ul>\n  <li>a</li>‸\n</ul>\n"),
        ("a.cs", "int F(int a)\n{‸\n", "\n    return a;\n}\n\nint G", "int F(int a)\n{\n    return a;\n}‸\n"),
        ("a.kt", "fun f(): Int {‸\n", "\n    return 1\n}\n\nfun g", "fun f(): Int {\n    return 1\n}‸\n"),
        ("a.php", "<?php\nfunction f() {‸\n", "\n    g();\n}\nh();\n", "<?php\nfunction f() {\n    g();\n}‸\n"),
        ("a.sql", "CREATE TABLE a (‸\n", "\n  id INT\n);\nSELECT\n", "CREATE TABLE a (\n  id INT\n);‸\n"),
        ("a.yaml", "jobs:‸\n", "\n  build:\n    on: x\nother:\n", "jobs:\n  build:\n    on: x‸\n"),
        ("a.toml", "a = [‸\n", '\n  "b",\n]\n[c]\n', 'a = [\n  "b",\n]‸\n'),
        ("a.json", '{\n  "a": [‸\n}\n', '\n    1\n  ],\n  "b": 2\n', '{\n  "a": [\n    1\n  ],‸\n}\n'),
        ("a.md", "# T\n\n‸\n", "One\nparagraph.\n\nAnother.\n", "# T\n\nOne\nparagraph.‸\n"),
    ],
)
def test_a_block_ends_with_what_closes_it(path: str, before: str, model: str, after: str) -> None:
    check(before, model, after, path)


# -- edits -----------------------------------------------------------------------------------------------------


FENCE = "It's:\n\n```python\n«def add(a, b):\n    return a + b\n»```\n\nMore.\n"


def test_a_function_in_a_fence_is_changed() -> None:
    edit(
        FENCE,
        "refactor",
        "def add(a, b):\n    return sum([a, b])\n```",
        path="a.md",
        after="It's:\n\n```python\ndef add(a, b):\n    return sum([a, b])\n```\n\nMore.\n",
    )


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("def add(a, b):\n    return (a\n```", "syntax"),
        ("def add(a, b):\n    nonlocal a\n```", "not compile"),
        ("sys = 1\n\n\ndef add(a, b):\n    return a\n```", "Put nothing before"),
    ],
)
def test_a_change_in_a_fence_is_verified_by_its_own_language(written: str, reason: str) -> None:
    assert reason in refusal(FENCE, "refactor", written, path="a.md")


def test_a_function_in_a_script_is_documented_in_its_own_convention() -> None:
    before = "<p>it's</p>\n<script>\n  function add(a, ‸b) {\n    return a + b;\n  }\n</script>\n"
    buffer = marked(before, "a.html")
    assert [offer.action.id for offer in propose(buffer.document, buffer.start, buffer.end, ())][:1] == [
        "docstring"
    ]
    edit(
        before,
        "docstring",
        " Add two numbers.\n * @param {number} a The first.\n * @param {number} b The other.\n",
        path="a.html",
        after="<p>it's</p>\n<script>\n  /**\n   * Add two numbers.\n   * @param {number} a The first.\n"
        "   * @param {number} b The other.\n   */\n  function add(a, b) {\n    return a + b;\n  }\n</script>\n",
    )


def test_a_language_without_a_convention_is_offered_no_documentation() -> None:
    before = "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN ‸1;\n"
    buffer = marked(before, "a.sql")
    assert [offer.action.id for offer in propose(buffer.document, buffer.start, buffer.end, ())] == [
        "refactor",
        "errors",
        "logging",
        "explain",
    ]
    assert refusal(before, "docstring", "", path="a.sql") == "SQL has no convention of documentation."
