"""The editor tells what it has shown and what was accepted, and the threshold follows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.protocol import default_converter

from conftest import Start, explain, inline_params, opened
from midfill.completion.calibration import ENOUGH


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
