"""The threshold that follows what the user accepts, and the file in which the counts are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted import ScriptedEngine

from midfill.completion import Completion
from midfill.completion.calibration import ENOUGH, REACH, REMEMBERED, Counts, counts, threshold
from midfill.config import Config
from midfill.lsp.feedback import Feedback, suggestion_of
from midfill.lsp.server import Server


def counted(confidence: float, shown: int, accepted: int, known: Counts | None = None) -> Counts:
    found = known or Counts()
    for number in range(shown):
        found = found.saw(confidence)
        if number < accepted:
            found = found.took(confidence)
    return found


def test_without_counts_the_setting_holds() -> None:
    assert threshold(50, Counts()) == 50
    assert threshold(50, counted(0.52, ENOUGH - 1, 0)) == 50
    assert threshold(50, counted(0.52, ENOUGH, ENOUGH // 5)) == 50


def test_rises_over_what_is_never_accepted() -> None:
    poor = counted(0.52, ENOUGH, 0)
    assert threshold(50, poor) == 55
    assert threshold(50, counted(0.57, ENOUGH, 1, counted(0.56, ENOUGH, 0, poor))) == 60
    # A confident suggestion that nobody wants says nothing about unsure ones.
    assert threshold(50, counted(0.92, ENOUGH, 0)) == 50


def test_falls_where_unsure_ones_are_welcome() -> None:
    welcome = counted(0.52, ENOUGH, ENOUGH // 2)
    assert threshold(50, welcome) == 45
    assert threshold(50, counted(0.47, ENOUGH, ENOUGH // 2, welcome)) == 40


@pytest.mark.parametrize("setting", [1, 10, 35, 50, 77, 95, 100])
def test_stays_near_the_setting(setting: int) -> None:
    never, always = Counts(), Counts()
    for percent in range(2, 100, 5):
        never = counted(percent / 100, ENOUGH, 0, never)
        always = counted(percent / 100, ENOUGH, ENOUGH, always)
    assert setting <= threshold(setting, never) <= min(setting + REACH, 100)
    assert max(setting - REACH - 4, 0) <= threshold(setting, always) <= setting
    assert threshold(setting, always) > 0


def test_a_setting_of_nothing_stays_nothing() -> None:
    assert threshold(0, counted(0.02, ENOUGH, 0)) == 0


def test_what_is_hidden_gets_another_chance() -> None:
    found = counted(0.52, ENOUGH, 0)
    found = counted(0.9, REMEMBERED, 500, found)
    assert sum(found.shown) <= REMEMBERED
    assert threshold(50, found) == 50


@pytest.mark.parametrize("kept", [None, 1, "x", [], [1], [-1] * 20, ["1"] * 20, [True] * 20])
def test_a_damaged_file_counts_as_none(kept: object) -> None:
    assert counts(kept, [0] * 20) == Counts()


def shown(text: str, confidence: float = 0.52) -> Completion:
    return Completion("file:///a.py", 1, 0, "shown", text=text, raw=text, confidence=confidence)


async def test_counts_outlive_the_server_and_hold_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    server = Server(lambda _: ScriptedEngine([""]))
    server.config = Config(statistics=False)
    feedback = Feedback(server)
    one, other = feedback.name(shown("secret()"), "secret()", 0.52), feedback.name(shown("other"), "other", 0.9)
    assert feedback.name(shown("secret()"), "()", 0.52) == one != other
    # Accepted but never reported as shown: no count. Reported twice: counted once.
    feedback.accepted(other)
    for name in (one, one, "unknown", None, 3):
        feedback.shown(name)
    feedback.accepted(one)
    feedback.accepted(one)
    assert (sum(feedback.counts.shown), sum(feedback.counts.accepted)) == (1, 1)
    assert Feedback(server).counts == feedback.counts
    (file,) = tmp_path.iterdir()
    assert set(json.loads(file.read_text())) == {"shown", "accepted"}
    assert "secret" not in file.read_text()
    file.write_text("{")
    assert Feedback(server).counts == Counts()


def test_the_suggestions_id_is_found_in_what_the_editor_tells() -> None:
    assert suggestion_of({"item": {"command": {"arguments": ["7"]}}}) == "7"
    for senseless in (None, {}, {"item": None}, {"item": {"command": {"arguments": []}}}):
        assert suggestion_of(senseless) is None
