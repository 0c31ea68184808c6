"""Which model for which machine: four machines that people have, and what is written to the settings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from midfill import app, cli, recommend
from midfill.config import parse
from midfill.engine import llama
from midfill.errors import ModelMissing
from midfill.models import catalog
from midfill.recommend import CODERS, REFERENCE, Machine, Rates

GB = 1_000_000_000


def chosen(where: Machine, evaluate: float, generate: float) -> tuple[str, ...]:
    """The models for completion, edits and explanations, without what they have in common."""
    advice = recommend.recommend(where, {REFERENCE.name: Rates(evaluate, generate)})
    names = [each.model.removesuffix("-instruct") for each in advice]
    return tuple(name.removeprefix("qwen2.5-coder-").removeprefix("qwen3-coder-") for name in names)


@pytest.mark.parametrize(
    ("where", "evaluate", "generate", "models"),
    [
        # An old laptop, a laptop of 8 GB, an M-series of 16 GB, a workstation, a server.
        (Machine(2, 8 * GB), 100, 15, ("0.5b", "0.5b", "0.5b")),
        (Machine(4, 8 * GB), 150, 30, ("0.5b", "1.5b", "1.5b")),
        (Machine(8, 16 * GB, 12 * GB, "Apple M2"), 2500, 150, ("1.5b", "7b", "7b")),
        (Machine(16, 64 * GB, 24 * GB, "RTX 4090"), 20_000, 500, ("30b-a3b", "30b-a3b", "30b-a3b")),
        (Machine(32, 256 * GB, 80 * GB, "H100"), 40_000, 700, ("30b-a3b", "30b-a3b", "30b-a3b")),
    ],
)
def test_what_is_recommended(where: Machine, evaluate: float, generate: float, models: tuple[str, ...]) -> None:
    assert chosen(where, evaluate, generate) == models


def test_what_is_recommended_fits_and_says_why() -> None:
    where = Machine(8, 16 * GB, 12 * GB, "Apple M2")
    rates = {REFERENCE.name: Rates(2500, 150)}
    complete, edit, explain = recommend.recommend(where, rates, frozenset(["qwen2.5-coder-1.5b-instruct"]))
    assert complete.memory + edit.memory <= 0.9 * where.graphics
    assert complete.answer_ms <= recommend.LINE_MS and edit.answer_ms <= recommend.EDIT_MS
    assert (complete.here, edit.here) == (True, False)
    assert "more than 500" in complete.why and "Apple M2" in complete.why
    assert replace(explain, role="edit") == edit
    told = recommend.report(where, rates, [complete, edit, explain])
    assert "https://huggingface.co/Qwen/Qwen2.5-Coder-7B-Instruct-GGUF" in told


def test_a_team_needs_memory_and_speed() -> None:
    server = Machine(32, 256 * GB, 80 * GB, "H100")
    for where, evaluate, serves in (
        (server, 30_000, True),
        (Machine(12, 64 * GB, 48 * GB, "Apple M2 Max"), 6_000, False),
        (Machine(16, 64 * GB, 24 * GB, "RTX 4090"), 30_000, False),
    ):
        rates = {REFERENCE.name: Rates(evaluate, 300)}
        advice = recommend.recommend(where, rates)
        assert ("docs/scale.md" in recommend.report(where, rates, advice)) == serves
        assert recommend.as_json(where, rates, advice)["server"] == serves


def test_a_model_that_reads_slowly_completes_nothing() -> None:
    """It writes a line in time, but whoever goes elsewhere would wait for it."""
    where, name = Machine(16, 64 * GB), CODERS[1].name
    assert recommend.recommend(where, {REFERENCE.name: Rates(900, 60), name: Rates(300, 40)})[0].model == name
    advice = recommend.recommend(where, {REFERENCE.name: Rates(400, 60), name: Rates(120, 40)})
    assert advice[0].model == REFERENCE.name
    assert f"{name} would take 1158 ms in a new place, more than 1000" in advice[0].why
    # Experts that a token does not need have to be fetched for a prompt.
    mixture = recommend.recommend(Machine(32, 128 * GB), {name: Rates(800, 70), REFERENCE.name: Rates(1500, 120)})
    assert mixture[0].model == "qwen3-coder-30b-a3b-instruct"
    assert mixture[0].cold_ms == pytest.approx(1000 * (1000 / 373 + 18.557 / 2.013 / 38.85), rel=0.01)


@pytest.mark.parametrize(
    ("devices", "graphics", "card"),
    [
        ([], 0, ""),
        ([llama.Device("Apple M2", 12 * GB)], 12, "Apple M2"),
        ([llama.Device("Radeon 780M", 16 * GB, shared=True)], 16, "Radeon 780M"),
        # Two cards share the layers of a model; what is inside the processor is left out then.
        (
            [
                llama.Device("RTX 3060", 12 * GB),
                llama.Device("RTX 4070", 12 * GB),
                llama.Device("UHD", 32 * GB, True),
            ],
            24,
            "RTX 3060 and RTX 4070",
        ),
        # What has no room for the smallest model is no use.
        ([llama.Device("GT 710", GB // 2)], 0, ""),
    ],
)
def test_what_graphics_there_are(devices: list[llama.Device], graphics: int, card: str) -> None:
    found = recommend.of_devices(8, 32 * GB, devices)
    assert found == Machine(8, 32 * GB, graphics * GB, card)


def test_odd_machines_are_told_the_truth() -> None:
    board = recommend.recommend(Machine(4, GB), {REFERENCE.name: Rates(30, 8)})
    assert {each.model for each in board} == {REFERENCE.name}
    assert "is the smallest, though it takes more than half of 1 GB of memory" in board[0].why
    assert chosen(Machine(4, 4 * GB), 200, 50) == ("0.5b", "0.5b", "0.5b")
    assert chosen(Machine(32, 32 * GB), 1500, 120) == ("1.5b", "7b", "7b")
    two = recommend.of_devices(16, 64 * GB, [llama.Device("RTX 3060", 12 * GB)] * 2)
    assert chosen(two, 9000, 300) == ("30b-a3b", "30b-a3b", "30b-a3b")


def test_what_was_measured_is_believed() -> None:
    small, middle = CODERS[:2]
    rates = {small.name: Rates(200, 40), middle.name: Rates(70, 25)}
    assert recommend.predicted(middle, rates) == Rates(70, 25)
    # Without it, what the smallest did on two cores, where the next one did 36 and 177 tokens a second.
    guess = recommend.predicted(middle, {small.name: Rates(320, 59.7)})
    assert guess.generate == pytest.approx(36.4, rel=0.3) and guess.evaluate == pytest.approx(177, rel=0.3)
    assert recommend.predicted(CODERS[2], rates).generate == pytest.approx(25 * middle.size / CODERS[2].size)


@pytest.mark.model
def test_what_is_predicted_is_measured_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIDFILL_CONFIG", str(tmp_path))
    assert cli.main(["models", "recommend", "--json", "--use"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [*found["roles"]] == ["complete", "edit", "explain"]
    assert found["measured"][REFERENCE.name]["generate"] > 1
    # What is here is in the settings, and the server takes it over.
    config, problems = parse(app.user_settings())
    assert not problems
    here = {model.name for model in catalog.load() if catalog.path(model).exists()}
    for role, advice in found["roles"].items():
        assert advice["here"] == (advice["model"] in here)
        if advice["here"]:
            assert config.models.of(role) == advice["model"]


def test_without_a_model_there_is_nothing_to_measure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path))
    assert cli.main(["models", "recommend"]) == 1
    assert "run `midfill models fetch qwen2.5-coder-0.5b-instruct`" in capsys.readouterr().err
    with pytest.raises(ModelMissing):
        catalog.present(catalog.find(REFERENCE.name))


def test_settings_that_are_no_json_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_CONFIG", str(tmp_path))
    assert app.user_settings() == {}
    app.settings_file().write_text("{")
    assert app.user_settings() == {}
    app.settings_file().write_text('{"models": {"edit": "mine"}, "enabled": false}')
    rates = {REFERENCE.name: Rates(150, 30)}
    advice = recommend.recommend(Machine(4, 8 * GB), rates, frozenset([REFERENCE.name]))
    recommend.use(advice)
    # What is not here is not set, and what stood there besides stays.
    assert app.user_settings() == {"models": {"edit": "mine", "complete": REFERENCE.name}, "enabled": False}


def test_the_cards_that_llama_cpp_offers_are_named() -> None:
    for device in llama.devices():
        assert device.name and device.memory > 0
