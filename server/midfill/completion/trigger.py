"""Whether to suggest at all, and how much: one line or a block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

from midfill.config import Config
from midfill.document import Document
from midfill.index.deny import denied
from midfill.syntax import kind_at, opens_block
from midfill.text import columns, indentation, is_blank

Rejection = Literal[
    "disabled",  # switched off in the settings
    "languageDisabled",  # switched off for this language
    "denied",  # by its name, the file holds secrets
    "insideWord",  # the cursor stands inside a word
    "inComment",  # switched off in comments
    "inString",  # switched off in strings
    "finished",  # the statement before the cursor is finished
    "unlikely",  # the model is too unsure of it
    "late",  # nobody waits any more for what the model would say
    "empty",  # the model had nothing to add
    "repeatsSuffix",  # the model repeated what stands behind the cursor
    "breaksSyntax",  # no part of what the model wrote leaves the code without a new syntax error
]


_BRACKETS = ("()", "[]", "{}")
# What an editor closes brackets with, and what may end the statement then.
_CLOSING = ")]};, "
_CLOSER = re.compile(r"[)\]}]|(?i:end(?: (?:if|loop|case))?|fi|done|esac)(?=[\s;,).]*$)|</[\w:.-]+>")


@dataclass(frozen=True)
class Rejected:
    """No suggestion, and why."""

    reason: Rejection


@dataclass(frozen=True)
class Line:
    """The rest of the line; `tail` is what stands behind the cursor on it.

    `further`: several lines are right where they lead onto the tail and the first by itself makes no sense.
    """

    tail: str
    further: bool = False


Until = Literal[
    "blank",  # the first blank line
    "end",  # the end of the block around it, of which nothing more stands below
    "below",  # the code that goes on right below; what does not lead onto it is one line
]


@dataclass(frozen=True)
class Block:
    """Several lines, each indented by at least `floor` columns. `start` is what stands before the cursor.

    `free`: the first line may be less deep, and then says itself how deep the others must be. `tail`: closers that
    stand behind the cursor, as an editor inserts them; a block that begins on a line of its own is put between.
    """

    floor: int
    start: str
    until: Until = "blank"
    free: bool = False
    tail: str = ""


def switched_off(document: Document, config: Config) -> Rejected | None:
    """Whether the user wants no suggestions in this document."""
    if not config.enabled:
        return Rejected("disabled")
    if document.language and set(document.language.lsp_ids) & set(config.disabled_languages):
        return Rejected("languageDisabled")
    if denied(unquote(urlsplit(document.uri).path)):
        return Rejected("denied")
    return None


def wanted(document: Document, cursor: int, invoked: bool, config: Config) -> Line | Block | Rejected:
    """What to ask the model for at a byte offset. `invoked`: the user asked; nobody did while typing."""
    document = document.seen_at(cursor)
    if off := switched_off(document, config):
        return off
    text = document.text
    line = text.line_of(cursor)
    before = text.slice(text.line_start(line), cursor)
    tail = text.slice(cursor, text.line_end(line))
    if not invoked and before and tail and _in_word(before[-1]) and _in_word(tail[0]):
        return Rejected("insideWord")
    if not invoked and (reason := _noise(document, cursor, before, tail, config)):
        return Rejected(reason)
    if not config.multiline or document.tree is None:
        return Line(tail)
    if not is_blank(tail):
        return _between(document, cursor, before, tail, invoked) or Line(tail, further=invoked)
    return _block(document, cursor, before, invoked) or Line(tail)


def _between(document: Document, cursor: int, before: str, tail: str, invoked: bool) -> Block | None:
    """The block, or lines in brackets, that is wanted between its opener and the closers behind the cursor.

    Behind a closing brace the statement may go on.
    """
    pair = before.rstrip()[-1:] + tail.lstrip()[:1]
    if pair not in _BRACKETS or kind_at(document, cursor) != "code" or (pair != "{}" and tail.strip(_CLOSING)):
        return None
    return Block(columns(indentation(before)) + 1, before, "end" if invoked else "blank", tail=tail.rstrip())


def _block(document: Document, cursor: int, before: str, invoked: bool) -> Block | None:
    """The block that is wanted behind `before`, which is all of the line; None where one line is wanted."""
    text, line = document.text, document.text.line_of(cursor)
    blank = is_blank(before)
    opened = not blank and opens_block(document, cursor)
    floor, free = _level(document, cursor, before) if blank else (columns(indentation(before)) + opened, False)
    below = _below(document, line)
    at_once = text.line(line + 1) if text.line_start(line + 1) < document.end else ""
    goes_on = not is_blank(at_once) and below >= floor and closer(at_once) is None
    if not invoked:
        # Where code goes on right below there is a line to fill, not a block.
        return Block(floor, before, "blank", free) if opened or (blank and not goes_on) else None
    if goes_on or not (opened or blank):
        return Block(floor, before, "below", free)
    if below >= floor or not floor:
        return Block(floor, before, "blank", free)
    # On a line without indentation all that is deeper than the code below may be missing.
    return Block(floor if before else max(below + 1, 1), before, "end", free)


def _below(document: Document, line: int) -> int:
    """How deep the first line with code below one is; -1 at the end of the text."""
    text = document.text
    for number in range(line + 1, text.line_count):
        if text.line_start(number) >= document.end:
            break
        if not is_blank(text.line(number)):
            return columns(indentation(text.line(number)))
    return -1


def _noise(document: Document, cursor: int, before: str, tail: str, config: Config) -> Rejection | None:
    """Why a suggestion here would disturb somebody who types."""
    if not (config.in_comments and config.in_strings):
        kind = kind_at(document, cursor)
        if kind == "comment" and not config.in_comments:
            return "inComment"
        if kind == "string" and not config.in_strings:
            return "inString"
    braces = document.language is not None and document.language.block == "braces"
    if braces and is_blank(tail) and before[-1:] in (";", "}"):
        # In `for (i = 0;` nothing is finished.
        inside = before.count("(") > before.count(")") or kind_at(document, cursor) != "code"
        return None if inside else "finished"
    return None


def closer(line: str) -> str | None:
    """What of a line closes a block: a bracket, a word that stands alone, or a closing tag."""
    found = _CLOSER.match(line.strip())
    return found[0] if found else None


def _level(document: Document, cursor: int, before: str) -> tuple[int, bool]:
    """How deep a block that begins on a blank line must stay, and whether that is a mere guess.

    It is inside the block that the line above opens, if the cursor is; else as deep as the cursor; where that
    stands in the first column, as deep as the line above.
    """
    text = document.text
    for line in range(text.line_of(cursor) - 1, -1, -1):
        above = text.line(line)
        if not is_blank(above):
            if opens_block(document, text.line_start(line) + len(above.rstrip().encode("utf-8", "surrogatepass"))):
                inside = columns(indentation(above)) + 1
                return min(inside, columns(before) or inside), False
            return columns(before or indentation(above)), not before
    return columns(before), not before


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"
