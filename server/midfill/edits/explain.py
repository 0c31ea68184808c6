"""What is read and not applied: an explanation of code in Markdown, and a review as diagnostics."""

from __future__ import annotations

import re

from midfill.document import Document
from midfill.edits import prompt, surroundings
from midfill.edits.scope import Scope, scope_of
from midfill.edits.work import Asking, Problem, Wish
from midfill.text import is_blank

# Tokens of an answer; one that is longer ends with a sign that there was more.
_EXPLANATION, _REVIEW = 500, 300
# Findings that are shown: small models go on for ever, and the first ones are the best.
MOST_FINDINGS = 8


async def explanation(document: Document, wish: Wish, asking: Asking) -> str:
    """Markdown about the selection or the definition around the cursor. Raises `EditRejected`."""
    document = document.seen_at(wish.start, wish.end)
    scope = scope_of(document, wish.start, wish.end)
    name = document.language.id if document.language else ""
    title = f"`{scope.definition.name}`" if scope.definition else _lines(document, scope)
    messages = "\n".join(f"- {problem.message}" for problem in wish.problems)
    turns = prompt.explanation(scope.code, name, messages, surroundings.around(document, scope, wish.symbols))
    begun = f"## {title}\n\n"
    written = await asking.answer(turns, begun, _EXPLANATION, (), whole=False)
    return f"{begun}{written.strip()}\n"


async def review(document: Document, wish: Wish, asking: Asking) -> list[Problem]:
    """What the model thinks is wrong with a selection, each at a line of it. Raises `EditRejected`."""
    document = document.seen_at(wish.start, wish.end)
    scope = scope_of(document, wish.start, wish.end)
    name = document.language.id if document.language else ""
    numbered = "\n".join(f"{number}: {line}" for number, line in enumerate(scope.code.rstrip().split("\n"), 1))
    turns = prompt.review(numbered, name, surroundings.around(document, scope, wish.symbols))
    written = await asking.answer(turns, "", _REVIEW, (), whole=False)
    return _findings(document, scope, written)


_FINDING = re.compile(r"^\s*(?:[-*] )?(?:[Ll]ines? )?`?(\d+)`?(?:\s*-\s*\d+)?\s*[:.)]\s*(\S.*)$", re.MULTILINE)


def _findings(document: Document, scope: Scope, written: str) -> list[Problem]:
    """The lines of an answer that are findings about lines which there are, each message once."""
    text = document.text
    first = text.line_of(scope.start)
    code = scope.code.rstrip().split("\n")
    found: dict[str, Problem] = {}
    for number, message in _FINDING.findall(written):
        at = int(number) - 1
        message = message.strip()
        if not 0 <= at < len(code) or is_blank(code[at]) or message.strip("`") == code[at].strip():
            continue
        line = text.line(first + at)
        start = text.line_start(first + at) + len(line) - len(line.lstrip())
        found.setdefault(message, Problem(start, text.line_end(first + at), message))
    return sorted(list(found.values())[:MOST_FINDINGS], key=lambda each: each.start)


def _lines(document: Document, scope: Scope) -> str:
    text = document.text
    first, last = text.line_of(scope.start) + 1, text.line_of(max(scope.end - 1, scope.start)) + 1
    return f"Line {first}" if first == last else f"Lines {first} to {last}"
