"""Which actions make sense at a place: asked of the tree, never of the model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from midfill.document import Document
from midfill.edits.actions import ACTIONS, Action
from midfill.edits.annotate import lacks_types
from midfill.edits.scope import note_at
from midfill.edits.testing import TESTED
from midfill.edits.verify import is_empty
from midfill.edits.work import Problem
from midfill.syntax import Definition, definition_at, doc_of, kind_at, parameters
from midfill.text import is_blank

_LONGEST_TITLE = 60


@dataclass(frozen=True)
class Offer:
    """An action at a place: what the user reads, and what it works on besides the place."""

    action: Action
    title: str
    problems: tuple[Problem, ...] = ()
    instruction: str = ""
    asks: bool = False
    """Whether it is for the user to say what is wanted."""


def propose(
    document: Document,
    start: int,
    end: int,
    problems: Sequence[Problem],
    last: str = "",
    actions: Iterable[Action] = tuple(ACTIONS.values()),
) -> list[Offer]:
    """The actions that make sense for a selection in bytes. Never calls the model.

    `last` is the user's last instruction, which can be given again.
    """
    document = document.seen_at(start, end)
    language = document.language.id if document.language else ""
    definition = definition_at(document, start, end)
    documents = document.language is not None and document.language.docstring is not None
    selected = not is_blank(document.text.slice(start, end))
    there = {
        "documentable": definition is not None and documents,
        "annotatable": definition is not None and _annotatable(document, definition),
        "definition": definition is not None,
        "testable": definition is not None and language in TESTED,
        "code": definition is not None or selected,
        "selection": selected,
        "gap": definition is not None and _is_gap(document, definition, start, end),
    }
    offers: list[Offer] = []
    for action in actions:
        if action.languages and language not in action.languages:
            continue
        if action.on == "diagnostic":
            offers += [
                Offer(action, f"Midfill: {action.title}{_named(together)}", tuple(together))
                for together in _places(document, problems)
            ]
        elif action.id == "refactor" and (found := note_at(document, start, end)):
            offers.append(Offer(action, f"Midfill: {_short(found[0].instruction)}"))
        elif there[action.on]:
            update = action.id == "docstring" and definition is not None and doc_of(document, definition)
            title = action.title.replace("Add", "Update") if update else action.title
            offers.append(Offer(action, f"Midfill: {title}", asks=action.id == "refactor"))
            if action.id == "refactor" and last:
                offers.append(Offer(action, f"Midfill: Again: {_short(last)}", instruction=last))
    return offers


def _annotatable(document: Document, definition: Definition) -> bool:
    if document.language is not None and document.language.id == "python":
        return lacks_types(document, definition)
    return definition.kind != "class" and bool(parameters(document, definition))


_TO_DO = re.compile(rb"\b(?:TODO|FIXME|XXX)\b")


def _is_gap(document: Document, definition: Definition, start: int, end: int) -> bool:
    """Whether something is left to do: a body with nothing in it, or a comment in the lines that says so."""
    text = document.text
    low, high = text.line_start(text.line_of(start)), text.line_end(text.line_of(end))
    for found in _TO_DO.finditer(text.data, low, high):
        if kind_at(document, found.start() + 1) == "comment":
            return True
    return is_empty(document, definition)


def _places(document: Document, problems: Sequence[Problem]) -> list[list[Problem]]:
    """Diagnostics in groups: those of one line, or that overlap, are mended together."""
    groups: list[list[Problem]] = []
    last_line, last_end = -1, -1
    for problem in sorted(problems, key=lambda each: (each.start, each.end)):
        line = document.text.line_of(problem.start)
        if groups and (line == last_line or problem.start < last_end):
            groups[-1].append(problem)
        else:
            groups.append([problem])
        last_line, last_end = line, max(last_end, problem.end)
    return groups


def _named(problems: Sequence[Problem]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f": {_short(problems[0].message)}{more}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_TITLE else f"{line[: _LONGEST_TITLE - 1]}…"
