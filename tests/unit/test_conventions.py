"""Documentation tells facts: what a model invents is taken out, what is true stays."""

from __future__ import annotations

import pytest

from midfill.document import Document
from midfill.edits.conventions import CONVENTIONS, Facts, facts_of, request, without_inventions
from midfill.syntax import definitions

GOOGLE = """\
Do it.

More about it:
    a: this is prose.

Args:
    a (int): The a,
        on two lines.
    *rest: The rest.
    self: Invented.
        With a second line.
    timeout (float, optional): Invented.

Returns:
    int: The sum.

Raises:
    ValueError: Never.
"""


def test_takes_invented_parameters_and_errors_out_of_sections() -> None:
    kept = without_inventions(GOOGLE.splitlines(), Facts(["a", "rest"], returns=True, raises=False))
    assert "\n".join(kept).rstrip() == (
        "Do it.\n\nMore about it:\n    a: this is prose.\n\nArgs:\n    a (int): The a,\n        on two lines.\n"
        "    *rest: The rest.\n\nReturns:\n    int: The sum."
    )


def test_a_section_without_entries_goes() -> None:
    kept = without_inventions(GOOGLE.splitlines(), Facts([], returns=False, raises=False))
    assert "\n".join(kept).rstrip() == "Do it.\n\nMore about it:\n    a: this is prose."


def test_nothing_goes_where_nothing_is_known() -> None:
    assert without_inventions(GOOGLE.splitlines(), Facts(None, returns=True, raises=True)) == GOOGLE.splitlines()


def test_takes_invented_tags_out() -> None:
    lines = [
        "Do it.",
        "",
        "@param {number} a - The a,",
        "  on two lines.",
        "@param {string} [b] - Invented.",
        "  Too.",
        "@returns {number} The sum.",
        "@throws {Error} Never.",
        "@example f(1)",
    ]
    kept = without_inventions(lines, Facts(["a"], returns=True, raises=False))
    assert kept == [*lines[:4], lines[6], lines[8]]


def test_takes_invented_arguments_out_of_a_rustdoc_list() -> None:
    lines = ["Do it.", "", "# Arguments", "", "* `a` - The a.", "* `b` - Invented.", "", "# Panics", "", "Never."]
    kept = without_inventions(lines, Facts(["a"], returns=False, raises=False))
    assert [line for line in kept if line] == ["Do it.", "# Arguments", "* `a` - The a."]


@pytest.mark.parametrize(
    "line",
    [
        "@param int {} The a.",
        "@param array<string, int> ${} The a.",
        "@param string ...${} The a.",
        "@param {} [Integer] the a",
        "@param [Integer] {} the a",
        "@param {} the a, in $",
        '<param name="{}">The a.</param>',
    ],
)
def test_knows_the_name_in_every_form_of_a_tag(line: str) -> None:
    line = line.replace("int {}", "int ${}")
    lines = ["Do it.", line.replace("{}", "a"), line.replace("{}", "b")]
    assert without_inventions(lines, Facts(["a"], returns=False, raises=False)) == lines[:2]


def test_takes_invented_elements_out_of_an_xml_comment() -> None:
    lines = ["<summary>", "Do it.", "</summary>", '<param name="b">Invented.</param>']
    lines += ["<returns>Nothing.</returns>", '<exception cref="E">Never.</exception>', "@raise [E] never"]
    assert without_inventions(lines, Facts(["a"], returns=False, raises=False)) == lines[:3]


def test_what_a_function_inside_returns_is_not_what_is_returned() -> None:
    document = Document.open("file:///a.py", None, 1, "def f(a):\n    def g():\n        return 1\n\n    a(g)\n")
    assert facts_of(document, definitions(document)[0]) == Facts(["a"], False, False)


@pytest.mark.parametrize(
    ("path", "code", "facts"),
    [
        ("a.py", "def f(a, *b, c=1, **d):\n    return a\n", Facts(["a", "b", "c", "d"], True, False)),
        ("a.py", "def f():\n    raise ValueError\n", Facts([], False, True)),
        ("a.py", "def f(a):\n    return\n", Facts(["a"], False, False)),
        ("a.py", "def f(a) -> None:\n    a()\n", Facts(["a"], False, False)),
        ("a.py", "class A:\n    x = 1\n", Facts(None, False, False)),
        ("a.ts", "const f = ({ x }: P) => x;\n", Facts(None, True, False)),
        ("a.ts", "function f(a: number, b?: string): void { throw a; }\n", Facts(["a", "b"], False, True)),
        ("a.go", "package a\n\nfunc F(a, b int) int { return a }\n", Facts(["a", "b"], True, False)),
        ("a.rs", "fn f(&self, mut a: u8) -> Result<u8, E> { Err(E) }\n", Facts(["a"], True, True)),
        ("A.java", "class A { void f(int a, String... b) throws E {} }\n", Facts(["a", "b"], False, True)),
        ("a.c", "int *f(int a, char **b, void *c) { return 0; }\n", Facts(["a", "b", "c"], True, False)),
        ("a.c", "void f(void) { }\n", Facts([], False, False)),
        ("a.cpp", "int f(const std::string& a, int b = 3) { return 1; }\n", Facts(["a", "b"], True, False)),
        ("a.cs", "class A { int F(int a, string b = null) { return a; } }\n", Facts(["a", "b"], True, False)),
        ("a.cs", "class A { int F() => throw new E(); }\n", Facts([], True, True)),
        (
            "a.rb",
            "def f(a, b = 1, *c, d: 2, **e, &g)\n  a\nend\n",
            Facts(["a", "b", "c", "d", "e", "g"], True, False),
        ),
        ("a.rb", "class A\n  def initialize(a)\n    raise E\n  end\nend\n", Facts(["a"], False, True)),
        ("a.php", "<?php function f(int $a, &$b, ...$c) { return 1; }\n", Facts(["a", "b", "c"], True, False)),
        ("a.php", "<?php class A { function __construct(private int $a) { } }\n", Facts(["a"], False, False)),
        ("a.lua", "local function f(a, b, ...) error('x') end\n", Facts(["a", "b"], False, True)),
        ("a.kt", "fun f(a: Int = 1, vararg b: Int): Int {\n    return a\n}\n", Facts(["a", "b"], True, False)),
        ("a.kt", "fun f(a: Int) = a\n", Facts(["a"], True, False)),
        ("a.kt", "fun f() {\n    g()\n}\n", Facts([], False, False)),
        ("a.sh", "f() {\n  ls\n}\n", Facts(None, False, False)),
        (
            "a.py",
            'def f(a):\n    """Never raise; return it."""\n    # raise it\n    g("return it")\n',
            Facts(["a"], False, False),
        ),
        ("a.js", "function f(a) {\n  a.forEach((x) => g(x)); // throw it\n}\n", Facts(["a"], False, False)),
        ("a.js", "const f = (a) => {\n  g(a);\n};\n", Facts(["a"], False, False)),
        ("a.php", "<?php function f($a) { $a->g(); }\n", Facts(["a"], False, False)),
        ("A.java", "class A { void f(B a) { a.each(b -> b.g()); } }\n", Facts(["a"], False, False)),
    ],
)
def test_reads_the_facts_from_the_code(path: str, code: str, facts: Facts) -> None:
    document = Document.open(f"file:///{path}", None, 1, code)
    assert facts_of(document, definitions(document)[-1]) == facts


def test_asks_for_the_sections_that_the_code_needs() -> None:
    python = CONVENTIONS["Python"]
    assert "`Args:` with a line for each parameter: a, b; `Returns:`. No other" in request(
        python, Facts(["a", "b"], True, False)
    )
    assert request(python, Facts([], False, False)).endswith("ends with a period, and nothing else.")
