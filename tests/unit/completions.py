"""`check()`: a buffer with a cursor, what the model writes, and the buffer after the suggestion is accepted."""

from __future__ import annotations

import asyncio

from scripted import ScriptedEngine

from midfill.completion import Completer, Completion
from midfill.completion.cache import Memory
from midfill.config import Config
from midfill.document import Document
from midfill.engine.base import CancelToken
from midfill.text import Edit

MARK = "‸"


def suggest(
    before: str, model: str, path: str = "a.py", invoked: bool = False, config: Config | None = None
) -> tuple[Completion, Document]:
    """Run the pipeline on a marked buffer with a model that writes `model`."""
    left, _, right = before.partition(MARK)
    document = Document.open(f"file:///{path}", None, 1, left + right)
    cursor = len(left.encode())
    engine = ScriptedEngine([model])
    completion = asyncio.run(
        Completer(config or Config(), engine, Memory()).complete(document, cursor, invoked, CancelToken())
    )
    return completion, document


def check(before: str, model: str, after: str, path: str = "a.py", invoked: bool = False) -> None:
    """The suggestion, accepted, must give `after`, in which the mark stands behind what was inserted."""
    completion, document = suggest(before, model, path, invoked)
    assert completion.outcome == "shown", completion.reason
    start = completion.cursor
    accepted = document.edited([Edit(start, start + completion.replaces, completion.text + MARK)])
    assert str(accepted.text) == after


def check_nothing(
    before: str,
    model: str,
    reason: str,
    path: str = "a.py",
    config: Config | None = None,
    invoked: bool = False,
) -> None:
    """Nothing must be suggested, for this reason."""
    completion, _ = suggest(before, model, path, invoked, config)
    assert (completion.outcome, completion.reason, completion.text) == ("rejected", reason, "")
