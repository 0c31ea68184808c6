"""What users hear of models of their own that are of no use: over real stdio, with models of random weights."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from ggufs import tiny
from test_families import QWEN, SMOL

from midfill.client import Editor, editor
from midfill.models import catalog
from midfill.text import Position, Range

SERVE = (sys.executable, "-m", "midfill", "serve", "--in-process")
CODE = "def area(width, height):\n    return width * height\n\n\nprint(\n"
HERE = Position(4, 6)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and a models folder without any model."""
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path / "models"))
    project = tmp_path / "project"
    project.mkdir()
    (project / "shapes.py").write_text(CODE)
    return project


def added(folder: Path, name: str, *made: Any) -> dict[str, Any]:
    catalog.add(name, tiny(folder.parent / f"{name}.gguf", *made))
    return {"models": {"complete": name, "edit": name}, "threads": 1, "warmUp": False, "index": False}


async def completed(window: Editor, folder: Path, times: int) -> list[str]:
    """What was said while suggestions were asked for, each in another place."""
    document = window.open(folder / "shapes.py")
    for n in range(times):
        await asyncio.wait_for(window.complete(document, HERE), 60)
        document = window.type(document, HERE, HERE, f"{n}, ")
    return list(window.messages)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            ("qwen2", "Qwen2.5-Coder-0.5B-Instruct", QWEN),
            ["answers nonsense", "`midfill models inspect`", "Choose another in midfill.models.complete"],
        ),
        (
            ("llama", "SmolLM2 135M Instruct", SMOL),
            [
                "does not know how to complete in the middle of code",
                "set midfill.models.complete to a coder model, such as qwen2.5-coder-0.5b-instruct",
            ],
        ),
    ],
    ids=["nonsense", "cannot complete"],
)
async def test_a_model_of_no_use_is_told_of_once_with_what_to_choose(
    folder: Path, made: tuple[Any, ...], told: list[str]
) -> None:
    async with editor(folder, added(folder, "mine", *made), command=SERVE) as window:
        said = await completed(window, folder, 3)
    (message,) = said
    assert "The model mine " in message
    assert [each for each in told if each not in message] == []


async def test_a_base_model_asked_to_edit_is_told_of_once_with_what_to_choose(folder: Path) -> None:
    settings = added(folder, "base", "qwen2", "Qwen2.5-Coder-0.5B", QWEN)
    async with editor(folder, {**settings, "editAttempts": 1}, command=SERVE) as window:
        document = window.open(folder / "shapes.py")
        for _ in range(2):
            offered = await window.actions(document, Range(Position(0, 5), Position(0, 5)))
            (wanted,) = [action for action in offered if "docstring" in action.title.lower()]
            await asyncio.wait_for(window.resolve(wanted), 60)
        said = [message for message in window.messages if "follow instructions" in message]
    (message,) = said
    assert "The model base was not made to follow instructions for code" in message
    assert "set midfill.models.edit to a coder model that follows instructions" in message
    assert "qwen2.5-coder-1.5b-instruct" in message


def test_the_command_line_says_it_too(folder: Path) -> None:
    settings = added(folder, "base", "qwen2", "Qwen2.5-Coder-0.5B", QWEN)
    catalog.add("base", folder.parent / "base.gguf", role="edit")
    # A host of its own, which knows these models, in a folder whose path is short enough for a socket.
    with tempfile.TemporaryDirectory(prefix="midfill-") as own:
        environment = {**os.environ, "MIDFILL_RUNTIME": own, "MIDFILL_CONFIG": own}
        (Path(own) / "settings.json").write_text(json.dumps({**settings, "editAttempts": 1}))

        def run(*arguments: str) -> str:
            command = [sys.executable, "-m", "midfill", *arguments]
            return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment).stderr

        told = run("act", "docstring", str(folder / "shapes.py:1"))
        run("host", "--stop")
    assert told.count("The model base was not made to follow instructions for code") == 1
