"""Midfill in a real Helix on a terminal, with the real server and the real model."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from terminal import AREA, MIDFILL, ROOT, SHOP, OneFile

DEBIAN = ROOT / "build" / "editors" / "debian" / "usr"
LIBRARIES = DEBIAN / "lib" / "x86_64-linux-gnu"

pytestmark = [pytest.mark.model, pytest.mark.usefixtures("loaded")]


class Helix(OneFile):
    def __init__(self, folder: Path, text: str) -> None:
        home, file = folder / "home", folder / "code.py"
        configuration = home / ".config" / "helix"
        configuration.mkdir(parents=True)
        languages = (ROOT / "client-config" / "helix" / "languages.toml").read_text("utf-8")
        (configuration / "languages.toml").write_text(languages.replace('"midfill"\n', f'"{MIDFILL}"\n', 1))
        file.write_text(text)
        loader = [LIBRARIES / "ld-linux-x86-64.so.2", "--library-path", LIBRARIES]
        runtime, configured = DEBIAN / "lib" / "hx" / "runtime", home / ".config"
        variables = {"HELIX_RUNTIME": str(runtime), "XDG_CONFIG_HOME": str(configured)}
        super().__init__([*loader, DEBIAN / "bin" / "hx"], home, file, variables)
        self.shows("NOR")


def test_a_suggestion_in_the_menu(tmp_path: Path) -> None:
    with Helix(tmp_path, SHOP) as helix:
        # The first one waits for the server; then Helix is asked again, as by a user who goes on.
        helix.patiently("georet", r"^ +~ +return \S", again="\x7ft", each=10)
        # Helix offers words of the file, too, and shows what is selected in the text.
        shown = helix.patiently("\t", r"11      (return \S.*)$", again="\t", each=2)
        helix.press("\r")
        assert helix.saved().startswith(SHOP + "    " + shown)


def test_a_docstring(tmp_path: Path) -> None:
    with Helix(tmp_path, AREA) as helix:
        helix.patiently(" a", "Midfill: Add docstring", again=" a", each=60, refused="[Nn]o .*code action")
        for _ in range(12):
            helix.press("\x0e")
            with contextlib.suppress(AssertionError):
                helix.until(lambda: helix.stands_out("Midfill: Add docstring", "Midfill: Add logging"), 1)
                break
        helix.press("\r")
        helix.shows('"""')
        text = helix.saved()
        assert [line for line in text.splitlines() if "result" in line][-2:] == AREA.splitlines()[1:]
