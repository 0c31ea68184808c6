"""What a client says that it can do decides what it gets: each capability with and without."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pytest_lsp import LanguageClient
from test_server import (
    DOCUMENT,
    FUNCTION,
    actions,
    change,
    ghost_text,
    resolving,
    span,
    until,
    with_inline,
    without_inline,
)

from conftest import URI, WHERE, Start, applying, capabilities_of, command, explain, inline_params, opened

Caps = types.ClientCapabilities
MUCH = "def f():\n" + "    print(1)\n" * 9 + "    return 1\n"
ADDED = '"""Add."""\n    '


def edits(**able: Any) -> Caps:
    """A client that resolves code actions, and reads so much of an edit."""
    capabilities = resolving(capabilities_of("visual_studio_code"))
    assert capabilities.workspace is not None
    capabilities.workspace.workspace_edit = types.WorkspaceEditClientCapabilities(**able)
    return capabilities


ANNOTATED = {"document_changes": True, "change_annotation_support": types.ChangeAnnotationsSupportOptions()}


def asked(client: LanguageClient, answer: str | None, meanwhile: Callable[[], None] | None = None) -> list[str]:
    """What the user is asked from now on, and answers like this."""
    questions: list[str] = []

    @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
    def ask(params: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
        questions.append(params.message)
        if meanwhile:
            meanwhile()
        return next((each for each in params.actions or () if each.title == answer), None)

    return questions


async def docstring(client: LanguageClient) -> types.WorkspaceEdit:
    opened(client, FUNCTION)
    (first, *_) = await actions(client, span(0, 5, 5))
    resolved = await client.code_action_resolve_async(first)
    assert resolved.edit is not None
    return resolved.edit


# -- snippets --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("snippets", [True, False])
async def test_a_suggestion_is_plain_text_and_never_a_snippet(start: Start, snippets: bool) -> None:
    capabilities = without_inline(capabilities_of("neovim"))
    assert capabilities.text_document and capabilities.text_document.completion
    capabilities.text_document.completion.completion_item = types.ClientCompletionItemOptions(
        snippet_support=snippets
    )
    client = await start(["${1:x}$0"], capabilities)
    at = opened(client, "echo ‸\n", language="shellscript")
    answer = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, at))
    assert isinstance(answer, types.CompletionList)
    (item,) = answer.items
    assert item.insert_text_format is types.InsertTextFormat.PlainText
    assert isinstance(item.text_edit, types.TextEdit) and item.text_edit.new_text == "${1:x}$0"


async def test_ghost_text_is_plain_text_and_never_a_snippet(start: Start, capabilities: Caps) -> None:
    client = await start(["${1:x}$0"], with_inline(capabilities))
    (item,) = await ghost_text(client, opened(client, "echo ‸\n", language="shellscript"))
    assert item.insert_text == "${1:x}$0"


# -- code actions: literals, resolving, data -------------------------------------------------------------------


async def test_a_client_without_literals_gets_commands(start: Start) -> None:
    capabilities = edits()
    assert capabilities.text_document and capabilities.text_document.code_action
    capabilities.text_document.code_action.code_action_literal_support = None
    client = await start(["Add."], capabilities)
    assert client.answer.capabilities.code_action_provider is True  # type: ignore[attr-defined]
    applied = applying(client)
    opened(client, FUNCTION)
    params = types.CodeActionParams(DOCUMENT, span(0, 5, 5), types.CodeActionContext([]))
    offered = list(await client.text_document_code_action_async(params) or ())
    assert all(isinstance(each, types.Command) for each in offered)
    assert all(isinstance(each.command, str) for each in offered), "a literal's command would be an object"
    (first, *_) = offered
    assert isinstance(first, types.Command)
    assert (first.title, first.command) == ("Midfill: Add docstring", "midfill.act")
    request = types.ExecuteCommandParams(first.command, arguments=first.arguments)
    await client.workspace_execute_command_async(request)
    ((edit,),) = (list((each.edit.changes or {}).values()) for each in applied)
    assert [each.new_text for each in edit] == [ADDED]


@pytest.mark.parametrize("lacking", ["resolve_support", "data_support"])
async def test_an_action_that_cannot_be_resolved_is_a_command(start: Start, lacking: str) -> None:
    capabilities = resolving(capabilities_of("neovim"))
    assert capabilities.text_document and capabilities.text_document.code_action
    setattr(capabilities.text_document.code_action, lacking, None)
    client = await start(["x"], capabilities)
    opened(client, FUNCTION)
    assert await actions(client, span(0, 5, 5)) == [], "lsprotocol takes an action with a command for a command"


# -- edits: versions, annotations, files -----------------------------------------------------------------------


async def test_an_edit_is_annotated_for_who_reads_annotations(start: Start) -> None:
    edit = await docstring(await start(["Add."], edits(**ANNOTATED)))
    assert edit.change_annotations and edit.changes is None
    edit = await docstring(await start(["Add."], edits(document_changes=True)))
    assert edit.change_annotations is None and edit.changes is None
    (edited,) = edit.document_changes or ()
    assert isinstance(edited, types.TextDocumentEdit)
    assert list(edited.edits) == [types.TextEdit(span(1, 4, 4), ADDED)]


async def test_an_edit_has_a_version_for_who_reads_versions(start: Start) -> None:
    # Neovim 0.11 says only that it creates files, which are created by document changes.
    neovim = edits(resource_operations=[types.ResourceOperationKind.Create])
    for capabilities in (edits(document_changes=True), neovim):
        (edited,) = (await docstring(await start(["Add."], capabilities))).document_changes or ()
        assert isinstance(edited, types.TextDocumentEdit)
        assert edited.text_document.version == 1
    edit = await docstring(await start(["Add."], edits()))
    assert edit.document_changes is None
    assert list((edit.changes or {})[URI]) == [types.TextEdit(span(1, 4, 4), ADDED)]


@pytest.mark.parametrize(
    ("able", "answer", "questions", "applied"),
    [
        (ANNOTATED, "Discard", 0, True),
        ({"document_changes": True}, "Apply", 1, True),
        ({"document_changes": True}, "Discard", 1, False),
        ({}, None, 1, False),
    ],
)
async def test_an_edit_that_deletes_much_is_confirmed_in_every_client(
    start: Start, able: dict[str, Any], answer: str | None, questions: int, applied: bool
) -> None:
    """By an annotation the client asks; otherwise the server does."""
    client = await start(["def f():\n    return 1"], edits(**able))
    heard = asked(client, answer)
    opened(client, MUCH)
    resolved = await client.code_action_resolve_async((await actions(client, span(0, 5, 5)))[1])
    assert len(heard) == questions
    assert (resolved.edit is not None) is applied
    if not applied:
        assert resolved.data["result"]["reason"] == "It was not confirmed."


@pytest.mark.parametrize("confirm", [True, False])
async def test_every_edit_is_confirmed_where_the_user_wants_that(start: Start, confirm: bool) -> None:
    client = await start(["Add."], edits(**ANNOTATED), settings={"confirmEdits": confirm})
    annotations = (await docstring(client)).change_annotations or {}
    assert [bool(each.needs_confirmation) for each in annotations.values()] == [confirm]


async def test_what_is_typed_while_the_user_is_asked_moves_the_edit(start: Start) -> None:
    client = await start(["def f():\n    return 1"], edits())
    heard = asked(client, "Apply", lambda: change(client, 2, span(0, 0, 0), "# new\n"))
    opened(client, MUCH)
    resolved = await client.code_action_resolve_async((await actions(client, span(0, 5, 5)))[1])
    assert resolved.edit is not None and len(heard) == 1
    assert min(each.range.start.line for each in (resolved.edit.changes or {})[URI]) == 2


async def test_a_client_that_applies_no_edits_is_told_before_the_model_works(start: Start) -> None:
    capabilities = capabilities_of("neovim")
    assert capabilities.workspace is not None
    capabilities.workspace.apply_edit = None
    client = await start(["<hold>"], capabilities)
    opened(client, FUNCTION)
    asking = command(client, "midfill.refactor", uri=URI, range=WHERE, instruction="x")
    result = await asyncio.wait_for(asking, 10)
    assert result["reason"] == "This editor cannot apply the edits of a server."


# -- progress --------------------------------------------------------------------------------------------------


async def test_the_progress_bars_button_cancels_the_edit(start: Start) -> None:
    capabilities = edits()
    capabilities.window = types.WindowClientCapabilities(work_done_progress=True)
    client = await start(["<hold>"], capabilities)
    opened(client, FUNCTION)
    (first, *_) = await actions(client, span(0, 5, 5))
    resolving_now = asyncio.ensure_future(client.code_action_resolve_async(first))
    await until(lambda: client.progress_reports)
    (token,) = client.progress_reports
    client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams(token))
    resolved = await asyncio.wait_for(resolving_now, 10)
    assert resolved.edit is None
    assert resolved.data["result"]["reason"] == "Cancelled."


@pytest.mark.parametrize("shows", [True, False])
async def test_progress_is_for_who_shows_it(start: Start, shows: bool) -> None:
    capabilities = edits()
    capabilities.window = types.WindowClientCapabilities(work_done_progress=shows)
    client = await start(["<load>", "Add."], capabilities)
    await docstring(client)
    if shows:
        await until(lambda: client.progress_reports)
    assert bool(client.progress_reports) is shows


# -- positions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "chosen"),
    [(None, "utf-16"), ([], "utf-16"), (["utf-32", "utf-8"], "utf-32"), (["utf-8", "utf-16"], "utf-8")],
)
async def test_edits_and_suggestions_count_in_the_clients_units(
    start: Start, known: list[Any] | None, chosen: str
) -> None:
    capabilities = with_inline(edits())
    capabilities.general = types.GeneralClientCapabilities(position_encodings=known)
    client = await start(["a * 2"], capabilities)
    assert client.answer.capabilities.position_encoding == chosen  # type: ignore[attr-defined]
    before = "x = '🙂é' + "
    units = {"utf-8": len(before.encode()), "utf-16": len(before) + 1, "utf-32": len(before)}[chosen]
    opened(client, f"{before}‸\n")
    at = types.Position(0, units)
    (item,) = await ghost_text(client, at)
    assert item.range == types.Range(at, at)


# -- dynamic registration and folders --------------------------------------------------------------------------


@pytest.mark.parametrize("dynamic", [True, False])
async def test_nothing_is_registered_with_a_client_that_cannot(start: Start, dynamic: bool) -> None:
    capabilities = capabilities_of("neovim")
    assert capabilities.workspace is not None
    capabilities.workspace.did_change_watched_files = types.DidChangeWatchedFilesClientCapabilities(
        dynamic_registration=dynamic
    )
    client = await start(["x"], capabilities)
    registered: list[str] = []

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def register(params: types.RegistrationParams) -> None:
        registered.extend(each.method for each in params.registrations)

    if dynamic:
        await until(lambda: registered)
    # What was sent before is here when the answer is.
    await explain(client)
    assert registered == ([types.WORKSPACE_DID_CHANGE_WATCHED_FILES] if dynamic else [])


async def test_folders_may_change(start: Start, capabilities: Caps) -> None:
    client = await start(["x"], capabilities)
    workspace = client.answer.capabilities.workspace  # type: ignore[attr-defined]
    assert workspace.workspace_folders.supported and workspace.workspace_folders.change_notifications


# -- a workspace that is not trusted ---------------------------------------------------------------------------


async def test_nothing_in_a_folder_sets_or_starts_anything(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's project, with the server started in it as some editors do."""
    mark = tmp_path / "ran"
    evil = f"open({str(mark)!r}, 'w').close()\n"
    project = tmp_path / "project"
    for name in ("midfill.py", "llama_cpp.py", "tree_sitter.py", "sitecustomize.py", "json.py"):
        project.mkdir(exist_ok=True)
        (project / name).write_text(evil)
    settings = {"midfill": {"enabled": False, "engine": {"kind": "openai", "url": "http://192.0.2.1"}}}
    for name in ("settings.json", ".midfill.json", ".vscode/settings.json", ".zed/settings.json"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(json.dumps({**settings, **settings["midfill"]}))
    (project / ".midfill.toml").write_text(
        '[[action]]\nid = "evil"\ntitle = "Evil"\nkind = "refactor"\nplace = "selection"\ninstruction = "x"\n'
    )
    monkeypatch.chdir(project)
    monkeypatch.setenv("MIDFILL_MODELS", str(tmp_path / "none"))
    command = [str(Path(sys.executable).with_name("midfill")), "serve", "--in-process"]
    client = await start([], resolving(with_inline(capabilities_of("neovim"))), command=command)
    folder = types.WorkspaceFolder(project.as_uri(), "project")
    client.workspace_did_change_workspace_folders(
        types.DidChangeWorkspaceFoldersParams(types.WorkspaceFoldersChangeEvent(added=[folder], removed=[]))
    )
    uri = (project / "shop.py").as_uri()
    at = opened(client, "total = ‸\n", uri=uri)
    await client.text_document_inline_completion_async(inline_params(at, uri, invoked=True))
    told = await explain(client)
    assert told["reason"] == "modelMissing", "it is on, and asks the models of this machine"
    params = types.CodeActionParams(types.TextDocumentIdentifier(uri), span(0, 0, 8), types.CodeActionContext([]))
    titles = [each.title for each in await client.text_document_code_action_async(params) or ()]
    assert titles and not any("Evil" in title for title in titles)
    assert not mark.exists()


async def test_settings_send_no_code_to_a_server_that_the_user_has_not_named(start: Start) -> None:
    """Settings that an editor sends may come from the workspace."""
    command = [str(Path(sys.executable).with_name("midfill")), "serve"]
    engine = {"kind": "openai", "url": "http://192.0.2.1:9", "fallback": False}
    client = await start([], with_inline(capabilities_of("neovim")), {"midfill": {"engine": engine}}, command)
    at = opened(client, "total = ‸\n")
    assert await ghost_text(client, at) == []
    told = await explain(client)
    assert told["outcome"] == "failed"
    assert "midfill trust http://192.0.2.1:9" in told["message"]
