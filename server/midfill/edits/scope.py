"""What an edit may touch: the selected lines, or the smallest definition around the place."""

from __future__ import annotations

import re
from dataclasses import dataclass

from midfill.document import Document
from midfill.errors import EditRejected
from midfill.syntax import Definition, definition_at, error_count
from midfill.text import dedent, indent, is_blank, split_lines

# In bytes. Code up to `WHOLE` is written anew, which prompt and answer have to hold once each; larger code, up to
# `LARGEST`, is only read, and changed by search-and-replace blocks.
WHOLE, LARGEST = 6000, 14_000
# A problem in more code than that is mended within so many lines around it.
_NEAR = 20


@dataclass(frozen=True)
class Scope:
    """Bytes `start..end` of whole lines, and their code without common indentation, with \\n line ends.

    `definition` is set when the scope is exactly one definition.
    """

    start: int
    end: int
    code: str
    indentation: str
    newline: str
    uses_tabs: bool
    definition: Definition | None

    def restored(self, code: str) -> str:
        """New code as it stands in the file: indentation, tabs, line ends and the last terminator as before."""
        if is_blank(code):
            return ""
        code = code.replace("\r\n", "\n").replace("\r", "\n")
        code = dedent(code.strip("\n") + "\n")[0]
        code = _with_tabs(code, self.code) if self.uses_tabs else _with_spaces(code, self.code)
        code = indent(code, self.indentation)
        if not self.code.endswith("\n"):
            code = code.rstrip("\n")
        return code.replace("\n", self.newline)


def scope_of(document: Document, start: int, end: int, most: int = LARGEST) -> Scope:
    """The scope for a selection in bytes; an empty one means the enclosing definition, or its line.

    Raises `EditRejected` when it is empty, or has more than `most` bytes.
    """
    definition = definition_at(document, start, end) if start == end else _exactly(document, start, end)
    if definition and (start == end):
        start, end = definition.start, definition.end
    text = document.text
    first, last = text.line_of(start), text.line_of(end)
    if last > first and text.line_start(last) == end:
        last -= 1
    # Blank lines around the code stay what they are.
    while first < last and is_blank(text.line(first)):
        first += 1
    while first < last and is_blank(text.line(last)):
        last -= 1
    low, high = text.line_start(first), text.line_start(last + 1)
    code = text.slice(low, high)
    if is_blank(code):
        raise EditRejected("There is no code at this place; select some.")
    if high - low > most:
        raise EditRejected(
            f"The code has {high - low} bytes, more than the {most} that the model can read; select less."
        )
    bare, indentation = dedent(code.replace("\r\n", "\n").replace("\r", "\n"))
    tabs = "\t" in code and any(line.startswith("\t") for line in split_lines(code))
    return Scope(low, high, bare, indentation, text.newline, tabs, definition)


def near_problems(document: Document, start: int, end: int) -> tuple[int, int]:
    """What a fix of a problem at the bytes `start..end` works on: the definition around it, or lines near it."""
    text = document.text
    # What is missing at the end of a file is reported there, also when it belongs far above.
    at_end = is_blank(text.slice(start))
    if at_end:
        start = end = len(text.data.rstrip())
    definition = definition_at(document, start, end)
    if definition is None and at_end and error_count(document):
        return text.line_start(max(0, text.line_of(start) - _NEAR)), end
    if definition is None:
        return start, max(end, start + 1)
    if definition.end - definition.start <= WHOLE:
        return definition.start, definition.end
    first, last = text.line_of(definition.start), text.line_of(definition.end)
    low, high = max(first, text.line_of(start) - _NEAR), min(last, text.line_of(end) + _NEAR)
    return text.line_start(low), text.line_end(high)


@dataclass(frozen=True)
class Note:
    """An instruction in a comment: `# midfill: make this iterative`. Bytes `start..end` are its lines."""

    instruction: str
    start: int
    end: int


def note_at(document: Document, start: int, end: int) -> tuple[Note, int, int] | None:
    """The comment that tells what to do with a selection, and the bytes of the code that it speaks of.

    It stands directly above the selection, above the definition around the cursor, or in their first line.
    """
    text = document.text
    line, last = text.line_of(start), text.line_of(end)
    while line < last and is_blank(text.line(line)):
        line += 1
    places = [line, line - 1]
    if definition := definition_at(document, start, end):
        places.append(text.line_of(definition.start) - 1)
    note = next(filter(None, (_note(document, place) for place in places)), None)
    if note is None:
        return None
    if start < end and not is_blank(text.slice(max(start, note.end), end)):
        return note, max(start, note.end), end
    below = text.slice(note.end, note.end + 1000)
    at = note.end + len(below[: len(below) - len(below.lstrip())].encode("utf-8", "surrogatepass"))
    return note, at, at


def _note(document: Document, line: int) -> Note | None:
    """The note in one line, which must be a comment of its own."""
    text = document.text
    if not 0 <= line < text.line_count or document.language is None:
        return None
    marks = [*document.language.line_comments, *(document.language.block_comment or ())[:1]]
    for mark in marks:
        if found := re.match(
            rf"\s*{re.escape(mark)}[/!*]*\s*midfill:\s*(\S.*?)\s*(?:\*/|-->)?\s*$", text.line(line)
        ):
            return Note(found[1], text.line_start(line), text.line_start(line + 1))
    return None


def imports_used(document: Document, scope: Scope) -> str:
    """The one-line imports above the scope that share a name with its code, so that none is written again."""
    words = set(re.findall(r"\w+", scope.code))
    lines = document.text.slice(0, scope.start).splitlines()
    used = [line for line in lines if _IMPORT.match(line) and words & (set(re.findall(r"\w+", line)) - _KEYWORDS)]
    return "\n".join(used[:_IMPORTS_MOST])


_IMPORT = re.compile(r"(?:(?:import|from|use|using)\b|#\s*include|(?:const|let|var) .*require\()")
_KEYWORDS = {"import", "from", "use", "using", "include", "as", "const", "let", "var", "require"}
_IMPORTS_MOST = 12


def _exactly(document: Document, start: int, end: int) -> Definition | None:
    """The definition that a selection covers whole, white space aside."""
    text = document.text
    selected = text.slice(start, end)
    start += len(selected[: len(selected) - len(selected.lstrip())].encode("utf-8", "surrogatepass"))
    end -= len(selected[len(selected.rstrip()) :].encode("utf-8", "surrogatepass"))
    if start >= end:
        return None
    definition = definition_at(document, start, end)
    return definition if definition and (definition.start, definition.end) == (start, end) else None


def _with_tabs(code: str, old: str) -> str:
    """Tabs for the spaces of a model that indents by them; what the old code has may be text in a string."""
    lines = split_lines(code)
    if any(line.startswith("\t") for line in lines):
        return code
    had = {line.rstrip() for line in old.split("\n")}
    widths = {line: 0 if line.rstrip() in had else len(line) - len(line.lstrip(" ")) for line in lines}
    # A comment's ` *` is one space more than its line has.
    unit = min((width for width in widths.values() if width > 1), default=4)
    return "".join("\t" * (widths[line] // unit) + line[widths[line] // unit * unit :] for line in lines)


def _with_spaces(code: str, old: str) -> str:
    """Spaces for the tabs of a model that indents by them, as many as the old code has; it may have none."""
    widths = (len(line) - len(line.lstrip(" ")) for line in old.split("\n") if not is_blank(line))
    unit = min((width for width in widths if width > 1), default=0)
    return re.sub(r"^\t+", lambda tabs: " " * unit * len(tabs[0]), code, flags=re.MULTILINE) if unit else code
