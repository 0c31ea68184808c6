"""Runs generated code: in a process of its own, with little time and memory, no network, and nothing to write to.

Where the kernel lets an ordinary user, the process has namespaces of its own for network and processes: what it
starts ends with it. Elsewhere, and in addition, Python itself refuses to open sockets, to start processes and to
change files. That keeps a model's blunders in; it is no fortress against an attacker.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

SECONDS = 10.0
MEGABYTES = 512
_OUTPUT = 1_000_000

# Runs inside, before the program, whose path is its only argument.
_JAIL = """
import resource, sys

def limit(what, most):
    resource.setrlimit(what, (most, most))

limit(resource.RLIMIT_AS, {megabytes} << 20)
limit(resource.RLIMIT_CPU, {seconds})
limit(resource.RLIMIT_FSIZE, {output})
limit(resource.RLIMIT_CORE, 0)

FORBIDDEN = ("socket.", "subprocess.", "shutil.", "ctypes.", "os.system", "os.exec", "os.fork", "os.posix_spawn",
    "os.kill", "os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.ch")
WRITING = 0o3 | 0o100 | 0o1000  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC as Linux has them

def guard(event, arguments):
    if event.startswith(FORBIDDEN) or event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
        raise PermissionError("generated code may not do " + event)

with open(sys.argv[1], encoding="utf-8") as file:
    program = compile(file.read(), "program", "exec")
sys.argv[:] = ["program"]
sys.setrecursionlimit(10000)
sys.addaudithook(guard)
exec(program, {{"__name__": "__main__", "__builtins__": __builtins__}})
"""
_NAMESPACES = ("--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")


@dataclass(frozen=True)
class Outcome:
    """`ended`: "ok" when the program came to its end, "failed" when it raised or ran out of memory."""

    ended: Literal["ok", "failed", "timeout"]
    output: str
    errors: str = ""


@functools.cache
def isolation() -> str:
    """How the network is kept away here, in words for a report."""
    return "namespaces of its own" if _unshare() else "Python's audit hook alone"


def run(program: str, stdin: str = "", seconds: float = SECONDS, megabytes: int = MEGABYTES) -> Outcome:
    """Run a Python program to its end, or end it."""
    with tempfile.TemporaryDirectory(prefix="midfill-eval-") as folder:
        outside, inside = Path(folder), Path(folder) / "empty"
        inside.mkdir()
        (outside / "program.py").write_text(program, "utf-8", "surrogatepass")
        jail = _JAIL.format(megabytes=megabytes, seconds=int(seconds) + 1, output=_OUTPUT)
        command = [*_unshare(), sys.executable, "-I", "-S", "-c", jail, str(outside / "program.py")]
        environment = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "OPENBLAS_NUM_THREADS": "1"}
        with (
            (outside / "output").open("w+b") as output,
            (outside / "errors").open("w+b") as errors,
            (outside / "stdin").open("w+b") as given,
        ):
            given.write(stdin.encode("utf-8", "surrogatepass"))
            given.seek(0)
            process = subprocess.Popen(
                command,
                cwd=inside,
                env=environment,
                stdin=given,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
            try:
                ended: Literal["ok", "failed", "timeout"] = "failed" if process.wait(seconds) else "ok"
            except subprocess.TimeoutExpired:
                ended = "timeout"
            finally:
                _end(process)
            output.seek(0)
            errors.seek(0)
            return Outcome(ended, *(file.read(_OUTPUT).decode("utf-8", "replace") for file in (output, errors)))


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@functools.cache
def _unshare() -> tuple[str, ...]:
    """The command that gives a process its own namespaces, or nothing where that is not allowed."""
    program = shutil.which("unshare")
    if program is None:
        return ()
    command = (program, *_NAMESPACES, "--")
    tried = subprocess.run([*command, "true"], capture_output=True)
    return command if tried.returncode == 0 else ()
