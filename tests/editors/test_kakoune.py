"""Our configuration of kakoune-lsp, read by a real Kakoune. kakoune-lsp itself has no package to test with."""

from __future__ import annotations

import subprocess
import tomllib
from pathlib import Path

import pytest
from terminal import ROOT


@pytest.mark.parametrize(("language", "runs"), [("python", True), ("typescript", True), ("mail", False)])
def test_a_language_gets_midfill_behind_its_other_servers(tmp_path: Path, language: str, runs: bool) -> None:
    said, rc = tmp_path / "said", tmp_path / "rc.kak"
    rc.write_text(
        "declare-option str lsp_servers\n"
        "hook global BufSetOption filetype=.+ %{ set-option buffer lsp_servers '[other]' }\n"
        f"source {ROOT}/client-config/kakoune/midfill.kak\n"
        f"edit {tmp_path}/file\nset-option buffer filetype {language}\n"
        f'nop %sh{{ printf %s "$kak_opt_lsp_servers" > {said} }}\nquit!\n'
    )
    command = ["kak", "-n", "-ui", "dummy", "-e", f"source {rc}"]
    subprocess.run(command, timeout=180, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    servers = tomllib.loads(said.read_text("utf-8"))
    assert list(servers) == (["other", "midfill"] if runs else ["other"])
    if runs:
        assert (servers["midfill"]["command"], servers["midfill"]["args"]) == ("midfill", ["serve"])
