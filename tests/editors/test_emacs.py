"""lsp-mode and eglot in a real Emacs on a terminal, with the real server and the real model."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import AREA, MIDFILL, PATIENCE, ROOT, SHOP, Terminal

PACKAGES = ROOT / "build" / "editors" / "debian" / "usr" / "share" / "emacs" / "site-lisp" / "elpa-src"

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("loaded")]


class Emacs(Terminal):
    """`init` is the user's configuration, behind the packages and `midfill.el`."""

    def __init__(self, home: Path, init: str) -> None:
        home.mkdir(mode=0o700)
        (home / "init.el").write_text(
            "(setq load-path (append (list\n"
            + "\n".join(json.dumps(str(folder)) for folder in sorted(PACKAGES.iterdir()))
            + f"\n{json.dumps(str(ROOT / 'client-config' / 'emacs'))}) load-path))\n"
            "(dolist (folder load-path)\n"
            ' (mapc #\'load (file-expand-wildcards (concat folder "/*-autoloads.el"))))\n'
            # A new home has nothing compiled yet, and compiling takes the model's time.
            "(setq native-comp-deferred-compilation nil)\n"
            "(setq make-backup-files nil create-lockfiles nil auto-save-default nil inhibit-startup-screen t)\n"
            f'(setq midfill-command \'("{MIDFILL}" "serve"))\n(require \'midfill)\n{init}\n'
            f'(setq server-socket-dir "{home}")\n(server-start)\n'
        )
        self._home = home
        super().__init__(["emacs", "-nw", "-Q", "-l", home / "init.el"], home)
        self.until((home / "server").exists)

    def eval(self, code: str) -> object:
        """The value of Lisp in the buffer that the user sees, as JSON."""
        inside = f"(with-current-buffer (window-buffer (selected-window)) (json-encode {code}))"
        command = ["emacsclient", "-s", self._home / "server", "--eval", inside]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, f"{code}: {done.stderr}\n{self.screen()}"
        return json.loads(json.loads(done.stdout))

    def text(self) -> str:
        return str(self.eval("(buffer-substring-no-properties (point-min) (point-max))"))

    def messages(self) -> str:
        """What the echo area showed, which other packages soon clear."""
        return str(self.eval('(with-current-buffer "*Messages*" (buffer-string))'))

    def edit(self, path: Path, text: str, ready: str) -> None:
        """Write a file and open it; returns when the server is ready for it."""
        path.write_text(text)
        self.keys(f"\x18\x06\x01\x0b{path}\r")
        self.until(lambda: self.text() == text and self.eval(ready) is not None)


@pytest.fixture
def lsp_mode(tmp_path: Path) -> Iterator[Emacs]:
    emacs = Emacs(
        tmp_path / "home",
        "(require 'lsp-mode)\n"
        '(setq lsp-keymap-prefix "C-c l" lsp-auto-guess-root t lsp-enabled-clients \'(midfill))\n'
        "(add-hook 'python-mode-hook #'lsp-deferred)",
    )
    with emacs:
        yield emacs


@pytest.fixture
def eglot(tmp_path: Path) -> Iterator[Emacs]:
    emacs = Emacs(tmp_path / "home", "(add-hook 'python-mode-hook #'midfill-eglot)")
    with emacs:
        yield emacs


LSP_READY = "(and (bound-and-true-p lsp-inline-completion-mode) (lsp-workspaces) t)"
EGLOT_READY = "(and (fboundp 'eglot-current-server) (eglot-current-server) t)"
GHOST = "(and lsp-inline-completion--overlay (overlay-get lsp-inline-completion--overlay 'after-string))"


def test_lsp_mode_shows_ghost_text_that_tab_accepts(lsp_mode: Emacs, tmp_path: Path) -> None:
    lsp_mode.edit(tmp_path / "shop.py", SHOP, LSP_READY)
    lsp_mode.keys("\x1b>    return ")
    ghost = str(lsp_mode.until(lambda: lsp_mode.eval(GHOST)))
    assert lsp_mode.text() == SHOP + "    return ", "what is shown is not in the buffer"
    lsp_mode.shows(re.escape("return " + ghost.strip().splitlines()[0]))
    lsp_mode.press("\t")
    lsp_mode.until(lambda: lsp_mode.text() != SHOP + "    return ")
    assert lsp_mode.text().startswith(SHOP + "    return " + ghost.strip().splitlines()[0])


def test_eglot_completes_at_point(eglot: Emacs, tmp_path: Path) -> None:
    eglot.edit(tmp_path / "shop.py", SHOP, EGLOT_READY)
    eglot.keys("\x1b>    ret")

    def completed() -> bool:
        """What `completion-at-point` does to the text; nothing while the model is loaded."""
        eglot.press("\x1b\t")
        time.sleep(0.5)
        return eglot.text() != SHOP + "    ret"

    eglot.until(completed)
    assert eglot.text().startswith(SHOP + "    return "), eglot.text()


def test_a_docstring_and_a_refactoring_by_lsp_mode(lsp_mode: Emacs, tmp_path: Path) -> None:
    lsp_mode.edit(tmp_path / "area.py", AREA, LSP_READY)
    lsp_mode.eval(
        "(progn (run-at-time 0 nil (lambda () (lsp-execute-code-action (seq-find (lambda (action)"
        ' (string-match "docstring" (lsp:code-action-title action))) (lsp-code-actions-at-point))))) t)'
    )
    check_docstring_and_refactoring(lsp_mode)


def test_a_docstring_and_a_refactoring_by_eglot(eglot: Emacs, tmp_path: Path) -> None:
    eglot.edit(tmp_path / "area.py", AREA, EGLOT_READY)
    eglot.keys("\x1bxeglot-code-actions\r")
    eglot.shows("Pick an action")
    eglot.keys("Midfill: Add docstring\r")
    check_docstring_and_refactoring(eglot, confirms=True)


def check_docstring_and_refactoring(emacs: Emacs, confirms: bool = False) -> None:
    """`confirms`: the client asks its user before each edit."""
    if confirms:
        emacs.shows(r"Proceed\?")
        emacs.keys("y")
    emacs.until(lambda: '"""' in emacs.text())
    assert [line for line in emacs.text().splitlines() if "result" in line][-2:] == AREA.splitlines()[1:]
    documented = emacs.text()
    emacs.keys("\x1b<\x1bxmidfill-refactor\radd float type hints\r")
    if confirms:
        emacs.shows(r"Proceed\?")
        emacs.keys("y")
    emacs.until(lambda: emacs.text() != documented)
    assert "width: float" in emacs.text()
    emacs.until(lambda: "Midfill: done" in emacs.messages())
    emacs.keys("\x1bxmidfill-why\r")
    emacs.until(lambda: emacs.messages().count("Midfill: ") > 1)
