"""Edits on request: `propose` lists actions without a model, `resolve` makes one edit and verifies it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from midfill.config import Config
from midfill.document import Document
from midfill.edits import custom, explain, imports, testing, work
from midfill.edits.actions import ACTIONS, Action
from midfill.edits.diff import moved
from midfill.edits.offer import Offer, propose
from midfill.edits.scope import note_at
from midfill.edits.testing import Project, Target
from midfill.edits.work import Asking, Patch, Problem, Report, Wish
from midfill.engine.base import CancelToken, Engine, Usage
from midfill.errors import EditRejected, UsageError
from midfill.syntax import error_count
from midfill.text import Edit

__all__ = [
    "ACTIONS",
    "Action",
    "Offer",
    "Problem",
    "Project",
    "Reading",
    "Result",
    "Target",
    "Wish",
    "instruction_of",
    "propose",
    "read",
    "rebased",
    "resolve",
]


@dataclass(frozen=True)
class Result:
    """`edits` in the document's byte offsets; empty when, and only when, there is a `reason`.

    `confirm`: they delete so much that the user should look first. Where there is a `target`, they are
    edits of that document instead, which may have to be created first.
    """

    edits: tuple[Edit, ...]
    attempts: int
    reason: str | None
    usage: Usage
    total_ms: float
    patch: Patch | None = None
    target: Target | None = None

    @property
    def confirm(self) -> bool:
        return self.patch is not None and self.patch.confirm


@dataclass(frozen=True)
class Reading:
    """What an action gave to read: Markdown, or findings; or the `reason` why there is nothing."""

    text: str
    findings: tuple[Problem, ...]
    reason: str | None
    usage: Usage
    total_ms: float


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
    project: Project | None = None,
) -> Result:
    """Make the edit. A refused answer goes back to the model with the reason, `config.edit_attempts` times in all.

    `project` says where the document is, which tests need to know. Raises `ModelError` or `EngineError`;
    `UsageError` for an action that is unknown or gives no edit.
    """
    action = actions.get(wish.action)
    if action is None or action.command is not None:
        known = ", ".join(each.id for each in actions.values() if each.command is None)
        raise UsageError(f"There is no action {wish.action!r} that edits; choose one of {known}.")
    asking = Asking(config, engine, cancel, report)
    patch, target, reason = None, None, None
    try:
        if action.own:
            action, wish = await custom.instructed(action, document, wish)
        if action.form == "tests":
            patch, target = await _tests(document, wish, asking, project)
        else:
            patch = await work.edit(document, wish, action, asking)
    except EditRejected as refusal:
        reason = str(refusal)
    millis = (time.perf_counter() - asking.started) * 1000
    return Result(patch.edits if patch else (), asking.attempts, reason, asking.usage, millis, patch, target)


async def read(
    document: Document,
    wish: Wish,
    config: Config,
    engine: Engine,
    cancel: CancelToken,
    report: Report = _unheard,
    hear: Callable[[str], None] = lambda _: None,
) -> Reading:
    """Explain or review code. `hear` is given the explanation so far, as it grows.

    Raises `ModelError` or `EngineError`.
    """
    asking = Asking(config, engine, cancel, report, "explain", hear)
    text, reason = "", None
    findings: list[Problem] = []
    try:
        if ACTIONS[wish.action].form == "review":
            findings = await explain.review(document, wish, asking)
        else:
            text = await explain.explanation(document, wish, asking)
    except EditRejected as refusal:
        reason = str(refusal)
    millis = (time.perf_counter() - asking.started) * 1000
    return Reading(text, tuple(findings), reason, asking.usage, millis)


async def _tests(
    document: Document, wish: Wish, asking: Asking, project: Project | None
) -> tuple[Patch, Target | None]:
    if project is None:
        raise EditRejected("The file is not saved in a folder, so there is no place for its tests; save it first.")
    patch, target = await testing.write_tests(document, wish, asking, project)
    return patch, None if target.document is document else target


def instruction_of(document: Document, wish: Wish) -> str:
    """What the user says is to be done: the wish's instruction, or else the one in a comment above the code."""
    if told := wish.instruction.strip():
        return told
    found = note_at(document.seen_at(wish.start, wish.end), wish.start, wish.end)
    return found[0].instruction if found else ""


def rebased(old: Document, new: Document, patch: Patch) -> tuple[Edit, ...] | None:
    """The edits for a newer version of the document; None when the code that they change has changed itself."""
    start, end = patch.span
    by = moved(old.text, new.text, start, end)
    if by is None:
        return None
    new = new.seen_at(start + by, end + by)

    def imports_only(edit: Edit) -> bool:
        lines = [line for line in edit.text.splitlines() if line]
        return bool(lines) and set(lines) <= set(patch.imports)

    own = [
        Edit(each.start + by, each.end + by, each.text)
        for each in patch.edits
        if start <= each.start <= end and not imports_only(each)
    ]
    edits = [*imports.insertion(new, imports.lacking(new, patch.imports)), *own]
    if error_count(new.edited(edits)) > error_count(new):
        return None
    return tuple(sorted(edits, key=lambda each: (each.start, each.end)))
