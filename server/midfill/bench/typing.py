"""`midfill bench typing`: real files typed through the real server over stdio.

Every key is sent as an editor sends it: the change, then the request for a suggestion, triggered by typing. The
time to suggestion counts from before the change is sent until the answer is there, as the client sees it. The next
key comes when a human gap since this one has passed, and not before the answer; a hurried key is not waited for,
and its request is cancelled right after the next change. Where the cursor jumps, the server is told so at once,
and the key comes after a look around. What the server says of each answer (`midfill/explain`) is asked when the
answer is there and is not part of any time.

A peer gets the same keys, one by one, each after ours is answered and the gap is over. Meanwhile our processes are
stopped, so that their work in idle time neither slows the peer down nor gains time by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lsprotocol import types

from midfill.bench import report
from midfill.bench.figures import Memory, Sample
from midfill.bench.peer import Peer
from midfill.bench.processes import Processes, own_host
from midfill.bench.script import Key, script
from midfill.client import Editor, editor, read
from midfill.document import Document
from midfill.errors import EngineError, UsageError
from midfill.text import Encoding

# Real code that is there wherever Python is.
_MODULES = ("textwrap", "fractions", "configparser")
# Seconds to read a file that was just opened; the server may use them.
_READING = 2.0
# Seconds from setting the cursor somewhere else to the next key there, in the median. The eyes need that long.
_LOOKING = 1.0
# Gaps between keys are lognormal; this is the spread of their logarithm.
_SPREAD = 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    """What to type. `gap` is the median time between two keys in seconds; `engine` a server to ask instead of
    this machine's models, and `model` what that is of."""

    paths: Sequence[Path]
    keys: int = 300
    seed: int = 0
    gap: float = 0.15
    peer: str | None = None
    engine: str | None = None
    model: str = "qwen2.5-coder"

    @property
    def settings(self) -> dict[str, Any]:
        return {"engine": {"kind": "openai", "url": self.engine, "model": self.model}} if self.engine else {}

    def __post_init__(self) -> None:
        """Raises `UsageError`."""
        if self.keys < 1:
            raise UsageError("--keys must be 1 or more.")
        if not 0 <= self.gap < 60:
            raise UsageError("--gap must be a time from 0 to 60 seconds.")


def default_paths() -> list[Path]:
    """A few modules of Python's standard library."""
    specs = map(importlib.util.find_spec, _MODULES)
    return [Path(spec.origin) for spec in specs if spec and spec.origin]


def about(plan: Plan) -> dict[str, Any]:
    """How it was measured, as JSON."""
    return {
        "paths": [str(path) for path in plan.paths],
        "seed": plan.seed,
        "gapSeconds": plan.gap,
        "peer": plan.peer is not None,
        "engine": "openai" if plan.engine else "embedded",
    }


def main(
    plan: Plan, progress: Callable[[str, int | None], None], json: Path | None = None, plot: Path | None = None
) -> None:
    """Measure, print the figures, and write what is wanted. Raises `UsageError` or `EngineError`."""
    if plot:
        report.require_plot()
    samples, memory = asyncio.run(run(plan, progress))
    report.show(samples, memory)
    if json:
        report.write_json(json, report.as_json(samples, memory, about(plan)))
    if plot:
        report.plot(plot, samples)


async def run(plan: Plan, progress: Callable[[str, int | None], None]) -> tuple[list[Sample], Memory]:
    """Type it all. Raises `UsageError` for files that cannot be typed, `EngineError` when a server fails."""
    paths = [path.expanduser().absolute() for path in plan.paths]
    texts = [read(path) for path in paths]
    try:
        keys = script(texts, plan.keys, plan.seed)
    except ValueError as error:
        raise UsageError(f"The files cannot be typed: {error}.") from error
    folder = Path(os.path.commonpath([path.parent for path in paths]))
    with own_host(), contextlib.ExitStack() as stack:
        peer = stack.enter_context(Peer(plan.peer)) if plan.peer else None
        async with editor(folder, progress=progress, settings=plan.settings) as window:
            typist = _Typist(window, paths, plan, peer)
            await asyncio.sleep(_READING)
            for done, key in enumerate(keys):
                await typist.press(key)
                progress(f"typing, key {done + 1} of {len(keys)}", 100 * (done + 1) // len(keys))
            await typist.settle()
            if [str(document.text) for document in typist.documents] != texts:
                raise EngineError("The files are not what they were before: the benchmark is wrong.")
            second = await _second_window(folder, paths[0], typist.processes)
            return typist.samples, Memory(typist.processes.peak, second)


class _Typist:
    """Presses keys and notes what came of them in `samples`."""

    def __init__(self, window: Editor, paths: Sequence[Path], plan: Plan, peer: Peer | None) -> None:
        self.samples: list[Sample] = []
        self.documents = [window.open(path) for path in paths]
        server = window.client._server
        assert server is not None
        self.processes = Processes(server.pid)
        self._window = window
        self._plan = plan
        self._peer = peer
        self._chance = random.Random(plan.seed)
        self._hurried: list[_Request] = []

    async def press(self, key: Key) -> None:
        gap = self._plan.gap * self._chance.lognormvariate(0, _SPREAD)
        before = self.documents[key.file]
        if key.kind == "jump":
            self._window.move_cursor(before, key.cursor)
            await asyncio.sleep(_LOOKING * gap / (self._plan.gap or 1))
        started = time.perf_counter()
        document = self._window.type(before, key.start, key.end, key.text) if key.changes else before
        self.documents[key.file] = document
        if self._hurried and not self._hurried[-1].answer.done():
            self._window.client.cancel_request(types.CancelParams(self._hurried[-1].id))
        request = self._ask(document, key)
        if key.hurried:
            self._hurried.append(request)
            await asyncio.sleep(gap / 2)
            return
        await request.answer
        elapsed = time.perf_counter() - started
        await self.settle()
        sample = await self._sample(request, elapsed * 1000)
        self.processes.sample()
        await asyncio.sleep(max(0.0, gap - (time.perf_counter() - started)))
        if self._peer:
            with self.processes.stopped():
                answer = self._peer.ask(str(document.text), key.cursor.line, key.cursor.character)
            sample = replace(sample, peer=answer)
        self.samples.append(sample)

    async def settle(self) -> None:
        """Note what became of the requests that were not waited for."""
        hurried, self._hurried = self._hurried, []
        await asyncio.gather(*(request.answer for request in hurried), return_exceptions=True)
        self.samples.extend([await self._sample(request, None) for request in hurried])

    def _ask(self, document: Document, key: Key) -> _Request:
        at = types.Position(key.cursor.line, key.cursor.character)
        name = f"key-{len(self.samples)}-{len(self._hurried)}"
        answer = self._window.client.protocol.send_request_async(
            types.TEXT_DOCUMENT_INLINE_COMPLETION,
            types.InlineCompletionParams(
                types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
                types.TextDocumentIdentifier(document.uri),
                at,
            ),
            msg_id=name,
        )
        return _Request(name, key, document, at, answer)

    async def _sample(self, request: _Request, ms: float | None) -> Sample:
        told = await self._window.client.protocol.send_request_async(
            "midfill/explain",
            {
                "textDocument": {"uri": request.document.uri},
                "position": {"line": request.at.line, "character": request.at.character},
            },
        )
        if told is None:
            raise EngineError("The server does not explain its answer.")
        if told["outcome"] == "failed":
            raise EngineError(told["message"] or "The engine failed; its messages are above.")
        return _sample_of(request, ms, told)


@dataclass(frozen=True, slots=True)
class _Request:
    """A key whose suggestion was asked for."""

    id: str
    key: Key
    document: Document
    at: types.Position
    answer: asyncio.Future[Any]


def _sample_of(request: _Request, ms: float | None, told: dict[str, Any]) -> Sample:
    millis = told["millis"]
    return Sample(
        kind=request.key.kind,
        file=Path(request.document.uri).name,
        line=request.at.line,
        hurried=request.key.hurried,
        ms=ms,
        outcome=told["outcome"],
        reason=told["reason"],
        source=told["source"],
        shown=len(told["text"]),
        prompt=told["prompt"]["tokens"],
        evaluated=told["prompt"]["evaluated"],
        generated=told["generated"],
        drafted=told["drafted"],
        accepted=told["acceptedDrafts"],
        queue_ms=millis["queue"],
        evaluate_ms=millis["evaluate"],
        generate_ms=millis["generate"],
    )


async def _second_window(folder: Path, path: Path, first: Processes) -> int:
    """The bytes that one more editor window on the same folder costs, after a completion in it."""
    before = first.own().get("host", 0)
    async with editor(folder) as window:
        document = window.open(path)
        await window.complete(document, document.text.position(len(document.text) // 2, Encoding.UTF32))
        server = window.client._server
        assert server is not None
        processes = Processes(server.pid)
        return processes.own()["serve"] + first.own().get("host", 0) - before
