"""Which files of a workspace are indexed: code that git does not ignore, nothing denied, large or binary."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from midfill.index.deny import denied
from midfill.languages import language_for

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

LARGEST = 1024 * 1024
"""Bytes. Larger sources are generated or data, and nobody looks their symbols up."""

# Never part of a project's own code, even where no .gitignore says so.
_SKIPPED = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__", ".tox", ".mypy_cache"})


@dataclass(frozen=True, slots=True)
class File:
    """A file to index: its path below the workspace, with `/`, and what tells whether it has changed."""

    path: str
    mtime: int
    """Nanoseconds."""
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class _Ignore:
    """The rules of one folder's .gitignore. They hold below `folder`, which is "" or ends with a slash."""

    folder: str
    rules: GitIgnoreSpec


def walk(root: Path) -> Iterator[File]:
    """Every file to index, folder by folder. Folders that cannot be read count as empty, links as absent."""
    pending: list[tuple[str, tuple[_Ignore, ...]]] = [("", _excluded(root))]
    while pending:
        folder, ignores = pending.pop()
        try:
            with os.scandir(root / folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        if any(entry.name == ".gitignore" for entry in found):
            ignores = (*ignores, *_read(root / folder / ".gitignore", folder))
        for entry in found:
            path = folder + entry.name
            if entry.is_symlink():
                continue
            if entry.is_dir():
                if entry.name not in _SKIPPED and not _ignored(f"{path}/", ignores):
                    pending.append((f"{path}/", ignores))
            elif (file := _file(entry, path)) and not _ignored(path, ignores):
                yield file


def found(root: Path, path: str) -> File | None:
    """The file at a path below the workspace, if it is one to index. `walk` finds the same files."""
    folders = path.split("/")[:-1]
    ignores = _excluded(root)
    folder = ""
    ignores = (*ignores, *_read(root / ".gitignore", ""))
    for name in folders:
        folder += f"{name}/"
        if name in _SKIPPED or (root / folder).is_symlink() or _ignored(folder, ignores):
            return None
        ignores = (*ignores, *_read(root / folder / ".gitignore", folder))
    if _ignored(path, ignores):
        return None
    try:
        with os.scandir(root / folder) as entries:
            entry = next((entry for entry in entries if entry.path == str(root / path)), None)
    except OSError:
        return None
    return _file(entry, path) if entry is not None and not entry.is_symlink() and not entry.is_dir() else None


def read(root: Path, file: File) -> str | None:
    """The text of a file; None for one that is binary, is not UTF-8 or is gone."""
    try:
        data = (root / file.path).read_bytes()
        return None if b"\0" in data[:8192] else data.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _file(entry: os.DirEntry[str], path: str) -> File | None:
    if language_for(None, path) is None or denied(path):
        return None
    try:
        status = entry.stat()
    except OSError:
        return None
    return File(path, status.st_mtime_ns, status.st_size) if status.st_size <= LARGEST else None


def _excluded(root: Path) -> tuple[_Ignore, ...]:
    return _read(root / ".git" / "info" / "exclude", "")


def _read(path: Path, folder: str) -> tuple[_Ignore, ...]:
    # A server that only looks symbols up has no need of it.
    from pathspec import GitIgnoreSpec

    try:
        rules = GitIgnoreSpec.from_lines(path.read_text("utf-8", "replace").splitlines())
    except (OSError, ValueError):
        # A pattern that pathspec cannot read ignores nothing, as in git.
        return ()
    return (_Ignore(folder, rules),) if len(rules) else ()


def _ignored(path: str, ignores: tuple[_Ignore, ...]) -> bool:
    """What the innermost .gitignore says that speaks of the path; a folder's path ends with a slash."""
    for ignore in reversed(ignores):
        said = ignore.rules.check_file(path[len(ignore.folder) :]).include
        if said is not None:
            return said
    return False
