"""Which model does what: a model that does not fit its role is said once, and what is not bound falls back."""

from __future__ import annotations

import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from pytest_lsp import LanguageClient

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from ggufs import tiny
from test_edit_commands import able
from test_families import QWEN
from test_server import ghost_text, until, with_inline

from conftest import HERE, URI, WHERE, Start, command, opened
from midfill.models import catalog

Bound = Callable[[dict[str, str]], Awaitable[LanguageClient]]
ADD = "def add(a, b):\n    return ‸a + b\n"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that tell by what is in them what they were made for."""
    folder = tmp_path_factory.mktemp("models")
    names = {"base": "Qwen2.5-Coder-1.5B", "coder": "Qwen2.5-Coder-1.5B-Instruct", "chat": "Qwen2.5-1.5B-Instruct"}
    for name, called in names.items():
        tiny(folder / f"{name}.gguf", "qwen2", called, QWEN)
    return folder


@pytest.fixture
def bound(start: Start, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bound:
    """A client whose server has a scripted engine with these models in the roles."""
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    for path in models.glob("*.gguf"):
        catalog.add(path.stem, path)

    async def client(roles: dict[str, str]) -> LanguageClient:
        script = [
            sys.executable,
            str(HERE / "scripted_server.py"),
            json.dumps(["def add(a, b):\n    return b + a"]),
        ]
        window = await start([], with_inline(able()), {"models": roles}, command=[*script, "--roles"])
        opened(window, ADD)
        return window

    return client


async def said(client: LanguageClient) -> list[str]:
    """What the user was told, when the server has done all that it was asked for."""
    await command(client, "midfill.clearReview")
    return [each.message.partition(";")[0] for each in client.messages if "explanation is in" not in each.message]


async def test_a_base_model_that_edits_is_said_once(bound: Bound) -> None:
    client = await bound({"complete": "coder", "edit": "base"})
    for _ in range(2):
        await command(client, "midfill.refactor", uri=URI, range=WHERE, instruction="swap")
    doubts = [each for each in await said(client) if each.startswith("The model")]
    assert doubts == ["The model base was not made to follow instructions for code"]


async def test_a_chat_model_that_completes_is_said_once(bound: Bound) -> None:
    client = await bound({"complete": "chat", "edit": "coder"})
    for line in ("x = ‸\n", "y = ‸\n"):
        await ghost_text(client, opened(client, line))
    await until(lambda: client.messages)
    assert await said(client) == ["The model chat does not know how to complete in the middle of code"]
    assert "set midfill.models.complete to a coder model" in client.messages[0].message


async def test_what_edits_explains_and_is_said_if_it_does_not_fit(bound: Bound) -> None:
    client = await bound({"complete": "coder", "edit": "base"})
    await command(client, "midfill.explainCode", uri=URI, range=WHERE)
    assert await said(client) == ["The model base does not follow instructions"]


@pytest.mark.parametrize(
    "roles", [{"edit": "coder", "explain": "chat"}, {"complete": "base", "edit": "coder"}, {"edit": "coder"}]
)
async def test_models_that_fit_are_not_spoken_of(bound: Bound, roles: dict[str, str]) -> None:
    client = await bound({"complete": "coder", **roles})
    await ghost_text(client, opened(client, "x = ‸\n"))
    opened(client, ADD)
    await command(client, "midfill.explainCode", uri=URI, range=WHERE)
    await command(client, "midfill.refactor", uri=URI, range=WHERE, instruction="swap")
    assert [each for each in await said(client) if each.startswith("The model")] == []


async def test_a_model_that_is_not_known_is_said_with_those_that_are(bound: Bound) -> None:
    client = await bound({"complete": "coder", "edit": "codr"})
    result = await command(client, "midfill.refactor", uri=URI, range=WHERE, instruction="swap")
    assert result["reason"].startswith("There is no model 'codr'. Did you mean coder?")
    assert len(await said(client)) == 1
