"""No test meets, starts or leaves behind a host of the user's own."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_host() -> Iterator[None]:
    """One folder for all tests, so that those with real models share one host, which ends with them."""
    # Not pytest's folder: the path of a socket must be short.
    folder = tempfile.mkdtemp(prefix="midfill-")
    for variable in ("RUNTIME", "LOGS", "CACHE", "CONFIG", "STATE"):
        os.environ[f"MIDFILL_{variable}"] = folder
    yield
    from midfill.engine import remote, runtime

    if runtime.is_claimed():
        asyncio.run(remote.stop())
    shutil.rmtree(folder)
