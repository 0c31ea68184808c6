"""Edits on request: `propose` lists actions without a model, `resolve` makes one edit and verifies it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from midfill.config import Config
from midfill.document import Document
from midfill.edits import imports, work
from midfill.edits.actions import ACTIONS, Action
from midfill.edits.diff import moved
from midfill.edits.offer import Offer, propose
from midfill.edits.work import Asking, Patch, Problem, Report, Wish
from midfill.engine.base import CancelToken, Engine, Usage
from midfill.errors import EditRejected, UsageError
from midfill.syntax import error_count
from midfill.text import Edit

__all__ = ["ACTIONS", "Action", "Offer", "Problem", "Result", "Wish", "propose", "rebased", "resolve"]


@dataclass(frozen=True)
class Result:
    """`edits` in the document's byte offsets; empty when, and only when, there is a `reason`.

    `confirm`: they delete so much that the user should look first.
    """

    edits: tuple[Edit, ...]
    attempts: int
    reason: str | None
    usage: Usage
    total_ms: float
    patch: Patch | None = None

    @property
    def confirm(self) -> bool:
        return self.patch is not None and self.patch.confirm


def _unheard(message: str, tokens: int, fraction: float) -> None:
    pass


async def resolve(
    document: Document,
    wish: Wish,
    config: Config,
    engine: Engine,
    cancel: CancelToken,
    report: Report = _unheard,
    actions: Mapping[str, Action] = ACTIONS,
) -> Result:
    """Make the edit. A refused answer goes back to the model with the reason, `config.edit_attempts` times in all.

    Raises `ModelError` or `EngineError`; `UsageError` for an unknown action.
    """
    action = actions.get(wish.action)
    if action is None:
        raise UsageError(f"There is no action {wish.action!r}; choose one of {', '.join(actions)}.")
    asking = Asking(config, engine, cancel, report)
    patch, reason = None, None
    try:
        patch = await work.edit(document, wish, action, asking)
    except EditRejected as refusal:
        reason = str(refusal)
    millis = (time.perf_counter() - asking.started) * 1000
    return Result(patch.edits if patch else (), asking.attempts, reason, asking.usage, millis, patch)


def rebased(old: Document, new: Document, patch: Patch) -> tuple[Edit, ...] | None:
    """The edits for a newer version of the document; None when the code that they change has changed itself."""
    start, end = patch.span
    by = moved(old.text, new.text, start, end)
    if by is None:
        return None
    new = new.seen_at(start + by, end + by)
    own = [Edit(each.start + by, each.end + by, each.text) for each in patch.edits if start <= each.start <= end]
    edits = [*imports.insertion(new, imports.lacking(new, patch.imports)), *own]
    if error_count(new.edited(edits)) > error_count(new):
        return None
    return tuple(sorted(edits, key=lambda each: (each.start, each.end)))
