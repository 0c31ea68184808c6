"""The editor tells what it has shown and what was accepted, and the threshold follows."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from conftest import HERE, URI, Start, capabilities_of, explain, inline_params, opened
from midfill import stats
from midfill.completion import Completion
from midfill.completion.calibration import ENOUGH
from midfill.document import Document
from midfill.lsp.feedback import Feedback
from midfill.lsp.server import Server

sys.path.insert(0, str(HERE.parent / "unit"))

from scripted import ScriptedEngine


async def test_what_nobody_accepts_is_not_suggested_any_more(
    start: Start, capabilities: types.ClientCapabilities, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    assert capabilities.text_document is not None
    capabilities.text_document.inline_completion = types.InlineCompletionClientCapabilities()
    # The scripted model is 90 % sure of all it says.
    client = await start(["1"], capabilities, settings={"minConfidence": 90, "warmUp": False})
    # One accepted in twenty is just enough, and in twenty-one it is not.
    for number in range(ENOUGH + 1):
        uri = f"file:///project/a{number}.py"
        at = opened(client, "x = ‸\n", uri)
        answer = await client.text_document_inline_completion_async(inline_params(at, uri))
        (item,) = answer if isinstance(answer, (list, tuple)) else ()
        shown = {"item": default_converter().unstructure(item)}
        client.protocol.notify("textDocument/didShowCompletion", shown)
        if number == 0:
            assert item.command is not None
            command = types.ExecuteCommandParams(item.command.command, item.command.arguments)
            assert await client.workspace_execute_command_async(command) is None
    # Whatever is answered now comes after all of that.
    await explain(client)
    kept = json.loads((tmp_path / "accepted.json").read_text())
    assert (sum(kept["shown"]), sum(kept["accepted"])) == (ENOUGH + 1, 1)
    at = opened(client, "x = ‸\n", "file:///project/last.py")
    await client.text_document_inline_completion_async(inline_params(at, "file:///project/last.py"))
    assert (await explain(client))["reason"] == "unlikely"


@pytest.mark.parametrize("counted", [True, False])
async def test_events_are_counted_unless_the_settings_forbid_it(
    start: Start, counted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    settings = {"warmUp": False, "statistics": counted}
    client = await start(["secret_name<or>other"], capabilities_of("vscode_languageclient_10"), settings=settings)
    at = opened(client, "x = ‸\n")
    answer = await client.text_document_inline_completion_async(inline_params(at, invoked=True))
    items = answer if isinstance(answer, (list, tuple)) else ()
    assert len(items) == 2
    for item in items:
        client.protocol.notify("textDocument/didShowCompletion", {"item": default_converter().unstructure(item)})
    partly = {"item": default_converter().unstructure(items[0]), "acceptedLength": 3}
    client.protocol.notify("textDocument/didPartiallyAcceptCompletion", partly)
    assert items[1].command is not None
    command = types.ExecuteCommandParams(items[1].command.command, items[1].command.arguments)
    await client.workspace_execute_command_async(command)
    figures = stats.summary(stats.read())
    expected = (2, 2, 1, 1) if counted else (0, 0, 0, 0)
    names = ("given", "shown", "accepted", "partlyAccepted")
    assert tuple(figures[name] for name in names) == expected
    assert "secret_name" not in "".join(file.read_text() for file in stats.files() if file.exists())


@pytest.mark.parametrize(("text", "event"), [("x = 12\n", "kept"), ("x = 3\n", "changed")])
async def test_what_was_accepted_is_looked_at_again(
    text: str, event: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    monkeypatch.setattr(stats, "KEPT_AFTER", 0.01)
    server = Server(lambda _: ScriptedEngine(["12"]))
    server.documents[URI] = Document.open(URI, "python", 1, text)
    feedback = Feedback(server)
    suggestion = feedback.name(Completion(URI, 1, 4, "shown", text="12", raw="12"), "12", 0.9)
    feedback.accepted(suggestion)
    await asyncio.sleep(0.05)
    assert event in stats.read()[0].happened
