"""The completion pipeline: a document and a cursor in, at most one suggestion out, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from midfill.completion import fim
from midfill.completion.answer import Answer
from midfill.completion.cache import Memory
from midfill.completion.context import NOTHING, Context
from midfill.completion.result import Completion, Suggestion
from midfill.completion.trigger import Block, Line, Rejected, switched_off, wanted
from midfill.completion.window import Window, fresh, outdated, window_at
from midfill.config import Config
from midfill.document import Document
from midfill.engine.base import CancelToken, Engine, ModelInfo, Part, Request, Usage, When
from midfill.errors import MidfillError, ModelMissing
from midfill.text import Edit

# The share of the latency target after which a block must do with the lines that are complete, while one types.
_WRITING = 0.4
# After so many times the latency target nobody waits any more for a suggestion that was not asked for.
_PATIENCE = 20

Look = Callable[[Document, Window, Context], Context]
"""What stands elsewhere and helps with the code of a window, if the model has been told the third value before."""


def blind(document: Document, window: Window, told: Context) -> Context:
    """No other file is known."""
    return NOTHING


@dataclass(frozen=True)
class Completer:
    """The pipeline with what it works with; one as long as the settings are what they are.

    `look` says what other files tell.
    """

    config: Config
    engine: Engine
    memory: Memory
    look: Look = blind

    async def complete(
        self, document: Document, cursor: int, invoked: bool, cancel: CancelToken, when: When = "now"
    ) -> Completion:
        """Suggest what to insert at byte offset `cursor`. Never raises for what can go wrong with a model.

        `when` is not "now" if nobody has asked yet.
        """
        started = time.perf_counter()
        nothing = Completion(document.uri, document.version, cursor, "rejected", anchor=cursor)

        def finished(completion: Completion) -> Completion:
            return replace(completion, total_ms=_since(started))

        if off := switched_off(document, self.config):
            return finished(replace(nothing, reason=off.reason))
        if known := self.memory.recall(document, cursor, invoked):
            return finished(known)
        want = wanted(document, cursor, invoked, self.config)
        if isinstance(want, Rejected):
            return finished(replace(nothing, reason=want.reason))
        try:
            completion = await self._ask(document, want, invoked, cancel, nothing, when)
        except ModelMissing as error:
            return finished(replace(nothing, outcome="failed", reason="modelMissing", message=str(error)))
        except MidfillError as error:
            return finished(replace(nothing, outcome="failed", reason="engineFailed", message=str(error)))
        # That the model was late says nothing of the place.
        if completion.outcome != "cancelled" and completion.reason != "late":
            known = completion if when == "now" else replace(completion, source="prefetch")
            self.memory.remember(document, known, invoked)
        return finished(completion)

    async def warm_up(
        self, document: Document, cursor: int | None, cancel: CancelToken, when: When = "idle"
    ) -> None:
        """Evaluate ahead what a completion at `cursor` will need; first what is closest to being needed.

        Where the cursor is not known, the beginning of a short file is read, which is part of all its windows.
        """
        info = self.engine.info("complete")
        budget = self.memory.pace.budget(self.config.latency_target_ms)
        known = self.memory.windows(document.uri)
        if cursor is None and known:
            cursor = known[0].cursor
        if cursor is None:
            beginning = document.text.data[: document.text.boundary(budget.before)]
            start = _prompt(document, Window(0, 0, beginning, b""), info)[:2]
            await self._evaluate(start if len(document.text) <= budget.before else start[:1], info, cancel, when)
            return
        # The text may be another one since the cursor was there.
        cursor = document.text.boundary(cursor)
        window = window_at(document, cursor, known, budget.quick)
        better = self._informed(fresh(document, cursor, known, budget), document, known)
        for each in (window, better) if outdated(document, window, better) else (window,):
            heal = _heals(document, cursor)
            if not await self._evaluate(_prompt(document, each, info), info, cancel, when, heal):
                return
            self.memory.keep(document.uri, each)

    async def prefetch(self, document: Document, shown: Completion, cancel: CancelToken) -> None:
        """Find ahead what to suggest next, should the user accept what is shown."""
        accepted = document.edited([Edit(shown.cursor, shown.cursor + shown.replaces, shown.text)])
        cursor = shown.cursor + len(shown.text.encode("utf-8", "surrogatepass"))
        await self.complete(accepted, cursor, False, cancel, "soon")

    async def _evaluate(
        self, prompt: tuple[Part, ...], info: ModelInfo, cancel: CancelToken, when: When, heal: bool = True
    ) -> bool:
        """Evaluate a prompt ahead; False when that was cancelled."""
        request = Request("complete", info.name, prompt, max_tokens=0, heal=heal, when=when)
        chunks = [chunk async for chunk in self.engine.generate(request, cancel)]
        return bool(chunks and chunks[-1].finish)

    async def _ask(
        self,
        document: Document,
        want: Line | Block,
        invoked: bool,
        cancel: CancelToken,
        nothing: Completion,
        when: When,
    ) -> Completion:
        """Prompt, stream, stop by the rules of a line or a block, clean up."""
        began = time.perf_counter()
        cursor = nothing.cursor
        info = self.engine.info("complete")
        budget = self.memory.pace.budget(self.config.latency_target_ms)
        known = self.memory.windows(document.uri)
        window = window_at(document, cursor, known, budget if invoked else budget.quick)
        if invoked and window.context is NOTHING:
            window = self._informed(window, document, known)
        one_line = isinstance(want, Line) and not want.further
        request = Request(
            role="complete",
            model=info.name,
            prompt=_prompt(document, window, info),
            max_tokens=self.config.max_line_tokens if one_line else self.config.max_block_tokens,
            heal=_heals(document, cursor),
            stop=("\n",) if one_line else (),
            drafts=self.config.drafts,
            alternatives=self.config.alternatives if invoked else 1,
            when=when,
            deadline_ms=_PATIENCE * self.config.latency_target_ms if when == "now" and not invoked else None,
        )
        asked = replace(
            nothing,
            model=info.name,
            prompt="".join(part.text for part in request.prompt),
            anchor=window.anchor,
            context_ms=_since(began),
        )
        most_ms = None if invoked else _WRITING * self.config.latency_target_ms
        answer = Answer(document, cursor, want, most_ms, self.config.max_line_tokens)
        usage, finish = Usage(), None
        async with aclosing(self.engine.generate(request, cancel)) as chunks:
            async for chunk in chunks:
                usage, finish = chunk.usage, chunk.finish
                answer.add(chunk)
                if answer.complete:
                    break
        self.memory.pace.saw(usage)
        began = time.perf_counter()
        asked = replace(asked, raw=answer.raw[0], usage=usage)
        if not answer.ended:
            return replace(asked, outcome="cancelled", reason="cancelled")
        self.memory.keep(document.uri, window)
        suggestions = answer.suggestions()
        asked = replace(asked, postprocess_ms=_since(began))
        if not suggestions:
            if not answer.raw[0].strip():
                return replace(asked, reason="late" if finish == "deadline" else "empty")
            return replace(asked, reason=answer.rejection())
        best, *others = suggestions
        asked = replace(asked, confidence=best.confidence, weakest=best.weakest)
        if not invoked and best.confidence * 100 < self.config.min_confidence:
            return replace(asked, reason="unlikely")
        return replace(asked, outcome="shown", text=best.text, replaces=best.replaces, others=tuple(others))

    def _informed(self, window: Window, document: Document, known: Sequence[Window]) -> Window:
        """The window with what other files tell; as before, if that still serves, since a change is read anew."""
        told = next((each.context for each in known if each.context.fragments), NOTHING)
        return replace(window, context=self.look(document, window, told))


def _heals(document: Document, cursor: int) -> bool:
    """Whether the word before the cursor may be tokenized anew. A line end may not: it becomes more of them."""
    return cursor > document.text.line_start(document.text.line_of(cursor))


def _prompt(document: Document, window: Window, info: ModelInfo) -> tuple[Part, ...]:
    return fim.prompt(
        fim.family(info.family, info.doubt),
        before_anchor=window.context.imports + fim.readable(window.before),
        typed=fim.readable(document.text.data[window.anchor : window.cursor]),
        after_cursor=fim.readable(window.after),
        context=window.context,
    )


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


__all__ = ["Completer", "Completion", "Suggestion"]
