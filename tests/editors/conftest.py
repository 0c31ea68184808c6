"""These tests need packages of their own, which `make test-editors` installs under `build/editors`."""

from __future__ import annotations

import os
import subprocess

import pytest
from terminal import MIDFILL, PATIENCE, SHOP

from midfill.models import catalog

# Longer than all that one test waits for, so that a test which hangs fails and the next one is run.
SECONDS = 3 * PATIENCE


@pytest.fixture(scope="session", autouse=True)
def models() -> None:
    """The editors have homes of their own, but the user's models."""
    os.environ["MIDFILL_MODELS"] = str(catalog.models_dir())


@pytest.fixture(scope="session")
def loaded(own_host: None, models: None, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The model is there: after ten seconds nobody waits for a suggestion, and loading may take longer."""
    file = tmp_path_factory.mktemp("loaded") / "shop.py"
    file.write_text(SHOP)
    subprocess.run([MIDFILL, "complete", f"{file}:10:45"], check=True, timeout=PATIENCE, capture_output=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(SECONDS))


def pytest_configure(config: pytest.Config) -> None:
    # pynvim leaves its sockets and its event loops to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")
