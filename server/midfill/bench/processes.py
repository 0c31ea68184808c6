"""The processes that are measured: the server of an editor window, and the host of the models if there is one."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil


@contextlib.contextmanager
def own_host() -> Iterator[None]:
    """The servers started meanwhile share a host of their own, which nobody else uses and which ends with it."""
    with tempfile.TemporaryDirectory(prefix="midfill-bench-") as folder:
        before = os.environ.get("MIDFILL_RUNTIME")
        os.environ["MIDFILL_RUNTIME"] = folder
        try:
            yield
        finally:
            if host := host_process():
                host.terminate()
                psutil.wait_procs([host], timeout=10)
            if before is None:
                del os.environ["MIDFILL_RUNTIME"]
            else:
                os.environ["MIDFILL_RUNTIME"] = before


class Processes:
    """Those of one window, inside `own_host`. `peak` is the largest resident size seen of each, in bytes."""

    def __init__(self, server: int) -> None:
        """`server` is the process id of `midfill serve`."""
        self.peak: dict[str, int] = {}
        self._all = {"serve": psutil.Process(server)}

    def sample(self) -> None:
        """Look how large they are now. Costs some tenths of a millisecond, between two keystrokes."""
        if "host" not in self._all and (host := host_process()):
            self._all["host"] = host
        for name, process in self._all.items():
            self.peak[name] = max(self.peak.get(name, 0), process.memory_info().rss)

    def own(self) -> dict[str, int]:
        """The bytes that would be free if the process ended (unique set size)."""
        return {name: process.memory_full_info().uss for name, process in self._all.items()}

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """Let somebody else have the machine: what we would do in idle time neither disturbs nor gains by it."""
        for process in self._all.values():
            process.suspend()
        try:
            yield
        finally:
            for process in self._all.values():
                process.resume()


def host_process() -> psutil.Process | None:
    """The host that has left its notice in the runtime folder."""
    try:
        notice = json.loads((Path(os.environ["MIDFILL_RUNTIME"]) / "host.json").read_text("utf-8"))
        return psutil.Process(notice["pid"])
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
