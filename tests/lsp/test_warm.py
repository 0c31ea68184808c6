"""What is read ahead, and how urgent that is."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import pytest
from lsprotocol import types

from conftest import HERE
from midfill.completion import Completion
from midfill.config import Config
from midfill.document import Document
from midfill.engine.base import When
from midfill.lsp import warm
from midfill.lsp.completion import suggest
from midfill.lsp.feedback import Feedback
from midfill.lsp.server import Server
from midfill.lsp.warm import Warmth

sys.path.insert(0, str(HERE.parent / "unit"))

from scripted import ScriptedEngine


class Told:
    """Stands for a server: what its completer was told to read ahead, and how urgently."""

    def __init__(self) -> None:
        self.document = Document.open("file:///a.py", None, 1, "x = 1\n")
        self.documents = {self.document.uri: self.document}
        self.config = Config(warm_up_on_battery=True)
        self.completer = self
        self.urgent: list[tuple[int | None, When]] = []
        self.ahead = 0

    async def warm_up(self, document: Document, cursor: int | None, cancel: Any, when: When) -> None:
        self.urgent.append((cursor, when))

    async def prefetch(self, document: Document, shown: Completion, cancel: Any) -> None:
        self.ahead += 1


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    monkeypatch.setattr(warm, "PAUSE", 0.01)
    return Told()


async def test_where_one_types_is_read_before_an_edit_and_where_one_looks_after_it(told: Told) -> None:
    warmth = Warmth(cast(Server, told))
    uri = told.document.uri
    warmth.looked_at(uri, 3)
    await asyncio.sleep(0.05)
    warmth.completed(told.document, Completion(uri, 1, 4, "shown", text="2"))
    await asyncio.sleep(0.05)
    assert told.urgent == [(3, "idle"), (4, "soon")]
    assert told.ahead == 1


async def test_who_looks_elsewhere_while_an_edit_runs_will_type_there(told: Told) -> None:
    warmth = Warmth(cast(Server, told))
    with warmth.beside_an_edit():
        warmth.looked_at(told.document.uri, 3)
        await asyncio.sleep(0.05)
    warmth.looked_at(told.document.uri, 4)
    await asyncio.sleep(0.05)
    assert told.urgent == [(3, "soon"), (4, "idle")]


async def test_a_place_that_waits_to_be_read_is_not_begun_again(told: Told) -> None:
    warmth = Warmth(cast(Server, told))
    warmth.completed(told.document, Completion(told.document.uri, 1, 4, "shown", text="2"))
    warmth.looked_at(told.document.uri, 4)
    await asyncio.sleep(0.05)
    assert (told.urgent, told.ahead) == ([(4, "soon")], 1)


async def test_what_is_read_ahead_is_where_the_cursor_is_and_not_where_the_menu_would_put_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warm, "PAUSE", 0.01)
    monkeypatch.setattr(warm, "_on_battery", lambda: False)
    engine = ScriptedEngine([".items"])
    server = Server(lambda _: engine)
    server.protocol.server_capabilities = types.ServerCapabilities()
    document = Document.open("file:///a.py", None, 1, "x = s\nyyyy = 2\n")
    server.documents[document.uri] = document
    at = types.Position(0, 5)
    selected = types.SelectedCompletionInfo(types.Range(types.Position(0, 4), at), "selection")
    (item,) = await suggest(server, Feedback(server), document, at, False, selected)
    assert item.insert_text == "selection.items"
    while not engine.warmed:
        await asyncio.sleep(0.01)
    assert engine.warmed[0].prompt[-1].text == "x = s"
    server.warm.stop()
