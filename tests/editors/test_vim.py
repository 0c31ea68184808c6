"""The Vim plugin in a real Vim on a terminal, with the real server and the real model."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from terminal import AREA, MIDFILL, ROOT, SHOP, OneFile, scripted

# What a terminal sends for the keys with Alt.
ALT_RIGHT, ALT_CTRL_RIGHT, ALT_DOWN, ALT_UP = "\x1b[1;3C", "\x1b[1;7C", "\x1b[1;3B", "\x1b[1;3A"


class Vim(OneFile):
    """`command` starts the server; `vimrc` is the user's configuration, before the plugin is loaded."""

    def __init__(self, folder: Path, text: str, command: Sequence[str] = (str(MIDFILL), "serve"), vimrc: str = ""):
        home, file = folder / "home", folder / "große Dinge" / "code.py"
        home.mkdir(mode=0o700)
        file.parent.mkdir()
        file.write_text(text)
        (home / "vimrc").write_text(
            f"set nocompatible runtimepath^={ROOT}/client-config/vim noswapfile expandtab shiftwidth=4\n"
            f"set esckeys ttimeout ttimeoutlen=20\nfiletype plugin indent on\n"
            f"let g:midfill_command = {json.dumps(command)}\n{vimrc}\n"
        )
        super().__init__(["vim", "-u", home / "vimrc"], home, file)
        self.shows(f'{file.name}" ')

    def begins(self, text: str) -> None:
        """Wait until the screen begins with these lines."""
        self.until(lambda: self.screen().startswith(text + "\n"))


def told() -> list[dict[str, Any]]:
    """The events of suggestions that the server has kept."""
    try:
        lines = (Path(os.environ["MIDFILL_CACHE"]) / "stats.jsonl").read_text("utf-8").splitlines()
    except OSError:
        return []
    return [json.loads(line) for line in lines]


def partly(since: int) -> list[int]:
    """How much of suggestions was accepted, as Vim has told the server behind so many events."""
    return [event["characters"] for event in told()[since:] if event["event"] == "partly"]


@pytest.mark.model
@pytest.mark.usefixtures("loaded")
def test_typing_shows_ghost_text_that_tab_accepts(tmp_path: Path) -> None:
    line = r'all items\."""\n    return'
    with Vim(tmp_path, SHOP) as vim:
        # On a busy machine an answer may come too late; then one goes on typing.
        vim.patiently("Goreturn ", line + r" \S", again="\x7f ", each=20)
        assert vim.saved() == SHOP + "    return \n", "what is shown is not in the buffer"
        vim.shows(line + "$")
        shown = vim.patiently("A", line + r" (\S.*)$", again="\x7f ", each=20)
        vim.press("\t")
        assert vim.saved().startswith(SHOP + "    return " + shown)


def test_a_block_is_drawn_below_the_line_and_accepted_whole(tmp_path: Path) -> None:
    with Vim(
        tmp_path, "# Grüße\ndef f(x):\n\n\nprint(f(1))\n", scripted("größe = x + 1\n    return größe")
    ) as vim:
        vim.keys("jA\r")
        vim.begins("# Grüße\ndef f(x):\n    größe = x + 1\n    return größe\n\n\nprint(f(1))")
        vim.press("\t")
        assert vim.saved() == "# Grüße\ndef f(x):\n    größe = x + 1\n    return größe\n\n\nprint(f(1))\n"


def test_a_word_or_a_line_of_a_suggestion(tmp_path: Path) -> None:
    before = len(told())
    with Vim(tmp_path, "def f():\n\n\nprint(f())\n", scripted("größe(𐌰, 1)\n    return größe")) as vim:
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


def test_lines_of_a_suggestion(tmp_path: Path) -> None:
    with Vim(tmp_path, "def f():\n\n\nprint(f())\n", scripted("alpha(beta)\n    gamma()")) as vim:
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


def test_another_suggestion(tmp_path: Path) -> None:
    with Vim(tmp_path, "x = \n", scripted("one<or>two")) as vim:
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


def test_a_suggestion_goes_around_the_bracket_that_it_brings_itself(tmp_path: Path) -> None:
    with Vim(tmp_path, "print()\n", scripted("name)[0]")) as vim:
        vim.keys("0f(a")
        vim.begins("print(name)[0]\n~")
        vim.press(ALT_RIGHT)
        vim.cursor_is(0, 10)
        vim.begins("print(name)[0]\n~")
        vim.press("\t")
        vim.cursor_is(0, 14)
        assert vim.saved() == "print(name)[0]\n"


def test_keys_are_the_users_choice(tmp_path: Path) -> None:
    vimrc = "let g:midfill_keys = {'accept_word': '<C-L>', 'accept_line': ''}\ninoremap <Tab> mapped"
    with Vim(tmp_path, "x = \n", scripted("one(two)"), vimrc) as vim:
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


@pytest.mark.model
@pytest.mark.usefixtures("loaded")
def test_a_docstring_and_a_refactoring(tmp_path: Path) -> None:
    with Vim(tmp_path, AREA) as vim:
        vim.keys("w")
        actions = ":MidfillActions\r"
        vim.patiently(
            actions, "Midfill: Add docstring", again=actions, each=60, refused="The server is not ready yet"
        )
        vim.press("\r")
        vim.shows("Midfill: Done")
        text = vim.saved()
        assert '"""' in text
        assert [line for line in text.splitlines() if "result" in line][-2:] == AREA.splitlines()[1:]
        vim.keys("gg:MidfillRefactor add float type hints\r")
        vim.shows("width: float")
        assert "width: float" in vim.saved()
