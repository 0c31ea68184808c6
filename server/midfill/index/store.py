"""The index of one workspace: an SQLite file in the user's cache folder, which may be lost at any time.

One process writes, any number read (WAL). A file that is broken, or of another version of Midfill, is deleted and
made anew by the next writer; a reader that meets one finds nothing and says so by `broken`.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import platformdirs

from midfill.index.extract import Symbol
from midfill.index.files import File

log = logging.getLogger(__name__)

VERSION = 1
"""Of the tables and of what `extract` puts into them."""

# So many definitions of one name are looked at; of more none is the one that is meant.
MOST_OF_ONE_NAME = 200

_TABLES = """
CREATE TABLE file (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, mtime INTEGER NOT NULL,
                   size INTEGER NOT NULL);
CREATE TABLE symbol (file INTEGER NOT NULL, line INTEGER NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
                     container TEXT NOT NULL, signature TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX symbol_name ON symbol (name);
CREATE INDEX symbol_file ON symbol (file, container);
"""
_COLUMNS = "path, name, kind, container, signature, doc, line"


def cache_dir() -> Path:
    """`MIDFILL_CACHE`, else the user's cache folder. It need not exist."""
    if chosen := os.environ.get("MIDFILL_CACHE"):
        return Path(chosen).expanduser()
    return Path(platformdirs.user_cache_dir("midfill", appauthor=False))


def database(root: Path) -> Path:
    """Where the index of a workspace is, or would be."""
    digest = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()
    return cache_dir() / "index" / f"{root.name or 'root'}-{digest[:16]}.sqlite"


class Writer:
    """The tables, ready to be written. Raises OSError or sqlite3.Error where no file can be made."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._connection = _opened(path)
        except sqlite3.DatabaseError as error:
            log.info("the index %s is made anew: %s", path.name, error)
            delete(path)
            self._connection = _opened(path)

    def close(self) -> None:
        self._connection.close()

    def known(self) -> dict[str, File]:
        """The files in the index, by path."""
        rows = self._connection.execute("SELECT path, mtime, size FROM file")
        return {path: File(path, mtime, size) for path, mtime, size in rows}

    def replace(self, files: Iterable[tuple[File, Sequence[Symbol]]]) -> None:
        """Put files into the index, in one transaction; what it had of them goes."""
        with self._connection as transaction:
            for file, symbols in files:
                _remove(transaction, file.path)
                row = transaction.execute(
                    "INSERT INTO file (path, mtime, size) VALUES (?, ?, ?)", (file.path, file.mtime, file.size)
                ).lastrowid
                transaction.executemany(
                    "INSERT INTO symbol VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [(row, s.line, s.name, s.kind, s.container, s.signature, s.doc) for s in symbols],
                )

    def remove(self, paths: Iterable[str]) -> None:
        with self._connection as transaction:
            for path in paths:
                _remove(transaction, path)


class Reader:
    """Looks symbols up. It can be made before there is an index; it finds one as soon as there is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self.broken = False
        """Whether the file was found to be damaged, so that it needs a writer."""

    def named(self, names: Collection[str]) -> list[Symbol]:
        """The symbols with these names, members of types too."""
        query = (
            f"SELECT {_COLUMNS} FROM symbol JOIN file ON file.id = symbol.file WHERE name = ? "
            f"LIMIT {MOST_OF_ONE_NAME}"
        )
        return [symbol for name in names for symbol in self._select(query, name)]

    def members(self, path: str, container: str) -> list[Symbol]:
        """The members of a type, in the order of the file."""
        query = (
            f"SELECT {_COLUMNS} FROM symbol JOIN file ON file.id = symbol.file "
            "WHERE file = (SELECT id FROM file WHERE path = ?) AND container = ? ORDER BY line"
        )
        return self._select(query, path, container)

    def reopen(self) -> None:
        """Look at the file anew: a writer may have replaced it."""
        if self._connection:
            self._connection.close()
        self._connection, self.broken = None, False

    close = reopen

    def _select(self, query: str, *values: str) -> list[Symbol]:
        if self.broken:
            return []
        try:
            if self._connection is None:
                if not self._path.is_file():
                    return []
                self._connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=0.05)
                if _version(self._connection) != VERSION:
                    raise sqlite3.DatabaseError("it is of another version")
            return [Symbol(*row) for row in self._connection.execute(query, values)]
        except sqlite3.OperationalError as error:
            # Locked by a writer that starts or ends; the next question may be answered.
            log.debug("%s: %s", self._path.name, error)
        except (sqlite3.DatabaseError, UnicodeError) as error:
            log.info("the index %s is broken: %s", self._path.name, error)
            self.reopen()
            self.broken = True
        return []


def delete(path: Path) -> None:
    """Delete an index with its journals."""
    for each in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))):
        with contextlib.suppress(FileNotFoundError):
            each.unlink()


def _opened(path: Path) -> sqlite3.Connection:
    """A connection to write with. Raises sqlite3.DatabaseError for a file that is broken or of another version."""
    connection = sqlite3.connect(path, timeout=10)
    try:
        path.chmod(0o600)
        connection.execute("PRAGMA journal_mode = WAL")
        # A crash of the machine may lose what was written last, but in WAL mode never damages the file.
        connection.execute("PRAGMA synchronous = NORMAL")
        if next(_rows(connection, "SELECT count(*) FROM sqlite_master"))[0] == 0:
            connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")
        if _version(connection) != VERSION:
            raise sqlite3.DatabaseError("it is of another version")
        connection.execute("SELECT file.id FROM file, symbol LIMIT 0")
        if (problem := next(_rows(connection, "PRAGMA quick_check(1)"))[0]) != "ok":
            raise sqlite3.DatabaseError(problem)
    except BaseException:
        connection.close()
        raise
    return connection


def _rows(connection: sqlite3.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    yield from connection.execute(query)


def _version(connection: sqlite3.Connection) -> int:
    return int(next(_rows(connection, "PRAGMA user_version"))[0])


def _remove(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("DELETE FROM symbol WHERE file = (SELECT id FROM file WHERE path = ?)", (path,))
    connection.execute("DELETE FROM file WHERE path = ?", (path,))
