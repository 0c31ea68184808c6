"""An engine that says what it is told, for tests of everything around the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from midfill.engine.base import (
    CancelToken,
    Chunk,
    Event,
    LoadProgress,
    ModelInfo,
    ModelStatus,
    Request,
    Role,
    Usage,
)


class ScriptedEngine:
    """Answers each request with the next of `answers` (the last one again and again), a few letters at a time.

    An answer that is an exception is raised. With `hold`, an answer stops before its last chunk until the event is
    set or the request is cancelled; one that begins with "<slow>" (not part of it) waits there for half a second.
    Alternatives are separated by "<or>". With `loads`, the first request tells of a model being loaded. Unless it
    `continues`, its answers are written from their beginning on.
    `requests` are those received, `warmed` those that only evaluate.
    """

    def __init__(
        self,
        answers: Sequence[str | Exception],
        hold: asyncio.Event | None = None,
        loads: bool = False,
        continues: bool = False,
    ) -> None:
        self.answers = list(answers)
        self.hold = hold
        self.loads = loads
        self.continues = continues
        self.requests: list[Request] = []
        self.warmed: list[Request] = []
        self.listeners: list[Callable[[Event], None]] = []

    def info(self, role: Role) -> ModelInfo:
        return ModelInfo(f"scripted-{role}", "qwen2.5-coder", 8192, continues=self.continues)

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        self.listeners.append(listener)

    async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
        if self.loads and not self.requests:
            for fraction in (0.0, 0.5, 1.0):
                for listener in self.listeners:
                    listener(LoadProgress(request.role, self.info(request.role).name, fraction))
                await asyncio.sleep(0.05)
        if request.max_tokens == 0:
            self.warmed.append(request)
            yield Chunk("", 0.0, Usage(prompt=10, evaluated=10), "length")
            return
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        slow, answer = answer.startswith("<slow>"), answer.removeprefix("<slow>")
        answer, *others = answer.split("<or>")
        for index, other in enumerate(others[: request.alternatives - 1], 1):
            yield Chunk(other, -float(index), Usage(10, 10, 1), "end", index)
        cut = min((at for stop in request.stop if (at := answer.find(stop)) >= 0), default=len(answer))
        finish = "stop" if cut < len(answer) else "end"
        yield Chunk("", 0.0, Usage(prompt=10, evaluated=10))
        generated = 0
        for start in range(0, cut, 4):
            await asyncio.sleep(0)
            if cancel.cancelled:
                return
            if generated >= request.max_tokens:
                finish = "length"
                break
            generated += 1
            yield Chunk(answer[:cut][start : start + 4], -0.1, Usage(10, 10, generated))
        while self.hold is not None and not self.hold.is_set():
            if cancel.cancelled:
                return
            await asyncio.sleep(0.005)
        if slow:
            await asyncio.sleep(0.5)
            if cancel.cancelled:
                return
        yield Chunk("", 0.0, Usage(10, 10, generated), finish)

    async def status(self) -> list[ModelStatus]:
        return []

    async def close(self) -> None:
        self.closed = True
