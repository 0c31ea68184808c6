"""The documents say what is so: their links lead somewhere, and their tables name what there is."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from midfill.cli import main
from midfill.completion.result import Outcome, Reason, Source
from midfill.config import Backend, Config, Models, _camel

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "client-config", "grammars", "tests/bench", "tests/eval")
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.md") if "node_modules" not in file.parts),
]


def slugs(path: Path) -> set[str]:
    """What a link can name in a document: its headings, as the usual renderers of Markdown write them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", path.read_text("utf-8")):
        name, _, heading = link.partition("#")
        target = path.parent / name if name else path
        assert target.exists(), link
        assert not heading or heading in slugs(target), link


def test_every_setting_is_told_with_its_default() -> None:
    told: dict[str, object] = {}
    for names, defaults in re.findall(
        r"^\| (`\w+`.*?) \| (`.*?) \|", (ROOT / "docs" / "settings.md").read_text("utf-8"), re.M
    ):
        told |= zip(
            re.findall(r"`(\w+)`", names), map(json.loads, re.findall(r"`([^`]+)`", defaults)), strict=True
        )

    def plain(default: object) -> object:
        if isinstance(default, Backend):
            return default.kind
        if isinstance(default, Models):
            return {}
        return list(default) if isinstance(default, tuple) else default

    assert told == {_camel(setting.name): plain(setting.default) for setting in fields(Config)}


@pytest.mark.parametrize("kind", [Outcome, Reason, Source])
def test_every_word_of_an_explanation_is_told(kind: object) -> None:
    def words(kind: object) -> list[object]:
        return [word for each in get_args(kind) for word in words(each)] or [kind]

    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    assert [word for word in words(kind) if f'"{word}"' not in text] == []


@pytest.mark.parametrize("name", ["README.md", "docs/command-line.md"])
def test_the_commands_that_are_told_exist(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    told = re.findall(r"(?:^    |[`/])midfill\s([a-z]+)(?: ([a-z|]+))?", (ROOT / name).read_text("utf-8"), re.M)
    assert told
    for command, rest in told:
        below = rest.split("|") if command in ("models", "bench") and rest else []
        for words in [[command], *([command, each] for each in below)]:
            with pytest.raises(SystemExit) as stop:
                main([*words, "--help"])
            assert stop.value.code == 0, capsys.readouterr().err
