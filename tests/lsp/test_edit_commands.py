"""What edits and readings look like to an editor: files that are created, documents of our own, findings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient
from test_server import FUNCTION, actions, resolving, span, until

from conftest import URI, WHERE, Start, capabilities_of, command, opened


def able(*, documents: bool = False, shows: bool = False) -> types.ClientCapabilities:
    capabilities = resolving(capabilities_of("visual_studio_code"))
    assert capabilities.workspace is not None
    capabilities.workspace.text_document_content = (
        types.TextDocumentContentClientCapabilities(dynamic_registration=True) if documents else None
    )
    capabilities.window = types.WindowClientCapabilities(
        show_document=types.ShowDocumentClientCapabilities(support=True) if shows else None
    )
    return capabilities


def shown(client: LanguageClient) -> list[str]:
    """The documents that the client was asked to show."""
    return [each.uri for each in client.shown_documents]


# -- explaining ------------------------------------------------------------------------------------------------


async def test_an_explanation_is_a_document_that_grows(start: Start) -> None:
    client = await start(["<slow>It adds two numbers."], able(documents=True, shows=True))
    refreshed: list[str] = []
    registered: list[str] = []

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams) -> None:
        registered.extend(each.method for each in params.registrations)

    @client.feature(types.WORKSPACE_TEXT_DOCUMENT_CONTENT_REFRESH)
    async def refresh(params: types.TextDocumentContentRefreshParams) -> None:
        content = await client.workspace_text_document_content_async(types.TextDocumentContentParams(params.uri))
        refreshed.append(content.text)

    opened(client, FUNCTION)
    result = await command(client, "midfill.explainCode", uri=URI, range=WHERE)
    assert result["text"] == "## `add`\n\nIt adds two numbers.\n"
    assert result["reason"] is None
    assert shown(client) == [result["uri"]] == ["midfill:/explain/shop.py-1.md"]
    assert types.WORKSPACE_TEXT_DOCUMENT_CONTENT in registered
    await until(lambda: refreshed and refreshed[-1] == result["text"])
    assert len(refreshed) > 1


async def test_an_explanation_is_a_file_elsewhere(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    client = await start(["It adds."], able(shows=True))
    opened(client, FUNCTION)
    result = await command(client, "midfill.explainCode", uri=URI, range=WHERE)
    file = tmp_path / "explain" / "shop.py-1.md"
    assert shown(client) == [result["uri"]] == [file.as_uri()]
    assert file.read_text("utf-8") == result["text"] == "## `add`\n\nIt adds.\n"


async def test_a_client_that_shows_nothing_is_told_where_it_is(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MIDFILL_CACHE", str(tmp_path))
    client = await start(["It adds."], able())
    opened(client, FUNCTION)
    await command(client, "midfill.explainCode", uri=URI, range=WHERE)
    await until(lambda: client.messages)
    assert client.messages[-1].message == f"The explanation is in {tmp_path / 'explain' / 'shop.py-1.md'}."


async def test_explain_and_review_are_offered_as_commands(start: Start) -> None:
    client = await start(["x"], able())
    opened(client, FUNCTION)
    answer = await client.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier(URI), span(1, 4, 16), types.CodeActionContext([], only=["source"])
        )
    )
    # lsprotocol takes an action with a command for a bare command.
    found = {each.title: each.command for each in answer or ()}
    assert "midfill.explainCode" in str(found["Midfill: Explain"])
    assert "midfill.review" in str(found["Midfill: Review selection"])


@pytest.mark.parametrize("name", ["midfill.explainCode", "midfill.review"])
async def test_a_senseless_request_to_read_gets_a_reason(start: Start, name: str) -> None:
    client = await start(["x"], able())
    opened(client, FUNCTION)
    assert (await command(client, name, uri=URI, range={"start": 3}))["reason"]
    assert (await command(client, name, uri="file:///nowhere"))["reason"]


# -- reviewing -------------------------------------------------------------------------------------------------


async def test_findings_are_hints_that_can_be_cleared(start: Start) -> None:
    client = await start(["2: a may be None", "2: once more", "none"], able())
    opened(client, FUNCTION)
    whole = {"start": {"line": 0, "character": 0}, "end": {"line": 2, "character": 0}}
    result = await command(client, "midfill.review", uri=URI, range=whole)
    assert result["reason"] is None
    await until(lambda: client.diagnostics.get(URI))
    (finding,) = client.diagnostics[URI]
    assert (finding.message, finding.severity, finding.source, finding.range) == (
        "a may be None",
        types.DiagnosticSeverity.Hint,
        "midfill",
        span(1, 4, 16),
    )
    assert await command(client, "midfill.clearReview", uri="file:///other.py") == 0
    assert await command(client, "midfill.clearReview") == 1
    await until(lambda: not client.diagnostics[URI])
    await command(client, "midfill.review", uri=URI, range=whole)
    await until(lambda: client.diagnostics[URI])
    client.text_document_did_close(types.DidCloseTextDocumentParams(types.TextDocumentIdentifier(URI)))
    await until(lambda: not client.diagnostics[URI])
    opened(client, FUNCTION)
    await command(client, "midfill.review", uri=URI, range=whole)
    await until(lambda: client.messages)
    assert client.messages[-1].message == "Midfill found nothing to remark."


# -- tests -----------------------------------------------------------------------------------------------------


async def test_tests_come_in_a_file_that_is_created(start: Start, tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    client = await start(["add():\n    assert add(1, 2) == 3"], able())
    uri = (tmp_path / "shop.py").as_uri()
    opened(client, FUNCTION, uri=uri)
    answer = await client.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier(uri), span(0, 5, 5), types.CodeActionContext([], only=["source"])
        )
    )
    (tests,) = [each for each in answer or () if each.title == "Midfill: Generate tests"]
    assert isinstance(tests, types.CodeAction)
    resolved = await client.code_action_resolve_async(tests)
    assert resolved.edit is not None
    created, edited = resolved.edit.document_changes or ()
    assert isinstance(created, types.CreateFile)
    assert isinstance(edited, types.TextDocumentEdit)
    # The folder of the file is the root where the client has none around it.
    assert created.uri == edited.text_document.uri == (tmp_path / "tests" / "test_shop.py").as_uri()
    assert edited.text_document.version is None
    (edit,) = edited.edits
    assert edit.new_text == "from shop import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


async def test_a_client_that_creates_no_files_is_told_which(start: Start, tmp_path: Path) -> None:
    capabilities = able()
    assert capabilities.workspace is not None
    assert capabilities.workspace.workspace_edit is not None
    capabilities.workspace.workspace_edit.resource_operations = None
    client = await start(["add():\n    assert add(1, 2) == 3"], capabilities)
    opened(client, FUNCTION, uri=(tmp_path / "shop.py").as_uri())
    data = {"uri": (tmp_path / "shop.py").as_uri(), "range": WHERE, "action": "tests"}
    result = await command(client, "midfill.act", **data)
    assert result["reason"] == (
        f"This editor cannot create files for a server; create {tmp_path / 'test_shop.py'} and ask again."
    )


async def test_tests_are_added_to_a_file_that_is_open(start: Start, tmp_path: Path) -> None:
    client = await start(["<slow>add():\n    assert add(1, 2) == 3"], able())
    uri, test_uri = (tmp_path / "shop.py").as_uri(), (tmp_path / "test_shop.py").as_uri()
    (tmp_path / "test_shop.py").write_text("")
    opened(client, FUNCTION, uri=uri)
    opened(client, "from shop import add\n\n\ndef test_a():\n    pass\n", uri=test_uri)
    asking = asyncio.ensure_future(
        client.code_action_resolve_async(
            types.CodeAction("", data={"uri": uri, "version": 1, "range": WHERE, "action": "tests"})
        )
    )
    await asyncio.sleep(0.1)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(7, test_uri),
            [types.TextDocumentContentChangePartial(span(0, 0, 0), "# new\n")],
        )
    )
    resolved = await asking
    assert resolved.edit is not None
    (edited,) = resolved.edit.document_changes or ()
    assert isinstance(edited, types.TextDocumentEdit)
    assert (edited.text_document.uri, edited.text_document.version) == (test_uri, 7)
    (edit,) = edited.edits
    assert (edit.range, edit.new_text) == (span(6, 0, 0), "\n\ndef test_add():\n    assert add(1, 2) == 3\n")


async def test_actions_that_only_read_cannot_be_resolved(start: Start) -> None:
    client = await start(["x"], able())
    opened(client, FUNCTION)
    data = {"uri": URI, "version": 1, "range": WHERE, "action": "explain"}
    resolved = await client.code_action_resolve_async(types.CodeAction("", data=data))
    assert resolved.edit is None
    assert "no action 'explain' that edits" in resolved.data["result"]["reason"]
    assert [each.title for each in await actions(client, span(0, 5, 5), only=["quickfix"])] == []
