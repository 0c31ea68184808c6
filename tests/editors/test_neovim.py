"""The Neovim plugin in a real Neovim, with the real server; what matters to a user with the real model."""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_neovim import Neovim
from terminal import AREA, MIDFILL, ROOT, SHOP
from terminal import scripted as command_of

Scripted = Callable[..., Neovim]


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    """A Neovim on the real server with a model that gives these answers."""
    running: list[Neovim] = []

    def start(*answers: str, options: str = "{}") -> Neovim:
        command = json.dumps(command_of(*answers))
        setup = f"""
            local options = {options}
            options.cmd = vim.json.decode({json.dumps(command)!s})
            require("midfill").setup(options)
        """
        running.append(Neovim(tmp_path / "home", setup))
        return running[-1]

    yield start
    for each in running:
        each.quit()


@pytest.fixture
def real(loaded: None, tmp_path: Path) -> Iterator[Neovim]:
    started = Neovim(tmp_path / "home", f'require("midfill").setup({{ cmd = {{ "{MIDFILL}", "serve" }} }})')
    yield started
    started.quit()


def counts() -> tuple[int, int]:
    """How many suggestions were shown and accepted, as the server keeps it."""
    try:
        kept = json.loads((Path(os.environ["MIDFILL_CACHE"]) / "accepted.json").read_text())
    except OSError:
        return 0, 0
    return sum(kept["shown"]), sum(kept["accepted"])


@pytest.mark.model
def test_typing_shows_ghost_text_that_tab_accepts(real: Neovim, tmp_path: Path) -> None:
    real.edit(tmp_path / "shop.py", SHOP)
    shown, accepted = counts()
    real.keys("Goreturn ")
    ghost = real.suggested("    return ", again="<BS> ")
    assert real.text() == SHOP + "    return \n", "what is shown is not in the buffer"
    first = ghost.splitlines()[0]
    typed = first[: len(first) // 2]
    real.keys(typed)
    assert real.suggested("    return " + typed) == ghost[len(typed) :]
    real.keys("<Tab>")
    real.until(lambda: real.text() == SHOP + f"    return {ghost}\n")
    real.until(lambda: counts()[0] > shown and counts()[1] > accepted)
    real.keys("<Esc>u")
    # Accepting is undone by itself.
    real.until(lambda: real.text() == SHOP + f"    return {typed}\n")


@pytest.mark.model
def test_a_docstring_and_a_refactoring_as_told(real: Neovim, tmp_path: Path) -> None:
    real.edit(tmp_path / "area.py", AREA)
    real.nvim.command("Midfill docstring")
    real.until(lambda: '"""' in real.text())
    assert [line for line in real.text().splitlines() if "result" in line] == AREA.splitlines()[1:]
    documented = real.text()
    real.nvim.command("Midfill refactor add float type hints")
    real.until(lambda: real.text() != documented)
    assert "width: float" in real.text()


def waited() -> tuple[int, int]:
    """The nanoseconds that this process has run, and those that it has waited for a core."""
    ran, queued, _ = Path("/proc/self/schedstat").read_text().split()
    return int(ran), int(queued)


@pytest.mark.model
def test_from_the_request_to_the_screen_takes_30_ms_more_than_the_server(
    real: Neovim, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    real.edit(tmp_path / "shop.py", SHOP)
    # Note when the server is asked; the answer's own time is what the server says of it.
    real.lua("""
        asked = {}
        local client = vim.lsp.get_clients({ name = "midfill" })[1]
        local request = client.request
        client.request = function(self, method, ...)
          if method == "textDocument/inlineCompletion" then
            table.insert(asked, vim.uv.hrtime() / 1e9)
          end
          return request(self, method, ...)
        end
    """)

    def typed(word: str) -> str:
        """The suggestion behind the word, which is typed last."""
        line = real.nvim.current.line
        return real.suggestion(line) if line.endswith(word) else ""

    busy = waited()
    added = []
    words = ["return s", "result = ", "for item in ", "prices = [", "if not i", "return m", "while i", "names = "]
    for word in words * 2:
        real.keys(f"<Esc>:%d<CR>i{'<CR>'.join(SHOP.splitlines())}<Esc>", gap=0.0)
        real.lua("asked = {}")
        real.keys(f"o    {word}", gap=0.05)
        begun = time.monotonic()
        while not (done := typed(word)) and time.monotonic() < begun + 20:
            time.sleep(0.02)
        why = real.why()
        start = real.lua("return asked[#asked]")
        seen = next((at for at, ghost in real.flushed if start and at > start and ghost), None)
        if not done or not why or why["outcome"] != "shown" or seen is None:
            continue
        added.append((seen - start) * 1000 - why["millis"]["total"])
    assert len(added) >= 5, added
    with capsys.disabled():
        print(f"\nAdded by Neovim and the protocol, n = {len(added)}: median {statistics.median(added):.1f} ms, "
              f"max {max(added):.1f} ms")  # fmt: skip
    # A delay of our own would be in every one of them; what other programs take of the same cores comes on top.
    ran, queued = (now - then for now, then in zip(waited(), busy, strict=True))
    assert min(added) <= 30 * (1 + queued / ran), added


def test_a_word_or_a_line_of_a_suggestion(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("alpha(beta)\n    gamma()\n", options="{ settings = { warmUp = false } }")
    nvim.edit(tmp_path / "a.py", "def f():\n")
    nvim.keys("o")
    nvim.until(lambda: nvim.ghost() == "alpha(beta)\n    gamma()")
    nvim.keys("<M-Right>")
    nvim.until(lambda: nvim.text() == "def f():\n    alpha\n")
    nvim.until(lambda: nvim.ghost() == "(beta)\n    gamma()")
    nvim.keys("<M-C-Right>")
    nvim.until(lambda: nvim.text() == "def f():\n    alpha(beta)\n")
    nvim.keys("<M-C-Right>")
    nvim.until(lambda: nvim.text() == "def f():\n    alpha(beta)\n    gamma()\n")
    nvim.until(lambda: nvim.ghost() == "")


def test_alternatives(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("one<or>two", options="{ settings = { warmUp = false } }")
    nvim.edit(tmp_path / "a.py", "x = \n")
    nvim.keys("A")
    nvim.until(lambda: nvim.ghost() == "one")
    nvim.keys("<M-]>")
    nvim.until(lambda: nvim.ghost() == "two")
    nvim.keys("<M-]>")
    nvim.until(lambda: nvim.ghost() == "one")
    nvim.keys("<M-[>")
    nvim.until(lambda: nvim.ghost() == "two")
    nvim.keys("t")
    nvim.until(lambda: nvim.ghost() == "wo")
    nvim.keys("<Tab>")
    nvim.until(lambda: nvim.text() == "x = two\n")


def test_a_suggestion_goes_around_the_bracket_that_it_brings_itself(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("name)[0]", options="{ settings = { warmUp = false } }")
    nvim.edit(tmp_path / "a.py", "print()\n")
    nvim.keys("0f(a")
    nvim.until(lambda: nvim.ghost() == "name[0]")
    assert "print(name)[0]" in nvim.screen()
    nvim.keys("<Tab>")
    nvim.until(lambda: nvim.text() == "print(name)[0]\n")


def test_keys_do_what_they_did_before_where_nothing_is_shown(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("one", options="{ settings = { warmUp = false } }")
    nvim.nvim.command("inoremap <C-]> mapped")
    nvim.edit(tmp_path / "a.py", "x = \n")
    nvim.keys("A")
    nvim.until(lambda: nvim.ghost() == "one")
    nvim.keys("<C-]>")
    nvim.until(lambda: nvim.ghost() == "")
    assert nvim.text() == "x = \n"
    nvim.keys("<C-]><Tab>")
    nvim.until(lambda: nvim.text() == "x = mapped  \n")


def test_switched_off_for_a_buffer_a_language_or_everywhere(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("one", options="{ settings = { warmUp = false } }")
    nvim.edit(tmp_path / "a.py", "x = \n")
    for where in ("buffer", "language", ""):
        nvim.nvim.command(f"Midfill toggle {where}")
        assert nvim.lua("return require('midfill').status()") == "Midfill off"
        nvim.keys("A", gap=0.5)
        assert nvim.ghost() == "", where
        nvim.keys("<Esc>")
        nvim.nvim.command(f"Midfill enable {where}")
        nvim.keys("A")
        nvim.until(lambda: nvim.ghost() == "one")
        nvim.keys("<Esc>")


def test_why_not(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("one", options='{ settings = { warmUp = false, disabledLanguages = { "python" } } }')
    nvim.edit(tmp_path / "a.py", "x = \n")
    nvim.keys("A")
    nvim.until(nvim.why)
    nvim.keys("<Esc>")
    # What moves the cursor closes the window that tells why.
    nvim.until(lambda: nvim.nvim.api.get_mode()["mode"] == "n")
    nvim.nvim.command("Midfill why")
    nvim.until(lambda: "languageDisabled" in nvim.screen())


def test_a_server_that_dies_is_started_again(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("one", options="{ settings = { warmUp = false } }")
    nvim.edit(tmp_path / "a.py", "x = \n")
    find = "return vim.tbl_map(function(c) return c.id end, vim.lsp.get_clients({ name = 'midfill' }))"
    (before,) = nvim.lua(find)
    children = Path(f"/proc/{nvim.pid}/task/{nvim.pid}/children").read_text().split()
    servers = [child for child in children if b"scripted_server" in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(int(servers[0]), signal.SIGKILL)

    def another() -> bool:
        if nvim.waits():  # Neovim's own message about it is longer than the line.
            nvim.keys("<CR>")
            return False
        return nvim.lua(find) not in ([], [before])

    nvim.until(another)
    nvim.keys("A")
    nvim.until(lambda: nvim.ghost() == "one")
    assert "is started again" in nvim.messages()


def test_each_project_of_the_window_is_told_to_the_server(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("one")
    for name in ("one", "two"):
        (tmp_path / name / ".git").mkdir(parents=True)
        nvim.edit(tmp_path / name / "a.py", "x = \n")
    folders = nvim.lua("""
        local clients = vim.lsp.get_clients({ name = "midfill" })
        assert(#clients == 1)
        return vim.tbl_map(function(folder) return folder.name end, clients[1].workspace_folders)
    """)
    assert folders == [str(tmp_path / "one"), str(tmp_path / "two")]


@pytest.mark.model
def test_checkhealth(real: Neovim, tmp_path: Path) -> None:
    real.edit(tmp_path / "a.py", "x = \n")
    real.nvim.command("checkhealth midfill")
    report = real.text()
    assert "midfill 0." in report and "ERROR" not in report
    assert report.count("The model that is to") == 2
    assert "It runs, for 1 buffer" in report


def test_checkhealth_says_what_to_do(tmp_path: Path) -> None:
    nvim = Neovim(tmp_path / "home", 'require("midfill").setup({ cmd = { "/nowhere/midfill", "serve" } })')
    try:
        nvim.nvim.command("checkhealth midfill")
        assert "/nowhere/midfill cannot be run" in nvim.text() and "make setup" in nvim.text()
    finally:
        nvim.quit()


def test_what_neovim_0_12_is_asked_to_do(tmp_path: Path) -> None:
    """No package has Neovim 0.12, so this stands for its `vim.lsp.inline_completion`, by its documentation."""
    command = json.dumps(command_of("one"))
    stand_in = f"""
        local namespace = vim.api.nvim_create_namespace("nvim.lsp.inline_completion")
        called = {{}}
        local function note(name)
          return function(first)
            table.insert(called, {{ name, first }})
          end
        end
        vim.lsp.inline_completion = {{ enable = note("enable"), select = note("select") }}
        function vim.lsp.inline_completion.get(options)
          note("get")()
          if options then
            local range = {{ start = {{ row = 0, col = 0 }} }}
            options.on_accept({{ insert_text = "x = one two", range = range, client_id = 1 }})
          end
          return true
        end
        function show()
          vim.api.nvim_buf_set_extmark(0, namespace, 0, 0, {{ virt_text = {{ {{ "one two" }} }} }})
        end
        require("midfill").setup({{ cmd = vim.json.decode({json.dumps(command)}) }})
    """
    nvim = Neovim(tmp_path / "home", stand_in)
    try:
        nvim.edit(tmp_path / "a.py", "x = \n")
        nvim.until(lambda: nvim.lua("return called") == [["enable", True]])
        nvim.keys("A<Tab>")
        nvim.until(lambda: nvim.text() != "x = \n")
        assert nvim.lua("return #called") == 1, "without a suggestion Tab is a Tab"
        nvim.keys("<Esc>uA")
        nvim.until(lambda: nvim.text() == "x = \n" and nvim.nvim.api.get_mode()["mode"] == "i")
        nvim.lua("show()")
        nvim.keys("<Tab><M-]>")
        nvim.until(lambda: nvim.lua("return called[3]") == ["select", {"count": 1}])
        nvim.lua("show()")
        nvim.keys("<M-Right>")
        nvim.until(lambda: nvim.text() == "x = one\n")
    finally:
        nvim.quit()


def test_help_is_found(scripted: Scripted, tmp_path: Path) -> None:
    nvim = scripted("one")
    # On a copy, because tags are written beside the text.
    doc = tmp_path / "copy" / "doc"
    shutil.copytree(ROOT / "client-config" / "neovim" / "doc", doc)
    nvim.nvim.command(f"set runtimepath^={doc.parent} | helptags {doc}")
    for tag in ("midfill", "midfill-commands", "midfill-keys", "midfill-options", ":Midfill"):
        nvim.nvim.command(f"help {tag}")
        assert nvim.nvim.current.buffer.name == str(doc / "midfill.txt")
