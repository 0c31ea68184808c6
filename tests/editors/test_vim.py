"""The Vim plugin in a real Vim on a terminal, with the real server and the real model."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from terminal import AREA, SHOP, Terminal

ROOT = Path(__file__).parents[2]
MIDFILL = [str(Path(sys.executable).with_name("midfill")), "serve"]
# What a terminal sends for the keys with Alt.
ALT_RIGHT, ALT_CTRL_RIGHT, ALT_DOWN, ALT_UP = "\x1b[1;3C", "\x1b[1;7C", "\x1b[1;3B", "\x1b[1;3A"

pytestmark = pytest.mark.model


class Vim(Terminal):
    def __init__(self, home: Path, file: Path, command: Sequence[str] = MIDFILL, vimrc: str = "") -> None:
        home.mkdir(mode=0o700)
        (home / "vimrc").write_text(
            f"set nocompatible runtimepath^={ROOT}/client-config/vim noswapfile expandtab shiftwidth=4\n"
            f"set esckeys ttimeout ttimeoutlen=20\nfiletype plugin indent on\n"
            f"let g:midfill_command = {json.dumps(command)}\n{vimrc}\n"
        )
        self._file = file
        super().__init__(["vim", "-u", home / "vimrc", file], home)
        self.shows(f'{file.name}" ')

    def begins(self, text: str, seconds: float = 60) -> None:
        """Wait until the screen begins with these lines."""
        self.until(lambda: self.screen().startswith(text + "\n"), seconds)

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


Scripted = Callable[..., Vim]


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    """A Vim on the real server with a model that gives these answers."""
    running: list[Vim] = []

    def start(text: str, *answers: str, vimrc: str = "") -> Vim:
        file = tmp_path / "code.py"
        file.write_text(text)
        command = [sys.executable, str(ROOT / "tests" / "lsp" / "scripted_server.py"), json.dumps(answers)]
        running.append(Vim(tmp_path / "home", file, command, vimrc))
        return running[-1]

    yield start
    for each in running:
        each.quit()


def partly(since: int) -> list[int]:
    """How much of suggestions was accepted, as Vim has told the server behind so many events."""
    return [event["characters"] for event in told()[since:] if event["event"] == "partly"]


def told() -> list[dict[str, Any]]:
    """The events of suggestions that the server has kept."""
    try:
        lines = (Path(os.environ["MIDFILL_CACHE"]) / "stats.jsonl").read_text("utf-8").splitlines()
    except OSError:
        return []
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("vim", [SHOP], indirect=True)
def test_typing_shows_ghost_text_that_tab_accepts(vim: Vim) -> None:
    vim.keys("Goreturn ")
    vim.shows("    return sum(", 90)
    assert vim.saved() == SHOP + "    return \n", "what is shown is not in the buffer"
    vim.keys("A")
    vim.shows("    return sum(", 30)
    vim.press("\t")
    vim.until(lambda: vim.saved().startswith(SHOP + "    return sum("), 10)


def test_a_block_is_drawn_below_the_line_and_accepted_whole(scripted: Scripted) -> None:
    vim = scripted("# Grüße\ndef f(x):\n\n\nprint(f(1))\n", "größe = x + 1\n    return größe")
    vim.keys("jA\r")
    vim.begins("# Grüße\ndef f(x):\n    größe = x + 1\n    return größe\n\n\nprint(f(1))")
    vim.press("\t")
    vim.until(lambda: vim.saved() != "# Grüße\ndef f(x):\n    \n\n\nprint(f(1))\n", 10)
    assert vim.saved() == "# Grüße\ndef f(x):\n    größe = x + 1\n    return größe\n\n\nprint(f(1))\n"


def test_a_word_or_a_line_of_a_suggestion(scripted: Scripted) -> None:
    before = len(told())
    vim = scripted("def f():\n\n\nprint(f())\n", "größe(𐌰, 1)\n    return größe")
    vim.keys("A\r")
    whole = "def f():\n    größe(𐌰, 1)\n    return größe\n\n\nprint(f())"
    vim.begins(whole)
    vim.press(ALT_RIGHT)
    vim.until(lambda: partly(before) == [5])
    vim.press(ALT_RIGHT)
    vim.until(lambda: partly(before) == [5, 6])
    vim.press(ALT_RIGHT)
    # Gothic letters are two units of UTF-16 each.
    vim.until(lambda: partly(before) == [5, 6, 8])
    vim.begins(whole)
    assert vim.saved() == "def f():\n    größe(𐌰\n\n\nprint(f())\n"
    # Leaving insert mode has taken the rest away.
    vim.begins("def f():\n    größe(𐌰\n\n\nprint(f())")


def test_lines_of_a_suggestion(scripted: Scripted) -> None:
    vim = scripted("def f():\n\n\nprint(f())\n", "alpha(beta)\n    gamma()")
    vim.keys("A\r")
    whole = "def f():\n    alpha(beta)\n    gamma()\n\n\nprint(f())"
    vim.begins(whole)
    vim.press(ALT_CTRL_RIGHT)
    vim.cursor_is(1, 15)
    vim.begins(whole)
    vim.press(ALT_CTRL_RIGHT)
    vim.cursor_is(2, 11)
    assert vim.saved() == whole + "\n"
    vim.keys("u")
    assert vim.saved() == "def f():\n    alpha(beta)\n\n\nprint(f())\n", "each is undone by itself"


def test_another_suggestion(scripted: Scripted) -> None:
    vim = scripted("x = \n", "one<or>two")
    vim.keys("A")
    vim.begins("x = one\n~")
    vim.press(ALT_DOWN)
    vim.begins("x = two\n~")
    vim.press(ALT_DOWN)
    vim.begins("x = one\n~")
    vim.press(ALT_UP)
    vim.begins("x = two\n~")
    vim.press("\x1d")
    vim.begins("x =\n~")
    vim.press(ALT_DOWN)
    vim.begins("x = one\n~")
    vim.press("\t")
    assert vim.saved() == "x = one\n"


def test_a_suggestion_goes_around_the_bracket_that_it_brings_itself(scripted: Scripted) -> None:
    vim = scripted("print()\n", "name)[0]")
    vim.keys("0f(a")
    vim.begins("print(name)[0]\n~")
    vim.press(ALT_RIGHT)
    vim.cursor_is(0, 10)
    vim.begins("print(name)[0]\n~")
    vim.press("\t")
    vim.cursor_is(0, 14)
    assert vim.saved() == "print(name)[0]\n"


def test_keys_are_the_users_choice(scripted: Scripted) -> None:
    vimrc = "let g:midfill_keys = {'accept_word': '<C-L>', 'accept_line': ''}\ninoremap <Tab> mapped"
    vim = scripted("x = \n", "one(two)", vimrc=vimrc)
    vim.keys("A")
    vim.begins("x = one(two)\n~")
    vim.press("\x0c")
    vim.cursor_is(0, 7)
    vim.begins("x = one(two)\n~")
    vim.press("\x1d")
    vim.begins("x = one\n~")
    vim.press("\x1d\t")
    vim.cursor_is(0, 13)
    assert vim.saved() == "x = onemapped\n"


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
