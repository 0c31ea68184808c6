"""What the user has said to trust: the actions that a project brings in its `.midfill.toml`.

Such a file is a stranger's until its user has said that it may be used. What is remembered is the content's hash,
so a file that changes is asked about again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path
from typing import Literal

import platformdirs

from midfill.errors import UsageError

NAME = ".midfill.toml"
# Bytes. A file of actions that is larger is none.
LARGEST = 64_000
Verdict = Literal["trusted", "refused"]


def config_dir() -> Path:
    """Of the user's own settings: `MIDFILL_CONFIG`, or where the system has such things. It need not exist."""
    chosen = os.environ.get("MIDFILL_CONFIG")
    return Path(chosen) if chosen else Path(platformdirs.user_config_dir("midfill", appauthor=False))


def state_dir() -> Path:
    """Of what is remembered for the user: `MIDFILL_STATE`, or where the system has such things."""
    chosen = os.environ.get("MIDFILL_STATE")
    return Path(chosen) if chosen else Path(platformdirs.user_state_dir("midfill", appauthor=False))


def read(path: Path, own: bool) -> bytes | None:
    """A file of actions; None where there is none. `own`: it is the user's, who may link to it as they like.

    A project's must be a file of the project: a link could lead to any file of the machine. Raises `UsageError`
    for what is no such file.
    """
    # Never wait for a writer, as of a named pipe.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        if not own and path.is_symlink():
            raise UsageError(f"{path} is a link, and a project's actions must be in a file of their own.")
        file = os.open(path, flags | (0 if own else getattr(os, "O_NOFOLLOW", 0)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise UsageError(f"{path} is no regular file, so its actions are not used.")
    with os.fdopen(file, "rb") as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise UsageError(f"{path} has more than {LARGEST} bytes, so its actions are not used.")
    return data


def verdict(data: bytes) -> Verdict | None:
    """What the user has last said of this content; None when they were never asked."""
    found: Verdict | None = None
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in said_file().read_text("utf-8").splitlines():
            word, _, rest = line.partition(" ")
            if rest.split(" ", 1)[0] == _hash(data):
                found = "trusted" if word == "trusted" else "refused"
    return found


def remember(data: bytes, path: Path, said: Verdict) -> None:
    """Keep what the user says of a content. The path is for people who read the list. Raises `UsageError`."""
    where = os.fspath(path).encode("unicode_escape").decode("ascii")
    try:
        said_file().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with said_file().open("a", encoding="utf-8") as lines:
            lines.write(f"{said} {_hash(data)} {where}\n")
    except OSError as error:
        raise UsageError(
            f"{said_file()} cannot be written: {error.strerror}. MIDFILL_STATE can name another folder."
        ) from None


def said_file() -> Path:
    """The list of what was said, a line each, the newest last."""
    return state_dir() / "trusted-actions"


def place(path: Path) -> Path:
    """The file that a user means who names a project's folder, or the file itself. Raises `UsageError`."""
    path = path.expanduser().absolute()
    return path / NAME if path.is_dir() else path


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
