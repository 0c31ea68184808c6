"""`project()`: several files as data, under headers of the form `#- path/name.py`."""

from __future__ import annotations

import re
from pathlib import Path

from midfill.document import Document
from midfill.index.build import update
from midfill.index.store import Reader, database
from midfill.index.symbols import Workspace


def project(root: Path, text: str) -> Path:
    """Write the files below a folder."""
    for path, content in re.findall(r"^#- (\S+)\n(.*?)(?=^#- |\Z)", text, re.MULTILINE | re.DOTALL):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content, "utf-8")
    return root


def indexed(root: Path, text: str = "", opened: dict[str, Document] | None = None) -> Workspace:
    """The index of a project, with buffers laid over it."""
    update(project(root, text))
    return Workspace(root, Reader(database(root)), {} if opened is None else opened)


def buffer(root: Path, path: str, text: str) -> dict[str, Document]:
    """An open buffer, by its URI."""
    uri = (root / path).as_uri()
    return {uri: Document.open(uri, None, 1, text)}
