"""What the model is told of the code around a scope, within a budget of bytes: each costs the user time."""

from __future__ import annotations

from midfill.document import Document
from midfill.edits.prompt import Around
from midfill.edits.scope import Scope, imports_used
from midfill.syntax import Definition, definitions

# In bytes, three of which are about a token, and a small model reads 60 to 90 tokens a second.
IMPORTS, TYPE, SYMBOLS = 600, 700, 900


def around(document: Document, scope: Scope, symbols: str = "") -> Around:
    """`symbols`: signatures of other files, one a line, the most useful first."""
    return Around(
        _whole_lines(imports_used(document, scope), IMPORTS),
        _whole_lines(_type_of(document, scope), TYPE),
        _whole_lines(symbols, SYMBOLS),
    )


def _type_of(document: Document, scope: Scope) -> str:
    """The head of the innermost type around the scope, and a line for each of its other members."""
    types = [
        each
        for each in definitions(document, (scope.start, scope.end))
        if each.kind == "class" and each.start < scope.start and scope.end <= each.end + 1
    ]
    if not types:
        return ""
    owner = max(types, key=lambda each: each.start)
    members = [
        each
        for each in definitions(document, (owner.start, owner.end))
        if each.kind != "class" and owner.start < each.start and not scope.start <= each.name_start < scope.end
    ]
    outer = [each for each in members if not any(_within(each, other) for other in members)]
    return "\n".join([_head(document, owner), *(f"    {_head(document, each)}" for each in outer)])


def _within(inner: Definition, outer: Definition) -> bool:
    return outer is not inner and outer.start <= inner.start and inner.end <= outer.end


def _head(document: Document, definition: Definition) -> str:
    """A definition up to its body, on one line."""
    text = document.text
    start = text.line_start(text.line_of(definition.name_start))
    end = definition.body_start if definition.body_start is not None else definition.end
    return " ".join(text.slice(start, end).split())


def _whole_lines(text: str, budget: int) -> str:
    """As many whole lines of the beginning as fit."""
    kept: list[str] = []
    for line in text.split("\n"):
        budget -= len(line.encode("utf-8", "surrogatepass")) + 1
        if budget < 0:
            break
        kept.append(line)
    return "\n".join(kept)
