"""The wheel holds all that an installed server needs."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_grammars_are_in_the_wheel(contents: set[str]) -> None:
    for path in (ROOT / "grammars").rglob("*"):
        if path.is_file():
            assert f"midfill/grammars/{path.relative_to(ROOT / 'grammars').as_posix()}" in contents


def test_the_package_is_in_the_wheel(contents: set[str]) -> None:
    package = ROOT / "server" / "midfill"
    for path in package.rglob("*"):
        if path.is_file() and path.suffix in (".py", ".toml"):
            assert f"midfill/{path.relative_to(package).as_posix()}" in contents


def test_nothing_else_is_in_the_wheel(contents: set[str]) -> None:
    assert {name.split("/")[0] for name in contents if ".dist-info" not in name} == {"midfill"}
    assert any(name.endswith("/licenses/LICENSE") for name in contents)


def test_no_setting_of_a_workspace_that_is_not_trusted_counts_in_vscode() -> None:
    """One of them tells where the models run, and so where the code goes."""
    manifest = json.loads((ROOT / "client-config" / "vscode" / "package.json").read_text("utf-8"))
    settings = set(manifest["contributes"]["configuration"]["properties"]) - {"midfill.trace.server"}
    restricted = set(manifest["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"])
    assert restricted == settings
