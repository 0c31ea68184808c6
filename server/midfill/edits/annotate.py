"""Type annotations of a Python function: the model writes the signature only, so the body cannot change."""

from __future__ import annotations

import re

from midfill.document import Document
from midfill.errors import EditRejected
from midfill.syntax import Definition, Span, parameters
from midfill.text import Edit, indent, indentation, is_blank


def lacks_types(document: Document, definition: Definition) -> bool:
    """Whether a parameter of a Python function has no annotation, or its result has none."""
    if definition.kind == "class" or definition.body_start is None:
        return False
    header = document.text.slice(definition.name_end, definition.body_start)
    bare = (rf"[(,]\s*\*{{0,2}}{re.escape(name)}\s*[,)=]" for name in parameters(document, definition) or ())
    return "->" not in header or any(re.search(pattern, header) for pattern in bare)


def header(document: Document, definition: Definition) -> Span:
    """The bytes from a function's name to the colon that ends its signature."""
    node = document.tree.root_node if document.tree else None
    if node is not None:
        node = node.descendant_for_byte_range(definition.name_start, definition.name_end)
    while node is not None and node.type != "function_definition":
        node = node.parent
    colon = next((each for each in node.children if each.type == ":"), None) if node is not None else None
    if colon is None:
        raise EditRejected(f"`{definition.name}` has no signature to annotate.")
    return definition.name_end, colon.start_byte


def opening(document: Document, definition: Definition) -> str:
    """How the answer begins: the signature up to its first parameter."""
    text = document.text
    line = text.slice(text.line_start(text.line_of(definition.name_start)), definition.name_end)
    return f"{line.strip()}("


def edit(document: Document, definition: Definition, written: str) -> Edit:
    """Put the signature that the model wrote behind `name(` in the place of the old one."""
    start, end = header(document, definition)
    text = document.text
    old = text.slice(start, end)
    new = f"({_signature(written)}"
    comments = [old[found.start() : found.end()].strip() for found in re.finditer(r"#[^\n]*", _bare(old))]
    if lost := [each for each in comments if each not in new]:
        raise EditRejected(f"The answer leaves a comment out: `{lost[0]}`.")
    first, newline, rest = new.partition("\n")
    margin = indentation(text.line(text.line_of(definition.name_start)))
    return Edit(start, end, (first + newline + indent(rest, margin)).replace("\n", text.newline))


def _signature(written: str) -> str:
    """From the first parameter to the colon, which is the first outside of brackets. Raises `EditRejected`."""
    depth = 1
    for at, letter in enumerate(_bare(written)):
        depth += (letter in "([{") - (letter in ")]}")
        if depth == 0 and letter == ":":
            return written[:at].rstrip()
    # The answer ends with the colon, which is no part of it.
    if depth or is_blank(written):
        raise EditRejected("The answer is no complete signature.")
    return written.rstrip()


def _bare(code: str) -> str:
    """The code with blanks for its strings, letter for letter."""
    return re.sub(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", lambda string: " " * len(string[0]), code)
