"""What one file gives to the index: its symbols, as a reader of another file needs them, and its imports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal
from weakref import WeakKeyDictionary

import tree_sitter

from midfill.document import Document
from midfill.languages import Language
from midfill.syntax import Definition, Span, definitions, doc_of

Kind = Literal["function", "method", "class", "constant", "field"]

# Characters. What is longer is cut: a signature is to be read within a few dozen tokens.
LONGEST_SIGNATURE, LONGEST_VALUE, LONGEST_DOC = 240, 80, 120
# Bytes. A type whose whole body is this short is its own best signature.
_SHORT_BODY = 240
# Characters. Longer decorators, such as those of a command line's options, are left out.
_LONGEST_DECORATOR = 32


@dataclass(frozen=True, slots=True)
class Symbol:
    """A name that other files may use.

    `container` is the type that it is a member of, or "". `signature` is a line of code, behind the lines of short
    decorators; `doc` is the first line of its documentation, without marks, or "". `line` counts from 0.
    """

    path: str
    name: str
    kind: Kind
    container: str
    signature: str
    doc: str
    line: int


@dataclass(frozen=True, slots=True)
class Import:
    """A name that a file takes from elsewhere.

    `module` is spelled as in the file; `name` is None where the module itself is meant, and "*" where all of its
    names are; `alias` is what the file calls the name or the module: None where it says nothing else.
    """

    module: str
    name: str | None
    alias: str | None


@dataclass(frozen=True, slots=True)
class Extract:
    """`import_spans` are the byte ranges of the outermost statements that import, each once."""

    symbols: tuple[Symbol, ...] = ()
    imports: tuple[Import, ...] = ()
    import_spans: tuple[Span, ...] = ()


def extract(document: Document, path: str) -> Extract:
    """The symbols and imports of a document, in their order. Both are empty where there is no tree."""
    language = document.language
    if language is None or document.tree is None:
        return Extract()
    units = _units(document)
    symbols = {
        unit.own.name_start: _symbol(document, language, path, unit) for unit in units if not unit.is_only_a_scope
    }
    imports: dict[Import, Span] = {}
    taken: set[int] = set()
    for captures in _tags(document, language):
        if statement := captures.get("import") or captures.get("import.all"):
            imports.setdefault(_import(captures), _statement(statement[0]))
            # In JavaScript an import may be the value of a constant.
            taken.update(node.start_byte for node in captures.get("alias", ()))
            continue
        name = captures["name"][0]
        if "container" in captures:
            if known := symbols.get(name.start_byte):
                symbols[name.start_byte] = replace(known, container=_text(captures["container"][0]))
        elif name.start_byte not in symbols and (tagged := _tagged(document, path, captures, units)):
            symbols[name.start_byte] = tagged
    # A method of no type is one of an object literal, which has no name.
    named = (symbols[start] for start in sorted(symbols.keys() - taken))
    kept = tuple(each for each in named if each.kind != "method" or each.container)
    return Extract(kept, tuple(imports), tuple(sorted(set(imports.values()))))


def _tags(document: Document, language: Language) -> Iterator[dict[str, list[tree_sitter.Node]]]:
    if document.tree is not None and language.has_query("tags"):
        for _, captures in tree_sitter.QueryCursor(language.query("tags")).matches(document.tree.root_node):
            yield captures


def extracted(document: Document, path: str) -> Extract:
    """`extract`, remembered for as long as the document is. A document has one path."""
    if document not in _EXTRACTS:
        _EXTRACTS[document] = extract(document, path)
    return _EXTRACTS[document]


_EXTRACTS: WeakKeyDictionary[Document, Extract] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class _Unit:
    """A definition, how it begins, and the name of the type that it is a member of."""

    own: Definition
    head: str
    container: str

    @property
    def is_only_a_scope(self) -> bool:
        return _SCOPE.match(self.head) is not None


# Namespaces say nothing that a path does not say; an `impl` is there for its methods.
_NAMESPACE = re.compile(r"(?:export |declare |pub |inline )*(?:namespace|module|mod)\b")
_SCOPE = re.compile(rf"{_NAMESPACE.pattern}|(?:unsafe )?impl\b")


def _units(document: Document) -> list[_Unit]:
    """The definitions that are not inside functions, by their places."""
    units: list[_Unit] = []
    around: list[_Unit] = []
    hidden = 0
    for own in sorted(definitions(document), key=lambda each: (each.start, -each.end)):
        if own.start < hidden:
            continue
        while around and around[-1].own.end < own.end:
            around.pop()
        if own.kind != "class":
            hidden = own.end
        head = document.text.slice(own.start, min(own.start + 40, own.end))
        unit = _Unit(own, head, around[-1].own.name if around else "")
        units.append(unit)
        if own.kind == "class" and not _NAMESPACE.match(head) and not head.startswith("typedef"):
            around.append(unit)
    return units


def _symbol(document: Document, language: Language, path: str, unit: _Unit) -> Symbol:
    own, text = unit.own, document.text
    container, _, name = own.name.rpartition("::")
    line = text.line_of(own.name_start)
    return Symbol(
        path,
        name,
        "method" if own.kind == "function" and (container or unit.container) else own.kind,
        container.rpartition("::")[2] or unit.container,
        _signature(document, own),
        _first_line(document, language, own),
        line,
    )


def _signature(document: Document, own: Definition) -> str:
    """The head of a definition on one line, behind its short decorators; all of a type that is short."""
    text = document.text
    start = max(own.start, text.line_start(text.line_of(own.name_start)))
    above = text.slice(own.start, start).strip()
    decorators = [line.strip() for line in above.split("\n") if len(line.strip()) <= _LONGEST_DECORATOR]
    if above and not above.startswith(("@", "#[", "[[")):
        # A return type on a line of its own, or `template <...>`.
        start, decorators = own.start, []
    end = own.body_start if own.body_start is not None else own.end
    alias = text.slice(start, end).rstrip().endswith("=")
    short = own.kind == "class" and own.end - start <= _SHORT_BODY and text.data[own.end - 1 : own.end] in b"};"
    end = own.end if alias or short else end
    head = _one_line(_COMMENT.sub("", text.slice(start, end)))
    if end < own.end:
        head = head.rstrip(" {:;")
    return "\n".join([*(each for each in decorators if each.startswith("@")), _cut(head, LONGEST_SIGNATURE)])


# From a mark behind a blank to the end of its line; what looks like a string is left alone.
_COMMENT = re.compile(r"""(?:^|\s)(?:\#|//)(?!\[)[^"'`\n]*$""", re.MULTILINE)


def _first_line(document: Document, language: Language, own: Definition) -> str:
    """The first line of a definition's documentation that says something."""
    span = doc_of(document, own)
    if span is None:
        return ""
    lines = document.text.slice(span[0], min(span[1], span[0] + 400)).splitlines()
    said = (_MARKS.sub("", line.strip()) for line in lines)
    return _cut(next(filter(None, said), ""), LONGEST_DOC)


_MARKS = re.compile(
    r"""^[rRuUbBfF]{0,2}(?:\"{3}|'{3}|"|')\s*|^(?:/\*\*?|//[/!]?|\*/|\*|\#)\s*|(?:\*/|\"{3}|'{3})$"""
)


def _tagged(
    document: Document, path: str, captures: dict[str, list[tree_sitter.Node]], units: list[_Unit]
) -> Symbol | None:
    """A constant or a field; a field is a member of the innermost type around it."""
    name = captures["name"][0]
    field = "definition.field" in captures
    node = captures["definition.field" if field else "definition.constant"][0]
    container = ""
    if field:
        types = (unit for unit in units if unit.own.kind == "class" and not _NAMESPACE.match(unit.head))
        around = [unit for unit in types if unit.own.start <= node.start_byte and node.end_byte <= unit.own.end]
        if not around:
            return None
        container = around[-1].own.name
    code = _one_line(document.text.slice(node.start_byte, min(node.end_byte, node.start_byte + 400))).rstrip(" ;,")
    annotated = _SELF.match(code) if field else None
    signature = _cut(annotated[1] if annotated else code, LONGEST_VALUE)
    kind: Kind = "field" if field else "constant"
    return Symbol(path, _text(name), kind, container, signature, "", document.text.line_of(name.start_byte))


# An attribute with a type: that says more than its value.
_SELF = re.compile(r"self\.(\w+: .+?)(?: = .*)?$")


def _import(captures: dict[str, list[tree_sitter.Node]]) -> Import:
    module, name, alias = (
        (_text(captures[part][0]) if part in captures else None) for part in ("module", "name", "alias")
    )
    return Import((module or "").strip("\"'<>`"), "*" if "import.all" in captures else name, alias)


def _statement(node: tree_sitter.Node) -> Span:
    """The outermost statement that a node is part of."""
    while node.parent is not None and node.parent.parent is not None:
        node = node.parent
    return node.start_byte, node.end_byte


def _text(node: tree_sitter.Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _one_line(code: str) -> str:
    """Code without line ends, and without the blanks that they leave behind brackets."""
    return re.sub(r"(?<=[(\[]) | (?=[)\]])", "", " ".join(code.split())).replace(",)", ")").replace(",]", "]")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
