"""A real editor in a terminal: keys in, screen out."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pyte

T = TypeVar("T")
SHOP = '''"""A shop and what is in it."""


def price_of(item):
    """The price of an item, with tax."""
    return item.net * (1 + item.tax)


def total(items):
    """The sum of the prices of all items."""
'''
AREA = "def area(width, height):\n    result = width * height\n    return result\n"


class Terminal:
    """Runs a program on a terminal of its own, in a home of its own."""

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

    def cursor_is(self, row: int, column: int, seconds: float = 60) -> None:
        """Wait until the cursor is there, counted from 0."""
        self.until(lambda: (self._screen.cursor.y, self._screen.cursor.x) == (row, column), seconds)

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

    def until(self, condition: Callable[[], T], seconds: float = 60) -> T:
        return until(condition, seconds, "it did not happen", self.screen)

    def shows(self, text: str, seconds: float = 60) -> None:
        until(lambda: text in self.screen(), seconds, f"{text!r} is not on the screen", self.screen)

    def patiently(self, keys: str, text: str, each: float = 1, seconds: float = 90) -> None:
        """Type keys again and again until the text is on the screen; `each` is how long one time may take."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.keys(keys)
            with contextlib.suppress(AssertionError):
                return self.shows(text, each)
        self.shows(text, 1)

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


def until(condition: Callable[[], T], seconds: float, what: str, state: Callable[[], str]) -> T:
    """Wait until the condition is truthy; else fail with the state."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what}:\n{state()}")
