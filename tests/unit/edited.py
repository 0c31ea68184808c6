"""`edit()` and `refusal()`: a buffer with a selection, an action, what the model writes, and what comes of it."""

from __future__ import annotations

import asyncio

from scripted import ScriptedEngine

from midfill.config import Config
from midfill.document import Document
from midfill.edits import Problem, Result, Wish, resolve
from midfill.engine.base import CancelToken


def selected(marked: str, path: str) -> tuple[Document, int, int]:
    """A document, and the bytes between « and »; or the place of a cursor ‸."""
    bare = marked.translate({ord(mark): None for mark in "«»‸"})
    document = Document.open(f"file:///{path}", None, 1, bare)
    if "‸" in marked:
        at = len(marked.partition("‸")[0].encode())
        return document, at, at
    before, _, rest = marked.partition("«")
    inside = rest.partition("»")[0]
    return document, len(before.encode()), len((before + inside).encode())


def run(
    marked: str,
    action: str,
    *answers: str,
    instruction: str = "",
    path: str = "a.py",
    problems: tuple[str, ...] = (),
    config: Config | None = None,
) -> tuple[Result, Document, ScriptedEngine]:
    document, start, end = selected(marked, path)
    engine = ScriptedEngine(answers)
    told = tuple(Problem(start, end, message) for message in problems)
    wish = Wish(action, start, end, instruction, told)
    result = asyncio.run(resolve(document, wish, config or Config(), engine, CancelToken()))
    return result, document, engine


def edit(marked: str, action: str, *answers: str, after: str, **options: object) -> Result:
    """The action must give exactly `after`."""
    result, document, _ = run(marked, action, *answers, **options)  # type: ignore[arg-type]
    assert result.reason is None
    assert str(document.edited(result.edits).text) == after
    return result


def refusal(marked: str, action: str, *answers: str, **options: object) -> str:
    """The action must give no edit; returns the reason."""
    result, _, _ = run(marked, action, *answers, **options)  # type: ignore[arg-type]
    assert not result.edits
    assert result.reason
    return result.reason
