"""These tests need packages of their own, which `make test-editors` installs under `build/editors`."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # pynvim leaves its sockets and its event loops to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore:unclosed:ResourceWarning")
