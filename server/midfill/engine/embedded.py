"""The engine in this process: one worker thread a model, since a model's KV cache has one user at a time.

A model is loaded by its own thread on the first request, so that starting a server costs nothing and a
cancelled request never cancels a load.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from midfill.engine.base import CancelToken, Chunk, LoadProgress, ModelFile, ModelInfo, Request, Role, Usage
from midfill.engine.generate import Aborted, LanguageModel, generate
from midfill.errors import EngineError, LoadError, MidfillError

log = logging.getLogger(__name__)


class NativeModel(LanguageModel, Protocol):
    """What a backend loads. `pause` is called before each evaluation and may block."""

    pause: Callable[[], None]

    def abortable(self, cancel: CancelToken) -> contextlib.AbstractContextManager[None]:
        """While open, `cancel` makes a running evaluation raise `Aborted`."""

    def close(self) -> None: ...


Load = Callable[[ModelFile, Callable[[float], None]], NativeModel]
"""Loads a file, calling back with the fraction done, 0 to 1. Raises `LoadError`."""


class EmbeddedEngine:
    """The `Engine` of `engine/base.py`.

    `locate(role)` names the file of a role or raises `ModelError`; it is asked at every request, so that a
    model fetched meanwhile is found.
    """

    def __init__(self, locate: Callable[[Role], ModelFile], load: Load) -> None:
        self._locate, self._load = locate, load
        self._turns = _Turns()
        self._workers: dict[Role, _Worker] = {}
        self._listeners: list[Callable[[LoadProgress], None]] = []

    def info(self, role: Role) -> ModelInfo:
        return self._locate(role).info

    def subscribe(self, listener: Callable[[LoadProgress], None]) -> None:
        self._listeners.append(listener)

    async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
        loop = asyncio.get_running_loop()
        chunks: asyncio.Queue[Chunk | Exception | None] = asyncio.Queue()

        def post(item: Chunk | Exception | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(chunks.put_nowait, item)

        # The caller's token may serve several requests, so the end of this one must not cancel it.
        own = CancelToken()
        job = _Job(request, own, post, time.perf_counter())
        self._worker(request.role, loop).submit(job)
        # A request that waits, perhaps for a model to load, ends at once; one that runs ends with the evaluation
        # that is aborted, some milliseconds later, and tells what it has cost.
        own.on_cancel(lambda: None if job.running else post(None))
        cancel.on_cancel(own.cancel)
        try:
            while (item := await chunks.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                yield item
                if item.finish:
                    return
        finally:
            own.cancel()

    async def close(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            worker.close()
        await asyncio.gather(*(asyncio.to_thread(worker.join) for worker in workers))

    def _worker(self, role: Role, loop: asyncio.AbstractEventLoop) -> _Worker:
        file = self._locate(role)
        worker = self._workers.get(role)
        if worker is not None and worker.file == file and not worker.failed:
            return worker
        if worker is not None:
            worker.close()

        def tell(progress: LoadProgress) -> None:
            if not loop.is_closed():
                for listener in self._listeners:
                    loop.call_soon_threadsafe(listener, progress)

        worker = self._workers[role] = _Worker(role, file, self._load, self._turns, tell)
        return worker


@dataclass
class _Job:
    request: Request
    cancel: CancelToken
    post: Callable[[Chunk | Exception | None], None]
    submitted: float
    running: bool = False


class _Worker:
    """A thread that loads one model and then runs the requests for it, one after the other."""

    def __init__(
        self, role: Role, file: ModelFile, load: Load, turns: _Turns, tell: Callable[[LoadProgress], None]
    ) -> None:
        self.file = file
        self.failed = False
        self._percent = -1
        self._role, self._load, self._turns, self._tell = role, load, turns, tell
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._pending: set[CancelToken] = set()
        self._thread = threading.Thread(target=self._run, name=f"model-{role}", daemon=True)
        self._thread.start()

    def submit(self, job: _Job) -> None:
        self._pending.add(job.cancel)
        self._jobs.put(job)

    def close(self) -> None:
        """Cancel what runs and waits, and let the thread end; `join` waits for it."""
        for cancel in list(self._pending):
            cancel.cancel()
        self._jobs.put(None)

    def join(self) -> None:
        self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            model = self._load(self.file, self._progress)
            model.pause = lambda: self._turns.wait(self._role)
        except Exception as error:
            self._refuse(error)
            return
        self._progress(1.0)
        try:
            while (job := self._jobs.get()) is not None:
                self._serve(model, job)
                self._pending.discard(job.cancel)
        finally:
            model.close()

    def _progress(self, fraction: float) -> None:
        # The loader calls back for every tensor; a percent is news enough.
        if int(fraction * 100) != self._percent:
            self._percent = int(fraction * 100)
            self._tell(LoadProgress(self._role, self.file.info.name, fraction))

    def _refuse(self, error: Exception) -> None:
        """The model cannot be loaded: say so to all who wait; the next request tries anew."""
        if not isinstance(error, MidfillError):
            log.exception("loading %s failed", self.file.path, exc_info=error)
            error = LoadError(f"{self.file.info.name} could not be loaded: {error}")
        self.failed = True
        self._tell(LoadProgress(self._role, self.file.info.name, 0.0, str(error)))
        # A request submitted just before `failed` was seen must be answered too.
        with contextlib.suppress(queue.Empty):
            while (job := self._jobs.get(timeout=0.2)) is not None:
                job.post(error)

    def _serve(self, model: NativeModel, job: _Job) -> None:
        job.running = True
        if job.cancel.cancelled:
            job.post(None)
            return
        usage = Usage(queue_ms=(time.perf_counter() - job.submitted) * 1000)
        try:
            with self._turns.taken(self._role), model.abortable(job.cancel):
                generate(model, job.request, usage, job.post)
        except Aborted:
            job.post(None)
        except MidfillError as error:
            job.post(error)
        except Exception as error:
            log.exception("a generation failed")
            job.post(EngineError(f"The engine failed: {error}. The log has the details."))


class _Turns:
    """Lets a completion go first: an edit waits, between two evaluations, until no completion runs."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._completions = 0

    @contextlib.contextmanager
    def taken(self, role: Role) -> Iterator[None]:
        if role != "complete":
            yield
            return
        self._change(+1)
        try:
            yield
        finally:
            self._change(-1)

    def wait(self, role: Role) -> None:
        if role != "complete":
            with self._condition:
                self._condition.wait_for(lambda: self._completions == 0)

    def _change(self, by: int) -> None:
        with self._condition:
            self._completions += by
            self._condition.notify_all()
