"""What a text at the cursor does to the syntax of the document, by incremental parses of the result."""

from __future__ import annotations

from collections.abc import Callable

from midfill.completion.postprocess import unclosed
from midfill.document import Document
from midfill.syntax import balance, error_count, is_broken, kind_at, lacks_body, left_open
from midfill.text import Edit, is_blank

_TOO_MANY = 1_000_000


def errors_with(document: Document, cursor: int, replaces: int = 0) -> Callable[[str], int]:
    """How many syntax errors there are with a text in place of so many bytes behind the cursor.

    While code is being written, brackets may be open that are yet to be closed below. In the middle of a line, an
    error that touches it is too many, wherever there was one before.
    """
    closers = left_open(document) if error_count(document) else ""
    line_end = document.text.line_end(document.text.line_of(cursor))
    inside = not is_blank(document.text.slice(cursor, line_end))

    def errors(text: str) -> int:
        edited = document.edited([Edit(cursor, cursor + replaces, text)])
        found = error_count(edited)
        if found and inside and is_broken(edited, cursor, cursor + len(text.encode("utf-8", "surrogatepass"))):
            return _TOO_MANY
        if not found or not closers:
            return found
        return min(found, error_count(edited.edited([Edit(edited.end, edited.end, f"\n{closers}\n")])))

    return errors


def unfinished_with(document: Document, cursor: int) -> Callable[[str], int]:
    """How many syntax errors there are with a text at the cursor.

    A block that it leaves empty is one, and so is a comment or a string that goes on into the next line.
    """
    errors = errors_with(document, cursor)

    def unfinished(text: str) -> int:
        edited, end = _with(document, cursor, text)
        return (
            errors(text)
            + lacks_body(edited, end)
            + (_code_below(document, cursor) and not _code_below(edited, end))
        )

    return unfinished


def goes_on(document: Document, cursor: int) -> Callable[[str, bool], bool]:
    """Whether a block goes on behind a text inserted at the cursor: in a string, or while it mends nothing.

    Behind a blank line it also goes on inside of what the text has opened.
    """
    before = error_count(document)
    is_open = before > 0 and balance(document) > 0

    def goes_on_behind(text: str, blank: bool) -> bool:
        edited, end = _with(document, cursor, text)
        if kind_at(edited, end) == "string":
            return True
        found = error_count(edited)
        return (
            0 < before <= found
            or (blank and before < found and _leaves_open(edited, text))
            or (is_open and balance(edited) > 0)
        )

    return goes_on_behind


def _leaves_open(document: Document, text: str) -> bool:
    """Whether a text that is not sound by itself opens what is yet to be closed, by a bracket or by a word."""
    words = document.language is not None and document.language.block == "words"
    return words or unclosed(text) > 0


def _code_below(document: Document, offset: int) -> bool:
    """Whether the line below an offset, if there is one, begins with code."""
    below = document.text.line_of(offset) + 1
    return below >= document.text.line_count or kind_at(document, document.text.line_start(below)) == "code"


def _with(document: Document, cursor: int, text: str) -> tuple[Document, int]:
    """The document with a text at the cursor, and where that ends."""
    return document.edited([Edit(cursor, cursor, text)]), cursor + len(text.encode("utf-8", "surrogatepass"))
