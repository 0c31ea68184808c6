"""Midfill in a real Helix on a terminal, with the real server and the real model."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from terminal import AREA, SHOP, Terminal

ROOT = Path(__file__).parents[2]
DEBIAN = ROOT / "build" / "editors" / "debian" / "usr"
LIBRARIES = DEBIAN / "lib" / "x86_64-linux-gnu"
MIDFILL = Path(sys.executable).with_name("midfill")

pytestmark = pytest.mark.model


class Helix(Terminal):
    def __init__(self, home: Path, file: Path) -> None:
        folder = home / ".config" / "helix"
        folder.mkdir(parents=True)
        languages = (ROOT / "client-config" / "helix" / "languages.toml").read_text("utf-8")
        (folder / "languages.toml").write_text(languages.replace('"midfill"\n', f'"{MIDFILL}"\n', 1))
        self._file = file
        loader = [LIBRARIES / "ld-linux-x86-64.so.2", "--library-path", LIBRARIES]
        super().__init__(
            [*loader, DEBIAN / "bin" / "hx", file],
            home,
            {"HELIX_RUNTIME": str(DEBIAN / "lib" / "hx" / "runtime"), "XDG_CONFIG_HOME": str(home / ".config")},
        )
        self.shows("NOR")

    def saved(self) -> str:
        """What is in the buffer, by way of the file."""
        self.keys("\x1b:w\r")
        return self._file.read_text("utf-8")


@pytest.fixture
def helix(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Helix]:
    file = tmp_path / "code.py"
    file.write_text(request.param)
    helix = Helix(tmp_path / "home", file)
    yield helix
    helix.quit()


@pytest.mark.parametrize("helix", [SHOP], indirect=True)
def test_a_suggestion_in_the_menu(helix: Helix) -> None:
    helix.keys("georet")
    # The first one waits for the server and its model; then Helix is asked again, as by a user who goes on.
    helix.patiently("\x7ft", "return sum", each=6)
    # Helix offers words of the file, too, and shows what is selected in the text.
    helix.patiently("\t", "11      return sum")
    helix.press("\r")
    assert helix.saved().startswith(SHOP.rstrip("\n") + "\n    return sum(")


@pytest.mark.parametrize("helix", [AREA], indirect=True)
def test_a_docstring(helix: Helix) -> None:
    helix.patiently(" a", "Midfill: Add docstring")
    for _ in range(12):
        helix.press("\x0e")
        with contextlib.suppress(AssertionError):
            helix.until(lambda: helix.stands_out("Midfill: Add docstring", "Midfill: Add logging"), 0.5)
            break
    helix.press("\r")
    helix.shows('"""', 180)
    text = helix.saved()
    assert [line for line in text.splitlines() if "result" in line][-2:] == AREA.splitlines()[1:]
