"""The engine elsewhere: any server that speaks OpenAI's protocol over HTTP, or its own where that is better.

A request that finds the server busy or away is tried again, as long as nothing of the answer has come.
`engine/server.py` asks, and knows how the server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from midfill.engine.base import (
    CancelToken,
    Chunk,
    Event,
    ModelInfo,
    ModelStatus,
    Request,
    Role,
    Usage,
)
from midfill.engine.dialects import Answer
from midfill.engine.server import READ, REST, SOON, Busy, NotNow, Place, Server
from midfill.errors import EngineError, ModelError

log = logging.getLogger(__name__)

# A request is tried so often, after so many seconds at first, and twice as many then.
TRIES, BACKOFF = 3, 0.25


class OpenAIEngine:
    """The `Engine` of `engine/base.py`. `info` names the model of a role, `place` where it is asked."""

    def __init__(
        self,
        info: Callable[[Role], ModelInfo],
        place: Callable[[Role], Place],
        backoff: float = BACKOFF,
        rest: float = REST,
        patience: float = READ,
    ) -> None:
        """In seconds: `backoff` before it is tried again, `rest` after failures, `patience` for each piece."""
        self.info, self._place = info, place
        self._backoff, self._rest, self._patience = backoff, rest, patience
        # A load balancer can keep a window on one replica by this.
        self._session = uuid.uuid4().hex
        self._servers: dict[Place, Server] = {}

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Nothing is loaded here, and what is lost is said by the request that finds it out."""

    @property
    def resting(self) -> bool:
        """Whether a server is left alone now, because it failed again and again."""
        return any(server.resting for server in self._servers.values())

    async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
        started = time.perf_counter()
        server = self._server(request.role)
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue()
        info = self.info(request.role)
        # Whether the server has been asked, or the request waits for its turn.
        asked = asyncio.Event()
        asking = asyncio.ensure_future(self._ask(server, request, info, chunks.put_nowait, started, asked))
        asking.add_done_callback(lambda _: chunks.put_nowait(None))
        cancel.on_cancel(lambda: _soon(loop, asking))
        late = False

        def give_up() -> None:
            nonlocal late
            late = True
            asking.cancel()

        timer = loop.call_later(request.deadline_ms / 1000, give_up) if request.deadline_ms is not None else None
        usage, finished, begun = Usage(), False, False
        try:
            while (item := await chunks.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                usage, finished, begun = item.usage, item.finish is not None, True
                yield item
            if late and not finished and not cancel.cancelled:
                if asked.is_set() and not begun:
                    raise server.late(request.deadline_ms)
                yield Chunk("", 0.0, usage, "deadline")
        finally:
            asking.cancel()
            if timer:
                timer.cancel()

    async def status(self) -> list[ModelStatus]:
        """What runs elsewhere is not ours to tell."""
        return []

    async def close(self) -> None:
        for server in self._servers.values():
            await server.client.aclose()
        self._servers.clear()

    def _server(self, role: Role) -> Server:
        place = self._place(role)
        if place not in self._servers:
            self._servers[place] = Server(place, self._session, self._rest, self._patience)
        return self._servers[place]

    async def _ask(
        self,
        server: Server,
        request: Request,
        info: ModelInfo,
        post: Callable[[Chunk | Exception], None],
        started: float,
        asked: asyncio.Event,
    ) -> None:
        try:
            server.check()
            async with server.turn(request):
                asked.set()
                queue_ms = (time.perf_counter() - started) * 1000
                async with contextlib.aclosing(self._tried(server, request, info)) as answers:
                    async for chunk in _chunks(answers, queue_ms):
                        post(chunk)
            server.works()
        except NotNow:
            log.debug("%s reads nothing ahead now", server.place.shown)
        except (EngineError, ModelError) as error:
            post(error)
        except Exception as error:
            log.exception("a request to %s failed", server.place.shown)
            post(EngineError(f"{server.place.shown} could not be asked: {error}."))

    async def _tried(self, server: Server, request: Request, info: ModelInfo) -> AsyncGenerator[Answer, None]:
        """The answer, asked for again where the server is busy and has said nothing yet."""
        for attempt in range(TRIES):
            begun = False
            try:
                async for answer in server.answers(request, info):
                    begun = True
                    yield answer
                return
            except Busy as busy:
                if begun or attempt == TRIES - 1 or busy.after > SOON:
                    raise server.failed(busy) from None
                # Not all windows together.
                wait = max(busy.after, self._backoff * 2**attempt) * random.uniform(0.8, 1.2)
                await asyncio.sleep(min(wait, SOON))


async def _chunks(answers: AsyncIterator[Answer], queue_ms: float) -> AsyncIterator[Chunk]:
    """Chunks with a finish at the end, whether the server tells one or not."""
    started = time.perf_counter()
    first, generated = 0.0, 0
    usage = Usage(queue_ms=queue_ms)
    finish = None
    async for answer in answers:
        now = (time.perf_counter() - started) * 1000
        first = first or now
        generated += bool(answer.text)
        told = answer.usage
        usage = Usage(
            prompt=told.prompt if told else usage.prompt,
            evaluated=told.evaluated if told else usage.evaluated,
            generated=told.generated if told else generated,
            queue_ms=queue_ms,
            evaluate_ms=told.evaluate_ms if told and told.evaluate_ms else first,
            generate_ms=told.generate_ms if told and told.generate_ms else now - first,
        )
        finish = answer.finish or finish
        if answer.text or generated == 0:
            yield Chunk(answer.text, min(answer.logprob, 0.0), usage)
    yield Chunk("", 0.0, usage, finish or "end")


def _soon(loop: asyncio.AbstractEventLoop, asking: asyncio.Future[None]) -> None:
    """Cancel from any thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(asking.cancel)
