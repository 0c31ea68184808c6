"""The index of a large workspace: how long it takes, what it weighs, and what typing feels of it.

    python tests/bench/index.py FOLDER [--keys 120]

Builds the index of FOLDER cold and warm in a cache of its own; then the same keys are typed twice with the real
model, once undisturbed and once while the index is built. Compared are the keys that came before it was done.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

import psutil
from filelock import FileLock, Timeout
from lsprotocol import types

from midfill.bench.figures import Sample
from midfill.bench.processes import own_host
from midfill.bench.script import script
from midfill.bench.typing import Plan, _Typist, default_paths
from midfill.client import editor, read
from midfill.index.store import database

# Keys before the index begins, so that the model is loaded.
FIRST = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keys", type=int, default=120, help="0: only build")
    options = parser.parse_args()
    root = options.folder.resolve()
    with tempfile.TemporaryDirectory() as cache:
        os.environ["MIDFILL_CACHE"] = cache
        for kind in ("cold", "warm", "warm"):
            seconds, files, peak = built(root)
            print(f"{kind}: {seconds:.2f} s, {files} files read, {peak / 1e6:.0f} MB in all processes", flush=True)
        print(f"{database(root).stat().st_size / 1e6:.0f} MB on disk", flush=True)
    if options.keys:
        asyncio.run(compare(root, options.keys))


async def compare(root: Path, keys: int) -> None:
    """Type the same keys without and with an index being built beside, and print the times of suggestions."""
    typed = []
    for indexing in (False, True):
        with tempfile.TemporaryDirectory() as cache:
            os.environ["MIDFILL_CACHE"] = cache
            typed.append(await type_keys(root, keys, indexing))
    count = len(typed[1])
    for name, samples in zip(("undisturbed", "indexing"), typed, strict=True):
        taken = [sample.ms for sample in samples[:count] if sample.ms is not None]
        cuts = quantiles(taken, n=20)
        print(f"{name}: {len(taken)} keys, p50 {cuts[9]:.0f} ms, p95 {cuts[18]:.0f} ms")


def built(root: Path) -> tuple[float, int, int]:
    """Seconds, files read, and the peak of the bytes that the processes have for themselves."""
    command = [sys.executable, "-P", "-m", "midfill.index.build", str(root)]
    started = time.perf_counter()
    peak = 0
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True) as process:
        assert process.stdin and process.stdout
        process.stdin.write("null\n")
        process.stdin.flush()
        step = ""
        for line in process.stdout:
            step = line
            peak = max(peak, _size(process.pid))
        process.wait()
        elapsed = time.perf_counter() - started
    return elapsed, int(step.rpartition(" ")[2].rstrip("}\n") or 0) if step else 0, peak


def _size(pid: int) -> int:
    try:
        main = psutil.Process(pid)
        return sum(each.memory_full_info().uss for each in (main, *main.children(recursive=True)))
    except psutil.Error:
        return 0


async def type_keys(root: Path, count: int, indexing: bool) -> list[Sample]:
    paths = default_paths()
    texts = [read(path) for path in paths]
    lock = FileLock(database(root).with_suffix(".lock"))
    with own_host():
        async with editor(root, {"index": False}) as window:
            typist = _Typist(window, paths, Plan(paths, count), None)
            await asyncio.sleep(2)
            samples: list[Sample] = []
            for number, key in enumerate(script(texts, FIRST + count, 0)):
                if number == FIRST:
                    settings = {"midfill": {"index": indexing}}
                    window.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
                    await asyncio.sleep(0.5)
                await typist.press(key)
                if number == FIRST:
                    typist.samples.clear()
                if indexing and number > FIRST and _done(lock):
                    break
            await typist.settle()
            samples = list(typist.samples)
    return samples


def _done(lock: FileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False


if __name__ == "__main__":
    main()
