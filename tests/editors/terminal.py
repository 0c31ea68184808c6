"""A real editor in a terminal: keys in, screen out."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import pyte

T = TypeVar("T")
ROOT = Path(__file__).parents[2]
MIDFILL = Path(sys.executable).with_name("midfill")
# What a test waits for comes in a second or a few; a machine that is slow or busy is given this many.
PATIENCE = 180.0
SHOP = '''"""A shop and what is in it."""


def price_of(item):
    """The price of an item, with tax."""
    return item.net * (1 + item.tax)


def total(items):
    """The sum of the prices of all items."""
'''
AREA = "def area(width, height):\n    result = width * height\n    return result\n"


class Terminal:
    """Runs a program on a terminal of its own, in a home of its own, to the end of a `with`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        home: Path,
        environment: Mapping[str, str] | None = None,
        columns: int = 100,
        rows: int = 30,
    ) -> None:
        home.mkdir(mode=0o700, exist_ok=True)
        self._screen = _Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._lock = threading.Lock()
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            cwd=home,
            env={**os.environ, "HOME": str(home), "TERM": "xterm-256color", **(environment or {})},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        # The terminal of a program that has ended cannot be read.
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65536):
                with self._lock:
                    self._stream.feed(data)

    def screen(self) -> str:
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def cursor_is(self, row: int, column: int) -> None:
        """Wait until the cursor is there, counted from 0."""
        self.until(lambda: (self._screen.cursor.y, self._screen.cursor.x) == (row, column))

    def stands_out(self, text: str, beside: str) -> bool:
        """Whether a text has other colours than one like it, as what is selected has."""

        def colours(of: str) -> tuple[str, str, bool]:
            row = next(row for row, line in enumerate(self._screen.display) if of in line)
            first = self._screen.buffer[row][self._screen.display[row].index(of)]
            return first.fg, first.bg, first.reverse

        with self._lock:
            return colours(text) != colours(beside)

    def keys(self, keys: str, gap: float = 0.03) -> None:
        """Type, at the pace of a fast typist. Control characters and Escape are what a terminal sends for them."""
        for key in keys:
            os.write(self._master, key.encode())
            time.sleep(gap)

    def press(self, sequence: str) -> None:
        """Send what a terminal sends for one key."""
        os.write(self._master, sequence.encode())

    def until(self, condition: Callable[[], T], seconds: float = PATIENCE) -> T:
        return until(condition, "it did not happen", self.screen, seconds)

    def shows(self, pattern: str, seconds: float = PATIENCE) -> str:
        """Wait until a regular expression is found on the screen; returns its last group, or what it matched."""
        what = f"{pattern!r} is not on the screen"
        found = until(lambda: re.search(pattern, self.screen(), re.M), what, self.screen, seconds)
        return str(found[found.re.groups])

    def patiently(self, keys: str, pattern: str, *, again: str, each: float, refused: str = r"\b\B") -> str:
        """Type keys; then others, when `refused` or nothing has come for `each` seconds, until it is there.

        What is waited for comes sooner than after `each` seconds, if it comes at all.
        """
        self.keys(keys)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):
                self.shows(f"{pattern}|{refused}", each)
                # What was refused before may be on the screen still.
                return self.shows(pattern, 0.5)
            self.keys(again)
        return self.shows(pattern, 0.5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.quit()

    def quit(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(5)
        os.close(self._master)
        self._reading.join(5)


class OneFile(Terminal):
    """An editor with vi's keys that shows one file."""

    def __init__(
        self, command: Sequence[str | Path], home: Path, file: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._file = file
        super().__init__([*command, file], home, environment)

    def saved(self) -> str:
        """What is in the buffer, by way of the file."""
        self._file.unlink(missing_ok=True)
        self.keys("\x1b")
        self.keys(":w\r", gap=0.05)
        return self.until(lambda: self._file.exists() and self._file.read_text("utf-8"))


def scripted(*answers: str) -> list[str]:
    """The command of the real server with a model that gives these answers."""
    return [sys.executable, str(ROOT / "tests" / "lsp" / "scripted_server.py"), json.dumps(answers)]


class _Screen(pyte.Screen):
    """pyte's, which does not know the private forms of some sequences."""

    def report_device_status(self, mode: int, private: bool = False) -> None:
        if not private:
            super().report_device_status(mode)

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        if not private:
            super().select_graphic_rendition(*attributes)


def _take_terminal() -> None:
    """Runs in the child: its standard input becomes the terminal of its session, which /dev/tty means."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def until(condition: Callable[[], T], what: str, state: Callable[[], str], seconds: float = PATIENCE) -> T:
    """Wait until the condition is truthy; else fail with the state."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what}:\n{state()}")
        time.sleep(0.01)
    return value
