"""What the syntax tree says about a place in a buffer."""

from __future__ import annotations

import pytest
from buffers import Buffer, marked, spanned, unit

from midfill.syntax import (
    code_tokens,
    definition_at,
    definitions,
    doc_of,
    error_count,
    is_broken,
    kind_at,
    opens_block,
    top_level_starts,
)

EVERY_LANGUAGE = ["a.py", "a.js", "a.ts", "a.tsx", "a.go", "a.rs", "A.java", "a.c", "a.cpp"]
EVERY_LANGUAGE += ["a.cs", "a.rb", "a.php", "a.sh", "a.lua", "a.kt", "a.sql"]
EVERY_LANGUAGE += ["a.html", "a.css", "a.json", "a.yaml", "a.toml", "a.md"]


# -- the definition at a place ---------------------------------------------------------------------------------


def name_at(text: str, path: str = "a.py") -> str | None:
    """The name of the definition at the mark."""
    buffer = marked(text, path)
    found = definition_at(buffer.document, buffer.start, buffer.end)
    return found.name if found else None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("def f():\n    retu‸rn 1\n", "f"),
        ("de‸f f(): pass\n", "f"),
        ("‸def f(): pass\n", "f"),
        ("def f(): pass‸\n", "f"),
        ("def f(): pass\n‸", None),
        ("x = 1‸\ndef f(): pass\n", None),
        ("@ca‸che\ndef f(): pass\n", "f"),
        ("‸@cache\n@other\nasync def f(): pass\n", "f"),
        ("class A:\n‸    def f(self):\n        pass\n", "f"),
        ("class A:\n  ‸  @property\n    def f(self):\n        pass\n", "f"),
        ("class A:\n    x = ‸1\n    def f(self): pass\n", "A"),
        ("class A:\n    def f(self): pass\n‸\n    def g(self): pass\n", "A"),
        ("class A:\n    def f(self): pass\n  ‸  \n    def g(self): pass\n", "A"),
        ("class A:\n    def f(self): pass\n\n    # ‸about g\n    def g(self): pass\n", "A"),
        ("def f(): pass\n\n‸\ndef g(): pass\n", None),
        ("def f():\n    def g():\n        a‸\n    b\n", "g"),
        ("def f():\n    def g():\n        a\n    b‸\n", "f"),
        ("def f():\n    g = lambda: 1‸\n", "f"),
        ('def f():\n    """D‸oc."""\n', "f"),
        ("«def f():\n    pass»\n", "f"),
        ("«def f():\n    pass\n»", "f"),
        ("«\n\ndef f():\n    pass\n\n»", "f"),
        ("class A:\n«    def f(self):\n        pass\n»    x = 1\n", "f"),
        ("class A:\n«    def f(self):\n        pass\n    x = 1\n»", "A"),
        ("class A:\n    «def f(self): pass\n    def g(self): pass»\n", "A"),
        ("def f():\n    a«\n    \n»    b\n", "f"),
        ("«def f(): pass\ndef g(): pass\n»", None),
        ("def f(): pass«\n\n»def g(): pass\n", None),
        ("d«ef f(): pa»ss\n", "f"),
        ("class A:\n    def f(self):\n        «\n»        pass\n", "f"),
        ("", None),
    ],
)
def test_the_smallest_definition_around_a_python_range(text: str, name: str | None) -> None:
    assert name_at(text) == name
    assert name_at(text.replace("\n", "\r\n")) == name


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [
        ("/** Do‸c. */\nexport function f() {}\n", "a.js", "f"),
        ("‸/**\n * Doc.\n */\nfunction f() {}\n", "a.js", "f"),
        ("/* pla‸in */\nfunction f() {}\n", "a.js", None),
        ("/** D‸oc. */\n\nfunction f() {}\n", "a.js", None),
        ("class A {\n  /** D‸oc. */\n  m() {}\n}\n", "a.js", "m"),
        ("class A {\n  m() {}\n‸\n  n() {}\n}\n", "a.ts", "A"),
        ("class A {\n  @a‸b\n  m() {}\n}\n", "a.ts", "m"),
        ("@a‸b\nexport class A {}\n", "a.ts", "A"),
        ("«export const f = () => 1;\n»", "a.tsx", "f"),
        ("// D‸oc.\n// More.\nfunc F() {}\n", "a.go", "F"),
        ("func (p *P) M() {\n\tgo func() { x‸ }()\n}\n", "a.go", "M"),
        ("/// D‸oc.\n#[inline]\nfn f() {}\n", "a.rs", "f"),
        ("#[inl‸ine]\nfn f() {}\n", "a.rs", "f"),
        ("impl A {\n    ‸/// Doc.\n    fn f() {}\n}\n", "a.rs", "f"),
        ("class A {\n    /** D‸oc. */\n    @Override\n    int f() { return 1; }\n}\n", "A.java", "f"),
        ("/// D‸oc.\nint f(void) { return 1; }\n", "a.c", "f"),
        ("/** D‸oc. */\ntemplate <class T>\nT f(T a) { return a; }\n", "a.cpp", "f"),
        ("class A {\n    /// D‸oc.\n    [Attr]\n    int F() => 1;\n}\n", "a.cs", "F"),
        ("# D‸oc.\ndef f\n  1\nend\n", "a.rb", "f"),
        ("class A\n  x = ‸1\n  def f; end\nend\n", "a.rb", "A"),
        ("<?php\n/** D‸oc. */\nfunction f() {}\n", "a.php", "f"),
        ("# D‸oc.\nf() {\n  ls\n}\n", "a.sh", "f"),
        ("--- D‸oc.\nlocal function f() end\n", "a.lua", "f"),
        ("/** D‸oc. */\n@Ann\nfun f() = 1\n", "a.kt", "f"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN ‸1;\n", "a.sql", "f"),
        ("a {‸}\n", "a.css", None),
    ],
)
def test_the_smallest_definition_around_a_range_elsewhere(text: str, path: str, name: str | None) -> None:
    assert name_at(text, path) == name
    assert name_at(text.replace("\n", "\r\n"), path) == name


def test_the_unit_is_whole_though_the_cursor_is_in_its_middle() -> None:
    buffer = marked("x = 1\n\n@cache\n@other\nasync def f():\n    é = ‸1\n    return é\n\n\ny = 2\n")
    found = definition_at(buffer.document, buffer.start, buffer.end)
    assert unit(buffer.document, found) == "@cache\n@other\nasync def f():\n    é = 1\n    return é"


# -- documentation ---------------------------------------------------------------------------------------------


def documented(text: str, path: str) -> tuple[Buffer, list[str | None]]:
    """The documentation of every definition. In `text`, the selection marks the last one's."""
    buffer = marked(text, path)
    return buffer, [
        spanned(buffer.document, doc_of(buffer.document, each)) for each in definitions(buffer.document)
    ]


@pytest.mark.parametrize(
    "text",
    [
        'def f():\n    «"""Doc."""»\n    return 1\n',
        "def f():\n    «'Doc.'»\n",
        'def f(): «"""Doc."""»\n',
        'def f(): «"Doc."»; return 1\n',
        'def f():\n    # Before.\n    «r"""Doc.\n\n    More é.\n    """»\n    return 1\n',
        'def f():\n    # One.\n\n    # Two.\n    «"""Doc."""»\n',
        'def f():  # trailing\n    «"""Doc."""»\n',
        'class A:\n\n    «"""Doc."""»\n\n    x = 1\n',
        '@cache\nasync def f(\n    a,\n) -> int:\n    «"""Doc."""»\n    return a\n',
    ],
)
def test_a_python_docstring(text: str) -> None:
    for each in (text, text.replace("\n", "\r\n")):
        buffer, found = documented(each, "a.py")
        assert found == [buffer.selected]


@pytest.mark.parametrize(
    "text",
    [
        "def f():\n    return 'not'\n",
        "def f(): ...\n",
        "def f():\n    # Only a comment.\n    pass\n",
        'def f():\n    x = 1\n    """Too late."""\n',
        'def f():\n    x = """Assigned."""\n',
        'def f():\n    """Called.""".strip()\n',
        'def f():\n    "a", "b"\n',
        'def f():\n    f"""Not {a} docstring."""\n',
        'def f():\n    b"""Bytes."""\n',
        "class A: pass\n",
    ],
)
def test_no_python_docstring(text: str) -> None:
    assert documented(text, "a.py")[1] == [None]


def test_each_python_definition_has_its_own_docstring() -> None:
    text = (
        'class A:\n    """A."""\n\n    def f(self):\n        """F."""\n\n        def g():\n            """G."""\n'
    )
    assert documented(text, "a.py")[1] == ['"""A."""', '"""F."""', '"""G."""']
    assert documented(text.replace('"""A."""', "x = 1"), "a.py")[1] == [None, '"""F."""', '"""G."""']


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.js", "«/** Doc. */»\nfunction f() {}\n"),
        ("a.js", "x();\n\n«/**\n * Doc é.\n */»\nexport default async function f() {}\n"),
        ("a.js", "/** Older. */\n«/** Doc. */»\nconst f = () => 1;\n"),
        ("a.js", "class A {\n  «/** Doc. */»\n  m() {}\n}\n"),
        ("a.ts", "«/** Doc. */»\n@part()\nexport class A {}\n"),
        ("a.ts", "«/** Doc. */»\nexport declare function f(): void;\n"),
        ("a.ts", "interface A {\n  «/** Doc. */»\n  m(): void;\n}\n"),
        ("a.tsx", "«/** Doc. */»\nexport const V = () => <b/>;\n"),
        ("a.go", "package a\n\n«// F does\n// this.»\nfunc F() {}\n"),
        ("a.go", "// Package a.\n\n«// F does.»  \nfunc F() {}\n"),
        ("a.go", "x := 1 // Trailing.\n«// F does.»\nfunc F() {}\n"),
        ("a.go", "//go:build x\n«// F does.»\nfunc F() {}\n"),
        ("a.rs", "«/// Doc.\n///\n/// More.»\nfn f() {}\n"),
        ("a.rs", "«/// Doc.»\n#[derive(Debug)]\n#[repr(C)]\npub struct A;\n"),
        ("a.rs", "// Plain.\n«/// Doc.»\nfn f() {}\n"),
        ("a.rs", "//! The crate.\n«/// Doc.»\nfn f() {}\n"),
        ("a.rs", "impl A {\n    «/// Doc.\n    /// More.»\n    pub fn f() {}\n}\n"),
        ("A.java", "class A {\n    «/**\n     * Doc.\n     */»\n    @Override\n    int f() { return 1; }\n}\n"),
        ("a.c", "«/** Doc. */»\nstatic int f(void) { return 1; }\n"),
        ("a.c", "«/*!\n * Doc.\n */»\nstruct a { int x; };\n"),
        ("a.c", "«/// Doc.»\nint f(void);\n"),
        ("a.cpp", "«/** Doc. */»\ntemplate <class T>\nT f(T a) { return a; }\n"),
        ("a.cpp", "«//! Doc.»\nvoid f();\n"),
        (
            "a.cs",
            "class A {\n    «/// <summary>\n    /// Doc.\n    /// </summary>»\n    [B]\n    int F() => 1;\n}\n",
        ),
        ("a.cs", "«/** Doc. */»\nclass A { }\n"),
        ("a.rb", "# frozen_string_literal: true\n«# Doc.\n#\n# More.»\nclass A; end\n"),
        ("a.rb", "class A\n  «# Doc.»\n  private def f; end\nend\n"),
        ("a.php", "<?php\n«/**\n * Doc é.\n */»\n#[B]\nfinal class A {}\n"),
        ("a.sh", "#!/bin/sh\n«# Doc.\n# More.»\nf() { ls; }\n"),
        ("a.lua", "«--- Doc.\n-- @param a\n-- @return b»\nfunction M.f(a) end\n"),
        ("a.lua", "local t = {\n  «--- Doc.»\n  f = function() end,\n}\n"),
        ("a.kt", "«/** Doc. */»\n@Ann\ndata class A(val b: Int)\n"),
    ],
)
def test_a_doc_comment(path: str, text: str) -> None:
    for each in (text, text.replace("\n", "\r\n")):
        buffer, found = documented(each, path)
        assert found[-1] == buffer.selected
        assert set(found[:-1]) <= {None}


@pytest.mark.parametrize("path", ["a.c", "a.cpp"])
@pytest.mark.parametrize("mark", ["///", "//!"])
def test_doxygens_line_comments_are_one_documentation(path: str, mark: str) -> None:
    buffer, found = documented(f"«{mark} Doc.\n{mark} More.»\nvoid f(void);\n", path)
    assert found == [buffer.selected]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.js", "/** Doc. */\n\nfunction f() {}\n"),
        ("a.js", "/* Plain. */\nfunction f() {}\n"),
        ("a.js", "// Plain.\nfunction f() {}\n"),
        ("a.js", "/**/\nfunction f() {}\n"),
        ("a.js", "/** Doc. */ function f() {}\n"),
        ("a.js", "/** Doc. */\nx(); function f() {}\n"),
        ("a.js", "x(); /** Trailing. */\nfunction f() {}\n"),
        ("a.js", "/** Doc. */\nx();\nfunction f() {}\n"),
        ("a.js", 'const s = "/** Not. */"\nfunction f() {}\n'),
        ("a.go", "// Doc.\n\nfunc F() {}\n"),
        ("a.go", "//go:noinline\nfunc F() {}\n"),
        ("a.go", "var x = 1 // Trailing.\nfunc F() {}\n"),
        ("a.rs", "// Plain.\nfn f() {}\n"),
        ("a.rs", "//// Plain.\nfn f() {}\n"),
        ("a.rs", "//! The crate.\nfn f() {}\n"),
        ("a.rs", "/// Doc.\n\nfn f() {}\n"),
        ("A.java", "/* Plain. */\nclass A {}\n"),
        ("a.c", "/* Plain. */\nint f(void);\n"),
        ("a.c", "// Plain.\nint f(void);\n"),
        ("a.c", "int x; /**< Trailing. */\nint f(void);\n"),
        ("a.cpp", "/** Doc. */\n\nvoid f();\n"),
        ("a.py", "# Plain.\ndef f(): pass\n"),
        ("a.cs", "// Plain.\nclass A { }\n"),
        ("a.cs", "//// Plain.\nclass A { }\n"),
        ("a.rb", "# Doc.\n\ndef f; end\n"),
        ("a.rb", "# rubocop: disable all\ndef f; end\n"),
        ("a.php", "<?php\n// Plain.\nfunction f() {}\n"),
        ("a.sh", "#!/bin/sh\nf() { ls; }\n"),
        ("a.sh", "# shellcheck disable=SC1\nf() { ls; }\n"),
        ("a.lua", "--[[ Plain. ]]\nfunction f() end\n"),
        ("a.lua", "---@diagnostic disable\nfunction f() end\n"),
        ("a.kt", "// Plain.\nfun f() {}\n"),
        ("a.sql", "-- Plain.\nCREATE TRIGGER t BEFORE INSERT ON u FOR EACH ROW EXECUTE FUNCTION f();\n"),
    ],
)
def test_no_doc_comment(path: str, text: str) -> None:
    for each in (text, text.replace("\n", "\r\n")):
        assert documented(each, path)[1] == [None]


# -- tokens ----------------------------------------------------------------------------------------------------


def same_code(before: str, after: str, path: str = "a.py") -> bool:
    """Whether two buffers have the same code, but for what is selected in each."""
    one, two = marked(before, path), marked(after, path)
    assert error_count(one.document) == error_count(two.document) == 0
    skips = [[(each.start, each.end)] if each.selected else [] for each in (one, two)]
    return code_tokens(one.document, skips[0]) == code_tokens(two.document, skips[1])


PYTHON = 'def f(a):\n    if a:\n        b = f"x {a} y"\n    return g(a, "s\\n")\n'


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.py", PYTHON, PYTHON),
        ("a.py", PYTHON, PYTHON.replace("\n    return", "  # c\n\n    # d\n    return")),
        ("a.py", PYTHON, PYTHON.replace("    ", "\t")),
        ("a.py", PYTHON, PYTHON.replace("    if", "    # first\n    if")),
        ("a.py", PYTHON, PYTHON.replace("(a):", "( a ) :").replace("g(a, ", "g(a,\n  ")),
        ("a.py", PYTHON, PYTHON.replace("def f(a):\n", 'def f(a):\n    «"""Doc."""»\n')),
        ("a.py", 'def f():\n    «"""A."""»\n', 'def f():\n    «r"""B\n    {c}\n    """»\n'),
        ("a.py", 'def f(): «"A."»; return 1\n', 'def f(): «"B."»; return 1\n'),
        ("a.py", PYTHON, PYTHON.replace("\n", "\r\n")),
        ("a.js", "f(a, b);\n", "// c\nf(a, /* d */\n  b); // e\n"),
        ("a.js", "function f() { return 1; }\n", "«/** Doc. */»\nfunction f() {\n  return 1;\n}\n"),
        ("a.ts", "class A { m(): T { return 1; } }\n", "class A {\n  «/** Doc. */»\n  m(): T { return 1; }\n}\n"),
        ("a.go", "func F() {}\n", "«// F does.\n// More.»\nfunc F() {\n}\n"),
        ("a.go", "func F() {\n\ta()\n\tb()\n}\n", "func F() {\n\n\ta() // c\n\n\t/* d */\n\tb()\n}\n"),
        ("a.rs", "fn f() { 1 }\n", "«/// Doc.\n/// More.»\nfn f() {\n    1\n}\n"),
        ("a.rs", "/// A.\nfn f() { 1 }\n", "/// B.\n/** C. */\nfn f() { 1 /* d */ } // e\n"),
        ("A.java", "class A { int f() { return 1; } }\n", "«/** D. */»\nclass A {\nint f() { return 1; } }\n"),
        ("a.c", "int f(void) { return 1; }\n", "«/** Doc. */»\nint f(void)\n{ return /* c */ 1; }\n"),
        ("a.cpp", "class A { void f(); };\n", "class A {\n  «/// Doc.»\n  void f(); // c\n};\n"),
        ("a.cs", "class A { int F() => 1; }\n", "«/// <summary>D.</summary>»\nclass A\n{ int F() => 1; }\n"),
        ("a.rb", "def f\n  a\nend\n", "«# Doc.\n# More.»\ndef f\n  a # c\nend\n"),
        ("a.php", "<?php\nfunction f() { g(); }\n", "<?php\n«/** D. */»\nfunction f() {\n  g(); # c\n}\n"),
        ("a.sh", "f() {\n  ls\n}\n", "«# Doc.»\nf() {\n  ls # c\n}\n"),
        ("a.lua", "function f() return 1 end\n", "«--- Doc.»\nfunction f()\n  return 1 -- c\nend\n"),
        ("a.kt", "fun f() {\n    g()\n}\n", "«/** D. */»\nfun f() {\n    g() // c\n}\n"),
    ],
)  # fmt: skip
def test_comments_documentation_and_white_space_are_no_code(path: str, before: str, after: str) -> None:
    assert same_code(before, after, path)


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("a.py", PYTHON, PYTHON.replace("g(a,", "g(b,")),
        ("a.py", PYTHON, PYTHON.replace("{a}", "{b}")),
        ("a.py", PYTHON, PYTHON.replace("{a}", "{a!r}")),
        ("a.py", PYTHON, PYTHON.replace("{a}", "{a:x}")),
        ("a.py", PYTHON, PYTHON.replace("} y", "}  y")),
        ("a.py", PYTHON, PYTHON.replace('f"x', '"x')),
        ("a.py", PYTHON, PYTHON.replace('"s\\n"', '"t\\n"')),
        ("a.py", PYTHON, PYTHON.replace('"s\\n"', '"s\\t"')),
        ("a.py", PYTHON, PYTHON.replace('"s\\n"', 'r"s\\n"')),
        ("a.py", PYTHON, PYTHON.replace('"s\\n"', '"s \\n"')),
        ("a.py", PYTHON, PYTHON.replace('"s\\n"', "'s\\n'")),
        ("a.py", "x = a + b\n", "x = a - b\n"),
        ("a.py", "x = a == b\n", "x = a != b\n"),
        ("a.py", "x = a is b\n", "x = a is not b\n"),
        ("a.py", "x = 10\n", "x = 11\n"),
        ("a.py", "x = a.b\n", "x = a .c\n"),
        ("a.py", "def f(): pass\n", "async def f(): pass\n"),
        ("a.py", "def f(): pass\n", "@cache\ndef f(): pass\n"),
        ("a.py", "f(a)\n", "f(a,)\n"),
        ("a.py", "f(a)\n", "f(*a)\n"),
        ("a.py", "x = a, b\n", "x = a; b\n"),
        ("a.py", "a\nb\n", "a(b)\n"),
        ("a.py", "if a:\n    b\nc\n", "if a:\n    b\n    c\n"),
        ("a.py", "if a:\n    b\n    c\nd\n", "if a:\n    b\nc\nd\n"),
        ("a.py", "for a in b:\n    if c:\n        d\n    e\n", "for a in b:\n    if c:\n        d\n        e\n"),
        ("a.py", "if a:\n  if b:\n    c\n  else:\n    d\n", "if a:\n  if b:\n    c\nelse:\n    d\n"),
        ("a.py", "class A:\n    x = 1\ndef f(): pass\n", "class A:\n    x = 1\n    def f(): pass\n"),
        ("a.py", 'x = """a\n    b"""\n', 'x = """a\n  b"""\n'),
        ("a.py", 'def f():\n    """Doc."""\n', 'def f():\n    """Other."""\n'),
        ("a.py", 'def f():\n    «"""Doc."""»\n    a\n', 'def f():\n    «"""Doc."""»\n    b\n'),
        ("a.py", 'def f():\n    «"""Doc."""»\n    a\n', 'def f():\n    «"""Doc."""»\n    return a\n'),
        ("a.py", 'x = "#a"\n', 'x = "#b"\n'),
        ("a.js", "f(`a ${b} c`);\n", "f(`a ${c} c`);\n"),
        ("a.js", "f(`a ${b} c`);\n", "f(`a ${b}  c`);\n"),
        ("a.js", "f(/a/g);\n", "f(/b/g);\n"),
        ("a.js", "f(/a/g);\n", "f(/a/);\n"),
        ("a.js", 'f("// a");\n', 'f("// b");\n'),
        ("a.js", "a && b;\n", "a || b;\n"),
        ("a.js", "function f() {\n  return x;\n}\n", "function f() {\n  return\n  x;\n}\n"),
        ("a.js", "a\n++b\n", "a++\nb\n"),
        ("a.js", "if (a) b; c;\n", "if (a) { b; c; }\n"),
        ("a.tsx", "const a = <b>c d</b>;\n", "const a = <b>c e</b>;\n"),
        ("a.tsx", "const a = <b>{c}</b>;\n", "const a = <b>{d}</b>;\n"),
        ("a.ts", "let a: string;\n", "let a: number;\n"),
        ("a.go", "func F() int {\n\treturn x\n}\n", "func F() int {\n\treturn\n\tx\n}\n"),
        ("a.go", 'var x = "a"\n', 'var x = "b"\n'),
        ("a.go", "var x = `a\nb`\n", "var x = `a\n b`\n"),
        ("a.go", "//go:build a\nvar x = 'a'\n", "//go:build a\nvar x = 'b'\n"),
        ("a.rs", 'fn f() { g("a\\n") }\n', 'fn f() { g("a\\t") }\n'),
        ("a.rs", "fn f() { g(1) }\n", "fn f() { g(1); }\n"),
        ("a.rs", "#[a]\nfn f() {}\n", "#[b]\nfn f() {}\n"),
        ("a.rs", 'fn f() { g(r#"a"#) }\n', 'fn f() { g(r#"b"#) }\n'),
        ("A.java", "class A { char c = 'a'; }\n", "class A { char c = 'b'; }\n"),
        ("a.c", "#define A 1\n", "#define A 2\n"),
        ("a.c", "#include <a.h>\n", "#include <b.h>\n"),
        ("a.c", "int x = a << 1;\n", "int x = a >> 1;\n"),
        ("a.cpp", 'auto x = R"(a)";\n', 'auto x = R"(b)";\n'),
        ("a.cs", 'var x = $"a {b}";\n', 'var x = $"a {c}";\n'),
        ("a.rb", "f :a\n", "f :b\n"),
        ("a.rb", "x = <<~T\n  a\nT\n", "x = <<~T\n  b\nT\n"),
        ("a.php", "<p>a</p>\n<?php f();\n", "<p>b</p>\n<?php f();\n"),
        ("a.php", "<?php f(\"a $b\");\n", "<?php f(\"a $c\");\n"),
        ("a.sh", "ls -l\n", "ls -a\n"),
        ("a.lua", "x = [[a]]\n", "x = [[b]]\n"),
        ("a.kt", "val x = a ?: b\n", "val x = a ?: c\n"),
    ],
)  # fmt: skip
def test_any_change_of_code_shows(path: str, before: str, after: str) -> None:
    assert not same_code(before, after, path)


def test_code_beside_a_skipped_range_is_not_skipped() -> None:
    assert not same_code('def f(): «"A."»; return 1\n', 'def f(): «"B."»; return 2\n')
    buffer = marked("a = «b + c»\n")
    assert [each.text for each in code_tokens(buffer.document, [(buffer.start, buffer.end)]) if each.text] == [
        b"a",
        b"=",
    ]


def test_text_that_no_leaf_holds_is_compared() -> None:
    broken = [marked(f"def f(:\n    {garbage}\n").document for garbage in ("$ ? x", "$ ! x")]
    assert code_tokens(broken[0]) != code_tokens(broken[1])
    stray = [marked(f"\\{character}$", "A.java").document for character in "£€"]
    assert code_tokens(stray[0]) != code_tokens(stray[1])
    unknown = [marked(text, "a.cobol").document for text in ("a", "b")]
    assert code_tokens(unknown[0]) != code_tokens(unknown[1])
    assert code_tokens(unknown[0]) == code_tokens(marked("a", "a.cobol").document)


# -- the kind of a place ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("a.py", "x = 1‸\n", "code"),
        ("a.py", "x = 1 ‸# c\n", "code"),
        ("a.py", "x = 1 #‸ c\n", "comment"),
        ("a.py", "x = 1 # c‸\n", "comment"),
        ("a.py", "# c  ‸\n", "comment"),
        ("a.py", "# c\n‸\n", "code"),
        ("a.py", "# c‸", "comment"),
        ("a.py", "‸# c\n", "code"),
        ("a.py", "x = ‸'a'\n", "code"),
        ("a.py", "x = '‸a'\n", "string"),
        ("a.py", "x = 'a‸'\n", "string"),
        ("a.py", "x = '‸'\n", "string"),
        ("a.py", "x = 'a'‸\n", "code"),
        ("a.py", "x = '#‸ a'\n", "string"),
        ("a.py", "x = 'a'‸ # 'c'\n", "code"),
        ("a.py", "x = 'a' # 'c‸'\n", "comment"),
        ("a.py", 'def f():\n    """D.\n\n‸\n    """\n', "string"),
        ("a.py", 'def f():\n    """D.‸"""\n', "string"),
        ("a.py", 'def f():\n    """D."‸""\n', "string"),
        ("a.py", 'def f():\n    """D."""‸\n', "code"),
        ("a.py", "x = f'é‸ {b} c'\n", "string"),
        ("a.py", "x = f'a {‸b} c'\n", "code"),
        ("a.py", "x = f'a {b‸} c'\n", "code"),
        ("a.py", "x = f'a {b}‸ c'\n", "string"),
        ("a.py", "x = f'a ‸{b} c'\n", "string"),
        ("a.py", "x = f'a {b[\"‸k\"]} c'\n", "string"),
        # Unfinished, while typing.
        ("a.py", "x = 'a‸\ny = 1\n", "string"),
        ("a.py", 'x = 1\nprint("a ‸\n\ndef f():\n    pass\n', "string"),
        ("a.py", "x = 'it\\'s ‸\n", "string"),
        ("a.py", "x = 'a\ny = ‸1\n", "code"),
        ("a.py", 'def f():\n    """D‸\n\n    return 1\n', "string"),
        ("a.py", 'def f():\n    """D\n    it\'s ‸\n', "string"),
        ("a.py", "print(‸\n", "code"),
        ("a.py", "print(a, # c‸\n", "comment"),
        ("a.py", "d = {'a': ‸\n", "code"),
        ("a.py", "def f(:\n    x = 'a' + ‸\n", "code"),
        ("a.js", "f(`a ‸${b} c`);\n", "string"),
        ("a.js", "f(`a ${‸b} c`);\n", "code"),
        ("a.js", "f(`a ${b}‸ c`);\n", "string"),
        ("a.js", "f(`a\n‸\n`);\n", "string"),
        ("a.js", "f(`a`‸);\n", "code"),
        ("a.js", "f(`a ${g(`‸`)}`);\n", "string"),
        ("a.js", "f(/a‸b/g);\n", "string"),
        ("a.js", "f(/ab/g‸);\n", "code"),
        ("a.js", "a / b‸ / c;\n", "code"),
        ("a.js", "f(); // c‸\n", "comment"),
        ("a.js", "f(); /* c‸ */\n", "comment"),
        ("a.js", "f(); /* c */‸\n", "code"),
        ("a.js", "/**\n * c‸\n */\n", "comment"),
        ("a.js", "/**\n * c‸\n", "comment"),
        ("a.js", "f();\n/* it's ‸\n", "comment"),
        ("a.js", "f('/*');\ng('‸\n", "string"),
        ("a.js", "/* a */ f('‸\n", "string"),
        ("a.c", "/* it's\n\"‸\n", "comment"),
        ("a.py", 'x = "" + "a""" + f(‸\n', "code"),
        ("a.py", 'x = f("a""""b\n‸\n', "string"),
        ("a.py", "x = f('a\n  b‸\n", "code"),
        ("a.js", "const s = \"it's ‸\n", "string"),
        ("a.js", "const s = 'a' + ‸\n", "code"),
        ("a.js", "const u = 'http://a‸\n", "string"),
        ("a.tsx", "const a = <b>it's ‸text</b>;\n", "string"),
        ("a.tsx", "const a = <b>{c‸}</b>;\n", "code"),
        ("a.ts", "type A = `a‸`;\n", "string"),
        ("a.go", "x := `a\n‸`\n", "string"),
        ("a.go", "x := 'a'‸\n", "code"),
        ("a.go", "// c‸\nfunc F() {}\n", "comment"),
        ("a.rs", "fn f() { let a = 'x'; ‸}\n", "code"),
        ("a.rs", "fn f<'a>(x: &'a str) { g(‸\n", "code"),
        ("a.rs", 'fn f() { g("a‸\n', "string"),
        ("a.rs", 'fn f() { g(r#"a‸"#) }\n', "string"),
        ("a.rs", "/// D‸\nfn f() {}\n", "comment"),
        ("a.rs", "/// D.\n‸fn f() {}\n", "code"),
        ("a.rs", "fn f() {} /* c‸ */\n", "comment"),
        ("A.java", 'class A { String s = "a‸"; }\n', "string"),
        ("A.java", 'class A { String s = """\n  a‸\n  """; }\n', "string"),
        ("A.java", "class A { int f() { return 1; } // c‸\n}\n", "comment"),
        ("a.c", "char c = 'a‸';\n", "string"),
        ("a.c", "#include <a‸.h>\n", "string"),
        ("a.cpp", 'auto s = R"(a‸)";\n', "string"),
        ("a.cs", 'var s = $"a‸ {b} c";\n', "string"),
        ("a.cs", 'var s = $"a {‸b} c";\n', "code"),
        ("a.cs", 'var s = @"a‸";\n', "string"),
        ("a.cs", "/// <su‸\nclass A { }\n", "comment"),
        ("a.rb", 'x = "a‸ #{b} c"\n', "string"),
        ("a.rb", 'x = "a #{‸b} c"\n', "code"),
        ("a.rb", "x = <<~T\n  a‸\nT\n", "string"),
        ("a.rb", "=begin\nc‸\n=end\n", "comment"),
        ("a.rb", "# c‸\n", "comment"),
        ("a.rb", "x = %w[a‸ b]\n", "string"),
        ("a.php", "<?php\n# c‸\n", "comment"),
        ("a.php", "<?php\n// c‸\n", "comment"),
        ("a.php", '<?php\n$x = "a‸ $b";\n', "string"),
        ("a.php", "<?php\n$x = <<<X\na‸\nX;\n", "string"),
        ("a.php", "<p>it's ‸</p>\n", "code"),
        ("a.sh", "x=${y#‸a}\n", "code"),
        ("a.sh", "f $# ‸\n", "code"),
        ("a.sh", 'if [ "$#" -gt $# ]; then f ‸\n', "code"),
        ("a.sh", "echo a # c‸\n", "comment"),
        ("a.sh", 'echo "a‸"\n', "string"),
        ("a.sh", 'echo "$(ls ‸)"\n', "code"),
        ("a.sh", "echo 'a\nb‸\n", "string"),
        ("a.sh", "cat <<E\na‸\nE\n", "string"),
        ("a.lua", "--[[ c‸ ]]\n", "comment"),
        ("a.lua", "-- c‸\n", "comment"),
        ("a.lua", "x = [[a‸]]\n", "string"),
        ("a.kt", 'val s = "a‸ ${b}"\n', "string"),
        ("a.kt", 'val s = "a ${‸b}"\n', "code"),
        ("a.kt", "/** c‸ */\nfun f() {}\n", "comment"),
        ("a.sql", "SELECT 'it''s‸'\n", "string"),
        ("a.sql", "SELECT a -- c‸\n", "comment"),
        ("a.sql", "SELECT a /* c‸ */\n", "comment"),
        ("a.html", "<!-- c‸ -->\n", "comment"),
        ("a.html", '<a href="a‸">\n', "string"),
        ("a.html", "<p>it's ‸\n", "code"),
        ("a.css", "/* c‸ */\n", "comment"),
        ("a.css", "/* c */‸\n", "code"),
        ("a.css", 'a { content: "a‸" }\n', "string"),
        ("a.json", '{"a‸": 1}\n', "string"),
        ("a.json", '{"a": 1 // c‸\n}\n', "comment"),
        ("a.yaml", 'a: "b‸"\n', "string"),
        ("a.yaml", "a: b # c‸\n", "comment"),
        ("a.yaml", "a: b#c‸\n", "code"),
        ("a.yaml", "a: it's ‸\n", "code"),
        ("a.toml", 'a = """\nb‸"""\n', "string"),
        ("a.toml", "# c‸\n", "comment"),
        ("a.md", "it's \"‸\n", "code"),
        ("a.cobol", "x = 'a‸'\n", "code"),
        ("a.py", "‸", "code"),
    ],
)
def test_what_an_insertion_would_be_part_of(path: str, text: str, kind: str) -> None:
    buffer = marked(text, path)
    assert kind_at(buffer.document, buffer.start) == kind
    windows = marked(text.replace("\n", "\r\n"), path)
    assert kind_at(windows.document, windows.start) == kind


# -- blocks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "text", "opens"),
    [
        ("a.py", "def f(a):‸\n    pass\n", True),
        ("a.py", "def f(a) -> dict[str, int]:‸\n", True),
        ("a.py", "def f(a):‸", True),
        ("a.py", "def f(a):  ‸\n", True),
        ("a.py", "def f(a):  # c‸\n", False),
        ("a.py", "def f(a): ‸ # c\n", True),
        ("a.py", "async def f():‸\n", True),
        ("a.py", "class A(B):‸\n", True),
        ("a.py", "if a:‸\n", True),
        ("a.py", "if a:\n    pass\nelif b:‸\n", True),
        ("a.py", "if a:\n    pass\nelse:‸\n", True),
        ("a.py", "for a in b:‸\n", True),
        ("a.py", "async for a in b:‸\n", True),
        ("a.py", "while a:‸\n", True),
        ("a.py", "with a as b:‸\n", True),
        ("a.py", "try:‸\n", True),
        ("a.py", "try:\n    a\nexcept E as e:‸\n", True),
        ("a.py", "try:\n    a\nfinally:‸\n", True),
        ("a.py", "match a:‸\n", True),
        ("a.py", "match a:\n    case 1:‸\n", True),
        ("a.py", "match a:\n    case {'k': 1}:‸\n", True),
        ("a.py", "    if a:‸", True),
        ("a.py", "x = 1\ndef f(\n    a: str = ')',  # (c\n    b: str = ')',\n) -> int:‸\n", True),
        ("a.py", "if (a\n        and f(lambda x:‸\n", False),
        ("a.py", "if a[\n    b]:‸\n", True),
        ("a.py", "x = [\n    b]:‸\n", False),
        ("a.py", "def f(\n    a: int = 1,  # (c\n    b: str = ')',\n) -> int:‸\n", True),
        ("a.py", "if (a\n        and b):‸\n", True),
        ("a.py", "if a['k']:‸\n", True),
        ("a.py", "if a == ':':‸\n", True),
        ("a.py", "if a == ':'‸:\n", False),
        ("a.py", "def f(a):\n    pass‸\n", False),
        ("a.py", "def f(a): pass‸\n", False),
        ("a.py", "def f(a:‸\n", False),
        ("a.py", "def f(\n    a:‸\n", False),
        ("a.py", "d = {a:‸ 1}\n", False),
        ("a.py", "d = {\n    'a':‸\n", False),
        ("a.py", "d = {\n    if_:‸\n", False),
        ("a.py", "x = a[1:‸2]\n", False),
        ("a.py", "x = a[:‸\n", False),
        ("a.py", "f = lambda x:‸ x\n", False),
        ("a.py", "f(key=lambda:‸\n", False),
        ("a.py", "if f(lambda x:‸\n", False),
        ("a.py", "if d[1:‸\n", False),
        ("a.py", "for k in {1:‸\n", False),
        ("a.py", "x:‸ int = 1\n", False),
        ("a.py", "x = 'if a:‸\n", False),
        ("a.py", "x = 'if a:'‸\n", False),
        ("a.py", "# if a:‸\n", False),
        ("a.py", 'def f():\n    """\n    if a:‸\n    """\n', False),
        ("a.py", "print('a'\nif b:‸\n", True),
        ("a.py", "x = (1 +\ndef f(a):‸\n    pass\n", True),
        ("a.py", "‸", False),
        ("a.js", "function f(a) {‸\n}\n", True),
        ("a.js", "function f(a) {  ‸\n", True),
        ("a.js", "if (a) {‸ // c\n", True),
        ("a.js", "if (a) { // c‸\n", False),
        ("a.js", "} else {‸\n", True),
        ("a.js", "f(() => {‸\n", True),
        ("a.js", "switch (a) {\n  case 1:‸\n", True),
        ("a.js", "switch (a) {\n  case 'x': ‸\n", True),
        ("a.js", "switch (a) {\n  default:‸\n", True),
        ("a.js", "switch (a) {\n  case 1: f();‸\n", False),
        ("a.js", "const s = '{‸'\n", False),
        ("a.js", "const s = `${‸`\n", False),
        ("a.js", "const o = { a:‸ 1 };\n", False),
        ("a.js", "f(a);‸\n", False),
        ("a.js", "// f() {‸\n", False),
        ("a.ts", "interface A {‸\n}\n", True),
        ("a.ts", "const a:‸ string = '';\n", False),
        ("a.tsx", "export class A {‸\n", True),
        ("a.go", "func F() error {‸\n}\n", True),
        ("a.go", "if err != nil {‸\n", True),
        ("a.go", "switch {\ncase a > b:‸\n", True),
        ("a.go", "select {\ndefault:‸\n", True),
        ("a.go", "x := a[1:‸]\n", False),
        ("a.rs", "fn f() -> i32 {‸\n}\n", True),
        ("a.rs", "match a {\n    Some(x) => {‸\n", True),
        ("a.rs", "impl<'a> A<'a> for B {‸\n", True),
        ("a.rs", "let x:‸ i32 = 1;\n", False),
        ("A.java", "class A {\n    int f() {‸\n", True),
        ("A.java", "switch (a) { \ncase 1:‸\n", True),
        ("a.c", "int f(void) {‸\n", True),
        ("a.c", "int f(void)\n{‸\n", True),
        ("a.c", "switch (a) {\ncase 'a':‸\n", True),
        ("a.cpp", "namespace a {‸\n", True),
        ("a.cpp", "class A {\n public:‸\n", False),
        ("a.cs", "class A\n{\n    void F() {‸\n", True),
        ("a.cs", "void F()\n{‸\n", True),
        ("a.cs", "switch (a) {\ncase 1:‸\n", True),
        ("a.cs", "Func<int, int> f = x =>‸\n", False),
        ("a.rb", "def f(a)‸\n", True),
        ("a.rb", "  private def f(a, b = 1)‸\n", True),
        ("a.rb", "def f‸\n", False),
        ("a.rb", "class A‸\n", False),
        ("a.rb", "f(a)‸\n", False),
        ("a.rb", "[1].each do |x|‸\n", True),
        ("a.rb", "[1].each do‸\n", True),
        ("a.rb", "[1].each { |x|‸\n", True),
        ("a.rb", "if a then‸\n", True),
        ("a.rb", "if a\n  b\nelse‸\nend\n", True),
        ("a.rb", "x = begin‸\n", True),
        ("a.rb", "undo‸\n", False),
        ("a.rb", "# do‸\n", False),
        ("a.rb", "a | b |‸\n", False),
        ("a.php", "<?php\nfunction f($a) {‸\n", True),
        ("a.php", "<?php\nforeach ($a as $b):‸\n", True),
        ("a.php", "<?php\nelse:‸\n", True),
        ("a.php", "<?php\n$x = $a ? b :‸\n", False),
        ("a.sh", "f() {‸\n", True),
        ("a.sh", "if [ $# -lt 1 ]; then‸\n", True),
        ("a.sh", "for x in *; do‸\n", True),
        ("a.sh", "else‸\n", True),
        ("a.sh", "case $1 in‸\n", True),
        ("a.sh", "case $1 in\n  a|b)‸\n", True),
        ("a.sh", "x=$(ls)‸\n", False),
        ("a.sh", "echo done‸\n", False),
        ("a.lua", "function f(a)‸\n", True),
        ("a.lua", "f(function(x)‸\n", True),
        ("a.lua", "if a then‸\n", True),
        ("a.lua", "for i = 1, 2 do‸\n", True),
        ("a.lua", "repeat‸\n", True),
        ("a.lua", "local t = {‸\n", True),
        ("a.lua", "f(x)‸\n", False),
        ("a.kt", "fun f(): Int {‸\n", True),
        ("a.kt", "a.map { x ->‸\n", True),
        ("a.kt", "when (x) {\n    1 ->‸\n", False),
        ("a.sql", "CREATE TABLE a (‸\n", True),
        ("a.sql", "create function f() returns int as $$‸\n", True),
        ("a.sql", "begin‸\n", True),
        ("a.sql", "SELECT count(‸\n", False),
        ("a.html", '<div class="a>b">‸\n', True),
        ("a.html", "<br>‸\n", False),
        ("a.html", '<img src="a"/>‸\n', False),
        ("a.html", "</div>‸\n", False),
        ("a.css", "@media print {‸\n", True),
        ("a.css", "a:‸\n", False),
        ("a.json", '{"a": [‸\n', True),
        ("a.json", '{"a":‸\n', False),
        ("a.yaml", "a:‸\n", True),
        ("a.yaml", "- a: &b‸\n", True),
        ("a.yaml", "a: |‸\n", True),
        ("a.yaml", "a: >-‸\n  b\n", True),
        ("a.yaml", "  -‸\n", True),
        ("a.yaml", "a: b‸\n", False),
        ("a.yaml", "a: {b:‸\n", False),
        ("a.yaml", "a: http://b‸\n", False),
        ("a.toml", "a = [‸\n", True),
        ("a.toml", "[a]‸\n", False),
        ("a.md", "For example:‸\n", False),
        ("a.cobol", "if a:‸\n", False),
    ],
)
def test_whether_the_code_before_the_cursor_opens_a_block(path: str, text: str, opens: bool) -> None:
    buffer = marked(text, path)
    assert opens_block(buffer.document, buffer.start) is opens
    windows = marked(text.replace("\n", "\r\n"), path)
    assert opens_block(windows.document, windows.start) is opens


# -- errors and statements -------------------------------------------------------------------------------------


WHOLE_AND_BROKEN = {
    "a.py": ("x = [1]\n", ")\n"),
    "a.go": ("func F() {}\n", ")\n"),
    "a.rs": ("struct A {}\n", ")\n"),
    "a.c": ("struct A { int x; };\n", ")\n"),
    "a.rb": ("def f; end\n", ")\n"),
    "a.php": ("<?php class A {} ?>\n", "<?php ) ?>\n"),
    "a.sh": ("f() { ls; }\n", ")\n"),
    "a.lua": ("function f() end\n", ")\n"),
    "a.kt": ("fun f() {}\n", ")\n"),
    "a.sql": ("SELECT 1;\n", ");\n"),
    "a.html": ("<p>a</p>\n", '<a ="">b</a>\n'),
    "a.css": ("a { b: c }\n", "}\n"),
    "a.json": ('{"a": 1}\n', ")\n"),
    "a.yaml": ("a: b\n", "}\n"),
    "a.toml": ("a = 1\n", "b =\n"),
}


@pytest.mark.parametrize("path", [path for path in EVERY_LANGUAGE if path != "a.md"])
def test_errors_are_counted(path: str) -> None:
    assert error_count(marked("", path).document) == 0
    whole, broken = WHOLE_AND_BROKEN.get(path, ("class A {};\n", ")\n"))
    assert error_count(marked(whole, path).document) == 0
    one = error_count(marked(whole + broken, path).document)
    two = error_count(marked(whole + broken + whole + broken, path).document)
    # How many places one mistake breaks depends on the grammar.
    assert (one, two) == (1, 2) if path not in ("a.kt", "a.css", "a.json", "a.yaml") else two >= one > 0


def test_a_missing_token_is_an_error() -> None:
    assert error_count(marked("f(a;\n", "a.js").document) == 1
    assert error_count(marked("f(a;\n", "a.cobol").document) == 0


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("«x = 1»\ny = )\n", False),
        ("x = 1\ny = «)»\n", True),
        ("x = 1\ny = ‸)\n", True),
        ("x = )\ny = 1\n«z = 2»\n", False),
        ("«x = 1\n»", False),
    ],
)
def test_where_the_code_is_broken(text: str, broken: bool) -> None:
    buffer = marked(text)
    assert is_broken(buffer.document, buffer.start, buffer.end) is broken


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "a.py",
            "«»# c\n«»import é\n\n«»@cache\ndef f():\n    pass\n\n\n«»class A:\n    x = 1\n«»y = (\n    1)\n",
        ),
        ("a.js", "«»// é\n«»f();\n«»/** D. */\n«»export class A {\n  m() {}\n}\n"),
        ("a.go", "«»package a\n\n«»func F() {\n\tx()\n}\n"),
        ("a.rs", "«»#[a]\n«»struct A {\n    x: i32,\n}\n"),
        ("a.cobol", "a\nb\n"),
        ("a.py", ""),
    ],
)
def test_where_the_outermost_statements_begin(path: str, text: str) -> None:
    parts = text.replace("»", "").split("«")
    expected = [len("".join(parts[:count]).encode()) for count in range(1, len(parts))]
    document = marked(text.replace("«", "").replace("»", ""), path).document
    assert sorted(set(top_level_starts(document))) == expected


def test_two_statements_on_a_line_begin_with_the_line() -> None:
    assert top_level_starts(marked("a; b\nc\n").document)[-1] == 5
    assert set(top_level_starts(marked("a; b\nc\n").document)) == {0, 5}


@pytest.mark.parametrize("path", EVERY_LANGUAGE)
def test_nothing_breaks_at_any_offset_of_broken_code(path: str) -> None:
    text = "é \"' `{(\r\ndef f(a:\n  /* // # \\"
    document = marked(text, path).document
    for offset in range(len(document.text) + 1):
        assert kind_at(document, offset) in ("code", "comment", "string")
        assert opens_block(document, offset) in (True, False)
        assert definition_at(document, offset, len(document.text)) is None
