"""Comparing models: the tasks are sound, what is right counts, and what a model cannot do is said."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from scripted import ScriptedEngine

from midfill import cli, compare, terminal
from midfill.config import Config
from midfill.errors import EngineError, ModelMissing
from midfill.models import catalog

NAME = "qwen2.5-coder-0.5b-instruct"


@pytest.fixture(autouse=True)
def present(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "present", lambda model: tmp_path)


def quiet(what: str, done: int, all_of_them: int) -> None:
    assert done <= all_of_them


def says(*answers: str | Exception) -> Callable[[Callable[[], Config]], ScriptedEngine]:
    return lambda _: ScriptedEngine(answers)


@pytest.mark.parametrize("task", compare.tasks()["complete"], ids=lambda task: task["right"][0])
def test_the_right_line_makes_a_program(task: dict[str, str]) -> None:
    for right in task["right"]:
        ast.parse(task["code"].replace("|", right))


@pytest.mark.parametrize("task", [*compare.tasks()["edit"], *compare.tasks()["explain"]])
def test_what_is_wanted_is_not_there_before(task: dict[str, str]) -> None:
    ast.parse(task["code"])
    if "instruction" in task:
        there = all(re.search(pattern, task["code"]) for pattern in task["wanted"])
        assert not there or any(re.search(pattern, task["code"]) for pattern in task.get("unwanted", ()))


async def test_all_that_is_right_counts() -> None:
    right = [task["right"][0] for task in compare.tasks()["complete"]]
    found = await compare.compare([NAME], ["complete"], quiet, says(*right))
    (score,) = found.scores
    assert (score.quality, score.tasks) == (1.0, 12)
    wrong = await compare.compare([NAME], ["complete"], quiet, says("nonsense"))
    assert wrong.scores[0].quality == 0.0


async def test_an_edit_is_checked_and_must_have_what_was_asked_for() -> None:
    right = "def repeat(text: str, times: int) -> str:\n    return text * times\n```"
    found = await compare.compare([NAME], ["edit"], quiet, says(right, "not code (\n```"))
    assert found.scores[0].quality == pytest.approx(1 / 6, abs=0.001)


async def test_an_explanation_counts_by_what_it_names() -> None:
    found = await compare.compare([NAME], ["explain"], quiet, says("It removes duplicates and keeps the order."))
    assert found.scores[0].quality == pytest.approx(2 / 9, abs=0.001)


async def test_what_a_model_cannot_do_is_said_and_drawn() -> None:
    found = await compare.compare([NAME], ["complete"], quiet, says(EngineError("It is <broken>.")))
    assert found.scores[0].quality is None
    assert "It is <broken>." in compare.report(found)
    page = compare.as_html(found)
    assert "It is &lt;broken&gt;." in page and "cannot do it" in page and '<section aria-label="complete">' in page
    assert compare.as_json(found)["scores"][0]["note"] == "It is <broken>."
    # What nothing was asked of took nothing.
    assert compare.as_json(found)["memory"] == {}


async def test_size_and_memory_stand_beside_the_quality() -> None:
    found = await compare.compare([NAME], ["complete"], quiet, says("x"))
    assert compare.as_json(found)["bytes"] == {NAME: 491_400_064}
    assert found.memory.keys() == {NAME}
    for told in (compare.report(found), compare.as_html(found)):
        assert "0.49 GB" in told


async def test_a_model_that_is_named_twice_is_asked_once() -> None:
    found = await compare.compare([NAME, "complete"], ["complete"], quiet, says("x"))
    assert [score.model for score in found.scores] == [NAME]


def test_what_was_done_before_an_interruption_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupt(what: str, done: int, all_of_them: int) -> None:
        if "edit" in what or role == "complete":
            raise KeyboardInterrupt

    real = compare.compare
    monkeypatch.setattr(terminal, "progress", lambda told, _: interrupt(told, 0, 0))
    monkeypatch.setattr(
        compare, "compare", lambda names, roles, progress, found: real(names, roles, progress, says("x"), found)
    )
    role = ""
    assert cli.main(["models", "compare", NAME, "--json", str(tmp_path / "found.json")]) == 130
    captured = capsys.readouterr()
    assert f"{NAME}" in captured.out and "complete" in captured.out and "edit" not in captured.out
    assert "this is what was done by then" in captured.err
    assert json.loads((tmp_path / "found.json").read_text())["scores"][0]["role"] == "complete"
    # With nothing done there is nothing to show.
    role = "complete"
    assert cli.main(["models", "compare", NAME, "--role", role]) == 130
    assert capsys.readouterr().out == ""


def test_a_wrong_name_is_said_with_what_may_be_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "compare", NAME, "qwen2.5-coder-1.5-instruct"]) == 2
    assert "Did you mean qwen2.5-coder-1.5b-instruct?" in capsys.readouterr().err


async def test_a_model_that_is_not_there_is_said_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(model: catalog.Model) -> Path:
        raise ModelMissing("not here")

    monkeypatch.setattr(catalog, "present", missing)
    with pytest.raises(ModelMissing):
        await compare.compare([NAME], ["complete"], quiet, says("x"))
