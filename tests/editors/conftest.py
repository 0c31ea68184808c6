"""These tests need packages of their own, which `make test-editors` installs under `build/editors`."""

from __future__ import annotations

import os

import pytest

from midfill.models import catalog

# Longer than all that one test waits for, so that a test which hangs fails and the next one is run.
SECONDS = 360


@pytest.fixture(scope="session", autouse=True)
def models() -> None:
    """The editors have homes of their own, but the user's models."""
    os.environ["MIDFILL_MODELS"] = str(catalog.models_dir())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.timeout(SECONDS))


def pytest_configure(config: pytest.Config) -> None:
    # pynvim leaves its sockets and its event loops to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")
