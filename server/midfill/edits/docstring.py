"""Documentation: what to ask for, how to take it from the answer, and where it goes.

The answer is begun up to the opening of the documentation, so the model writes its text only and cannot touch
the code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from midfill.document import Document
from midfill.edits.conventions import CONVENTIONS, facts_of, incomplete, request, without_inventions
from midfill.errors import EditRejected
from midfill.languages import Docstring, Language
from midfill.syntax import Definition, doc_of
from midfill.text import Edit, dedent, indentation, is_blank

# Comments that tell a tool what to do with the line below them.
_DIRECTIVE = re.compile(
    r"\s*(?://|/\*|#|--+)\s*(?:(?:eslint|prettier|biome|deno|clang|phpcs|tslint|rubocop|swiftlint)[-:]|@ts-|@phpstan-"
    r"|@diagnostic\b|(?:istanbul|c8|v8|shellcheck|noinspection|luacheck|stylua|selene)\b|NOLINT|nolint\b)"
    r"|//(?:[a-z0-9]+:[a-z0-9]|(?:line|extern|export) )"
)
# The end of the answer. A fence inside documentation is indented, or behind a comment mark.
_FENCE = "\n```"
# In bytes. Of a longer definition the model is shown the beginning.
_SHOWN = 9000


@dataclass(frozen=True)
class Form:
    """How the documentation of one definition is asked for and written.

    `answer` begins the model's answer, `stop` ends it.
    """

    convention: str
    answer: str
    stop: tuple[str, ...]


def require_place(document: Document, definition: Definition, style: Docstring) -> None:
    """Raises `EditRejected` where a comment above the definition would be above other code."""
    text = document.text
    before = text.slice(text.line_start(text.line_of(definition.start)), definition.start)
    if style.kind == "above" and not is_blank(before):
        raise EditRejected(
            f"`{definition.name}` begins in the middle of a line; put it on a line of its own first."
        )


def form(document: Document, definition: Definition, language: Language, style: Docstring) -> Form:
    """What to ask of the model for this definition. `style` is the language's."""
    convention = request(CONVENTIONS[style.style], facts_of(document, definition))
    fence = f"```{language.id}\n"
    if style.kind == "inside":
        header = _header(document, definition)
        return Form(convention, f'{fence}{header}\n{language.indent}"""', ('"""', _FENCE))
    opening = f"{style.opening}\n" if style.opening else ""
    stop = (style.closing.strip(),) if style.closing else ()
    line = style.line.rstrip() + (f" {definition.name}" if style.style == "Go" else "")
    return Form(convention, fence + opening + line, (*stop, _FENCE))


def code(document: Document, definition: Definition) -> str:
    """What the model is shown: all of the definition, or the first lines of one too long for it."""
    text = document.text
    start, end = text.line_start(text.line_of(definition.start)), definition.end
    if end - start > _SHOWN:
        end = text.line_start(text.line_of(start + _SHOWN))
    return dedent(text.slice(start, end).replace("\r\n", "\n").replace("\r", "\n"))[0]


def edit(document: Document, definition: Definition, language: Language, style: Docstring, written: str) -> Edit:
    """Put the text that the model wrote where documentation goes. Raises `EditRejected` when it is none."""
    lines = _text(written, style, definition)
    lines = _trimmed(without_inventions(lines, facts_of(document, definition)))
    if not lines:
        raise EditRejected("The model wrote no documentation.")
    text = document.text
    old = doc_of(document, definition)
    newline = text.newline
    if style.kind == "above":
        margin = indentation(text.line(text.line_of(definition.start)))
        comment = _comment(lines, style)
        if old is not None:
            first = text.slice(text.line_start(text.line_of(old[0])), old[0])
            margin = first if is_blank(first) else margin
            whole = text.slice(*old).endswith("\n")
            return Edit(*old, newline.join(_margined(comment, margin)).lstrip() + (newline if whole else ""))
        line = text.line_of(definition.start)
        while line > 0 and _DIRECTIVE.match(text.line(line - 1)):
            line -= 1
        at = text.line_start(line)
        return Edit(at, at, newline.join(_margined(comment, margin)) + newline)
    if definition.body_start is None:
        raise EditRejected(f"`{definition.name}` has no body to document.")
    body = text.line_start(text.line_of(definition.body_start))
    on_own_line = is_blank(text.slice(body, definition.body_start))
    if on_own_line:
        margin = text.slice(body, definition.body_start)
    else:
        unit = "\t" if b"\n\t" in text.data else language.indent
        margin = indentation(text.line(text.line_of(definition.start))) + unit
    quoted = newline.join(_margined(_quoted(lines), margin)).lstrip()
    if old is not None:
        return Edit(*old, quoted)
    if on_own_line:
        return Edit(definition.body_start, definition.body_start, quoted + newline + margin)
    # The body stands behind the colon: it moves to lines of its own.
    header_end = definition.body_start
    while text.data[header_end - 1 : header_end] in (b" ", b"\t"):
        header_end -= 1
    return Edit(header_end, definition.body_start, newline + margin + quoted + newline + margin)


def undescribed(document: Document, definition: Definition, edit: Edit) -> str | None:
    """Why documentation that describes parameters is incomplete, if it is."""
    return incomplete(edit.text, facts_of(document, definition))


def _text(written: str, style: Docstring, definition: Definition) -> list[str]:
    """The documentation's own lines, without comment marks and common indentation."""
    written = written.replace("\r\n", "\n")
    if style.kind == "inside":
        first, _, rest = written.partition("\n")
        lines = [first.strip(), *dedent(rest)[0].split("\n")]
    else:
        mark = style.line.strip()
        lines = []
        # The answer was begun with the first mark, and with the name in Go.
        began = f"{mark} {definition.name}" if style.style == "Go" else mark
        for line in (began + written).split("\n"):
            bare = line.strip()
            if bare.startswith(mark):
                lines.append(re.sub(r"^ ", "", bare[len(mark) :]).rstrip())
            elif style.closing and bare:
                lines.append(bare)
            elif bare or not style.closing:
                break
    return _trimmed([line.rstrip() for line in lines])


def _trimmed(lines: list[str]) -> list[str]:
    """Without blank lines at the ends."""
    while lines and is_blank(lines[0]):
        lines.pop(0)
    while lines and is_blank(lines[-1]):
        lines.pop()
    return lines


def _quoted(lines: list[str]) -> list[str]:
    """A Python docstring. A backslash makes it raw, so that it reads as it was written."""
    opening = 'r"""' if any("\\" in line for line in lines) else '"""'
    lines = [line.replace('"""', "'''") for line in lines]
    if len(lines) == 1:
        last = lines[0] + (" " if lines[0].endswith('"') else "")
        return [f'{opening}{last}"""']
    return [opening + lines[0], *lines[1:], '"""']


def _comment(lines: list[str], style: Docstring) -> list[str]:
    body = [(style.line + line).rstrip() for line in lines]
    return [*filter(None, [style.opening]), *body, *filter(None, [style.closing])]


def _margined(lines: list[str], margin: str) -> list[str]:
    return [margin + line if line else "" for line in lines]


def _header(document: Document, definition: Definition) -> str:
    """The signature's lines, without decorators and indentation."""
    text = document.text
    start = text.line_start(text.line_of(definition.name_start))
    end = definition.body_start if definition.body_start is not None else definition.end
    return dedent(text.slice(start, end).replace("\r\n", "\n"))[0].rstrip()
