"""What a name of one file means: the index, with the open buffers laid over it, and imports followed to files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from urllib.request import url2pathname

from midfill.document import Document
from midfill.index.deny import denied
from midfill.index.extract import Extract, Symbol, extracted
from midfill.index.store import Reader
from midfill.languages import language_for


class Symbols(Protocol):
    """What can be asked about a workspace. Answers come at once, from memory or an open database."""

    def named(self, names: Collection[str]) -> list[Symbol]:
        """The symbols with these names, members of types too."""

    def members(self, path: str, container: str) -> list[Symbol]:
        """The members of a type, in the order of the file."""


class Workspace:
    """The index of a folder; of a file that is open, what the editor has counts and not what is on disk."""

    def __init__(self, root: Path, reader: Reader, documents: Mapping[str, Document]) -> None:
        """`documents`: the open ones by URI, as they are whenever something is asked."""
        self.root = root
        self.reader = reader
        self._documents = documents

    def named(self, names: Collection[str]) -> list[Symbol]:
        wanted = frozenset(names)
        overlay = self._overlay()
        kept = (symbol for symbol in self.reader.named(wanted) if symbol.path not in overlay)
        return [*kept, *(each for own in overlay.values() for each in own.symbols if each.name in wanted)]

    def members(self, path: str, container: str) -> list[Symbol]:
        own = self._overlay().get(path)
        if own is None:
            return self.reader.members(path, container)
        return [symbol for symbol in own.symbols if symbol.container == container]

    def _overlay(self) -> dict[str, Extract]:
        overlay = {}
        for uri, document in list(self._documents.items()):
            path = path_below(self.root, uri)
            if path is not None and not denied(path):
                overlay[path] = extracted(document, path)
        return overlay


def path_of(uri: str) -> Path | None:
    """The path of a file's URI; None for what is no file."""
    parts = urlsplit(uri)
    # VS Code writes `file:///c%3A/`, in which Python sees no drive.
    return Path(url2pathname(re.sub("%3a", ":", parts.path, flags=re.I))) if parts.scheme == "file" else None


def path_below(root: Path, uri: str) -> str | None:
    """The path of a file below a folder, with `/`; None for what is elsewhere or no file."""
    path = path_of(uri)
    try:
        return path.relative_to(root).as_posix() if path else None
    except ValueError:
        return None


def distance(module: str, importer: str, path: str) -> int | None:
    """How far a file is from what `importer` calls `module`; None where they have nothing to do with each other.

    0: the file is the module. 1: it is inside the module's folder, from which a package takes much of what it
    offers. 2: only the last part of the name agrees, as where a compiler's search path stands before it.
    """
    parts, anchored = _module(module, importer)
    stem = _stem(path)
    size = len(parts)
    if anchored:
        return 0 if stem == parts else 1 if stem[:size] == parts else None
    if not parts:
        return 1
    if stem[-size:] == parts or (_suffix(path) == ".go" and _ends_alike(stem[:-1], parts)):
        return 0
    if any(stem[at : at + size] == parts for at in range(len(stem) - size)):
        return 1
    return 2 if parts[-1] == stem[-1] else None


def related(importer: str, path: str) -> bool:
    """Whether two files are written in languages that can use each other's symbols."""
    return _family(importer) == _family(path)


def shares_scope(importer: str, path: str) -> bool:
    """Whether a file sees the names of the other without an import."""
    same = posixpath.dirname(importer) == posixpath.dirname(path)
    return same and _suffix(path) in (".go", ".java", ".kt", ".cs", ".c", ".h", ".cc", ".cpp", ".hpp")


_FAMILIES = {"typescript": "javascript", "tsx": "javascript", "cpp": "c"}
_INDEX = frozenset({"__init__", "index", "mod", "lib"})


def _family(path: str) -> str | None:
    language = language_for(None, path)
    return _FAMILIES.get(language.id, language.id) if language else None


def _suffix(path: str) -> str:
    return posixpath.splitext(path)[1]


def _stem(path: str) -> list[str]:
    """The parts of a path as a module's name has them."""
    parts = posixpath.splitext(path)[0].split("/")
    return parts[:-1] if parts[-1] in _INDEX and len(parts) > 1 else parts


def _module(module: str, importer: str) -> tuple[list[str], bool]:
    """The parts of a module's name, and whether they begin at the top of the workspace."""
    folder = posixpath.dirname(importer)
    if _suffix(importer) in (".py", ".pyi"):
        name = module.lstrip(".")
        up = len(module) - len(name)
        parts = [part for part in name.split(".") if part]
        if not up:
            return parts, False
        base = folder.split("/") if folder else []
        return [*base[: len(base) - up + 1], *parts], True
    if module.startswith("."):
        return _stem(posixpath.normpath(posixpath.join(folder, module))), True
    if "::" in module or _suffix(importer) == ".rs":
        return [part for part in module.split("::") if part not in ("", "crate", "self", "super")], False
    if "/" in module or _suffix(module) in (".h", ".hh", ".hpp", ".hxx"):
        return [part for part in _stem(module) if part not in ("", "@", "~")], False
    return module.split("."), False


def _ends_alike(folder: list[str], parts: list[str]) -> bool:
    """Whether a folder's path below the workspace is the end of an import path, as Go's are."""
    return bool(folder) and parts[-len(folder) :] == folder
