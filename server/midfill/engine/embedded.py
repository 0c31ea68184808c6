"""The engine in this process: one worker thread a model, since a model's context has one user at a time.

A model is loaded by its own thread on the first request, so that starting a server costs nothing and a
cancelled request never cancels a load. It is unloaded when nobody has asked for it for a while.

A completion goes first, then what is read ahead where somebody types, then an edit, then idle work.
The more urgent request interrupts the less urgent one wherever it is, and that one goes on afterwards: on the same
model the worker runs the one inside the other, on different models the one waits, since both want all cores.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from midfill.engine.base import (
    CancelToken,
    Chunk,
    Event,
    LoadProgress,
    ModelFile,
    ModelInfo,
    ModelStatus,
    Request,
    Role,
    Usage,
)
from midfill.engine.generate import Aborted, LanguageModel, generate
from midfill.errors import EngineError, LoadError, MidfillError

log = logging.getLogger(__name__)

# A model that nobody asked for in so many seconds is unloaded.
UNLOAD_AFTER = 1800.0
# Less urgent than any job.
_ANY = 4
# The rates count evaluations of so many tokens at least; shorter ones say little about long ones.
_LONG = 32


class NativeModel(LanguageModel, Protocol):
    """What a backend loads. `pause` is called before each evaluation and may block.

    `warning`: what the user is to hear about the model when it is loaded.
    """

    pause: Callable[[], None]
    warning: str | None

    @property
    def threads(self) -> int:
        """How many decode a token now."""

    def abortable(self, cancel: CancelToken) -> contextlib.AbstractContextManager[None]:
        """While open, `cancel` makes a running evaluation raise `Aborted`."""

    def interrupt(self) -> None:
        """Make the evaluation that runs now, if any, call `pause` and begin anew. Any thread may call this."""

    def close(self) -> None: ...


Load = Callable[[ModelFile, Callable[[float], None]], NativeModel]
"""Loads a file, calling back with the fraction done, 0 to 1. Raises `LoadError`."""


class EmbeddedEngine:
    """The `Engine` of `engine/base.py`.

    `info(role)` names the model of a role, `locate(name)` a model's file; both may raise `ModelError`. They are
    asked at every request, so that a model fetched meanwhile is found. `unload_after` is in seconds.
    """

    def __init__(
        self,
        info: Callable[[Role], ModelInfo],
        locate: Callable[[str], ModelFile],
        load: Load,
        unload_after: float = UNLOAD_AFTER,
    ) -> None:
        self.info = info
        self._locate, self._load, self._unload_after = locate, load, unload_after
        self._turns = _Turns()
        self._workers: dict[str, _Worker] = {}
        self._listeners: list[Callable[[Event], None]] = []

    def subscribe(self, listener: Callable[[Event], None]) -> None:
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
        worker = self._worker(request.model, loop)
        worker.submit(job)
        # A request that waits, perhaps for a model to load, ends at once; one that runs ends with the evaluation
        # that is aborted, some milliseconds later, and tells what it has cost.
        own.on_cancel(lambda: None if job.running else post(None))
        cancel.on_cancel(own.cancel)
        late = False

        def give_up() -> None:
            nonlocal late
            late = True
            own.cancel()

        timer: asyncio.TimerHandle | None = None

        def wait_from_now() -> None:
            nonlocal timer
            if deadline is not None and not own.cancelled:
                timer = loop.call_later(deadline / 1000, give_up)

        # Who has just opened the editor waits for the model and then wants the suggestion.
        if (deadline := request.deadline_ms) is not None:
            worker.when_loaded(lambda: None if loop.is_closed() else loop.call_soon_threadsafe(wait_from_now))
        usage, finish = Usage(), None
        try:
            while (item := await chunks.get()) is not None:
                if isinstance(item, Exception):
                    raise item
                usage, finish = item.usage, item.finish
                yield item
            if late and not (finish or cancel.cancelled):
                yield Chunk("", 0.0, usage, "deadline")
        finally:
            own.cancel()
            if timer:
                timer.cancel()

    async def status(self) -> list[ModelStatus]:
        return [status for worker in self._workers.values() if (status := worker.status())]

    async def close(self) -> None:
        workers = list(self._workers.values())
        for worker in workers:
            worker.close()
        await asyncio.gather(*(asyncio.to_thread(worker.join) for worker in workers))

    def _worker(self, name: str, loop: asyncio.AbstractEventLoop) -> _Worker:
        file = self._locate(name)
        worker = self._workers.get(name)
        if worker is not None and worker.file == file:
            return worker
        if worker is not None:
            worker.close()

        def tell(progress: LoadProgress) -> None:
            if not loop.is_closed():
                for listener in self._listeners:
                    loop.call_soon_threadsafe(listener, progress)

        worker = self._workers[name] = _Worker(file, self._load, self._unload_after, self._turns, tell)
        return worker


@dataclass(eq=False)
class _Job:
    request: Request
    cancel: CancelToken
    post: Callable[[Chunk | Exception | None], None]
    submitted: float
    running: bool = False

    @property
    def urgency(self) -> int:
        """The lower, the sooner."""
        if self.request.when == "idle":
            return 3
        if self.request.when == "soon":
            return 1
        return 0 if self.request.role == "complete" else 2


class _Worker:
    """A thread that loads one model and runs the requests for it, the most urgent one first."""

    def __init__(
        self,
        file: ModelFile,
        load: Load,
        unload_after: float,
        turns: _Turns,
        tell: Callable[[LoadProgress], None],
    ) -> None:
        self.file = file
        self._load, self._unload_after, self._turns, self._tell = load, unload_after, turns, tell
        self._percent = -1
        self._model: NativeModel | None = None
        self._jobs: list[_Job] = []
        self._waiting: list[Callable[[], object]] = []
        # The job at work, and around it those that it goes before.
        self._at_work: list[_Job] = []
        self._changed = threading.Condition()
        self._closed = False
        self._rates = {"evaluate": 0.0, "generate": 0.0}
        turns.workers.append(self)
        self._thread = threading.Thread(target=self._run, name=f"model-{file.info.name}", daemon=True)
        self._thread.start()

    def submit(self, job: _Job) -> None:
        with self._changed:
            self._jobs.append(job)
            self._changed.notify_all()
        self.interrupt(job.urgency)
        self._turns.look()

    def when_loaded(self, call: Callable[[], object]) -> None:
        """Call back as soon as the model is there, perhaps at once; on any thread."""
        with self._changed:
            if self._model is None:
                self._waiting.append(call)
                return
        call()

    def interrupt(self, urgency: int) -> None:
        """Let what runs here look around, if it is less urgent than that."""
        with self._changed:
            if self._model is not None and self._at_work and self._at_work[-1].urgency > urgency:
                self._model.interrupt()

    def status(self) -> ModelStatus | None:
        model = self._model
        if model is None:
            return None
        return ModelStatus(
            self.file.info.name,
            model.threads,
            self._rates["evaluate"],
            self._rates["generate"],
            len(model.sessions),
            model.sessions.cached,
            model.context,
        )

    def close(self) -> None:
        """Cancel what runs and waits, and let the thread end; `join` waits for it."""
        with self._changed:
            self._closed = True
            jobs = [*self._jobs, *self._at_work]
            self._changed.notify_all()
        for job in jobs:
            job.cancel.cancel()

    def join(self) -> None:
        self._thread.join(timeout=10)

    def _run(self) -> None:
        try:
            while self._wait():
                if self._model is None:
                    self._load_model()
                elif job := self._take(_ANY):
                    self._serve(job)
        finally:
            self._unload()
            self._turns.workers.remove(self)

    def _wait(self) -> bool:
        """Until there is a job; False when the worker is closed. A model that nobody needs goes."""
        while True:
            with self._changed:
                timeout = self._unload_after if self._model else None
                if self._changed.wait_for(lambda: self._jobs or self._closed, timeout):
                    return not self._closed
            self._unload()

    def _take(self, urgency: int) -> _Job | None:
        """The most urgent job that is more urgent than that; among equals the first."""
        with self._changed:
            job = min(self._jobs, key=lambda job: job.urgency, default=None)
            if job is None or job.urgency >= urgency:
                return None
            self._jobs.remove(job)
            return job

    def _load_model(self) -> None:
        """Load the model for the jobs that wait. If it cannot be, they hear why, and the next one tries anew."""
        try:
            self._percent = -1
            model = self._load(self.file, self._progress)
        except Exception as error:
            if not isinstance(error, MidfillError):
                log.exception("loading %s failed", self.file.path, exc_info=error)
                error = LoadError(f"{self.file.info.name} could not be loaded: {error}")
            self._tell(LoadProgress(self._role(), self.file.info.name, 0.0, str(error)))
            with self._changed:
                jobs, self._jobs, self._waiting = self._jobs, [], []
            for job in jobs:
                job.post(error)
            return
        model.pause = self._pause
        with self._changed:
            self._model = model
            waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()
        self._tell(LoadProgress(self._role(), self.file.info.name, 1.0, warning=model.warning))

    def _unload(self) -> None:
        with self._changed:
            model, self._model = self._model, None
        if model is not None:
            model.close()

    def _progress(self, fraction: float) -> None:
        # The loader calls back for every tensor; a percent is news enough.
        if int(fraction * 100) != self._percent:
            self._percent = int(fraction * 100)
            self._tell(LoadProgress(self._role(), self.file.info.name, fraction))

    def _role(self) -> Role:
        """Whom the load is for."""
        with self._changed:
            return self._jobs[0].request.role if self._jobs else "complete"

    def _pause(self) -> None:
        """Between two evaluations: let go first what is more urgent, here and on other models."""
        urgency = self._at_work[-1].urgency
        while True:
            while job := self._take(urgency):
                self._serve(job)
            if self._turns.wait(urgency, unless=lambda: any(job.urgency < urgency for job in list(self._jobs))):
                return

    def _serve(self, job: _Job) -> None:
        model = self._model
        assert model is not None
        job.running = True
        if job.cancel.cancelled:
            job.post(None)
            return
        usage = Usage(queue_ms=(time.perf_counter() - job.submitted) * 1000)
        with self._changed:
            self._at_work.append(job)
        last = [usage]

        def emit(chunk: Chunk) -> None:
            last[0] = chunk.usage
            job.post(chunk)

        outcome: Exception | None = None
        try:
            with self._turns.taken(job.urgency), model.abortable(job.cancel):
                generate(model, job.request, usage, emit)
        except Aborted:
            pass
        except MidfillError as error:
            outcome = error
        except Exception as error:
            log.exception("a generation failed")
            outcome = EngineError(f"The engine failed: {error}. The log has the details.")
        with self._changed:
            self._at_work.pop()
        self._measure(last[0])
        job.post(outcome)

    def _measure(self, usage: Usage) -> None:
        """Tokens a second, of which the latest count most."""
        for name, tokens, milliseconds, least in (
            ("evaluate", usage.evaluated, usage.evaluate_ms, _LONG),
            ("generate", usage.generated, usage.generate_ms, 2),
        ):
            if tokens >= least and milliseconds > 0:
                rate, known = tokens / milliseconds * 1000, self._rates[name]
                self._rates[name] = rate if not known else known + 0.2 * (rate - known)


class _Turns:
    """Who may run, over all models: the less urgent waits while something more urgent is at work."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []
        self._condition = threading.Condition()
        self._at_work: Counter[int] = Counter()

    @contextlib.contextmanager
    def taken(self, urgency: int) -> Iterator[None]:
        self._change(urgency, +1)
        for worker in list(self.workers):
            worker.interrupt(urgency)
        try:
            yield
        finally:
            self._change(urgency, -1)

    def wait(self, urgency: int, unless: Callable[[], bool]) -> bool:
        """Wait until nothing more urgent is at work; False when `unless` came true before that."""

        def free() -> bool:
            return not any(self._at_work[more] for more in range(urgency))

        with self._condition:
            self._condition.wait_for(lambda: free() or unless())
            return free() and not unless()

    def look(self) -> None:
        """Let those that wait look again."""
        with self._condition:
            self._condition.notify_all()

    def _change(self, urgency: int, by: int) -> None:
        with self._condition:
            self._at_work[urgency] += by
            self._condition.notify_all()
