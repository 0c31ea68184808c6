"""The server, its host and the real models, when things go wrong."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from midfill.client import editor
from midfill.engine import remote, runtime
from midfill.models import catalog
from midfill.text import Encoding

pytestmark = pytest.mark.model

DECODER = Path(json.__file__).with_name("decoder.py")
SERVE = (sys.executable, "-m", "midfill", "serve")


@pytest.fixture(autouse=True)
def model() -> None:
    catalog.present(catalog.find("complete"))


async def test_a_host_killed_during_a_decode_costs_one_suggestion() -> None:
    source = DECODER.read_text("utf-8")
    at = source.index("            end += 1\n")
    async with editor(DECODER.parent) as window:
        document = window.open(DECODER)
        here = document.text.position(at, Encoding.UTF32)
        await window.complete(document, here)
        # Another place, where the prompt is evaluated anew.
        document = window.type(document, here, here, "            marked_by_the_test = \n")
        there = document.text.position(source.index("    obj, end"), Encoding.UTF32)
        pending = asyncio.ensure_future(window.complete(document, there))
        await asyncio.sleep(0.1)
        assert not pending.done()
        found = await remote.status()
        assert found is not None
        os.kill(found[0].pid, signal.SIGKILL)
        killed = time.perf_counter()
        assert await pending == []
        answered = time.perf_counter()
        explained = await window.explain(document)
        assert explained["outcome"] == "failed"
        assert "has died" in explained["message"]
        assert any("has died" in message for message in window.messages)

        behind = document.text.position(at + len("            marked_by_the_test = "), Encoding.UTF32)
        items = await window.complete(document, behind)
        print(f"\nanswered after {answered - killed:.3f} s, the next after {time.perf_counter() - answered:.2f} s")
        explained = await window.explain(document)
        assert explained["outcome"] == ("shown" if items else "rejected")
        assert "marked_by_the_test = " in explained["prompt"]["text"]
        again = await remote.status()
        assert again is not None
        assert again[0].pid != found[0].pid


async def test_two_windows_share_the_models() -> None:
    async with editor(DECODER.parent) as first, editor(DECODER.parent) as second:
        for window in (first, second):
            document = window.open(DECODER)
            await window.complete(document, document.text.position(500, Encoding.UTF32))
        found = await remote.status()
        assert found is not None
        assert found[1].windows >= 2
        assert [model.name for model in found[1].models if "0.5b" in model.name] == [catalog.find("complete").name]


async def test_in_process_there_is_no_host(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_RUNTIME", str(tmp_path_factory.mktemp("run")))
    async with editor(DECODER.parent, command=(*SERVE, "--in-process")) as window:
        document = window.open(DECODER)
        await window.complete(document, document.text.position(500, Encoding.UTF32))
        assert (await window.explain(document))["outcome"] in ("shown", "rejected")
        assert not runtime.is_claimed()
