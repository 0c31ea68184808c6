"""`marked()`: a buffer as data. `‸` marks a cursor, `«` and `»` a selection; the marks are no part of the text."""

from __future__ import annotations

from dataclasses import dataclass

from midfill.document import Document
from midfill.syntax import Definition, Span

CURSOR, OPEN, CLOSE = "‸", "«", "»"


@dataclass(frozen=True)
class Buffer:
    """A document, the marked range in bytes, and the text between the marks; a cursor is an empty range."""

    document: Document
    start: int
    end: int
    selected: str


def marked(text: str, path: str = "a.py") -> Buffer:
    """Open a buffer with one cursor, one selection or no mark at all."""
    before, _, rest = text.partition(CURSOR if CURSOR in text else OPEN)
    selected = rest.partition(CLOSE)[0] if OPEN in text else ""
    bare = text.translate({ord(mark): None for mark in CURSOR + OPEN + CLOSE})
    start = len(before.encode())
    document = Document.open(f"file:///{path}", None, 1, bare)
    return Buffer(document, start, start + len(selected.encode()), selected)


def unit(document: Document, definition: Definition | None) -> str | None:
    """The exact text of a definition."""
    return None if definition is None else document.text.slice(definition.start, definition.end)


def spanned(document: Document, span: Span | None) -> str | None:
    """The exact text of a range."""
    return None if span is None else document.text.slice(*span)
