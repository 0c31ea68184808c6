"""The contract with a real inference server: `make test-engines`, which builds a llama-server on first use.

Another server that runs, and serves a Qwen2.5-Coder, is held to the same: of a cache with blocks of 32 tokens, by
`make test-engines SERVER=http://127.0.0.1:8000 MODEL=its-name BLOCK=32`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

from with_llama_server import build, running

from midfill import elsewhere
from midfill.bench import figures, typing
from midfill.bench.script import TYPED
from midfill.client import editor
from midfill.completion import fim
from midfill.config import Backend
from midfill.edits import chat
from midfill.engine.base import CancelToken, Chunk, Request, Said
from midfill.engine.openai import OpenAIEngine
from midfill.models import catalog
from midfill.text import Position

# What docs/engines.md recommends: a few places of the editor stay in the cache.
SEVERAL = ("--ctx-size", "32768", "--parallel", "4")

CODE = '''def area(width, height):
    """The area of a rectangle."""
    return width * height


def perimeter(width, height):
    """The perimeter of a rectangle."""
'''
AFTER = "\n\n\nprint(area(2, 3), perimeter(2, 3))\n"
FORM = fim.FAMILIES["qwen2.5-coder"]

SERVER, MODEL = os.environ.get("SERVER"), os.environ.get("MODEL") or "qwen2.5-coder"
# A cache of blocks keeps none that is not full: so many tokens may be evaluated beside the new ones.
BLOCK = int(os.environ.get("BLOCK") or 1) - 1
fills_holes = pytest.mark.skipif(bool(SERVER), reason="not every server fills holes of a model we do not know")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if SERVER:
        yield SERVER
        return
    with running(build(), catalog.present(catalog.find("complete")), SEVERAL) as url:
        yield url


@contextmanager
def engine_at(url: str, model: str = MODEL) -> Iterator[OpenAIEngine]:
    backend = Backend("openai", url, model=model)
    yield OpenAIEngine(lambda role: elsewhere.info(backend, role), lambda role: elsewhere.place(backend, role))


async def ask(engine: OpenAIEngine, typed: str, cancel: CancelToken | None = None, **options: Any) -> list[Chunk]:
    asked: dict[str, Any] = {"role": "complete", "prompt": fim.prompt(FORM, CODE, typed, AFTER), "max_tokens": 24}
    request = Request(model="m", **{**asked, **options})
    async with aclosing(engine.generate(request, cancel or CancelToken())) as chunks:
        return [chunk async for chunk in chunks]


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


async def test_a_word_cut_in_the_middle_is_healed_and_a_keystroke_is_cheap(url: str) -> None:
    with engine_at(url) as engine:
        evaluated = []
        for typed in ("    r", "    re", "    ret", "    retu", "    return", "    return 2", "    return 2 *"):
            chunks = await ask(engine, typed, heal=True, stop=("\n",))
            evaluated.append(chunks[-1].usage.evaluated)
            assert "\n" not in text(chunks)
            if typed.startswith("    ret"):
                assert (typed + text(chunks)).startswith("    return ")
                assert "width" in text(chunks) and "height" in text(chunks)
        assert max(evaluated[1:]) <= 4 + BLOCK
        # What the model is sure of is told as well.
        assert all(-20 < chunk.logprob <= 0 for chunk in chunks)
        await engine.close()


async def test_reading_ahead_writes_nothing_and_is_read_then(url: str) -> None:
    with engine_at(url) as engine:
        ahead = await ask(engine, "    # ahead\n    ", max_tokens=0, when="idle")
        assert text(ahead) == ""
        assert (await ask(engine, "    # ahead\n    "))[-1].usage.evaluated <= 2 + BLOCK
        await engine.close()


async def test_a_cancel_frees_the_server_at_once(url: str) -> None:
    with engine_at(url) as engine:
        cancel = CancelToken()
        long = asyncio.ensure_future(ask(engine, '    """', cancel, max_tokens=2000))
        await asyncio.sleep(1)
        cancel.cancel()
        await asyncio.wait_for(long, 2)
        started = time.perf_counter()
        # The server has one slot, which would be busy for a minute otherwise.
        await asyncio.wait_for(ask(engine, "    return", max_tokens=2), 10)
        assert time.perf_counter() - started < 10
        await engine.close()


async def test_who_types_on_before_the_answer_finds_what_was_read(url: str) -> None:
    """The server has several places for prompts, and notices late that one of them is not needed any more."""
    with engine_at(url) as engine:
        await ask(engine, "    # hurried", max_tokens=1)
        evaluated = []
        for typed in (
            "    # hurried ",
            "    # hurried t",
            "    # hurried ty",
            "    # hurried typ",
            "    # hurried typi",
        ):
            cancel = CancelToken()
            request = Request("complete", "m", fim.prompt(FORM, CODE, typed, AFTER), 200)
            async with aclosing(engine.generate(request, cancel)) as chunks:
                async for chunk in chunks:
                    evaluated.append(chunk.usage.evaluated)
                    cancel.cancel()
        assert max(evaluated) <= 4 + BLOCK
        await engine.close()


async def test_characters_of_many_bytes_come_whole(url: str) -> None:
    with engine_at(url) as engine:
        chunks = await ask(engine, '    greetings = ["你好", "привет", "こんにちは", "', max_tokens=40)
        assert "�" not in text(chunks)
        await engine.close()


async def test_a_conversation(url: str) -> None:
    with engine_at(url) as engine:
        turns = [
            chat.Turn("system", "You answer in one word."),
            chat.Turn("user", "What is the capital of France?"),
        ]
        request = Request("edit", "m", chat.conversation(engine.info("edit"), turns, ""), 20)
        async with aclosing(engine.generate(request, CancelToken())) as chunks:
            assert "Paris" in "".join([chunk.text async for chunk in chunks])
        await engine.close()


@fills_holes
async def test_a_model_of_no_known_family_fills_holes_and_edits(url: str) -> None:
    with engine_at(url, "my-model") as engine:
        form = fim.family(engine.info("complete").family)
        prompt = fim.prompt(form, CODE, "    return 2 * (", AFTER)
        chunks = await ask(engine, "", prompt=prompt, stop=("\n",))
        assert "width" in text(chunks) and "height" in text(chunks)
        turns = [
            chat.Turn("system", "You edit code and answer with code only."),
            chat.Turn("user", f"Rename the function area to surface.\n\n```python\n{CODE}```"),
        ]
        said = Said(tuple((turn.speaker, turn.text) for turn in turns), "```python\n")
        prompt = chat.conversation(engine.info("edit"), turns, said.begun)
        edited = text(
            await ask(engine, "", role="edit", prompt=prompt, max_tokens=120, stop=("\n```",), said=said)
        )
        assert edited.startswith("def surface(width, height):")
        assert "```" not in edited
        await engine.close()


async def test_a_whole_window_over_the_server(url: str, tmp_path: Path) -> None:
    file = tmp_path / "shapes.py"
    file.write_text(CODE + "    return 2 * (wid" + AFTER)
    settings = {"engine": {"kind": "openai", "url": url, "model": MODEL}}
    async with editor(tmp_path, settings=settings) as window:
        document = window.open(file)
        items = await window.complete(document, Position(7, len("    return 2 * (wid")))
        told = await window.explain(document)
        assert items and "height" in items[0].insert_text
        assert told["model"] == f"{MODEL}@{url.removeprefix('http://')}"
        assert not window.messages


async def test_typing_evaluates_next_to_nothing(url: str) -> None:
    await typed(url)


@pytest.mark.skipif(bool(SERVER), reason="another server has the slots that it has")
async def test_typing_evaluates_next_to_nothing_with_one_slot() -> None:
    """As llama.vim starts it. What is read ahead has no other slot to go to."""
    with running(build(), catalog.present(catalog.find("complete"))) as url:
        await typed(url)


async def typed(url: str) -> None:
    """At most 16 prompt tokens a keystroke at the 95th percentile, in a file that is warm."""
    plan = typing.Plan(typing.default_paths(), keys=120, engine=url, model=MODEL)
    samples, _ = await typing.run(plan, lambda message, percentage: None)
    evaluated = [sample.evaluated for sample in samples if sample.asked and sample.kind in TYPED]
    assert len(evaluated) >= 20
    assert (figures.percentile(evaluated, 95) or 0) <= 16 + BLOCK
