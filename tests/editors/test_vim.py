"""The Vim plugin in a real Vim on a terminal, with the real server and the real model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import AREA, SHOP, Terminal

ROOT = Path(__file__).parents[2]
MIDFILL = Path(sys.executable).with_name("midfill")

pytestmark = pytest.mark.model


class Vim(Terminal):
    def __init__(self, home: Path, file: Path, program: Path = MIDFILL) -> None:
        home.mkdir(mode=0o700)
        (home / "vimrc").write_text(
            f"set nocompatible runtimepath^={ROOT}/client-config/vim noswapfile expandtab shiftwidth=4\n"
            f"set esckeys ttimeout ttimeoutlen=20\nfiletype plugin indent on\n"
            f"let g:midfill_command = ['{program}', 'serve']\n"
        )
        self._file = file
        super().__init__(["vim", "-u", home / "vimrc", file], home)
        self.shows(f'{file.name}" ')

    def saved(self) -> str:
        """What is in the buffer, by way of the file."""
        self._file.unlink(missing_ok=True)
        self.keys("\x1b")
        self.keys(":w\r", gap=0.05)
        self.until(lambda: self._file.exists() and self._file.read_text("utf-8"), 10)
        return self._file.read_text("utf-8")


@pytest.fixture
def vim(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Vim]:
    file = tmp_path / "große Dinge" / "code.py"
    file.parent.mkdir()
    file.write_text(request.param)
    vim = Vim(tmp_path / "home", file)
    yield vim
    vim.quit()


@pytest.mark.parametrize("vim", [SHOP], indirect=True)
def test_typing_shows_ghost_text_that_tab_accepts(vim: Vim) -> None:
    vim.keys("Goreturn ")
    vim.shows("    return sum(", 90)
    assert vim.saved() == SHOP + "    return \n", "what is shown is not in the buffer"
    vim.keys("A")
    vim.shows("    return sum(", 30)
    vim.press("\t")
    vim.until(lambda: vim.saved().startswith(SHOP + "    return sum("), 10)


def test_a_block_is_drawn_below_the_line_and_accepted_whole(tmp_path: Path) -> None:
    scripted = ROOT / "tests" / "lsp" / "scripted_server.py"
    server = tmp_path / "server"
    answers = json.dumps(["größe = x + 1\n    return größe"])
    server.write_text(f"#!/bin/sh\nexec '{sys.executable}' '{scripted}' '{answers}'\n")
    server.chmod(0o755)
    file = tmp_path / "code.py"
    file.write_text("# Grüße\ndef f(x):\n\n\nprint(f(1))\n")
    vim = Vim(tmp_path / "home", file, server)
    try:
        vim.keys("jA\r")
        vim.until(
            lambda: (
                vim.screen().splitlines()[:7]
                == "# Grüße\ndef f(x):\n    größe = x + 1\n    return größe\n\n\nprint(f(1))".splitlines()
            )
        )
        vim.press("\t")
        vim.until(lambda: vim.saved() != "# Grüße\ndef f(x):\n    \n\n\nprint(f(1))\n", 10)
        assert vim.saved() == "# Grüße\ndef f(x):\n    größe = x + 1\n    return größe\n\n\nprint(f(1))\n"
    finally:
        vim.quit()


@pytest.mark.parametrize("vim", [AREA], indirect=True)
def test_a_docstring_and_a_refactoring(vim: Vim) -> None:
    vim.keys("w")
    vim.patiently(":MidfillActions\r", "Midfill: Add docstring")
    vim.press("\r")
    vim.shows("Midfill: Done.", 180)
    text = vim.saved()
    assert '"""' in text
    assert [line for line in text.splitlines() if "result" in line][-2:] == AREA.splitlines()[1:]
    vim.keys("gg:MidfillRefactor add float type hints\r")
    vim.shows("width: float, height: float", 180)
    assert "width: float, height: float" in vim.saved()
