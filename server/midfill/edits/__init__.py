"""Edits on request: `propose` lists actions without a model, `resolve` makes one edit and verifies it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from midfill.config import Config
from midfill.document import Document
from midfill.edits import docstring, prompt, verify
from midfill.edits.actions import ACTIONS, DEFAULT_INSTRUCTION, Action
from midfill.edits.diff import minimal_edits
from midfill.edits.scope import Scope, imports_used, scope_of
from midfill.engine.base import CancelToken, Chunk, Engine, Request, Usage
from midfill.errors import EditRejected, UsageError
from midfill.syntax import definition_at, is_broken
from midfill.text import Edit, is_blank

# An answer may be this much longer than the code it replaces; tokens, at three bytes each.
_ROOM = 400
_DOCSTRING_TOKENS = 400


@dataclass(frozen=True)
class Problem:
    """A diagnostic of any checker, in bytes."""

    start: int
    end: int
    message: str


@dataclass(frozen=True)
class Wish:
    """What the user asked for: an action on the bytes `start..end`, with what it needs to know."""

    action: str
    start: int
    end: int
    instruction: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Result:
    """`edits` in the document's byte offsets; empty when, and only when, there is a `reason`."""

    edits: tuple[Edit, ...]
    attempts: int
    reason: str | None
    usage: Usage
    total_ms: float


def propose(document: Document, start: int, end: int, problems: Sequence[Problem]) -> list[Action]:
    """The actions that make sense for a selection in bytes. Never calls the model."""
    document = document.seen_at(start, end)
    definition = definition_at(document, start, end)
    documents = document.language is not None and document.language.docstring is not None
    there = {
        "definition": definition is not None and documents,
        "code": definition is not None or not is_blank(document.text.slice(start, end)),
        "diagnostic": bool(problems),
    }
    return [action for action in ACTIONS.values() if there[action.on]]


async def resolve(
    document: Document,
    wish: Wish,
    config: Config,
    engine: Engine,
    cancel: CancelToken,
    report: Callable[[str, int], None] = lambda _message, _tokens: None,
) -> Result:
    """Make the edit. A refused answer goes back to the model with the reason, `config.edit_attempts` times in all.

    `report` hears what is being done and how many tokens are written. Raises `ModelError` or `EngineError`;
    `UsageError` for an unknown action.
    """
    started = time.perf_counter()
    if wish.action not in ACTIONS:
        raise UsageError(f"There is no action {wish.action!r}; choose one of {', '.join(ACTIONS)}.")
    work = _Work(document.seen_at(wish.start, wish.end), wish, config, engine, cancel, report)
    try:
        edits = await (work.docstring() if wish.action == "docstring" else work.rewrite())
        reason = None
    except EditRejected as refusal:
        edits, reason = [], str(refusal)
    return Result(tuple(edits), work.attempts, reason, work.usage, (time.perf_counter() - started) * 1000)


class _Work:
    """One wish on its way: the attempts made, and what they have cost."""

    def __init__(
        self,
        document: Document,
        wish: Wish,
        config: Config,
        engine: Engine,
        cancel: CancelToken,
        report: Callable[[str, int], None],
    ) -> None:
        self.document, self.wish, self.config = document, wish, config
        self.engine, self.cancel, self.report = engine, cancel, report
        self.attempts = 0
        self.usage = Usage()

    async def docstring(self) -> list[Edit]:
        document, language = self.document, self.document.language
        definition = definition_at(document, self.wish.start, self.wish.end)
        if language is None or definition is None:
            raise EditRejected("There is no function or class here to document.")
        if (style := language.docstring) is None:
            raise EditRejected(f"{language.name} has no convention of documentation.")
        if is_broken(document, definition.start, definition.end):
            raise EditRejected(f"`{definition.name}` has a syntax error; mend it first.")
        form = docstring.form(document, definition, language, style)
        turns = prompt.docstring(docstring.code(document, definition), language.id, form.convention)
        while True:
            written = await self._answer(turns, form.answer, _DOCSTRING_TOKENS, form.stop)
            edit = docstring.edit(document, definition, language, style, written)
            # In a thread: in a long file the proof takes tenths of a second, in which the user types on.
            reason = await asyncio.to_thread(verify.docstring_refused, document, definition, edit)
            if reason is None:
                return [edit]
            turns = self._again(turns, form.answer + written, reason)

    async def rewrite(self) -> list[Edit]:
        document, language = self.document, self.document.language
        scope = scope_of(document, *self._place())
        name = language.id if language else ""
        instruction = self.wish.instruction.strip() or DEFAULT_INSTRUCTION
        if self.wish.action == "fix":
            turns = prompt.fix(scope.code, name, self._problems(scope), imports_used(document, scope))
            instruction = " ".join(problem.message for problem in self.wish.problems)
        else:
            turns = prompt.rewrite(scope.code, name, instruction, imports_used(document, scope))
        most = len(scope.code) // 3 + _ROOM
        answer = f"```{name}\n"
        while True:
            code = await self._answer(turns, answer, most, ("\n```",), scope.code)
            reason = await asyncio.to_thread(verify.refused, document, scope, code, instruction)
            if reason is None:
                old = document.text.slice(scope.start, scope.end)
                return minimal_edits(old, scope.restored(code), scope.start)
            turns = self._again(turns, prompt.fenced(code, name), reason)

    def _place(self) -> tuple[int, int]:
        """A fix works on the definition around its diagnostics, or on their lines."""
        if self.wish.action != "fix":
            return self.wish.start, self.wish.end
        if not self.wish.problems:
            raise EditRejected("There is no diagnostic here to fix.")
        start = min(problem.start for problem in self.wish.problems)
        end = max(problem.end for problem in self.wish.problems)
        definition = definition_at(self.document, start, end)
        return (definition.start, definition.end) if definition else (start, max(end, start + 1))

    def _problems(self, scope: Scope) -> list[tuple[int, str, str]]:
        text = self.document.text
        first = text.line_of(scope.start)
        lines = [text.line_of(problem.start) for problem in self.wish.problems]
        return [
            (line - first + 1, text.line(line), problem.message)
            for line, problem in zip(lines, self.wish.problems, strict=True)
        ]

    async def _answer(
        self, turns: Sequence[prompt.Turn], answer: str, most: int, stop: tuple[str, ...], old: str = ""
    ) -> str:
        """One attempt: what the model writes after `answer`. Raises `EditRejected` when it was cut short.

        `old` is what it may repeat.
        """
        self.attempts += 1
        info = self.engine.info("edit")
        parts = prompt.conversation(prompt.chat(info.family), turns, answer)
        drafts = self.config.drafts
        request = Request("edit", info.name, parts, most, stop=stop, drafts=drafts, draft=old)
        self.report("Reading" if self.attempts == 1 else "Trying again", 0)
        written, last = "", Chunk("", 0.0, Usage())
        async with aclosing(self.engine.generate(request, self.cancel)) as chunks:
            async for last in chunks:
                written += last.text
                self.report("Writing", last.usage.generated)
        self.usage = _sum(self.usage, last.usage)
        if last.finish is None:
            raise EditRejected("Cancelled.")
        if last.finish == "length":
            raise EditRejected("The answer grew too long; select less code.")
        return written

    def _again(self, turns: list[prompt.Turn], answer: str, reason: str) -> list[prompt.Turn]:
        if self.attempts >= self.config.edit_attempts:
            raise EditRejected(f"{reason} The model tried {self.attempts} times.")
        return [*turns, *prompt.correction(answer, reason)]


def _sum(one: Usage, other: Usage) -> Usage:
    """What both have cost together."""
    names = Usage.__dataclass_fields__
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})


__all__ = ["ACTIONS", "Problem", "Result", "Wish", "propose", "resolve"]
