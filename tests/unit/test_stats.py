"""What came of the suggestions, counted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from midfill import stats
from midfill.cli import main


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    return tmp_path


def given(name: str, millis: float = 100.0, language: str = "python") -> None:
    facts = {"language": language, "source": "model", "confidence": 0.8, "prompt": 500, "evaluated": 2}
    stats.record("given", name, millis=millis, generated=5, characters=20, **facts)


def test_the_figures() -> None:
    for number in range(1, 101):
        given(f"{number}", millis=number)
    for name, *events in (("1", "shown"), ("2", "shown", "accepted", "kept"), ("3", "accepted", "changed")):
        for event in events:
            stats.record(event, name)
    stats.record("shown", "4")
    stats.record("partly", "4", characters=3)
    stats.record("partly", "4", characters=7)
    figures = stats.summary(stats.read())
    assert (figures["given"], figures["shown"], figures["accepted"], figures["partlyAccepted"]) == (100, 4, 2, 1)
    assert (figures["acceptedRate"], figures["keptAfter30s"], figures["keptRate"]) == (0.5, 1, 0.5)
    assert figures["millis"] == {"p50": 51.0, "p75": 76.0, "p95": 96.0}
    assert (figures["tokensSaved"], figures["promptTokens"]) == (49800, 50000)
    assert figures["charactersAccepted"] == 47
    assert figures["languages"] == {"python": {"shown": 4, "accepted": 2}}


def test_only_the_last_days(monkeypatch: pytest.MonkeyPatch) -> None:
    now = stats.time.time()
    monkeypatch.setattr(stats.time, "time", lambda: now - 3 * 86400)
    given("old")
    monkeypatch.setattr(stats.time, "time", lambda: now)
    given("new")
    assert len(stats.read(2)) == 1
    assert len(stats.read()) == 2


def test_what_is_no_event_is_passed_over(folder: Path) -> None:
    given("1")
    newest, _ = stats.files()
    newest.write_text(newest.read_text() + '{"at": 1, "id": "2", "eve\n[]\n{"at": "x"}\n')
    given("3")
    assert len(stats.read()) == 2


def test_the_file_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "MOST_BYTES", 1000)
    for number in range(40):
        given(str(number))
    assert all(file.stat().st_size < 1400 for file in stats.files())
    assert 0 < len(stats.read()) < 40


def test_a_folder_that_cannot_be_written_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", "/proc/nowhere")
    given("1")
    assert stats.read() == []


def test_the_page_loads_nothing_and_shows_the_figures(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given("1", language="<script>")
    stats.record("shown", "1")
    stats.record("accepted", "1")
    assert main(["stats", "--html", str(folder / "page.html")]) == 0
    page = (folder / "page.html").read_text()
    assert not re.search(r"(src|href|url|import)\s*[=(]|https?:|<script", page)
    assert page.count("<svg") == 4 and "&lt;script&gt;" in page
    assert main(["stats"]) == 0
    assert re.search(r"accepted of those shown +100%", capsys.readouterr().out)


def test_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    given("1")
    assert main(["stats", "--forget"]) == 0
    assert stats.read() == []
    assert main(["stats"]) == 0
    assert "Nothing was suggested yet" in capsys.readouterr().out
