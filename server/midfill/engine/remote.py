"""The engine in the host's process, as a window sees it. A host is started when a window needs one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import midfill
from midfill.engine import runtime, wire
from midfill.engine.base import (
    CancelToken,
    Chunk,
    Event,
    LoadProgress,
    Lost,
    ModelInfo,
    ModelStatus,
    Request,
    Role,
)
from midfill.errors import EngineError, HostLost

# Seconds. A host starts in half a second, but not on a machine that is busy with starting itself.
START_TIMEOUT = 30.0
HELLO_TIMEOUT = 15.0
# So many deaths within so many seconds, and no other host is started.
DEATHS, DEATHS_WITHIN = 3, 60.0
# A request that was cancelled is answered within the time of one evaluation; a host that hangs never does.
CANCEL_TIMEOUT = 2.0
STOP_TIMEOUT = 10.0
LARGEST_LOG = 1_000_000
# Where the host finds what it needs. It runs in another folder than the window, so the paths must be whole.
FOLDERS = ("MIDFILL_MODELS", "MIDFILL_RUNTIME", "MIDFILL_LOGS")
log = logging.getLogger(__name__)


class HostEngine:
    """The `Engine` of `engine/base.py`.

    `info(role)` is asked here and now, by the settings of this window. `command()` starts a host. `settings()`
    returns another object when the user has changed something, after which what was given up is tried again.
    """

    def __init__(
        self,
        info: Callable[[Role], ModelInfo],
        command: Callable[[], Sequence[str]],
        settings: Callable[[], object],
    ) -> None:
        self._info, self._command, self._settings = info, command, settings
        self._listeners: list[Callable[[Event], None]] = []
        self._models: set[str] = set()
        self._link: asyncio.Task[Link] | None = None
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._refused: tuple[object, str] | None = None

    def info(self, role: Role) -> ModelInfo:
        return self._info(role)

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """`listener` hears of the loading of those models only that this window has asked for."""
        self._listeners.append(listener)

    async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue()
        self._models.add(request.model)
        # The host's models are asked by the prompt alone.
        asking = asyncio.ensure_future(self._ask(replace(request, said=None), chunks.put_nowait))
        # Not in `_ask`, because a task that is cancelled before its first step runs no code at all.
        asking.add_done_callback(lambda _: chunks.put_nowait(None))
        cancel.on_cancel(lambda: None if loop.is_closed() else _soon(loop, asking))
        try:
            while (item := await chunks.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            asking.cancel()

    async def status(self) -> list[ModelStatus]:
        """Starts no host: without a connection there is no model."""
        if self._link is None:
            return []
        link = await asyncio.shield(self._link)
        return list((await link.status()).models)

    async def close(self) -> None:
        """Hang up. The host ends by itself some time after its last window."""
        link, self._link = self._link, None
        if link is None:
            return
        if not link.done():
            link.cancel()
        elif not link.cancelled() and not link.exception():
            await link.result().close()

    async def _ask(self, request: Request, post: Callable[[Chunk | Exception], None]) -> None:
        answered = False

        def take(chunk: Chunk) -> None:
            nonlocal answered
            answered = True
            post(chunk)

        try:
            link = await asyncio.shield(self._connection())
            try:
                await link.generate(request, take)
            except HostLost:
                if answered or link.farewell is None or link.farewell.final:
                    raise
                # The host was on its way out when it was asked, which is nobody's fault.
                await (await asyncio.shield(self._connection())).generate(request, take)
        except Exception as error:
            post(error)

    def _connection(self) -> asyncio.Task[Link]:
        """The one connection, which all requests share; it is made when there is none."""
        if self._refused:
            settings, reason = self._refused
            if settings is self._settings():
                raise HostLost(reason)
            self._refused = None
            self._deaths.clear()
        if self._link is None:
            self._link = asyncio.ensure_future(self._connect())
            self._link.add_done_callback(self._connected)
        return self._link

    async def _connect(self) -> Link:
        """Find the host or start one; replace one of another version."""
        deadline = time.monotonic() + START_TIMEOUT
        child: subprocess.Popen[bytes] | None = None
        while True:
            with contextlib.suppress(OSError, HostLost):
                link = await Link.open(self._hear, self._lost)
                if link.host.version == midfill.__version__:
                    return link
                log.info("replacing a host of version %s", link.host.version)
                await link.leave(_taken_over(link.host.version))
            code = child.poll() if child is not None else 0
            if code:
                lost = self._count_death()
                raise EngineError(lost.reason if lost else f"{_COULD_NOT_START}. {_where_the_log_is()}")
            if time.monotonic() > deadline:
                raise EngineError(f"{_COULD_NOT_START} in {START_TIMEOUT:.0f} seconds. {_where_the_log_is()}")
            # A child that ended well has seen that another host runs; that one may have been on its way out.
            if code is not None:
                child = _start(self._command())
            await asyncio.sleep(0.02)

    def _connected(self, link: asyncio.Task[Link]) -> None:
        # Asking for the exception also marks it as seen, where all who waited have been cancelled.
        if self._link is link and (link.cancelled() or link.exception()):
            self._link = None

    def _lost(self, link: Link) -> HostLost:
        """The host is gone: tell the listeners, and return what those who wait for it are told."""
        self._link = None
        farewell = link.farewell
        if farewell is None:
            lost = self._count_death() or Lost(
                f"The process that runs the models has died; another one is started. {_where_the_log_is()}"
            )
        else:
            lost = Lost(farewell.reason, farewell.final)
            if lost.final:
                self._refused = (self._settings(), lost.reason)
        # A host that ended because it was told to, and is started again on need, is no news.
        if farewell is None or lost.final:
            self._tell(lost)
        return HostLost(lost.reason)

    def _count_death(self) -> Lost | None:
        """After too many deaths no other host is started until the settings change."""
        now = time.monotonic()
        self._deaths.append(now)
        if len(self._deaths) < DEATHS or now - self._deaths[0] > DEATHS_WITHIN:
            return None
        reason = (
            f"The process that runs the models has died {DEATHS} times within a minute and is not started again. "
            "Run `midfill doctor`, then change a setting of Midfill or restart it to try anew. "
            f"{_where_the_log_is()}"
        )
        self._refused = (self._settings(), reason)
        return Lost(reason, final=True)

    def _hear(self, progress: LoadProgress) -> None:
        if progress.name in self._models:
            self._tell(progress)

    def _tell(self, event: Event) -> None:
        # Not here and now: a listener that fails must not keep those who wait from being told.
        for listener in self._listeners:
            asyncio.get_running_loop().call_soon(listener, event)


class Link:
    """A connection to the host.

    `host` is what it said of itself. `farewell` is why it has left, if it said so.
    """

    def __init__(self, peer: wire.Peer, notice: runtime.Notice) -> None:
        self.host = wire.Hello("", notice.pid, "")
        self.farewell: wire.Leaving | None = None
        self._peer = peer
        self._streams: dict[int, Callable[[Chunk], None]] = {}
        self._lost: Callable[[Link], HostLost] = _left
        self._reading = asyncio.ensure_future(self._read())

    @classmethod
    async def open(
        cls,
        hear: Callable[[LoadProgress], None] = lambda progress: None,
        lost: Callable[[Link], HostLost] | None = None,
    ) -> Link:
        """Connect and greet. `lost` is called once, when the connection breaks by no doing of ours.

        Raises `OSError` or `HostLost` when there is no host, `EngineError` when it does not answer.
        """
        reader, writer, notice = await runtime.connect()
        link = cls(wire.Peer(reader, writer), notice)
        link._register(hear)
        try:
            ours = wire.Hello(midfill.__version__, os.getpid(), notice.window_secret)
            _, answer = link._peer.ask(wire.HELLO, ours)
            link.host = wire.read(await asyncio.wait_for(answer, HELLO_TIMEOUT), wire.Hello)
            if not runtime.is_secret(link.host.secret, notice.host_secret):
                raise ConnectionRefusedError("something else has the host's port now")
        except TimeoutError:
            await link.close()
            raise EngineError(
                f"The process that runs the models ({notice.pid}) does not answer: run `midfill host --stop`."
            ) from None
        except BaseException:
            await link.close()
            raise
        link._lost = lost or _left
        return link

    async def generate(self, request: Request, post: Callable[[Chunk], None]) -> None:
        """Post the chunks as they come. When cancelled, it asks the host to stop and takes in the last ones."""
        id, answer = self._peer.ask(wire.GENERATE, request)
        self._streams[id] = post
        # Nobody waits any more for the answer to a request that was cancelled twice.
        answer.add_done_callback(lambda answer: answer.exception())
        try:
            await asyncio.shield(answer)
        except asyncio.CancelledError:
            self._peer.cancel(id)
            await asyncio.wait([answer], timeout=CANCEL_TIMEOUT)
        finally:
            del self._streams[id]

    async def status(self) -> wire.HostStatus:
        _, answer = self._peer.ask(wire.STATUS)
        return wire.read(await answer, wire.HostStatus)

    async def leave(self, leaving: wire.Leaving) -> None:
        """Ask the host to end, and hang up."""
        self._lost = _left
        with contextlib.suppress(EngineError):
            await self._peer.ask(wire.LEAVE, leaving)[1]
        await self.close()

    async def close(self) -> None:
        self._lost = _left
        await self._peer.close()
        await self._reading

    async def _read(self) -> None:
        await self._peer.listen()
        self._peer.give_up(self._lost(self))

    def _register(self, hear: Callable[[LoadProgress], None]) -> None:
        @self._peer.feature(wire.CHUNK)
        def chunk(params: dict[str, Any]) -> None:
            if post := self._streams.get(params["id"]):
                post(wire.read(params["chunk"], Chunk))

        @self._peer.feature(wire.LOADING)
        def loading(params: dict[str, Any]) -> None:
            hear(wire.read(params, LoadProgress))

        @self._peer.feature(wire.LEAVING)
        def leaving(params: dict[str, Any]) -> None:
            self.farewell = wire.read(params, wire.Leaving)
            self._hanging_up = asyncio.ensure_future(self._peer.close())


async def stop() -> bool:
    """End the host, by force if it does not answer. False if there is none. Raises `EngineError`."""
    if not runtime.is_claimed():
        return False
    with contextlib.suppress(OSError, EngineError):
        link = await Link.open()
        await link.leave(wire.Leaving("The process that runs the models was stopped by `midfill host --stop`."))
    if not await _is_free(STOP_TIMEOUT) and (notice := runtime.notice()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(notice.pid, signal.SIGKILL if sys.platform != "win32" else signal.SIGTERM)
        if not await _is_free(STOP_TIMEOUT):
            raise EngineError(f"The process that runs the models ({notice.pid}) does not end; end it by hand.")
    return True


async def status() -> tuple[wire.Hello, wire.HostStatus] | None:
    """What the host tells of itself, or None when there is none. Raises `EngineError`."""
    try:
        link = await Link.open()
        try:
            return link.host, await link.status()
        finally:
            await link.close()
    except (OSError, HostLost):
        return None


async def _is_free(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while runtime.is_claimed():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """A process that outlives this one, and whose end this one notes."""
    whole = {name: str(Path(value).expanduser().absolute()) for name in FOLDERS if (value := os.environ.get(name))}
    apart: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        apart = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    with _complaints() as stderr:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                cwd=runtime.folder(),
                env={**os.environ, **whole},
                **apart,
            )
        except OSError as error:
            raise EngineError(f"{_COULD_NOT_START}: {command[0]}: {error.strerror}.") from None
    threading.Thread(target=child.wait, name="host-reaper", daemon=True).start()
    return child


def _complaints() -> BinaryIO:
    """A file for what a host says before it has a log, and what native code says when it dies."""
    path = runtime.log_folder() / "host.stderr.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        full = path.exists() and path.stat().st_size > LARGEST_LOG
        return path.open("wb" if full else "ab")
    except OSError:
        return open(os.devnull, "wb")


def _taken_over(old: str) -> wire.Leaving:
    return wire.Leaving(
        f"Midfill {midfill.__version__} has been started and has taken over the models from {old}, which this "
        "window runs. Restart this window to go on with the new one.",
        final=True,
    )


def _soon(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    """Cancel a task from any thread."""
    loop.call_soon_threadsafe(task.cancel)


def _left(_: Link) -> HostLost:
    return HostLost("The process that runs the models has left.")


_COULD_NOT_START = "The process that runs the models could not be started"


def _where_the_log_is() -> str:
    return f"Its log is in {runtime.log_folder()}."
