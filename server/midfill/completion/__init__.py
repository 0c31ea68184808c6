"""The completion pipeline: a document and a cursor in, at most one suggestion out, and why."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Literal

from midfill.completion import fim, postprocess
from midfill.completion.cache import Memory
from midfill.completion.trigger import Block, Line, Rejected, Rejection, wanted
from midfill.completion.window import Window, window_at
from midfill.config import Config
from midfill.document import Document
from midfill.engine.base import CancelToken, Engine, Part, Request, Usage
from midfill.errors import MidfillError, ModelMissing
from midfill.syntax import error_count, kind_at
from midfill.text import Edit

Outcome = Literal["shown", "rejected", "cancelled", "failed"]
Source = Literal["model", "typeThrough", "cache", "prefetch"]
Reason = Rejection | Literal["cancelled", "superseded", "modelMissing", "engineFailed"]


@dataclass(frozen=True)
class Completion:
    """What came of one request. `text` is for insertion at byte offset `cursor` of version `version`.

    `reason` is None when, and only when, the outcome is "shown"; `message` tells a failure in a sentence.
    """

    uri: str
    version: int
    cursor: int
    outcome: Outcome
    reason: Reason | None = None
    message: str | None = None
    source: Source = "model"
    text: str = ""
    raw: str = ""
    model: str = ""
    prompt: str = ""
    anchor: int = 0
    usage: Usage = field(default_factory=Usage)
    context_ms: float = 0.0
    postprocess_ms: float = 0.0
    total_ms: float = 0.0


async def complete(
    document: Document,
    cursor: int,
    invoked: bool,
    config: Config,
    engine: Engine,
    memory: Memory[Completion],
    cancel: CancelToken,
) -> Completion:
    """Suggest what to insert at byte offset `cursor`. Never raises for what can go wrong with a model."""
    started = time.perf_counter()
    nothing = Completion(document.uri, document.version, cursor, "rejected", anchor=cursor)

    def finished(completion: Completion) -> Completion:
        return replace(completion, total_ms=_since(started))

    want = wanted(document, cursor, invoked, config)
    if isinstance(want, Rejected):
        return finished(replace(nothing, reason=want.reason))
    if known := memory.recall(document, cursor):
        cost = Usage(prompt=known.usage.prompt)
        again = replace(known, version=document.version, source="cache", usage=cost)
        return finished(replace(again, context_ms=0.0, postprocess_ms=0.0))
    try:
        completion = await _ask(document, cursor, want, config, engine, memory, cancel, nothing)
    except ModelMissing as error:
        return finished(replace(nothing, outcome="failed", reason="modelMissing", message=str(error)))
    except MidfillError as error:
        return finished(replace(nothing, outcome="failed", reason="engineFailed", message=str(error)))
    if completion.outcome != "cancelled":
        memory.remember(document, cursor, completion)
    return finished(completion)


async def _ask(
    document: Document,
    cursor: int,
    want: Line | Block,
    config: Config,
    engine: Engine,
    memory: Memory[Completion],
    cancel: CancelToken,
    nothing: Completion,
) -> Completion:
    """Prompt, stream, stop by the rules of a line or a block, clean up."""
    began = time.perf_counter()
    info = engine.info("complete")
    window = memory.windows[document.uri] = window_at(document, cursor, memory.windows.get(document.uri))
    after = _slice(document, cursor, window.end)
    request = Request(
        role="complete",
        model=info.name,
        prompt=_prompt(document, window, after, info.family),
        max_tokens=config.max_line_tokens if isinstance(want, Line) else config.max_block_tokens,
        heal=True,
        stop=("\n",) if isinstance(want, Line) else (),
    )
    asked = replace(
        nothing,
        model=info.name,
        prompt="".join(part.text for part in request.prompt),
        anchor=window.anchor,
        context_ms=_since(began),
    )
    raw = ""
    end: int | None = None
    usage, finish = Usage(), None
    async with aclosing(engine.generate(request, cancel)) as chunks:
        async for chunk in chunks:
            raw += chunk.text
            usage, finish = chunk.usage, chunk.finish
            if isinstance(want, Block) and "\n" in chunk.text:
                end = postprocess.block_end(raw, want, after, _in_string(document, cursor))
                if end is not None:
                    break
    began = time.perf_counter()
    asked = replace(asked, raw=raw, usage=usage)
    if finish is None and end is None:
        return replace(asked, outcome="cancelled", reason="cancelled")
    text = _clean(document, cursor, want, raw[:end], after, cut_short=finish == "length")
    asked = replace(asked, postprocess_ms=_since(began))
    if not text:
        return replace(asked, reason="repeatsSuffix" if raw.strip() else "empty")
    return replace(asked, outcome="shown", text=text.replace("\n", document.text.newline))


def _prompt(document: Document, window: Window, after: str, family: str) -> tuple[Part, ...]:
    return fim.prompt(
        fim.family(family),
        before_anchor=_slice(document, window.start, window.anchor),
        typed=_slice(document, window.anchor, window.cursor),
        after_cursor=after,
    )


def _clean(document: Document, cursor: int, want: Line | Block, text: str, after: str, cut_short: bool) -> str:
    """What is left of the model's text; empty when nothing is worth showing."""
    if isinstance(want, Line):
        text = postprocess.without_tail(text.rstrip(), want.tail)
    else:
        if cut_short:
            text = postprocess.without_last_line(text)
        text = postprocess.longest_sound(text.rstrip(), _adds_no_error(document, cursor))
    line_start = document.text.line_start(document.text.line_of(cursor))
    text = postprocess.without_following_lines(text, document.text.slice(line_start, cursor), after)
    return text if text.strip() else ""


def _adds_no_error(document: Document, cursor: int) -> Callable[[str], bool]:
    before = error_count(document)
    return lambda text: error_count(document.edited([Edit(cursor, cursor, text)])) <= before


def _in_string(document: Document, cursor: int) -> Callable[[str], bool]:
    """Whether the end of a text inserted at the cursor is inside a string."""

    def in_string(text: str) -> bool:
        edited = document.edited([Edit(cursor, cursor, text)])
        return kind_at(edited, cursor + len(text.encode("utf-8", "surrogatepass"))) == "string"

    return in_string


def _slice(document: Document, start: int, end: int) -> str:
    """The model sees \\n line ends only."""
    return document.text.slice(start, end).replace("\r\n", "\n").replace("\r", "\n")


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
