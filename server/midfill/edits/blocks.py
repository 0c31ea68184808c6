"""Search-and-replace blocks: how a model changes code that is too long to be written anew."""

from __future__ import annotations

import re

from midfill.errors import EditRejected
from midfill.text import indent, indentation, is_blank

OPENING = "<<<<<<< SEARCH\n"
_BLOCK = re.compile(
    r"^<{5,9} ?SEARCH[^\n]*\n(.*?)^={5,9}[^\n]*\n(.*?)^>{5,9} ?REPLACE[^\n]*$", re.DOTALL | re.MULTILINE
)


def applied(code: str, answer: str) -> str:
    """The code after the blocks of an answer, in their order. Raises `EditRejected` where one does not fit."""
    found = _BLOCK.findall(answer if answer.endswith("\n") else f"{answer}\n")
    if not found:
        raise EditRejected("The answer holds no complete search-and-replace block.")
    lines = code.split("\n")
    for search, replacement in found:
        old, new = _lines(search), _lines(replacement)
        lines = _replaced(lines, old, new)
    return "\n".join(lines)


def _lines(block: str) -> list[str]:
    lines = block.split("\n")[:-1]
    return [line.rstrip("\r") for line in lines]


def _replaced(lines: list[str], old: list[str], new: list[str]) -> list[str]:
    """The lines with one block applied. Where the indentation alone differs, the new lines follow the code's."""
    if not any(line.strip() for line in old):
        raise EditRejected("A block searches for nothing; it must name the lines that it replaces.")
    for same in (_exactly, _loosely):
        places = [at for at in range(len(lines) - len(old) + 1) if same(lines[at : at + len(old)], old)]
        if len(places) > 1:
            raise EditRejected(f"A block fits at {len(places)} places: `{_first(old)}`; search for more lines.")
        if places:
            (at,) = places
            return [*lines[:at], *_shifted(new, lines[at : at + len(old)], old), *lines[at + len(old) :]]
    raise EditRejected(f"No such lines are in the code: `{_first(old)}`.")


def _exactly(some: list[str], others: list[str]) -> bool:
    return [line.rstrip() for line in some] == [line.rstrip() for line in others]


def _loosely(some: list[str], others: list[str]) -> bool:
    return [line.strip() for line in some] == [line.strip() for line in others]


def _shifted(new: list[str], found: list[str], old: list[str]) -> list[str]:
    """New lines with the indentation that the code has and the model's search had not."""
    has, had = (next(indentation(line) for line in block if not is_blank(line)) for block in (found, old))
    if has == had or not has.endswith(had):
        return new
    return indent("\n".join(new), has.removesuffix(had) if had else has).split("\n") if new else new


def _first(lines: list[str]) -> str:
    return next(line.strip() for line in lines if line.strip())
