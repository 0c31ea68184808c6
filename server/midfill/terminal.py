"""What a command gives its user besides its result: messages, progress, a bar, on standard error; and files."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from midfill.errors import UsageError


def tell(message: str) -> None:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}midfill: {message}", file=sys.stderr)


def progress(message: str, percentage: int | None) -> None:
    """One line that rewrites itself, on a terminal only."""
    if sys.stderr.isatty():
        done = f" {percentage}%" if percentage is not None else ""
        sys.stderr.write(f"\r\x1b[K{message}{done}\r")
        sys.stderr.flush()


@contextlib.contextmanager
def bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar in bytes on a terminal; elsewhere a line every ten percent."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(title, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    tenth = -1

    def report(done: int, total: int) -> None:
        nonlocal tenth
        if total and done * 10 // total > tenth:
            tenth = done * 10 // total
            tell(f"{title}: {tenth * 10}% of {total / 1e6:,.0f} MB")

    yield report


def write(path: Path, text: str) -> None:
    """Write what the user wants in a file of their choice. Raises `UsageError`."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.") from None
