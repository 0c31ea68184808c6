"""Where the host and the windows meet: a folder that is this user's alone, with a lock and a socket in it.

On Unix the kernel says which user is at the other end of the socket. Elsewhere the socket is a port of the
loopback device, and either end shows a secret that only this user can read.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hmac
import json
import os
import secrets
import socket
import stat
import struct
import sys
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from midfill.errors import EngineError

UNIX = sys.platform != "win32"
# A Unix socket's path has 104 bytes on macOS and 108 on Linux, with the zero at its end.
LONGEST_PATH = 100


class HostRuns(EngineError):
    """Another process is the host."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the host leaves in the folder for those who look for it.

    `window_secret` is what a window must say and `host_secret` what the host answers; both are empty where the
    kernel knows who is at the other end.
    """

    pid: int
    port: int = 0
    window_secret: str = ""
    host_secret: str = ""


def folder() -> Path:
    """`MIDFILL_RUNTIME`, else a folder of the user's session; it is made. Raises `EngineError`."""
    if chosen := os.environ.get("MIDFILL_RUNTIME"):
        return _private(Path(chosen).expanduser().absolute())
    try:
        with warnings.catch_warnings(action="ignore"):
            return _private(Path(platformdirs.user_runtime_dir("midfill", appauthor=False)))
    except EngineError:
        # No session folder, one that others can write, or a path that is too long for a socket.
        user = os.getuid() if sys.platform != "win32" else os.environ.get("USERNAME", "user")
        return _private(Path(tempfile.gettempdir()) / f"midfill-{user}")


def log_folder() -> Path:
    """`MIDFILL_LOGS`, else the user's folder for logs. It need not exist."""
    if chosen := os.environ.get("MIDFILL_LOGS"):
        return Path(chosen).expanduser().absolute()
    return Path(platformdirs.user_log_dir("midfill", appauthor=False))


@contextlib.contextmanager
def claimed() -> Iterator[tuple[socket.socket, Notice]]:
    """Be the host: yields a socket that listens. Raises `HostRuns` when another process is, or `EngineError`."""
    place = folder()
    lock = FileLock(place / "host.lock", mode=0o600)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise HostRuns("A Midfill host runs already; `midfill host --status` tells about it.") from None
    listener = None
    try:
        listener, left = _listen(place)
        yield listener, left
    except OSError as error:
        raise EngineError(
            f"No socket can be opened in {place}: {error.strerror}. MIDFILL_RUNTIME can name another folder."
        ) from error
    finally:
        if listener is not None:
            listener.close()
        # Whoever holds the lock owns these files, so nobody's new socket is removed here.
        for name in ("host.sock", "host.json"):
            (place / name).unlink(missing_ok=True)
        lock.release()


def is_claimed() -> bool:
    """Whether some process is the host, or still on its way out."""
    lock = FileLock(folder() / "host.lock", mode=0o600)
    try:
        with lock.acquire(blocking=False):
            return False
    except Timeout:
        return True


def notice() -> Notice | None:
    """What the last host left; it may be dead."""
    try:
        return Notice(**json.loads((folder() / "host.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Notice]:
    """A connection to the host. Raises `OSError` when there is none, `EngineError` when it is not this user's."""
    there = notice()
    if there is None:
        raise ConnectionRefusedError("no host has left a notice")
    end = socket.socket(socket.AF_UNIX if UNIX else socket.AF_INET)
    end.setblocking(False)
    try:
        address = os.fspath(folder() / "host.sock") if UNIX else ("127.0.0.1", there.port)
        await asyncio.get_running_loop().sock_connect(end, address)
        if not is_same_user(end):
            raise EngineError(f"The socket {address} belongs to another user. MIDFILL_RUNTIME can name a folder.")
        reader, writer = await asyncio.open_connection(sock=end)
    except BaseException:
        end.close()
        raise
    return reader, writer, there


def is_same_user(end: socket.socket) -> bool:
    """Whether the process at the other end belongs to this user. Where that cannot be asked, secrets tell."""
    if sys.platform == "win32" or end.family != socket.AF_UNIX:
        return True
    if sys.platform == "linux":
        credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        _, user, _ = struct.unpack("3i", credentials)
        return bool(user == os.getuid())
    user_id, group_id = ctypes.c_uint32(), ctypes.c_uint32()
    failed = ctypes.CDLL(None).getpeereid(end.fileno(), ctypes.byref(user_id), ctypes.byref(group_id))
    return not failed and user_id.value == os.getuid()


def is_secret(said: object, secret: str) -> bool:
    return isinstance(said, str) and hmac.compare_digest(said.encode(), secret.encode())


def _private(place: Path) -> Path:
    """Make a folder that only this user can enter, or raise `EngineError` for one that others can."""
    advice = "MIDFILL_RUNTIME can name another folder."
    if UNIX and len(os.fsencode(place / "host.sock")) > LONGEST_PATH:
        raise EngineError(f"The path {place} is too long for a socket. {advice}")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = place.lstat()
    except OSError as error:
        raise EngineError(f"The folder {place} cannot be made: {error.strerror}. {advice}") from None
    if sys.platform != "win32":
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise EngineError(f"{place} is not a folder of yours, so Midfill does not use it. {advice}")
        if status.st_mode & 0o077:
            raise EngineError(f"Others can enter the folder {place}: run `chmod 700 {place}`. {advice}")
    return place


def _listen(place: Path) -> tuple[socket.socket, Notice]:
    listener = socket.socket(socket.AF_UNIX if UNIX else socket.AF_INET)
    try:
        if UNIX:
            path = place / "host.sock"
            # We hold the lock, so this can only be a dead host's.
            path.unlink(missing_ok=True)
            listener.bind(os.fspath(path))
            path.chmod(0o600)
            left = Notice(os.getpid())
        else:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            left = Notice(os.getpid(), port, secrets.token_urlsafe(), secrets.token_urlsafe())
        _write(place / "host.json", json.dumps(asdict(left)))
        listener.listen()
        return listener, left
    except BaseException:
        listener.close()
        raise


def _write(path: Path, text: str) -> None:
    """Replace a file at once, readable by this user only."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    new.replace(path)
