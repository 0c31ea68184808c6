"""The engine's threads: loading, cancelling, taking turns, closing."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from models_of_bytes import ByteModel

from midfill.engine.base import CancelToken, Event, LoadProgress, ModelFile, ModelInfo, Part, Request, Role
from midfill.engine.embedded import EmbeddedEngine
from midfill.errors import LoadError

SCRIPT = {b"go": b"abc", b"long": b"x" * 2000}


def info(role: Role) -> ModelInfo:
    return ModelInfo(f"bytes-{role}", "bytes", 4096)


def locate(name: str) -> ModelFile:
    return ModelFile(ModelInfo(name, "bytes", 4096), Path(name))


class Loader:
    """Loads byte models; `gate` holds every load until it is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.loads: list[str] = []
        self.models: dict[str, ByteModel] = {}
        self.error: Exception | None = None
        self.warning: str | None = None

    def __call__(self, file: ModelFile, progress: Callable[[float], None]) -> ByteModel:
        self.loads.append(file.info.name)
        progress(0.5)
        self.gate.wait(10)
        if self.error:
            raise self.error
        model = self.models[file.info.name] = ByteModel(SCRIPT)
        model.warning = self.warning
        return model


async def ask(
    engine: EmbeddedEngine, text: str, cancel: CancelToken | None = None, role: Role = "complete"
) -> str:
    request = Request(role, f"bytes-{role}", (Part(text),), 3000)
    return "".join([chunk.text async for chunk in engine.generate(request, cancel or CancelToken())])


async def test_loads_once_on_first_need_and_answers() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    assert load.loads == []
    assert await asyncio.gather(ask(engine, "go"), ask(engine, "x go")) == ["abc", "abc"]
    assert load.loads == ["bytes-complete"]
    await engine.close()
    assert load.models["bytes-complete"].closed


async def test_a_cancelled_request_does_not_cancel_the_load() -> None:
    load = Loader()
    load.gate.clear()
    engine = EmbeddedEngine(info, locate, load)
    cancel = CancelToken()
    waiting = asyncio.ensure_future(ask(engine, "go", cancel))
    await asyncio.sleep(0.02)
    cancel.cancel()
    assert await asyncio.wait_for(waiting, 1) == ""
    load.gate.set()
    assert await asyncio.wait_for(ask(engine, "go"), 5) == "abc"
    assert load.loads == ["bytes-complete"]
    await engine.close()


async def test_tells_listeners_about_the_load() -> None:
    heard: list[Event] = []
    load = Loader()
    load.warning = "It answers nonsense."
    engine = EmbeddedEngine(info, locate, load)
    engine.subscribe(heard.append)
    await ask(engine, "go")
    assert [progress.fraction for progress in heard if isinstance(progress, LoadProgress)] == [0.5, 1.0]
    assert isinstance(heard[-1], LoadProgress) and heard[-1].warning == "It answers nonsense."
    await engine.close()


async def test_a_failed_load_is_said_and_tried_again() -> None:
    load = Loader()
    load.error = LoadError("no memory")
    engine = EmbeddedEngine(info, locate, load)
    heard: list[Event] = []
    engine.subscribe(heard.append)
    with pytest.raises(LoadError, match="no memory"):
        await ask(engine, "go")
    assert isinstance(heard[-1], LoadProgress) and heard[-1].error == "no memory"
    load.error = None
    assert await ask(engine, "go") == "abc"
    await engine.close()


async def test_cancelling_stops_the_decoding() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    cancel = CancelToken()
    request = Request("complete", "bytes-complete", (Part("long"),), 3000)
    seen = 0
    async for _ in engine.generate(request, cancel):
        seen += 1
        if seen == 3:
            cancel.cancel()
    assert await ask(engine, "go") == "abc"
    written = [size for size in load.models["bytes-complete"].evaluated if size == 1]
    assert len(written) < 2000
    await engine.close()


async def test_what_nobody_waits_for_any_more_ends_and_says_so() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    await ask(engine, "go")
    load.models["bytes-complete"].pause = lambda: time.sleep(0.002)
    request = Request("complete", "bytes-complete", (Part("long"),), 3000, deadline_ms=100)
    chunks = [chunk async for chunk in engine.generate(request, CancelToken())]
    assert chunks[-1].finish == "deadline"
    assert 0 < chunks[-1].usage.generated < 3000
    await engine.close()


async def test_waiting_for_a_load_does_not_count_to_the_deadline() -> None:
    load = Loader()
    load.gate.clear()
    engine = EmbeddedEngine(info, locate, load)
    request = Request("complete", "bytes-complete", (Part("go"),), 30, deadline_ms=2000)

    async def answer() -> str:
        return "".join([chunk.text async for chunk in engine.generate(request, CancelToken())])

    asked = asyncio.ensure_future(answer())
    # What is given up before that is not waited for afterwards.
    given_up = asyncio.ensure_future(answer())
    await asyncio.sleep(2.2)
    given_up.cancel()
    load.gate.set()
    assert await asyncio.wait_for(asked, 5) == "abc"
    await engine.close()


async def test_a_cancelled_request_tells_what_it_has_cost() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    await ask(engine, "go")
    model = load.models["bytes-complete"]
    cancel = CancelToken()
    seen = 0

    def pause() -> None:
        nonlocal seen
        seen += 1
        if seen == 40:
            cancel.cancel()

    model.pause = pause
    request = Request("complete", "bytes-complete", (Part("x" * 100),), 10)
    chunks = [chunk async for chunk in engine.generate(request, cancel)]
    assert [(chunk.usage.prompt, chunk.usage.evaluated, chunk.finish) for chunk in chunks] == [(100, 39, None)]
    assert await ask(engine, "go") == "abc"
    await engine.close()


async def test_one_token_serves_several_requests() -> None:
    engine = EmbeddedEngine(info, locate, Loader())
    cancel = CancelToken()
    assert [await ask(engine, "go", cancel), await ask(engine, "go", cancel)] == ["abc", "abc"]
    cancel.cancel()
    assert await ask(engine, "go", cancel) == ""
    await engine.close()


async def test_an_edit_waits_while_a_completion_runs() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    await ask(engine, "go", role="edit")
    await ask(engine, "go")
    order: list[str] = []
    complete, edit = load.models["bytes-complete"], load.models["bytes-edit"]
    holding = threading.Event()
    pause = edit.pause

    def slow() -> None:
        order.append("complete")
        holding.wait(0.001)

    complete.pause = slow

    def waits() -> None:
        pause()
        order.append("edit")

    edit.pause = waits
    completing = asyncio.ensure_future(ask(engine, "long"))
    while "complete" not in order:
        await asyncio.sleep(0.001)
    await asyncio.gather(completing, ask(engine, "go", role="edit"))
    assert order.index("edit") > max(i for i, who in enumerate(order) if who == "complete")
    await engine.close()


async def test_closing_ends_what_runs() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    await ask(engine, "go")
    load.models["bytes-complete"].pause = lambda: threading.Event().wait(0.005)
    running = asyncio.ensure_future(ask(engine, "long"))
    await asyncio.sleep(0.05)
    await asyncio.wait_for(engine.close(), 5)
    assert len(await asyncio.wait_for(running, 1)) < 2000


def job(role: Role, text: str, model: str = "bytes-one", **options: bool | str) -> Request:
    return Request(role, model, (Part(text),), 3000, **options)  # type: ignore[arg-type]


async def collect(engine: EmbeddedEngine, request: Request, name: str, order: list[str]) -> str:
    text = ""
    async for chunk in engine.generate(request, CancelToken()):
        order.append(name)
        text += chunk.text
    return text


async def test_a_completion_goes_first_inside_an_edit_of_the_same_model() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    order: list[str] = []
    edit = asyncio.ensure_future(collect(engine, job("edit", "long", drafts=False), "edit", order))
    while order.count("edit") < 5:
        await asyncio.sleep(0)
    assert await collect(engine, job("complete", "go"), "complete", order) == "abc"
    assert not edit.done()
    assert await edit == "x" * 2000
    assert load.models["bytes-one"].interrupted >= 1
    await engine.close()


@pytest.mark.parametrize("other", ["bytes-one", "bytes-two"])
async def test_idle_work_gives_way_to_anything_and_goes_on(other: str) -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    await collect(engine, job("edit", "go", other), "", [])
    order: list[str] = []
    idle = asyncio.ensure_future(
        collect(engine, job("complete", "long", when="idle", drafts=False), "idle", order)
    )
    while order.count("idle") < 5:
        await asyncio.sleep(0)
    assert await collect(engine, job("edit", "go", other), "edit", order) == "abc"
    assert not idle.done()
    assert await idle == "x" * 2000
    await engine.close()


@pytest.mark.parametrize("other", ["bytes-one", "bytes-two"])
async def test_what_is_read_ahead_of_a_typist_goes_before_an_edit(other: str) -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    await collect(engine, job("complete", "go", other), "", [])
    order: list[str] = []
    edit = asyncio.ensure_future(collect(engine, job("edit", "long", drafts=False), "edit", order))
    while order.count("edit") < 5:
        await asyncio.sleep(0)
    assert await collect(engine, job("complete", "go", other, when="soon"), "soon", order) == "abc"
    assert not edit.done()
    assert await edit == "x" * 2000
    await engine.close()


async def test_idle_work_that_waits_for_another_model_lets_a_completion_in() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load)
    for model in ("bytes-one", "bytes-two"):
        await collect(engine, job("edit", "go", model), "", [])
    slow = load.models["bytes-two"]
    pause = slow.pause
    held = threading.Event()

    def holding() -> None:
        held.wait(5)
        pause()

    slow.pause = holding
    order: list[str] = []
    edit = asyncio.ensure_future(collect(engine, job("edit", "go", "bytes-two"), "edit", order))
    await asyncio.sleep(0.05)
    idle = asyncio.ensure_future(collect(engine, job("complete", "long", when="idle"), "idle", order))
    await asyncio.sleep(0.05)
    # The edit is at work, so the idle work waits; a completion on its model must not.
    assert await asyncio.wait_for(collect(engine, job("complete", "go"), "complete", order), 2) == "abc"
    assert not idle.done()
    held.set()
    assert await edit == "abc"
    assert len(await idle) == 2000
    await engine.close()


async def test_a_model_that_nobody_needs_is_unloaded_and_loaded_again() -> None:
    load = Loader()
    engine = EmbeddedEngine(info, locate, load, unload_after=0.05)
    assert await ask(engine, "go") == "abc"
    assert [status.name for status in await engine.status()] == ["bytes-complete"]
    model = load.models["bytes-complete"]
    while not model.closed:
        await asyncio.sleep(0.01)
    assert await engine.status() == []
    assert await ask(engine, "go") == "abc"
    assert load.loads == ["bytes-complete"] * 2
    await engine.close()
