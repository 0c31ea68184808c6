"""Questions asked of a document's syntax tree. All offsets are UTF-8 bytes.

A document without a tree has no definitions, no errors and only code. While the user types, the tree around the
cursor is often broken; the answers then come from what tree-sitter recovered, and from the line's own text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Literal, NamedTuple

import tree_sitter

from midfill.document import Document
from midfill.languages import Docstring, Language
from midfill.text import columns, indentation, is_blank

DefinitionKind = Literal["function", "method", "class"]
TextKind = Literal["code", "comment", "string"]
Span = tuple[int, int]


# Bytes. Where documentation above a definition is longer, only its end belongs to the definition.
_DOCUMENTATION = 10_000
# Bytes. The brackets of a longer text take too long to count while somebody waits.
_COUNTED = 200_000


@dataclass(frozen=True, slots=True)
class Definition:
    """A named unit. `start..end` is all of it, with decorators and `export`; "class" is any type or namespace.

    `body_start` is where the body's first statement begins in Python, and the opening brace elsewhere.
    """

    kind: DefinitionKind
    name: str
    start: int
    end: int
    name_start: int
    name_end: int
    body_start: int | None
    body_end: int | None


@dataclass(frozen=True, slots=True)
class Token:
    """A node of the tree; only a leaf has a text.

    The others tell the nesting, which in Python no leaf shows, and where a statement ends that has no semicolon.
    """

    kind: str
    text: bytes
    depth: int


def definitions(document: Document, within: Span | None = None) -> list[Definition]:
    """Every function, method and type, in order of their names' places; or those that touch a range."""
    found: dict[int, Definition] = {}
    if document.tree is None or document.language is None or not document.language.has_query("definitions"):
        return []
    cursor = tree_sitter.QueryCursor(document.language.query("definitions"))
    if within is not None:
        cursor.set_byte_range(*within)
    for _, captures in sorted(cursor.matches(document.tree.root_node), key=lambda match: match[0]):
        definition = _definition(document, captures)
        known = found.get(definition.name_start)
        if known is not None and known.end - known.start > definition.end - definition.start:
            definition = replace(known, kind=definition.kind)
        found[definition.name_start] = definition
    return sorted(found.values(), key=lambda definition: definition.name_start)


def definition_at(document: Document, start: int, end: int) -> Definition | None:
    """The smallest definition around a range, white space at the range's ends aside.

    The indentation before a definition and the documentation above it belong to it.
    """
    selected = document.text.data[start:end]
    if not selected.isspace():
        start += len(selected) - len(selected.lstrip())
        end -= len(selected) - len(selected.rstrip())
    # A definition that ends at the place counts, and the place may be in the documentation above it, which is no
    # part of its node.
    near = definitions(document, (max(start - 1, 0), end + _DOCUMENTATION))
    around = [each for each in near if _first(document, each) <= start and end <= each.end]
    return min(around, key=lambda each: each.end - each.start, default=None)


def error_count(document: Document) -> int:
    """How many ERROR and MISSING nodes the tree has; quick when it has none."""
    return sum(1 for _ in _errors(document.tree.root_node)) if document.tree else 0


def is_broken(document: Document, start: int, end: int) -> bool:
    """Whether there is a syntax error in a range."""
    root = document.tree.root_node if document.tree else None
    return root is not None and any(each.start_byte <= end and start <= each.end_byte for each in _errors(root))


def balance(document: Document) -> int:
    """How many brackets the code opens more than it closes, as its marks tell; 0 for a very long one."""
    return _marked(document).depth


def left_open(document: Document) -> str:
    """The closers of the brackets that the code leaves open, as its marks tell; none for a very long one."""
    return "".join(")]}"["([{".index(opener)] for opener in reversed(_marked(document).open))


def _closes_nothing(document: Document) -> bool:
    """Whether a bracket that no other opens is an error; in Bash one ends a pattern."""
    assert document.tree is not None
    start, code = document.part[0] if document.part else 0, document.code
    for at in _marked(document).lone:
        place = start + len(code[:at].encode("utf-8", "surrogatepass"))
        leaf = document.tree.root_node.descendant_for_byte_range(place, place + 1)
        if leaf is None or leaf.parent is None or leaf.is_error or leaf.parent.is_error:
            return True
    return False


# Asked again for each of the texts that might stand at one place of a document.
@lru_cache(maxsize=4)
def _marked(document: Document) -> _Scanned:
    if document.language is None or len(document.text) > _COUNTED:
        return _Scanned(None, None, 0, "", ())
    return _scan(document.code, document.language)


def lacks_body(document: Document, offset: int) -> bool:
    """Whether the line of an offset opens a block by its indentation alone, and no deeper line follows.

    The parser of Python takes that for an empty block.
    """
    language, text = document.language, document.text
    if language is None or language.block != "indent" or not opens_block(document, offset):
        return False
    line = text.line_of(offset)
    if not is_blank(text.slice(offset, text.line_end(line))):
        return False
    below = (text.line(number) for number in range(line + 1, text.line_count))
    following = next((each for each in below if not is_blank(each)), "")
    return columns(indentation(following)) <= columns(indentation(text.line(line)))


def tolerated_errors(document: Document, offset: int) -> int:
    """How many of the syntax errors that there are may stay after an insertion at an offset.

    At the end of a line with code all may: it is being written. In the middle of one, those that do not touch it.
    On a blank line all, but where the code closes more brackets than it opens, what opens them is missing there,
    however far below the parser stumbles; then only errors above may stay.
    """
    if document.tree is None or not document.tree.root_node.has_error:
        return 0
    text, line = document.text, document.text.line_of(offset)
    start, end = text.line_start(line), text.line_end(line)
    errors = list(_errors(document.tree.root_node))
    above = sum(each.end_byte < start for each in errors)
    if not is_blank(text.slice(offset, end)):
        return above + sum(each.start_byte > end for each in errors)
    if is_blank(text.slice(start, offset)) and balance(document) < 0 and _closes_nothing(document):
        return above
    return len(errors)


def kind_at(document: Document, offset: int) -> TextKind:
    """What an insertion at the offset would be part of. Just behind a closing quote it is code."""
    if document.tree is None or document.language is None:
        return "code"
    language = document.language
    node = document.tree.root_node.descendant_for_byte_range(max(offset - 1, 0), offset)
    while node is not None:
        inside = node.start_byte < offset < node.end_byte
        if node.type in language.comment_nodes and (inside or _goes_on(document, node, offset)):
            return "comment"
        if node.type in language.code_in_string_nodes and inside:
            return "code"
        if node.type in language.string_nodes and inside:
            return "string"
        node = node.parent
    return _kind_by_quotes(document, offset, language) if document.tree.root_node.has_error else "code"


def doc_of(document: Document, definition: Definition) -> Span | None:
    """The range of a definition's documentation: its docstring, or the doc comments directly above it."""
    if document.tree is None or document.language is None or document.language.docstring is None:
        return None
    if document.language.docstring.kind == "inside":
        return _docstring(document, definition, document.language.docstring)
    return _doc_comment(document, definition, document.language.docstring)


def code_tokens(document: Document, skip: Sequence[Span] = ()) -> list[Token]:
    """All of the tree as tokens, without comments, white space and the skipped ranges.

    Two documents with equal tokens have the same code. A string is a leaf, since the text between its parts is in
    no node; any other text that no leaf holds is a token of its own, so nothing escapes the comparison.
    """
    if document.tree is None or document.language is None:
        return [Token("", document.text.data, 0)]
    text = bytearray(document.text.data)
    for start, end in skip:
        text[start:end] = b" " * (end - start)
    data = bytes(text)
    tokens: list[Token] = []
    at = 0
    whole = document.language.string_nodes | document.language.comment_nodes
    for node, depth in _nodes(document.tree.root_node, whole, skip):
        if node.child_count and node.type not in whole:
            tokens.append(Token(node.type, b"", depth))
            continue
        if gap := data[at : node.start_byte].strip():
            tokens.append(Token("", gap, depth))
        if node.type not in document.language.comment_nodes and node.end_byte > node.start_byte:
            tokens.append(Token(node.type, data[node.start_byte : node.end_byte], depth))
        at = max(at, node.end_byte)
    return tokens


def opens_block(document: Document, offset: int) -> bool:
    """Whether the code before the offset, on its line, ends by opening a block."""
    language = document.language
    if language is None or kind_at(document, offset) != "code":
        return False
    if language.block_opener is None:
        return False
    line = document.text.line_of(offset)
    code = document.text.slice(document.text.line_start(line), offset).rstrip()
    if code.endswith(":"):
        # What it ends may have begun on a line above, inside brackets; still inside of some, it opens nothing.
        for above in range(line - 1, max(line - 50, -1), -1):
            if _scan(code, language).depth >= 0:
                break
            code = document.text.line(above) + "\n" + code
        if _scan(code, language).depth != 0:
            return False
    return re.search(language.block_opener, code) is not None


def top_level_starts(document: Document) -> list[int]:
    """The line starts of the outermost statements: boundaries at which a part of the file may begin."""
    if document.tree is None:
        return []
    text = document.text
    return [text.line_start(text.line_of(node.start_byte)) for node in document.tree.root_node.children]


def _definition(document: Document, captures: dict[str, list[tree_sitter.Node]]) -> Definition:
    assert document.language is not None
    capture = next(name for name in captures if name.startswith("definition."))
    unit, name = captures[capture][0], captures["name"][0]
    body = captures["body"][0] if "body" in captures else None
    kind: DefinitionKind = "function"
    if capture == "definition.method":
        kind = "method"
    elif capture == "definition.class":
        kind = "class"
    first = unit
    while (above := first.prev_sibling) is not None and above.type in document.language.attribute_nodes:
        first = above
    return Definition(
        kind,
        document.text.slice(name.start_byte, name.end_byte),
        first.start_byte,
        unit.end_byte,
        name.start_byte,
        name.end_byte,
        body.start_byte if body else None,
        body.end_byte if body else None,
    )


def _first(document: Document, definition: Definition) -> int:
    """Where a definition begins for a user who points at it."""
    start = definition.start
    docstring = document.language.docstring if document.language else None
    if docstring is not None and docstring.kind == "above":
        doc = _doc_comment(document, definition, docstring)
        start = doc[0] if doc else start
    line_start = document.text.line_start(document.text.line_of(start))
    return line_start if is_blank(document.text.slice(line_start, start)) else start


def _errors(node: tree_sitter.Node) -> Iterator[tree_sitter.Node]:
    stack = [node]
    while stack:
        node = stack.pop()
        if node.is_error or node.is_missing:
            yield node
        if node.has_error:
            stack.extend(node.children)


def _nodes(
    root: tree_sitter.Node, whole: frozenset[str], skip: Sequence[Span]
) -> Iterator[tuple[tree_sitter.Node, int]]:
    """Parents before children, with their depth; none inside nodes of the kinds `whole` or in a skipped range."""
    cursor = root.walk()
    depth = 0
    while True:
        node = cursor.node
        assert node is not None
        skipped = any(start <= node.start_byte and node.end_byte <= end for start, end in skip)
        if not skipped:
            yield node, depth
            if node.type not in whole and cursor.goto_first_child():
                depth += 1
                continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            depth -= 1


def _docstring(document: Document, definition: Definition, docstring: Docstring) -> Span | None:
    assert document.tree is not None and document.language is not None
    if definition.body_start is None or definition.body_end is None:
        return None
    body = document.tree.root_node.descendant_for_byte_range(definition.body_start, definition.body_end)
    while body is not None and body.type not in document.language.block_nodes:
        body = body.parent
    if body is None:
        return None
    for child in body.named_children:
        if child.type in document.language.comment_nodes:
            continue
        if child.type == "expression_statement" and child.named_child_count == 1:
            child = child.named_children[0]
        text = document.text.slice(child.start_byte, child.end_byte)
        documents = child.type in document.language.string_nodes and docstring.matches(text)
        return (child.start_byte, child.end_byte) if documents else None
    return None


def _doc_comment(document: Document, definition: Definition, docstring: Docstring) -> Span | None:
    assert document.tree is not None and document.language is not None
    text, language = document.text, document.language
    span: Span | None = None
    line = text.line_of(definition.start) - 1
    if not is_blank(text.slice(text.line_start(line + 1), definition.start)):
        return None
    while line >= 0 and not is_blank(text.line(line)):
        end = text.line_start(line) + len(text.line(line).rstrip().encode("utf-8", "surrogatepass"))
        node = document.tree.root_node.descendant_for_byte_range(end - 1, end - 1)
        while node is not None and node.type not in language.comment_nodes:
            node = node.parent
        if node is None:
            break
        first = text.line_of(node.start_byte)
        if not is_blank(text.slice(text.line_start(first), node.start_byte)):
            break
        if not docstring.matches(text.slice(node.start_byte, end)):
            if span is not None:
                break
            # What tells a tool something may stand between the two.
            line = first - 1
            continue
        span = (node.start_byte, span[1] if span else end)
        if not text.slice(node.start_byte, end).startswith(language.line_comments):
            break
        line = first - 1
    return span


def _goes_on(document: Document, comment: tree_sitter.Node, offset: int) -> bool:
    """Whether an insertion at the very end of a comment, or behind blanks after it, is still part of it."""
    assert document.language is not None
    text = document.text
    starts_line_comment = text.slice(comment.start_byte, offset).startswith(document.language.line_comments)
    return starts_line_comment and text.line_of(comment.start_byte) == text.line_of(offset)


def _kind_by_quotes(document: Document, offset: int, language: Language) -> TextKind:
    """Inside broken code: what the quotes and comment marks since the last outermost statement say."""
    assert document.tree is not None
    first = document.tree.included_ranges[0].start_byte
    start = max((start for start in top_level_starts(document) if first < start < offset), default=first)
    inside, comment, *_ = _scan(document.text.slice(start, offset), language)
    if comment is not None or inside in (language.block_comment or ()):
        return "comment"
    return "string" if inside else "code"


class _Scanned(NamedTuple):
    """What a part of the code leaves open, as far as its marks tell."""

    inside: str | None
    """The mark that would close the string or the block comment at the end."""
    comment: int | None
    """Where the line comment at the end begins."""
    depth: int
    """How many brackets it opens more than it closes."""
    open: str
    """The brackets that it opens and does not close, the outermost first."""
    lone: tuple[int, ...]
    """Where brackets close what it does not open; characters."""


def _scan(code: str, language: Language) -> _Scanned:
    inside: str | None = None
    comment: int | None = None
    depth = 0
    opened: list[str] = []
    lone: list[int] = []
    closing = {quote: quote for quote in (*language.multiline_quotes, *language.quotes)}
    lasting = set(language.multiline_quotes)
    if language.block_comment:
        closing[language.block_comment[0]] = language.block_comment[1]
        lasting.add(language.block_comment[1])
    marks = _marks(language)
    at = 0
    while match := marks.search(code, at):
        mark, at = match[0], match.end()
        if mark == "\n":
            comment = None
            inside = inside if inside in lasting else None
        elif comment is not None:
            continue
        elif inside is not None:
            if mark.startswith(inside):
                at = match.start() + len(inside)
                inside = None
            elif not mark.startswith("\\"):
                at = match.start() + 1
        elif mark in language.line_comments:
            comment = match.start()
        elif mark in closing:
            inside = closing[mark]
        else:
            depth += (mark in "([{") - (mark in ")]}")
            if mark in "([{":
                opened.append(mark)
            elif mark in ")]}" and opened[-1:] == ["([{"[")]}".index(mark)]]:
                opened.pop()
            elif mark in ")]}":
                lone.append(match.start())
    return _Scanned(inside, comment, depth, "".join(opened), tuple(lone))


@cache
def _marks(language: Language) -> re.Pattern[str]:
    """Whatever tells where strings, comments and brackets begin and end; the longer of two quotes comes first."""
    marks = (*language.multiline_quotes, *language.quotes, *(language.block_comment or ()))
    before = r"(?<![^\s;&|()])" if language.comments_begin_words else ""
    comments = [before + re.escape(mark) for mark in language.line_comments]
    return re.compile("|".join([r"\\[^\n]", *map(re.escape, marks), *comments, r"[\n()\[\]{}]"]))


def parameters(document: Document, definition: Definition) -> list[str] | None:
    """The names of a function's parameters, without the receiver; None where they cannot be told."""
    if document.tree is None or definition.kind == "class":
        return None
    node = document.tree.root_node.descendant_for_byte_range(definition.name_start, definition.name_end)
    found = None
    while node is not None and node.start_byte >= definition.start and found is None:
        value = node.child_by_field_name("value") or node
        found = value.child_by_field_name("parameters") or value.child_by_field_name("parameter")
        found = found or next((each for each in value.children if each.type == _KOTLIN_PARAMETERS), None)
        node = node.parent
    if found is None:
        return None
    children = [found] if found.type == "identifier" else found.named_children
    if found.type == _KOTLIN_PARAMETERS:
        children = [child for child in children if child.type == "parameter"]
    names: list[str] = []
    for child in children:
        named = child.children_by_field_name("name")
        if (child.type in _NO_PARAMETER and not named) or child.text == b"void":
            continue
        for place in named or [child]:
            name = _parameter_name(place)
            if name is None:
                return None
            names.append(name)
    python = document.language is not None and document.language.id == "python"
    return names[1:] if python and names[:1] in (["self"], ["cls"]) else names


def _parameter_name(node: tree_sitter.Node) -> str | None:
    """The first identifier of a parameter, along the fields that lead to its name; None for a pattern."""
    while node.type not in ("identifier", "name"):
        inner = next((each for field in _NAME_FIELDS if (each := node.child_by_field_name(field))), None)
        if inner is None and node.type in _WRAPPERS:
            inside = ("identifier", "name", *_WRAPPERS)
            inner = next((each for each in node.named_children if each.type in inside), None)
        if inner is None:
            return None
        node = inner
    return node.text.decode("utf-8", "replace") if node.text is not None else None


# Where they are in no field; modifiers and defaults stand between them.
_KOTLIN_PARAMETERS = "function_value_parameters"
_NAME_FIELDS = ("name", "pattern", "left", "declarator")
# What stands among the parameters and is none: the receiver, `*` and `/`, comments, `void`.
_NO_PARAMETER = frozenset(
    {"self_parameter", "keyword_separator", "positional_separator", "comment", "line_comment", "block_comment"}
    | {"receiver_parameter", "attribute_item", "variadic_parameter", "this", "vararg_expression"}
)
_WRAPPERS = frozenset(
    {"typed_parameter", "list_splat_pattern", "dictionary_splat_pattern", "rest_pattern", "mut_pattern"}
    | {"pointer_declarator", "reference_declarator", "array_declarator", "parenthesized_declarator", "ref_pattern"}
    | {"spread_parameter", "variable_declarator", "variable_name", "parameter"}
)
