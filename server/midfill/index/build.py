"""Bring the index of a workspace in line with its files: `python -m midfill.index.build ROOT`.

This is a process of its own, of the lowest priority, so that neither the interpreter of the server nor the cores
that the model computes on are held up. It reads one line of JSON from stdin: null for the whole workspace, or a
list of the paths that may have changed. It ends when stdin does, and whoever kills it loses nothing: what it has
written so far stays. It writes a line of JSON for each step: `{"done": 120, "all": 9000}`.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sqlite3
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from filelock import FileLock

from midfill.document import Document
from midfill.index.extract import Symbol, extract
from midfill.index.files import File, found, read, walk
from midfill.index.store import Writer, database, delete

Progress = Callable[[int, int], None]

# Files of one transaction and of one message to a helper.
BATCH = 40
# Fewer files than these are not worth the start of helpers.
WORTH_HELPERS = 200
MOST_HELPERS = 4


def update(root: Path, changed: Sequence[str] | None = None, progress: Progress | None = None) -> int:
    """Index what is new, forget what is gone; return how many files were read. `changed`: None means all.

    Only modification times and sizes are compared. An index that turns out to be broken is made anew. Raises
    OSError or sqlite3.Error where none can be written.
    """
    path = database(root)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Another window may be at it; then there will be little to do.
    with FileLock(path.with_suffix(".lock")):
        try:
            return _update(root, path, changed, progress)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            delete(path)
            return _update(root, path, None, progress)


def _update(root: Path, path: Path, changed: Sequence[str] | None, progress: Progress | None) -> int:
    writer = Writer(path)
    with contextlib.closing(writer):
        known = writer.known()
        if changed is None or not known:
            files = {file.path: file for file in walk(root)}
            gone = known.keys() - files.keys()
        else:
            files = {file.path: file for each in changed if (file := found(root, each))}
            gone = known.keys() & {each for each in changed if each not in files}
        writer.remove(gone)
        new = [file for file in files.values() if known.get(file.path) != file]
        done = 0
        for batch in _read_all(root, new):
            writer.replace(batch)
            done += len(batch)
            if progress:
                progress(done, len(new))
        return len(new)


Batch = list[tuple[File, Sequence[Symbol]]]


def _read_all(root: Path, files: Sequence[File]) -> Iterator[Batch]:
    """The symbols of files, a batch at a time, with the help of further processes if there are many files."""
    batches = deque(files[start : start + BATCH] for start in range(0, len(files), BATCH))
    if len(files) < WORTH_HELPERS:
        yield from (_symbols_of(root, batch) for batch in batches)
        return
    busy: dict[Connection, Sequence[File]] = {}
    free = [_helper(root) for _ in range(min(_cores(), MOST_HELPERS))]
    while batches or busy:
        while batches and free:
            helper = free.pop()
            busy[helper] = batches.popleft()
            helper.send(busy[helper])
        ready = wait(list(busy))
        for helper in [each for each in busy if each in ready]:
            batch = busy.pop(helper)
            try:
                yield helper.recv()
                free.append(helper)
            except EOFError:
                # A file that brings a parser down costs its batch and not the index.
                yield [(file, ()) for file in batch]
                free.append(_helper(root))
    for helper in free:
        helper.close()


def _helper(root: Path) -> Connection:
    """Start a process that reads batches of files; it ends when the connection does."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    context.Process(target=_help, args=(theirs, root), daemon=True).start()
    theirs.close()
    return ours


def _help(work: Connection, root: Path) -> None:
    _yield_to_others()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            work.send(_symbols_of(root, work.recv()))


def _symbols_of(root: Path, files: Sequence[File]) -> Batch:
    return [(file, _symbols(root, file)) for file in files]


def _symbols(root: Path, file: File) -> tuple[Symbol, ...]:
    text = read(root, file)
    if text is None:
        return ()
    return extract(Document.open(file.path, None, 0, text), file.path).symbols


def _yield_to_others() -> None:
    """Run only when nobody else wants the core, as far as the system knows such a thing."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(19)
    # Where Linux shares the cores out between sessions first, priorities count only within ours.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _end_with_stdin() -> None:
    """The server closes our stdin to cancel, and the system does when the server has died."""
    with contextlib.suppress(OSError, ValueError):
        while sys.stdin.readline():
            pass
    os._exit(1)


def main() -> None:
    """Exit status 0: the index is up to date; 1: cancelled; 2: no index can be kept, as stderr says."""
    root = Path(sys.argv[1])
    changed = json.loads(sys.stdin.readline() or "null")
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    _yield_to_others()

    def tell(done: int, all: int) -> None:
        print(json.dumps({"done": done, "all": all}), flush=True)

    try:
        update(root, changed, tell)
    except (OSError, sqlite3.Error) as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
