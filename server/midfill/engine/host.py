"""The host: the process that runs the models for all windows of a user, `midfill host`.

It wraps any `Engine`; what it says to a window is in `wire.py`, how they find each other in `runtime.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from pygls.exceptions import JsonRpcInvalidRequest

import midfill
from midfill.engine import runtime, wire
from midfill.engine.base import CancelToken, Engine, Event, LoadProgress, Request, Role, When
from midfill.errors import EngineError, MidfillError

# A host that was started for a window waits at least so long for it, in seconds.
FIRST_WINDOW = 10.0
# One that leaves waits so long for the windows to hang up.
FAREWELL = 1.0
log = logging.getLogger(__name__)


class Host:
    """Serves one engine to every window, until told to leave or until no window was there for `linger` seconds."""

    def __init__(self, engine: Engine, notice: runtime.Notice, linger: float) -> None:
        self.engine = engine
        self.notice = notice
        self.started = time.monotonic()
        self.windows: set[Window] = set()
        self._linger = linger
        self._leaving: asyncio.Future[wire.Leaving] | None = None
        self._lonely: asyncio.TimerHandle | None = None

    async def run(self, listener: socket.socket) -> None:
        """Serve all who connect to `listener`."""
        loop = asyncio.get_running_loop()
        self._leaving = loop.create_future()
        if sys.platform != "win32":
            stopped = wire.Leaving("Midfill's host was told to stop.")
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, self.leave, stopped)
        self.engine.subscribe(self._tell)
        self._wait_for_windows(max(self._linger, FIRST_WINDOW))
        server = await asyncio.start_server(self._welcome, sock=listener)
        log.info("midfill %s serves as process %d", midfill.__version__, os.getpid())
        leaving = await self._leaving
        log.info("leaving: %s", leaving.reason)
        server.close()
        for window in self.windows:
            window.peer.notify(wire.LEAVING, leaving)
        # The windows hang up. Did we, one that is just asking would lose what we have told it.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await asyncio.gather(*(window.gone.wait() for window in self.windows))
        await asyncio.gather(*(window.peer.close() for window in self.windows))
        await self.engine.close()

    def leave(self, leaving: wire.Leaving) -> None:
        """Make `run` tell the windows and return."""
        if self._leaving is not None and not self._leaving.done():
            self._leaving.set_result(leaving)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not runtime.is_same_user(writer.get_extra_info("socket")):
            log.warning("refused a connection of another user")
            writer.close()
            return
        window = Window(self, reader, writer)
        self.windows.add(window)
        if self._lonely is not None:
            self._lonely.cancel()
        try:
            await window.peer.listen()
        finally:
            window.cancel()
            window.gone.set()
            self.windows.discard(window)
            if not self.windows:
                self._wait_for_windows(self._linger)

    def _wait_for_windows(self, seconds: float) -> None:
        alone = wire.Leaving("Midfill's host ended because nobody used it.")
        self._lonely = asyncio.get_running_loop().call_later(seconds, self.leave, alone)

    def _tell(self, event: Event) -> None:
        if isinstance(event, LoadProgress):
            for window in self.windows:
                window.peer.notify(wire.LOADING, event)


class Window:
    """One connection. What it may ask becomes known to its protocol when it has said who it is."""

    def __init__(self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.peer = wire.Peer(reader, writer)
        self.gone = asyncio.Event()
        self._host = host
        self._running: set[asyncio.Task[Any]] = set()
        # The engine takes requests in their order. A window has at most one of each kind there, so that none
        # can make the others wait for all it has to ask.
        self._turns: defaultdict[tuple[Role, When], asyncio.Lock] = defaultdict(asyncio.Lock)

        @self.peer.feature(wire.HELLO)
        def hello(params: dict[str, Any]) -> wire.Hello:
            if not runtime.is_secret(wire.read(params, wire.Hello).secret, host.notice.window_secret):
                raise JsonRpcInvalidRequest("The secret is wrong.")
            self._admit()
            return wire.Hello(midfill.__version__, os.getpid(), host.notice.host_secret)

    def cancel(self) -> None:
        """Give up all that runs for this window."""
        for task in list(self._running):
            task.cancel()

    def _admit(self) -> None:
        host, peer = self._host, self.peer

        @peer.feature(wire.GENERATE)
        async def generate(params: dict[str, Any]) -> None:
            id, request = peer.protocol.msg_id, wire.read(params, Request)
            task = asyncio.current_task()
            assert task is not None
            self._running.add(task)
            try:
                async with self._turns[request.role, request.when]:
                    await _stream(
                        host.engine, request, lambda chunk: peer.notify(wire.CHUNK, {"id": id, "chunk": chunk})
                    )
            except MidfillError as error:
                raise wire.failure(error) from None
            except Exception as error:
                log.exception("a generation failed")
                raise wire.failure(
                    EngineError(f"The engine failed: {error}. The host's log has the details.")
                ) from None
            finally:
                self._running.discard(task)

        @peer.feature(wire.STATUS)
        async def status(_: None) -> wire.HostStatus:
            try:
                models = await host.engine.status()
            except MidfillError as error:
                raise wire.failure(error) from None
            return wire.HostStatus(time.monotonic() - host.started, len(host.windows) - 1, tuple(models))

        @peer.feature(wire.LEAVE)
        def leave(params: dict[str, Any]) -> None:
            host.leave(wire.read(params, wire.Leaving))


async def _stream(engine: Engine, request: Request, send: Callable[[Any], None]) -> None:
    """Send each chunk. After a cancel too: the engine's last one tells what the request has cost."""
    cancel = CancelToken()

    async def sending() -> None:
        async with contextlib.aclosing(engine.generate(request, cancel)) as chunks:
            async for chunk in chunks:
                send(chunk)

    task = asyncio.ensure_future(sending())
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        cancel.cancel()
        with contextlib.suppress(MidfillError):
            await task
        raise
