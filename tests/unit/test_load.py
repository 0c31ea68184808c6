"""Many editors against one server: what is counted, and that one that waits longer than the others is seen."""

from __future__ import annotations

import asyncio

import pytest
from test_openai import Server, page, running, says

from midfill.bench import load
from midfill.errors import UsageError


def quiet(message: str, percentage: int | None) -> None:
    pass


async def test_every_editor_is_answered_and_counted() -> None:
    async with running(Server(answer=says("x"), models=("qwen2.5-coder",))) as server:
        plan = load.Plan(server.url, "qwen2.5-coder", editors=20, seconds=4.0, every=0.15)
        found = await load.run(plan, quiet)
    assert found["lost"] == 0
    assert found["requests"] == len(server.asked) >= 20
    # Each is a window of its own to a load balancer.
    assert len({head["x-session-id"] for head in server.heads}) == 20
    assert 0 < found["p50"] <= found["p95"]
    assert found["worstEditorP95"] is None or found["p95"] <= found["worstEditorP95"]
    assert found["evaluatedP95"] == 2
    assert "0 lost" in load.report(found)


async def test_nobody_pauses_longer_than_it_is_measured() -> None:
    async with running(Server(answer=says("x"), models=("qwen2.5-coder",))) as server:
        plan = load.Plan(server.url, "qwen2.5-coder", editors=20, seconds=1.0, every=1000.0)
        async with asyncio.timeout(100):
            assert (await load.run(plan, quiet))["lost"] == 0


async def test_what_fails_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer(_: Server, writer: asyncio.StreamWriter) -> None:
        page(writer, 400, b"no")

    async with running(Server(answer=answer, models=("qwen2.5-coder",))) as server:
        found = await load.run(load.Plan(server.url, "qwen2.5-coder", 3, seconds=0.5, every=0.1), quiet)
    assert found["requests"] == 0
    assert found["lost"] == len(server.asked) > 0
    assert "because: The inference server at http" in load.report(found)


def test_an_unfair_server_is_seen() -> None:
    editors = [load.Editor([0.1] * 10, [1] * 10, 10) for _ in range(9)]
    editors.append(load.Editor([1.0] * 10, [1] * 10, 10))
    found = load.figures(load.Plan("http://127.0.0.1:1", "m", 10), editors, 10.0, 1)
    assert (found["medianEditorP95"], found["worstEditorP95"], found["worstToMedian"]) == (100, 1000, 10.0)
    assert found["activeUsers"] == 50


def test_a_plan_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="--editors"):
        load.Plan("http://127.0.0.1:1", "m", editors=0)
