"""Every language folder: its queries compile, its config names real nodes, its definitions are found."""

from __future__ import annotations

import pytest
from buffers import marked, unit

from midfill.edits.conventions import CONVENTIONS
from midfill.languages import Language, grammars_folder, language_for, languages
from midfill.syntax import definitions, error_count

LANGUAGES = pytest.mark.parametrize("language", languages(), ids=lambda language: language.id)
Found = list[tuple[str, str, str]]

ECMASCRIPT: Found = [
    ("function", "plain", "function plain() {}"),
    ("function", "gen", "async function* gen() { yield 1; }"),
    ("function", "arrow", "const arrow = async (a) => a + 1;"),
    ("function", "old", "var old = function () {};"),
    ("function", "named", "exports.named = function () {};"),
    ("class", "Base", "class Base {\n  @bound\n  async load(é) { return é; }\n  handler = () => {}\n}"),
    ("method", "load", "@bound\n  async load(é) { return é; }"),
    ("method", "handler", "handler = () => {}"),
    ("function", "shown", "export async function shown() {}"),
    ("function", "main", "export default function main() {}"),
    ("class", "Shown", '@part({ a: "b" })\nexport class Shown extends Base {\n  #own() {}\n}'),
    ("method", "#own", "#own() {}"),
    ("function", "wrapped", "export const wrapped = () => {\n  const inner = () => 1;\n  return inner;\n};"),
    ("function", "inner", "const inner = () => 1;"),
]
TYPESCRIPT: Found = [
    *ECMASCRIPT,
    ("class", "Shape", "export interface Shape {\n  area(): number;\n}"),
    ("method", "area", "area(): number"),
    ("class", "Id", "type Id = string | number;"),
    ("class", "Colour", "export const enum Colour { Red }"),
    ("class", "Space", "namespace Space {\n  export function f(): void {}\n}"),
    ("function", "f", "export function f(): void {}"),
    ("class", "Abstract", "export abstract class Abstract<T> {\n  abstract run(): T;\n}"),
    ("method", "run", "abstract run(): T"),
    ("function", "over", "export function over(a: string): void;"),
    ("function", "over", "export function over(a: unknown): void {}"),
    ("function", "ambient", "declare function ambient(a: string): void;"),
    ("class", "Ambient", "export declare class Ambient {\n  m(): void;\n}"),
    ("method", "m", "m(): void"),
    ("class", "Global", "declare namespace Global {\n}"),
]
SAMPLES: dict[str, Found] = {
    "a.py": [
        ("function", "plain", "def plain(a): return a"),
        ("function", "größe", '@app.get("/")\n@cache\nasync def größe():\n    def inner(): ...\n    return inner'),
        ("function", "inner", "def inner(): ..."),
        (
            "class",
            "Point",
            "@dataclass(frozen=True)\nclass Point[T](Base):\n    x: T\n\n    @property\n    def size(self):\n"
            "        return 1\n\n    def plain(self):\n        pass\n\n    class Deep:\n"
            "        def deep(self): pass",
        ),
        ("method", "size", "@property\n    def size(self):\n        return 1"),
        ("method", "plain", "def plain(self):\n        pass"),
        ("class", "Deep", "class Deep:\n        def deep(self): pass"),
        ("method", "deep", "def deep(self): pass"),
    ],
    "a.js": ECMASCRIPT,
    "a.ts": TYPESCRIPT,
    "a.tsx": [*TYPESCRIPT, ("function", "View", "export const View = (p: P) => <b>{p.é} it's</b>;")],
    "a.go": [
        ("function", "Plain", "func Plain[T any](a T) (T, error) {\n\treturn a, nil\n}"),
        ("method", "Move", "func (p *Point) Move(d int) { p.X += d }"),
        ("class", "Point", "type Point struct {\n\tX int\n}"),
        ("class", "Shape", "type Shape interface {\n\tArea() float64\n}"),
        ("method", "Area", "Area() float64"),
        ("class", "Func", "type Func func(a int) int"),
    ],
    "a.rs": [
        ("class", "Point", "#[derive(Debug)]\n#[repr(C)]\npub struct Point {\n    x: i32,\n}"),
        ("class", "Unit", "struct Unit;"),
        ("class", "Kind", "pub enum Kind { A, B(i32) }"),
        ("class", "Area", "pub trait Area {\n    fn area(&self) -> f64;\n    fn twice(&self) -> f64 { 2.0 }\n}"),
        ("method", "area", "fn area(&self) -> f64;"),
        ("method", "twice", "fn twice(&self) -> f64 { 2.0 }"),
        ("class", "Point", "impl Point {\n    #[inline]\n    pub fn new() -> Self { Self { x: 0 } }\n}"),
        ("method", "new", "#[inline]\n    pub fn new() -> Self { Self { x: 0 } }"),
        ("function", "ext", "fn ext(a: u8);"),
        ("class", "tests", "#[cfg(test)]\nmod tests {\n    #[test]\n    fn works() {}\n}"),
        ("function", "works", "#[test]\n    fn works() {}"),
        ("class", "made", "macro_rules! made { () => {} }"),
        ("function", "later", "pub async fn later<T>(a: T) -> T where T: Copy { a }"),
    ],
    "A.java": [
        (
            "class",
            "A",
            "@Deprecated\npublic class A<T> extends B {\n    public A(int x) { this.x = x; }\n    @Override\n"
            '    public String toString() { return "é"; }\n    abstract void none();\n    class In {}\n}',
        ),
        ("method", "A", "public A(int x) { this.x = x; }"),
        ("method", "toString", '@Override\n    public String toString() { return "é"; }'),
        ("method", "none", "abstract void none();"),
        ("class", "In", "class In {}"),
        ("class", "Shape", "interface Shape {\n    double area();\n}"),
        ("method", "area", "double area();"),
        ("class", "Colour", "enum Colour { RED }"),
        ("class", "Pair", "record Pair(int a, int b) {\n    Pair {}\n}"),
        ("method", "Pair", "Pair {}"),
        ("class", "Note", "@interface Note {}"),
    ],
    "a.c": [
        ("function", "add", "int add(int a, int b) { return a + b; }"),
        ("function", "name", "static char *name(void) {\n    return 0;\n}"),
        ("function", "names", "char **names(void) { return 0; }"),
        ("function", "declared", "extern int *declared(int a);"),
        ("class", "point", "struct point { int x; }"),
        ("class", "either", "union either { int a; }"),
        ("class", "colour", "enum colour { RED }"),
        ("class", "unnamed", "typedef struct { int x; } unnamed;"),
        ("function", "make", "struct point make(void) { struct point p; return p; }"),
    ],
    "a.cpp": [
        (
            "class",
            "Box",
            "template <typename T>\nclass Box : public Base {\n public:\n  Box() : v(0) {}\n"
            "  explicit Box(int v);\n  Box(const Box&) = delete;\n  ~Box() = default;\n"
            "  T get() const { return v; }\n  virtual T* ptr() = 0;\n"
            "  Box& operator=(const Box& o) { return *this; }\n"
            "  template <typename U>\n  U as() { return U(); }\n};",
        ),
        ("method", "Box", "Box() : v(0) {}"),
        ("method", "Box", "explicit Box(int v);"),
        ("method", "Box", "Box(const Box&) = delete;"),
        ("method", "~Box", "~Box() = default;"),
        ("method", "get", "T get() const { return v; }"),
        ("method", "ptr", "virtual T* ptr() = 0;"),
        ("method", "operator=", "Box& operator=(const Box& o) { return *this; }"),
        ("method", "as", "template <typename U>\n  U as() { return U(); }"),
        ("function", "add", "template <typename T>\nT add(T a, T b) { return a + b; }"),
        ("function", "Box<int>::out", "int Box<int>::out() { return 1; }"),
        ("function", "Box::~Box", "Box::~Box() = default;"),
        ("class", "Plain", "struct Plain { int x; }"),
        ("class", "E", "enum class E { A }"),
        ("class", "space", "namespace space {\nint *declared(int);\n}"),
        ("function", "declared", "int *declared(int);"),
    ],
    "a.cs": [
        (
            "class",
            "Shop",
            "namespace Shop\n{\n    [Serializable]\n    public class Cart<T> : Base\n    {\n"
            "        public Cart(int a) { X = a; }\n        ~Cart() { }\n"
            '        public override string ToString() => "é";\n        public int X { get; set; } = 1;\n'
            "        abstract void None(int a);\n        void Outer()\n        {\n"
            "            int Inner(int z) { return z; }\n        }\n    }\n}",
        ),
        (
            "class",
            "Cart",
            "[Serializable]\n    public class Cart<T> : Base\n    {\n        public Cart(int a) { X = a; }\n"
            '        ~Cart() { }\n        public override string ToString() => "é";\n'
            "        public int X { get; set; } = 1;\n        abstract void None(int a);\n"
            "        void Outer()\n        {\n            int Inner(int z) { return z; }\n        }\n    }",
        ),
        ("method", "Cart", "public Cart(int a) { X = a; }"),
        ("method", "Cart", "~Cart() { }"),
        ("method", "ToString", 'public override string ToString() => "é";'),
        ("method", "X", "public int X { get; set; } = 1;"),
        ("method", "None", "abstract void None(int a);"),
        ("method", "Outer", "void Outer()\n        {\n            int Inner(int z) { return z; }\n        }"),
        ("function", "Inner", "int Inner(int z) { return z; }"),
        ("class", "IShape", "interface IShape { double Area(); }"),
        ("method", "Area", "double Area();"),
        ("class", "Colour", "enum Colour { Red }"),
        ("class", "Size", "struct Size { }"),
        ("class", "Pair", "record Pair(int A);"),
        ("class", "Made", "delegate void Made(int a);"),
    ],
    "top.cs": [("function", "Add", "int Add(int a, int b) { return a + b; }")],
    "a.rb": [
        (
            "class",
            "Point",
            "class Point < Base\n  def initialize(a, b = 1)\n    @x = a\n  end\n\n  def self.make = new\n\n"
            "  def ==(é); end\n\n  private def hidden; end\nend",
        ),
        ("method", "initialize", "def initialize(a, b = 1)\n    @x = a\n  end"),
        ("method", "make", "def self.make = new"),
        ("method", "==", "def ==(é); end"),
        ("method", "hidden", "private def hidden; end"),
        ("class", "M", "module M\n  def m; end\nend"),
        ("method", "m", "def m; end"),
        ("function", "plain?", "def plain?(x)\n  x\nend"),
        ("class", "Pair", "Pair = Struct.new(:a) do\n  def sum; end\nend"),
        ("method", "sum", "def sum; end"),
    ],
    "a.php": [
        (
            "class",
            "P",
            "#[Attr]\nfinal class P extends B\n{\n    public function __construct(private int $a) {}\n"
            "    abstract function none();\n}",
        ),
        ("method", "__construct", "public function __construct(private int $a) {}"),
        ("method", "none", "abstract function none();"),
        ("class", "I", "interface I { public function m(); }"),
        ("method", "m", "public function m();"),
        ("class", "T", "trait T { }"),
        ("class", "E", "enum E: string { case A = 'é'; }"),
        ("function", "plain", "function plain($a, $b = 1) { return 1; }"),
        ("function", "old", "$old = function ($x) use ($y) { return 1; };"),
        ("function", "short", "$short = fn($x) => 1;"),
    ],
    "a.sh": [
        ("function", "plain", "plain() {\n  echo 'é'\n}"),
        ("function", "worded", "function worded { ls; }"),
        ("function", "apart", "function apart() (\n  ls\n)"),
    ],
    "a.lua": [
        ("function", "plain", "local function plain(a, ...) return a end"),
        ("function", "M.add", "function M.add(a) end"),
        ("method", "M:get", "function M:get(a) end"),
        ("function", "kept", "local kept = function() return 'é' end"),
        ("function", "M.set", "M.set = function(a) end"),
        ("method", "inner", "inner = function() end"),
    ],
    "a.kt": [
        (
            "class",
            "Point",
            "@Ann\nclass Point<T>(val x: Int) : Base() {\n    fun move(d: Int = 1, vararg e: Int): Int {\n"
            "        return d\n    }\n\n    override fun one() = 1\n\n    companion object {\n"
            "        fun make() = 1\n    }\n}",
        ),
        ("method", "move", "fun move(d: Int = 1, vararg e: Int): Int {\n        return d\n    }"),
        ("method", "one", "override fun one() = 1"),
        ("method", "make", "fun make() = 1"),
        ("class", "Shape", "interface Shape {\n    fun area(): Double\n}"),
        ("method", "area", "fun area(): Double"),
        ("class", "Single", "object Single {\n    val a = 1\n}"),
        ("class", "E", "enum class E {\n    A, B;\n\n    fun low() = 1\n}"),
        ("method", "low", "fun low() = 1"),
        ("class", "P", "data class P(val a: Int)"),
        ("function", "extended", "fun <T> T.extended(a: Int) = a"),
        ("class", "Id", "typealias Id = Int"),
        ("function", "outer", "fun outer() {\n    fun inner() {}\n}"),
        ("function", "inner", "fun inner() {}"),
    ],
    "a.sql": [
        (
            "function",
            "add",
            "CREATE OR REPLACE FUNCTION add(a int, b int) RETURNS int AS $$\nBEGIN\n  RETURN a + b;\nEND;\n"
            "$$ LANGUAGE plpgsql",
        ),
        ("function", "shop.buy", "CREATE PROCEDURE shop.buy(a int) AS $$ SELECT 'é' $$ LANGUAGE sql"),
        ("function", "told", "CREATE TRIGGER told BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION add()"),
    ],
}
# What must follow a definition.
BEHIND = {"a.c": ";", "a.cpp": ";", "a.sql": ";"}


@LANGUAGES
def test_every_query_compiles(language: Language) -> None:
    names = [path.stem for path in language.folder.glob("*.scm")]
    assert not language.has_query("none")
    for name in names:
        assert language.has_query(name)
        query = language.query(name)
        assert query.pattern_count > 0
        assert query is language.query(name)


@LANGUAGES
def test_every_node_a_config_names_is_in_the_grammar(language: Language) -> None:
    grammar = language.grammar
    known = {
        grammar.node_kind_for_id(kind)
        for kind in range(grammar.node_kind_count)
        if grammar.node_kind_is_named(kind) and grammar.node_kind_is_visible(kind)
    }
    named = (
        language.comment_nodes
        | language.string_nodes
        | language.code_in_string_nodes
        | language.block_nodes
        | language.clause_nodes
        | language.attribute_nodes
    )
    assert named - known == set()


@LANGUAGES
def test_a_config_makes_sense(language: Language) -> None:
    assert (language.block is None) == (language.block_opener is None)
    if (docstring := language.docstring) is not None:
        assert docstring.style in CONVENTIONS
        assert docstring.matches(docstring.opening or docstring.line)
        if docstring.kind == "above":
            assert not docstring.matches("/* plain */")
    assert language.indent.strip() == ""
    assert language.string_nodes or not (language.quotes or language.multiline_quotes)


def test_no_two_languages_claim_the_same_file() -> None:
    for claims in ("lsp_ids", "extensions", "filenames"):
        every = [claim for language in languages() for claim in getattr(language, claims)]
        assert len(every) == len(set(every))
    assert len(languages()) == len([path for path in grammars_folder().iterdir() if path.is_dir()])


def test_every_language_with_definitions_has_a_sample() -> None:
    sampled = [marked("", path).document.language for path in SAMPLES]
    defining = {language.id for language in languages() if language.has_query("definitions")}
    assert {language.id for language in sampled if language} == defining


def test_a_language_without_functions_has_no_definitions() -> None:
    for path in ("a.html", "a.css", "a.json", "a.yaml", "a.toml", "a.md"):
        document = marked("a: b\n", path).document
        assert document.language is not None and document.language.docstring is None
        assert definitions(document) == []


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("path", SAMPLES)
def test_definitions_are_found_with_their_exact_text(path: str, newline: str) -> None:
    expected = [(kind, name, text.replace("\n", newline)) for kind, name, text in SAMPLES[path]]
    parts: list[str] = []
    for _, name, text in expected:
        if not any(text in part for part in parts):
            # An extern block is no definition, and a class may need its semicolon.
            parts.append('extern "C" { fn ext(a: u8); }' if name == "ext" else text)
    if path == "a.lua":
        # A method is a field of a table.
        parts[-1] = f"local t = {{ {parts[-1]} }}"
    end = BEHIND.get(path, "")
    text = "<?php" + newline if path == "a.php" else ""
    document = marked(text + (end + newline * 2).join(parts) + end + newline, path).document
    assert error_count(document) == 0
    assert [(each.kind, each.name, unit(document, each)) for each in definitions(document)] == expected


@pytest.mark.parametrize(
    ("path", "text", "bodies"),
    [
        ("a.py", "def f():\n    a\n    b\n", ["a\n    b"]),
        ("a.py", "class A: x = 1\n", ["x = 1"]),
        ("a.js", "const f = (a) => { a };\n", ["{ a }"]),
        ("a.js", "class A { m() { é } }\n", ["{ m() { é } }", "{ é }"]),
        ("a.ts", "declare function f(): void;\n", [None]),
        ("a.go", "type T struct{ x int }\n", ["struct{ x int }"]),
        ("a.rs", "trait T { fn f(); }\n", ["{ fn f(); }", None]),
        ("A.java", "class A { void f() {} }\n", ["{ void f() {} }", "{}"]),
        ("a.c", "int f(void) { return 1; }\n", ["{ return 1; }"]),
        ("a.cpp", "struct A { void f(); };\n", ["{ void f(); }", None]),
        (
            "a.cs",
            "class A { void F() { é(); } int G() => 1; }\n",
            ["{ void F() { é(); } int G() => 1; }", "{ é(); }", "=> 1"],
        ),
        ("a.rb", "def f\n  a\n  b\nend\n", ["a\n  b"]),
        ("a.php", "<?php abstract class A { abstract function f(); }\n", ["{ abstract function f(); }", None]),
        ("a.sh", "f() { ls; }\n", ["{ ls; }"]),
        ("a.lua", "local f = function() return 1 end\n", ["return 1"]),
        ("a.kt", "fun f() { g() }\n", ["{ g() }"]),
        ("a.sql", "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1;\n", ["RETURN 1;"]),
    ],
)
def test_bodies_and_names_are_found(path: str, text: str, bodies: list[str | None]) -> None:
    document = marked(text, path).document
    found = definitions(document)
    for each in found:
        assert document.text.slice(each.name_start, each.name_end) == each.name
    assert [
        None if each.body_start is None else document.text.slice(each.body_start, each.body_end) for each in found
    ] == bodies


@pytest.mark.parametrize("path", ["a.c", "a.cpp"])
def test_a_function_pointer_is_a_variable(path: str) -> None:
    text = "int (*f)(int);\nint (*g)(int) = h;\nstruct S { int (*m)(int); };\ntypedef int (*t)(int);\n"
    assert [each.name for each in definitions(marked(text, path).document)] == ["S"]


@pytest.mark.parametrize(
    ("lsp_id", "uri", "expected"),
    [
        ("python", "file:///a.txt", "python"),
        ("typescriptreact", "file:///a.ts", "tsx"),
        ("javascriptreact", "file:///a", "javascript"),
        ("c++", "file:///a.c", "cpp"),
        (None, "file:///dir/a.PY", "python"),
        ("", "a.pyi", "python"),
        ("plaintext", "/dir/a.go", "go"),
        (None, "C:\\dir\\a.rs", "rust"),
        (None, "file:///c%3A/dir/a.java", "java"),
        (None, "file:///dir/a%2Ets", "typescript"),
        (None, "file:///dir/a%20b.h", "c"),
        (None, "file:///dir/a%23b.hpp", "cpp"),
        (None, "file:///c%2B%2B/x.c%2B%2B", "cpp"),
        (None, "vscode-vfs://github/a/b.tsx?ref=x.py#y.go", "tsx"),
        (None, "untitled:Untitled-1.mjs", "javascript"),
        (None, "file:///dir/SConstruct", "python"),
        (None, "file:///SConstruct/a", None),
        (None, "file:///dir.py/a", None),
        (None, "file:///.py", None),
        (None, "file:///a.txt", None),
        ("csharp", "file:///a", "csharp"),
        ("cs", "file:///a", "csharp"),
        ("shellscript", "file:///a", "bash"),
        ("sh", "file:///a", "bash"),
        ("zsh", "file:///a.zsh", "bash"),
        ("dockercompose", "file:///compose.yml", "yaml"),
        ("yaml.ansible", "file:///a.yml", "yaml"),
        ("jsonc", "file:///tsconfig.json", "json"),
        ("plaintext", "file:///dir/Gemfile", "ruby"),
        (None, "file:///home/.bashrc", "bash"),
        (None, "file:///dir/Cargo.lock", "toml"),
        (None, "file:///dir/README.MD", "markdown"),
        (None, "a.KT", "kotlin"),
        ("cobol", "", None),
    ],
)
def test_a_language_is_known_by_id_then_name_then_extension(
    lsp_id: str | None, uri: str, expected: str | None
) -> None:
    language = language_for(lsp_id, uri)
    assert (language.id if language else None) == expected
