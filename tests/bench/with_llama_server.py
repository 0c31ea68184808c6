"""Run a command beside a llama-server that is built from the very llama.cpp that Midfill runs on.

    python tests/bench/with_llama_server.py COMMAND...

The source is llama-cpp-python's own source archive, of the version that is installed, configured by the same
CMake file and flags as the installed library: the same commit, the same optimizations. It is built once, in
`build/bench/`, which takes about six minutes on two cores. `--peer URL` is added to the command.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil
from filelock import FileLock

from midfill.engine.llama import SPIN, has_tiles
from midfill.models import catalog

FOLDER = Path(__file__).resolve().parents[2] / "build" / "bench"

# The archive's CMake file is made for the Python package alone; these add the server to what it builds. The
# server's dependency mtmd comes with the tools, and the user interface and OpenSSL are not needed.
FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DCMAKE_BUILD_RPATH_USE_ORIGIN=ON",
    "-DLLAVA_BUILD=OFF",
    "-DLLAMA_BUILD_TOOLS=ON",
    "-DLLAMA_BUILD_SERVER=ON",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
)

# What llama.vim's README recommends, `--fim-qwen-1.5b-default`, without its download of another model; the
# context is Midfill's, and one slot is what one editor uses.
SERVER = (
    "--batch-size",
    "1024",
    "--ubatch-size",
    "1024",
    "--cache-reuse",
    "256",
    "--ctx-size",
    "8192",
    "--parallel",
    "1",
)


def main(command: list[str]) -> int:
    if not command:
        raise SystemExit(__doc__)
    model = catalog.present(catalog.find("complete"))
    with running(build(), model) as url:
        return subprocess.run([*command, "--peer", url]).returncode


def build() -> Path:
    """The program llama-server, built if it is not there yet."""
    name = f"llama_cpp_python-{version('llama-cpp-python')}"
    output = FOLDER / name / "output"
    program = output / "bin" / "llama-server"
    if program.exists():
        return program
    source = fetched()
    tools = _tools(FOLDER / "tools")
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=tools["PATH"]) else []
    _tell("building llama-server from llama.cpp's source, once (about six minutes on two cores)")
    _run(["cmake", "-S", str(source), "-B", str(output), *generator, *FLAGS], tools)
    jobs = str(os.cpu_count() or 1)
    subprocess.run(
        ["cmake", "--build", str(output), "--target", "llama-server", "--parallel", jobs], env=tools, check=True
    )
    return program


def fetched() -> Path:
    """The folder of the source, fetched if it is not there yet."""
    name = f"llama_cpp_python-{version('llama-cpp-python')}"
    source = FOLDER / name / "source"
    source.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(source.with_suffix(".lock")):
        if not source.exists():
            _tell("fetching llama.cpp's source")
            _unpack(_download(name), source)
    return source


@contextlib.contextmanager
def running(program: Path, model: Path, flags: tuple[str, ...] = SERVER) -> Iterator[str]:
    """The URL of a server on as many threads as Midfill's engine; by default it runs as llama.vim recommends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(program), "-m", str(model), "--host", "127.0.0.1", "--port", str(port), *flags, *_threads()]
    if has_tiles():
        # It would crash, as the engine would.
        command.append("--no-repack")
    # Midfill shortens the spinning at llama.cpp's barriers; the peer gets the same advantage.
    environment = {"GOMP_SPINCOUNT": SPIN, **os.environ}
    log = FOLDER / "llama-server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment) as server,
    ):
        try:
            _wait(server, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        with (
            contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection,
            contextlib.suppress(OSError),
        ):
            connection.request("GET", "/health")
            with connection.getresponse() as response:
                if response.status == 200:
                    return
        time.sleep(0.1)
    raise SystemExit(f"llama-server did not start; {log} says why.")


def _threads() -> tuple[str, str]:
    """Physical cores, as the engine counts them."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return "--threads", str(min(psutil.cpu_count(logical=False) or usable, usable))


def _tools(folder: Path) -> dict[str, str]:
    """An environment with CMake on its path; where there is none, it is installed in `folder` alone."""
    if shutil.which("cmake"):
        return dict(os.environ)
    if not (folder / "bin" / "cmake").exists():
        _tell("fetching CMake")
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(folder / "bin" / "pip"), "install", "--quiet", "cmake", "ninja"])
    return {**os.environ, "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def _download(name: str) -> Path:
    """The source archive, from the package index that pip is set to. pip unpacks it to read its metadata."""
    requirement = name.replace("_", "-", 2).replace("-python-", "-python==")
    package = ["--no-deps", "--no-binary", "llama-cpp-python", requirement]
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(FOLDER), *package])
    return FOLDER / f"{name}.tar.gz"


def _unpack(archive: Path, target: Path) -> None:
    """The folder inside the archive becomes `target`, whole or not at all."""
    unpacked = target.with_name("unpacking")
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(archive) as tar:
        # Debian 12's Python 3.11.2 has no filters yet.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        tar.extractall(unpacked, **safely)
    (inside,) = unpacked.iterdir()
    inside.rename(target)
    unpacked.rmdir()


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run quietly; show what was printed only if it fails."""
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{' '.join(command)} failed.")


def _tell(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
