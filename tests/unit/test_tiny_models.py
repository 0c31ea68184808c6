"""Models of every architecture, with random weights, through the real loader, sessions, holes and chat."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from ggufs import CONTEXT, tiny
from test_families import DEEPSEEK, GEMMA, LLAMA, QWEN, SEED, STAR

from midfill import app
from midfill.completion import fim
from midfill.config import Config, Models
from midfill.edits import chat
from midfill.engine.base import CancelToken, Chunk, Event, LoadProgress, Part, Request
from midfill.engine.embedded import EmbeddedEngine
from midfill.errors import LoadError
from midfill.models import catalog

# architecture, name, control tokens, whether SentencePiece's
TINY = {
    "codellama": ("llama", "CodeLlama-7b-Instruct", LLAMA, True),
    "seed-coder": ("llama", "Seed-Coder-8B-Base", SEED, False),
    "deepseek-coder": ("llama", "deepseek-coder-1.3b-instruct", DEEPSEEK, False),
    "codestral": ("llama", "Codestral-22B-v0.1", ["[INST]", "[/INST]", "[PREFIX]", "[SUFFIX]"], True),
    "wizardcoder-starcoder": ("starcoder", "WizardCoder-15B-V1.0", STAR, False),
    "starcoder2": ("starcoder2", "starcoder2-3b", [*STAR[:4], "<repo_name>", "<file_sep>"], False),
    "deepseek-coder-v2": ("deepseek2", "DeepSeek-Coder-V2-Lite-Instruct", DEEPSEEK[:4], False),
    "qwen2.5-coder": ("qwen2", "Qwen2.5-Coder-0.5B-Instruct", QWEN, False),
    "codegemma": ("gemma", "codegemma-2b", GEMMA, True),
}


@pytest.fixture
def engine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[EmbeddedEngine, list[Event]]:
    """The way of a user's own file: catalogue, loader, engine; and what that tells its listeners."""
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    file = tiny(tmp_path / "any name.gguf", *TINY[request.param])
    assert catalog.add("tiny", file).family == request.param
    engine = app.local_engine(lambda: Config(threads=1, models=Models("tiny", "tiny", "tiny")))
    heard: list[Event] = []
    engine.subscribe(heard.append)
    return engine, heard


async def ask(engine: EmbeddedEngine, prompt: tuple[Part, ...]) -> list[Chunk]:
    request = Request("complete", "tiny", prompt, 8, drafts=False)
    async with aclosing(engine.generate(request, CancelToken())) as chunks:
        return [chunk async for chunk in chunks]


@pytest.mark.parametrize("engine", TINY, indirect=True)
async def test_a_hole_costs_a_token_a_keystroke_in_every_form(engine: tuple[EmbeddedEngine, list[Event]]) -> None:
    running, heard = engine
    form = fim.FAMILIES[running.info("complete").family]
    before, after = "import os\n\n\ndef first(a, b):\n" * 4, "\n\n\ndef last(c):\n    pass\n" * 4
    cold = await ask(running, fim.prompt(form, before, "    ret", after))
    assert cold[-1].finish in ("end", "length")
    assert cold[-1].usage.evaluated > 80
    warm = await ask(running, fim.prompt(form, before, "    retu", after))
    assert warm[-1].usage.prompt == cold[-1].usage.prompt + 1
    assert warm[-1].usage.evaluated <= 2
    # Weights by chance fill no hole, and the user hears it.
    warnings = [event.warning for event in heard if isinstance(event, LoadProgress) and event.warning]
    assert len(warnings) == 1 and "answers nonsense" in warnings[0]
    await running.close()


@pytest.mark.parametrize(
    "engine", ["codellama", "deepseek-coder", "wizardcoder-starcoder", "qwen2.5-coder"], indirect=True
)
async def test_a_conversation_with_every_kind_of_vocabulary(engine: tuple[EmbeddedEngine, list[Event]]) -> None:
    running, _ = engine
    turns = [chat.Turn("system", "Be brief."), chat.Turn("user", "def f(): <|im_end|> </s> <｜end▁of▁sentence｜>")]
    first = await ask(running, chat.conversation(running.info("edit"), turns, "```\n"))
    assert first[-1].finish in ("end", "length")
    again = await ask(running, chat.conversation(running.info("edit"), turns, "```\ndef"))
    assert again[-1].usage.evaluated <= 4
    await running.close()


@pytest.mark.parametrize("engine", ["qwen2.5-coder"], indirect=True)
async def test_a_prompt_longer_than_the_context_is_said(engine: tuple[EmbeddedEngine, list[Event]]) -> None:
    running, _ = engine
    with pytest.raises(Exception, match=f"the model's context only {CONTEXT}"):
        await ask(running, (Part("x" * (CONTEXT + 1)),))
    await running.close()


def test_a_vocabulary_without_weights_is_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ggufs import vocabulary

    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    catalog.add("empty", vocabulary("deepseek-coder"))
    engine = app.local_engine(lambda: Config(threads=1, models=Models("empty", "empty")))

    async def load() -> None:
        async with aclosing(
            engine.generate(Request("complete", "empty", (Part("x"),), 8), CancelToken())
        ) as chunks:
            async for _ in chunks:
                pass

    with pytest.raises(LoadError, match="empty could not be loaded"):
        asyncio.run(load())


@pytest.mark.parametrize(
    "options",
    [
        {"flash_attention": "on", "cache_type": "q8_0"},
        {"flash_attention": "off"},
        {"gpu_layers": 0, "split_mode": "none"},
    ],
    ids=str,
)
async def test_a_model_is_loaded_as_the_settings_say(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    # A shorter cache is made of blocks of 32.
    catalog.add("tiny", tiny(tmp_path / "m.gguf", *TINY["qwen2.5-coder"], heads=1))
    config = Config(threads=1, models=Models("tiny", "tiny"), **options)
    engine = app.local_engine(lambda: config)
    assert (await ask(engine, (Part("def f"),)))[-1].finish in ("end", "length")
    await engine.close()


async def test_a_cache_that_a_model_cannot_have_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    catalog.add("tiny", tiny(tmp_path / "m.gguf", *TINY["qwen2.5-coder"]))
    config = Config(threads=1, models=Models("tiny", "tiny"), cache_type="q8_0")
    engine = app.local_engine(lambda: config)
    with pytest.raises(LoadError, match=r"Set midfill\.cacheType to f16"):
        await ask(engine, (Part("def f"),))
    await engine.close()


def test_the_host_is_started_as_the_settings_say() -> None:
    config = Config(threads=3, gpu_layers=7, flash_attention="off", cache_type="q8_0", split_mode="row")
    command = app.host_engine(lambda: config)._command()
    given = {option: value for option, value in itertools.pairwise(command) if option.startswith("--")}
    assert given == {
        "--threads": "3",
        "--gpu-layers": "7",
        "--flash-attention": "off",
        "--cache-type": "q8_0",
        "--split-mode": "row",
    }


def test_two_threads_prepare_the_library_once() -> None:
    """What the second one made would go, and llama.cpp would call it: the end of the process."""
    script = (
        "import threading, time\n"
        "from llama_cpp import llama_cpp\n"
        "listeners = []\n"
        "llama_cpp.llama_log_set = lambda listener, _: (time.sleep(0.1), listeners.append(listener))\n"
        "from midfill.engine import llama\n"
        "threads = [threading.Thread(target=llama._library) for _ in range(4)]\n"
        "for each in threads: each.start()\n"
        "for each in threads: each.join()\n"
        "print(len(listeners))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"
