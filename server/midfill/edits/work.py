"""One wish on its way: scope, prompt, answer, verification, and the reason back to the model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from midfill.config import Config
from midfill.document import Document
from midfill.edits import annotate, blocks, chat, docstring, imports, prompt, surroundings, verify
from midfill.edits.actions import DEFAULT_INSTRUCTION, Action
from midfill.edits.diff import minimal_edits
from midfill.edits.scope import WHOLE, Note, Scope, near_problems, note_at, scope_of
from midfill.engine.base import CancelToken, Chunk, Engine, Request, Role, Said, Usage
from midfill.errors import EditRejected
from midfill.syntax import Definition, Span, definition_at, is_broken
from midfill.text import Edit

# An answer may be this much longer than the code it replaces; tokens, at three bytes each.
_ROOM = 400
_DOCSTRING_TOKENS, _SIGNATURE_TOKENS, _BLOCKS_TOKENS = 400, 300, 1500

Report = Callable[[str, int, float], None]
"""Hears what is being done, how many tokens are written, and the fraction of the expected ones, 0 to 1."""


@dataclass(frozen=True)
class Problem:
    """A diagnostic of any checker, in bytes."""

    start: int
    end: int
    message: str


@dataclass(frozen=True)
class Wish:
    """What the user asked for: an action on the bytes `start..end`, with what it needs to know.

    `symbols`: signatures of other files that the code uses, one a line.
    """

    action: str
    start: int
    end: int
    instruction: str = ""
    problems: tuple[Problem, ...] = ()
    symbols: str = ""


@dataclass(frozen=True)
class Patch:
    """Edits that were found good. `span` is what they may touch, besides the place where `imports` are added.

    `confirm`: so much is deleted that the user should look first.
    """

    edits: tuple[Edit, ...]
    span: Span
    imports: tuple[str, ...] = ()
    confirm: bool = False


class Asking:
    """Questions to the model for one wish: how many there were, and what they have cost."""

    def __init__(
        self,
        config: Config,
        engine: Engine,
        cancel: CancelToken,
        report: Report,
        role: Role = "edit",
        hear: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`hear` is given all that is written of an answer, whenever more of it is there."""
        self.config, self.engine, self.cancel, self.report = config, engine, cancel, report
        self.role, self.hear = role, hear
        self.attempts = 0
        self.usage = Usage()
        self.started = time.perf_counter()

    async def answer(
        self,
        turns: Sequence[chat.Turn],
        begun: str,
        most: int,
        stop: tuple[str, ...],
        old: str = "",
        whole: bool = True,
        avoid: str = "",
    ) -> str:
        """One attempt: what the model writes after `begun`. Raises `EditRejected` when it was cut short.

        `old` is what it may repeat, `avoid` what it should not be. An answer that need not be `whole` may grow too
        long, and is cut.
        """
        self.attempts += 1
        first = self.attempts == 1
        info = self.engine.info(self.role)
        request = Request(
            self.role,
            info.name,
            chat.conversation(info, turns, begun),
            most,
            stop=stop,
            drafts=self.config.drafts,
            draft=old,
            avoid=avoid,
            deadline_ms=None if first else self._left_ms(),
            said=Said(tuple((turn.speaker, turn.text) for turn in turns), begun),
        )
        self.report("Reading" if first else f"Trying again ({self.attempts})", 0, 0.0)
        expected = max(len(old) // 3, 60) if old else most // 5
        written, last = "", Chunk("", 0.0, Usage())
        async with aclosing(self.engine.generate(request, self.cancel)) as chunks:
            async for last in chunks:
                written += last.text
                self.hear(begun + written)
                self.report("Writing", last.usage.generated, min(last.usage.generated / expected, 0.95))
        self.usage = added(self.usage, last.usage)
        if last.finish is None:
            raise EditRejected("Cancelled.")
        if last.finish == "deadline":
            raise EditRejected(f"It took longer than {self.config.edit_seconds} seconds (midfill.editSeconds).")
        if last.finish == "length" and not whole:
            return f"{written.rstrip()} …"
        if last.finish == "length":
            raise EditRejected("The answer grew too long; select less code.")
        return written

    def again(self, turns: list[chat.Turn], answer: str, reason: str) -> list[chat.Turn]:
        """The turns with a refusal, or the refusal itself when attempts or time are used up."""
        if self.attempts >= self.config.edit_attempts:
            times = "once" if self.attempts == 1 else f"{self.attempts} times"
            raise EditRejected(f"{reason} The model tried {times}.")
        if self._left_ms() <= 0:
            raise EditRejected(f"{reason} There was no time for another attempt (midfill.editSeconds).")
        return [*turns, *prompt.correction(answer, reason)]

    def _left_ms(self) -> float:
        return (self.config.edit_seconds - (time.perf_counter() - self.started)) * 1000


async def edit(document: Document, wish: Wish, action: Action, asking: Asking) -> Patch:
    """Make the edit of an action. Raises `EditRejected` with the reason why there is none."""
    document = document.seen_at(wish.start, wish.end)
    if action.form == "documentation" or (action.form == "annotations" and not _is_python(document)):
        return await _document(document, wish, asking)
    if action.form == "annotations":
        return await _annotate(document, wish, asking)
    if (
        action.id == "refactor"
        and not wish.instruction.strip()
        and (found := note_at(document, wish.start, wish.end))
    ):
        note, start, end = found
        return await _as_noted(document, replace(wish, start=start, end=end), action, asking, note)
    return await _rewrite(document, wish, action, asking)


def added(one: Usage, other: Usage) -> Usage:
    """What both have cost together."""
    names = Usage.__dataclass_fields__
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in names})


async def _document(document: Document, wish: Wish, asking: Asking) -> Patch:
    language = document.language
    definition = definition_at(document, wish.start, wish.end)
    if language is None or definition is None:
        raise EditRejected("There is no function or class here to document.")
    if (style := language.docstring) is None:
        raise EditRejected(f"{language.name} has no convention of documentation.")
    _require_whole(document, definition)
    docstring.require_place(document, definition, style)
    form = docstring.form(document, definition, language, style)
    turns = prompt.docstring(docstring.code(document, definition), language.id, form.convention)
    while True:
        written = await asking.answer(turns, form.answer, _DOCSTRING_TOKENS, form.stop)
        edit = docstring.edit(document, definition, language, style, written)
        # In a thread: in a long file the proof takes tenths of a second, in which the user types on.
        reason = docstring.undescribed(document, definition, edit)
        reason = reason or await asyncio.to_thread(verify.docstring_refused, document, definition, edit)
        if reason is None:
            return Patch((edit,), (min(edit.start, definition.start), max(edit.end, definition.end)))
        turns = asking.again(turns, form.answer + written, reason)


async def _annotate(document: Document, wish: Wish, asking: Asking) -> Patch:
    definition = definition_at(document, wish.start, wish.end)
    if definition is None or definition.kind == "class":
        raise EditRejected("There is no function here to annotate.")
    _require_whole(document, definition)
    span = annotate.header(document, definition)
    scope = scope_of(document, definition.start, definition.end, len(document.text))
    shown = docstring.code(document, definition)
    turns = prompt.signature(shown, "python", surroundings.around(document, scope, wish.symbols))
    begun = f"```python\n{annotate.opening(document, definition)}"
    while True:
        written = await asking.answer(turns, begun, _SIGNATURE_TOKENS, (":\n", "\n```"))
        try:
            edit = annotate.edit(document, definition, written)
        except EditRejected as refusal:
            turns = asking.again(turns, begun + written, str(refusal))
            continue
        if edit.text == document.text.slice(edit.start, edit.end):
            raise EditRejected(f"`{definition.name}` has all the annotations that the model knows of.")
        lines = await asyncio.to_thread(_needed, document, edit, edit.text, [])
        reason = await asyncio.to_thread(verify.annotations_refused, document, edit, lines)
        if reason is None:
            return _patch(document, edit, span, lines)
        turns = asking.again(turns, begun + written, reason)


async def _as_noted(document: Document, wish: Wish, action: Action, asking: Asking, note: Note) -> Patch:
    """Do what a comment says, and take the comment out."""
    bare = document.edited([Edit(note.start, note.end, "")])
    size = note.end - note.start

    def there(offset: int) -> int:
        return offset + size if offset >= note.start else offset

    shorter = replace(
        wish,
        start=wish.start - size if wish.start >= note.end else wish.start,
        end=wish.end - size if wish.end >= note.end else wish.end,
        instruction=note.instruction,
    )
    patch = await _rewrite(bare, shorter, action, asking)
    edits = [Edit(there(each.start), there(each.end), each.text) for each in patch.edits]
    if not any(each.start <= note.start and note.end <= each.end for each in edits):
        edits.append(Edit(note.start, note.end, ""))
    low, high = patch.span
    edits.sort(key=lambda each: (each.start, each.end))
    return replace(patch, edits=tuple(edits), span=(min(there(low), note.start), max(there(high), note.end)))


async def _rewrite(document: Document, wish: Wish, action: Action, asking: Asking) -> Patch:
    start, end = _place(document, wish, action)
    scope = scope_of(document, start, end)
    name = document.language.id if document.language else ""
    instruction, rules = _instruction(document, wish, action, scope)
    around = surroundings.around(document, scope, wish.symbols)
    whole = scope.end - scope.start <= WHOLE
    if whole:
        # A small model that is told of the type writes all of it, instead of the member that it was given.
        turns = prompt.rewrite(scope.code, name, instruction, replace(around, type=""))
    else:
        turns = prompt.blocks(scope.code, name, instruction, around)
    mark = prompt.fence(scope.code)
    given = whole and asking.engine.info(asking.role).continues
    head = verify.head_to_keep(document, scope, rules) if given else ""
    begun = f"{mark}{name}\n{head}" if whole else blocks.OPENING
    stop = (f"\n{mark}",) if whole else ()
    most = len(scope.code) // 3 + _ROOM if whole else _BLOCKS_TOKENS
    # Asked for something in words, or for what is missing, the model has to change the code; else it may be good.
    words = rules.instruction not in ("", DEFAULT_INSTRUCTION)
    changes = words or action.on == "gap" or "adds" in rules.checks
    avoid = scope.code.removeprefix(head) if whole and changes else ""
    while True:
        written = await asking.answer(turns, begun, most, stop, scope.code, avoid=avoid)
        try:
            code, lines = imports.taken_out(
                head + written if whole else blocks.applied(scope.code, begun + written), scope.code
            )
        except EditRejected as refusal:
            turns = asking.again(turns, begun + written, str(refusal))
            continue
        edit = Edit(scope.start, scope.end, scope.restored(code))
        lines = await asyncio.to_thread(_needed, document, edit, code, lines)
        reason = await asyncio.to_thread(verify.refused, document, scope, code, rules, lines)
        if reason is None:
            confirm = verify.deletes_much(scope, code, asking.config.confirm_deletions)
            return replace(_patch(document, edit, (scope.start, scope.end), lines), confirm=confirm)
        turns = asking.again(turns, prompt.fenced(code, name) if whole else begun + written, reason)


def _instruction(document: Document, wish: Wish, action: Action, scope: Scope) -> tuple[str, verify.Rules]:
    """What the model is asked, and what its answer must hold to."""
    if action.form == "rewrite" and action.on == "diagnostic":
        messages = " ".join(problem.message for problem in wish.problems)
        listed = _listed(document, wish, scope)
        if action.own:
            told = f"{action.instruction}\n\n{prompt.reported(listed)}"
            return told, verify.Rules(action.checks, f"{wish.instruction} {messages}")
        return prompt.mending(listed), verify.Rules(action.checks, messages)
    if action.id == "extract":
        lines = document.text.slice(wish.start, wish.end)
        instruction = prompt.marked(action.instruction, lines, document.language.id if document.language else "")
        return instruction, verify.Rules(action.checks)
    if action.instruction:
        # What its user has written may ask for what an action of ours never does.
        own = wish.instruction if action.own else ""
        return action.instruction, verify.Rules(action.checks, own, completes=action.on == "gap")
    instruction = wish.instruction.strip() or DEFAULT_INSTRUCTION
    return instruction, verify.Rules(action.checks, instruction)


def _place(document: Document, wish: Wish, action: Action) -> Span:
    """Where an action works, if not where the user points at."""
    if action.on == "diagnostic":
        if not wish.problems:
            raise EditRejected("There is no diagnostic here to fix.")
        start = min(problem.start for problem in wish.problems)
        end = max(problem.end for problem in wish.problems)
        return near_problems(document, start, end)
    definition = definition_at(document, wish.start, wish.end)
    if action.id == "extract" and definition is not None and definition.kind != "class":
        return definition.start, definition.end
    if action.own and action.on == "definition" and definition is not None:
        return definition.start, definition.end
    return wish.start, wish.end


def _listed(document: Document, wish: Wish, scope: Scope) -> list[tuple[int, str, str]]:
    text = document.text
    first = text.line_of(scope.start)
    lines = [text.line_of(problem.start) for problem in wish.problems]
    return [
        (line - first + 1, text.line(line), problem.message)
        for line, problem in zip(lines, wish.problems, strict=True)
    ]


def _needed(document: Document, edit: Edit, code: str, lines: Sequence[str]) -> list[str]:
    """The imports to add: those that the model wrote before its code, and those that the code lacks for sure."""
    after = document.edited([edit])
    lines = imports.lacking(after, lines)
    if _is_python(document):
        complete = document.edited(imports.together(document, edit, lines)).code
        unknown = (imports.unbound(complete) or set()) - (imports.unbound(document.code) or set())
        modules = imports.unloaded(complete) - imports.unloaded(document.code)
        reached = [f"import {name}" for name in sorted(modules)]
        lines = imports.lacking(after, [*lines, *imports.known(unknown, code), *reached])
    return lines


def _patch(document: Document, edit: Edit, span: Span, lines: Sequence[str]) -> Patch:
    """An edit as the lines that differ, and the imports where they belong."""
    edits: list[Edit] = []
    outside: tuple[str, ...] = ()
    for each in imports.together(document, edit, lines):
        if (each.start, each.end) == (edit.start, edit.end):
            edits += minimal_edits(document.text.slice(edit.start, edit.end), each.text, edit.start)
        else:
            edits.append(each)
            outside = tuple(lines)
    return Patch(tuple(edits), span, outside)


def _require_whole(document: Document, definition: Definition) -> None:
    if is_broken(document, definition.start, definition.end):
        raise EditRejected(f"`{definition.name}` has a syntax error; mend it first.")


def _is_python(document: Document) -> bool:
    return document.language is not None and document.language.id == "python"
