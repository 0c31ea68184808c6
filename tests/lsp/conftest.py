"""The server over real stdio, as real editors talk to it."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_lsp
from lsprotocol import types
from lsprotocol.converters import get_converter
from pytest_lsp import LanguageClient, make_test_lsp_client

HERE = Path(__file__).parent
URI = "file:///project/shop.py"
# The place of the only function of most documents here.
WHERE = {"start": {"line": 0, "character": 5}, "end": {"line": 0, "character": 5}}
Start = Callable[..., Awaitable[LanguageClient]]

# What each editor says it can do. pytest-lsp's files are older than LSP 3.18, so the newest is our own record.
EDITORS = ["visual_studio_code", "neovim", "emacs", "vscode_languageclient_10"]


def capabilities_of(editor: str) -> types.ClientCapabilities:
    recorded = HERE / "capabilities" / f"{editor}.json"
    if recorded.exists():
        found = get_converter().structure(json.loads(recorded.read_text("utf-8")), types.ClientCapabilities)
        # Our own extension asks its user for the instruction; the tests of that say so themselves.
        found.experimental = None
        return found
    return pytest_lsp.client_capabilities(editor)


@pytest.fixture(params=EDITORS)
def capabilities(request: pytest.FixtureRequest) -> types.ClientCapabilities:
    return capabilities_of(request.param)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start a server whose model gives these answers, and initialize it."""
    clients: list[LanguageClient] = []

    async def started(
        answers: list[str],
        capabilities: types.ClientCapabilities,
        settings: dict[str, Any] | None = None,
        command: list[str] | None = None,
        root: str = "file:///project",
        listen: Callable[[LanguageClient], None] = lambda _: None,
    ) -> LanguageClient:
        client = make_test_lsp_client()
        clients.append(client)
        listen(client)
        await client.start_io(
            *(command or [sys.executable, str(HERE / "scripted_server.py"), json.dumps(answers)])
        )
        client.answer = await client.initialize_session(  # type: ignore[attr-defined]
            types.InitializeParams(capabilities, root_uri=root, initialization_options=settings)
        )
        return client

    yield started
    for client in clients:
        await client.shutdown_session()


def opened(client: LanguageClient, marked: str, uri: str = URI, language: str = "python") -> types.Position:
    """Open a buffer with a cursor mark, and say where the cursor is (in UTF-16 units)."""
    before, _, after = marked.partition("‸")
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(uri, language, 1, before + after))
    )
    line = before.rsplit("\n", 1)[-1]
    return types.Position(before.count("\n"), len(line.encode("utf-16-le")) // 2)


def inline_params(at: types.Position, uri: str = URI, invoked: bool = False) -> types.InlineCompletionParams:
    kind = types.InlineCompletionTriggerKind.Invoked if invoked else types.InlineCompletionTriggerKind.Automatic
    return types.InlineCompletionParams(types.InlineCompletionContext(kind), types.TextDocumentIdentifier(uri), at)


async def explain(client: LanguageClient, **params: Any) -> Any:
    return plain(await client.protocol.send_request_async("midfill/explain", params))


async def command(client: LanguageClient, name: str, **request: Any) -> Any:
    """What a command of ours answers to a request, or to none."""
    arguments = [request] if request else []
    return plain(
        await client.workspace_execute_command_async(types.ExecuteCommandParams(name, arguments=arguments))
    )


def applying(client: LanguageClient) -> list[types.ApplyWorkspaceEditParams]:
    """Let the client apply all edits; the list grows with them."""
    applied: list[types.ApplyWorkspaceEditParams] = []

    @client.feature(types.WORKSPACE_APPLY_EDIT)
    def apply(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
        applied.append(params)
        return types.ApplyWorkspaceEditResult(applied=True)

    return applied


def plain(value: Any) -> Any:
    """A result as JSON; pygls' client makes named tuples of what it does not know."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
