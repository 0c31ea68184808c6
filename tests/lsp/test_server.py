"""The server over stdio with a scripted model, as VS Code and Neovim talk to it."""

from __future__ import annotations

import ast
import asyncio
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pytest_lsp import LanguageClient

from conftest import URI, WHERE, Start, applying, capabilities_of, command, explain, inline_params, opened

Caps = types.ClientCapabilities

FUNCTION = "def add(a, b):\n    return ‸a + b\n"
DOCUMENT = types.TextDocumentIdentifier(URI)


def without_inline(capabilities: Caps) -> Caps:
    assert capabilities.text_document is not None
    capabilities.text_document.inline_completion = None
    return capabilities


def with_inline(capabilities: Caps) -> Caps:
    assert capabilities.text_document is not None
    capabilities.text_document.inline_completion = types.InlineCompletionClientCapabilities()
    return capabilities


async def ghost_text(client: LanguageClient, at: types.Position) -> list[types.InlineCompletionItem]:
    answer = await client.text_document_inline_completion_async(inline_params(at))
    return list(answer) if isinstance(answer, (list, tuple)) else []


def change(client: LanguageClient, version: int, where: types.Range | None, text: str) -> None:
    event: Any = types.TextDocumentContentChangeWholeDocument(text)
    if where is not None:
        event = types.TextDocumentContentChangePartial(where, text)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(types.VersionedTextDocumentIdentifier(version, URI), [event])
    )


def span(line: int, start: int, end: int) -> types.Range:
    return types.Range(types.Position(line, start), types.Position(line, end))


async def until(condition: Any) -> None:
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


# -- completion ------------------------------------------------------------------------------------------------


async def test_inline_completion(start: Start, capabilities: Caps) -> None:
    client = await start(["m(prices)"], with_inline(capabilities))
    at = opened(client, "total = su‸\n")
    items = await ghost_text(client, at)
    assert [(item.insert_text, item.range) for item in items] == [("m(prices)", types.Range(at, at))]


async def test_announces_what_it_can_do(start: Start, capabilities: Caps) -> None:
    client = await start(["x"], with_inline(capabilities))
    told: types.ServerCapabilities = client.answer.capabilities  # type: ignore[attr-defined]
    assert told.inline_completion_provider
    assert isinstance(told.code_action_provider, types.CodeActionOptions)
    assert told.code_action_provider.resolve_provider
    assert told.execute_command_provider is not None
    assert "midfill.refactor" in told.execute_command_provider.commands
    assert isinstance(told.text_document_sync, types.TextDocumentSyncOptions)
    assert told.text_document_sync.change is types.TextDocumentSyncKind.Incremental


async def test_goes_on_from_what_the_menu_has_selected(start: Start, capabilities: Caps) -> None:
    client = await start([".items)"], with_inline(capabilities))
    params = inline_params(opened(client, "total = sum(s‸\n"))
    selected = types.SelectedCompletionInfo(span(0, 12, 13), "self")
    params.context.selected_completion_info = selected
    answer = await client.text_document_inline_completion_async(params)
    assert isinstance(answer, (list, tuple))
    (item,) = answer
    assert (item.insert_text, item.range) == ("self.items)", span(0, 12, 13))
    assert (await explain(client))["prompt"]["text"].endswith("total = sum(self")


async def test_completion_for_a_client_without_inline_completion(start: Start, capabilities: Caps) -> None:
    client = await start(["m(prices)"], without_inline(capabilities))
    at = opened(client, "total = su‸\n")
    answer = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, at))
    assert isinstance(answer, types.CompletionList)
    assert answer.is_incomplete
    (item,) = answer.items
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit == types.TextEdit(span(0, 8, 10), "sum(prices)")
    assert item.filter_text == item.label == "sum(prices)"


async def test_the_menu_shows_the_word_and_the_first_line(start: Start, capabilities: Caps) -> None:
    client = await start([" a", "x = a\n    return x\n"], without_inline(capabilities), settings={"warmUp": False})
    line = opened(client, "def f(a):\n    return‸\n")
    answer = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, line))
    assert isinstance(answer, types.CompletionList)
    assert [item.label for item in answer.items] == ["return a"]
    other = types.TextDocumentIdentifier("file:///project/other.py")
    block = opened(client, "def f(a):\n    ‸\n", other.uri)
    answer = await client.text_document_completion_async(types.CompletionParams(other, block))
    assert isinstance(answer, types.CompletionList)
    (item,) = answer.items
    assert item.label == "x = a …"
    assert isinstance(item.text_edit, types.TextEdit)
    assert item.text_edit == types.TextEdit(span(1, 4, 4), "x = a\n    return x")
    assert item.insert_text_mode is types.InsertTextMode.AsIs, "else a client may indent it once more"


async def test_what_comes_next_is_found_though_the_editor_lists_actions_meanwhile(
    start: Start, capabilities: Caps
) -> None:
    client = await start(["sum(prices)", " / 2"], with_inline(capabilities))
    at = opened(client, "total = ‸\n")
    assert await client.text_document_inline_completion_async(inline_params(at))
    for _ in range(4):
        here = types.Range(at, at)
        await client.text_document_code_action_async(
            types.CodeActionParams(DOCUMENT, here, types.CodeActionContext([]))
        )
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.2)
    change(client, 2, span(0, 8, 8), "sum(prices)")
    await client.text_document_inline_completion_async(inline_params(types.Position(0, 19)))
    told = await explain(client)
    assert (told["source"], told["raw"]) == ("prefetch", " / 2")


async def test_a_slow_model_does_not_hold_up_the_menu(start: Start, capabilities: Caps) -> None:
    client = await start(["<hold>"], without_inline(capabilities), settings={"completionWaitMs": 20})
    at = opened(client, "total = su‸\n")
    answer = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, at))
    assert isinstance(answer, types.CompletionList)
    assert (answer.is_incomplete, list(answer.items)) == (True, [])


async def test_asking_again_joins_the_question_that_is_open(start: Start, capabilities: Caps) -> None:
    client = await start(
        ["<slow>m(prices)", "never"], without_inline(capabilities), settings={"completionWaitMs": 100}
    )
    at = opened(client, "total = su‸\n")
    answers = []
    for _ in range(30):
        answer = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, at))
        assert isinstance(answer, types.CompletionList)
        answers.append([item.filter_text for item in answer.items])
        if answer.items:
            break
    assert answers[0] == []
    assert answers[-1] == ["sum(prices)"]


async def test_who_asks_is_not_answered_with_what_is_suggested_to_one_who_types(
    start: Start, capabilities: Caps
) -> None:
    client = await start(["<slow>m(prices)", "m(prices)<or>m(costs)"], with_inline(capabilities))
    at = opened(client, "total = su‸\n")
    typing = asyncio.ensure_future(client.text_document_inline_completion_async(inline_params(at)))
    await asyncio.sleep(0.05)
    asked = await client.text_document_inline_completion_async(inline_params(at, invoked=True))
    assert isinstance(asked, (list, tuple))
    assert [item.insert_text for item in asked] == ["m(prices)", "m(costs)"]
    assert await typing is None


async def test_cancelling_one_of_two_equal_questions_leaves_the_other(start: Start, capabilities: Caps) -> None:
    client = await start(["<slow>m(prices)"], with_inline(capabilities))
    at = opened(client, "total = su‸\n")
    first = client.protocol.send_request(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_params(at), msg_id="to-cancel"
    )
    second = asyncio.ensure_future(ghost_text(client, at))
    await asyncio.sleep(0.05)
    client.cancel_request(types.CancelParams("to-cancel"))
    assert [item.insert_text for item in await second] == ["m(prices)"]
    with pytest.raises(JsonRpcException, match="cancel"):
        await asyncio.wait_for(asyncio.wrap_future(first), 2)


async def test_the_menus_item_has_the_whole_word(start: Start, capabilities: Caps) -> None:
    """Clients filter by the word before the cursor, which need not be ASCII."""
    if capabilities.general is not None:
        capabilities.general.position_encodings = ["utf-16"]
    client = await start(["e = 1"], without_inline(capabilities), settings={"completionWaitMs": 10000})
    at = opened(client, "größ‸\n")
    answer = await client.text_document_completion_async(types.CompletionParams(DOCUMENT, at))
    assert isinstance(answer, types.CompletionList)
    assert [item.filter_text for item in answer.items] == ["größe = 1"]


async def test_offers_the_menu_only_to_clients_that_need_it(start: Start) -> None:
    old = await start(["x"], capabilities_of("neovim"))
    new = await start(["x"], with_inline(capabilities_of("neovim")))
    assert old.answer.capabilities.completion_provider  # type: ignore[attr-defined]
    assert new.answer.capabilities.completion_provider is None  # type: ignore[attr-defined]


async def test_incremental_changes_count_in_utf16(start: Start, capabilities: Caps) -> None:
    if capabilities.general is not None:
        capabilities.general.position_encodings = ["utf-16"]
    client = await start(["1"], with_inline(capabilities))
    opened(client, "a = '🙂'\nb = ‸\n")
    change(client, 2, span(0, 5, 7), "é")
    change(client, 3, span(0, 6, 6), "🙂")
    change(client, 4, types.Range(types.Position(0, 9), types.Position(1, 0)), "\nc")
    await ghost_text(client, types.Position(1, 5))
    assert (await explain(client))["prompt"]["text"].endswith("<|fim_middle|>a = 'é🙂'\ncb = ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
async def test_negotiated_encodings(start: Start, encoding: str) -> None:
    capabilities = with_inline(capabilities_of("neovim"))
    assert capabilities.general is not None
    capabilities.general.position_encodings = [encoding]
    client = await start(["z"], capabilities)
    opened(client, "x = '🙂é' + ‸\n")
    units = len("x = '🙂é' + ".encode({"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]))
    column = units // {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
    at = types.Position(0, column)
    (item,) = await ghost_text(client, at)
    assert item.range == types.Range(at, at)
    assert (await explain(client))["prompt"]["text"].endswith("<|fim_middle|>x = '🙂é' + ")


async def test_a_newer_request_supersedes_an_older_one(start: Start, capabilities: Caps) -> None:
    client = await start(["<hold>"], with_inline(capabilities))
    at = opened(client, "total = su‸\n")
    older = asyncio.ensure_future(client.text_document_inline_completion_async(inline_params(at)))
    await asyncio.sleep(0.05)
    newer = asyncio.ensure_future(
        client.text_document_inline_completion_async(inline_params(types.Position(0, 8)))
    )
    assert await asyncio.wait_for(older, 2) is None
    assert not newer.done()
    older_explained = await explain(client, textDocument={"uri": URI}, position={"line": 0, "character": 10})
    assert (older_explained["outcome"], older_explained["reason"]) == ("cancelled", "superseded")
    newer.cancel()


async def test_cancel_request_is_answered_and_stops_the_decoding(start: Start, capabilities: Caps) -> None:
    client = await start(["<hold>"], with_inline(capabilities))
    at = opened(client, "total = su‸\n")
    waiting = client.protocol.send_request(
        types.TEXT_DOCUMENT_INLINE_COMPLETION, inline_params(at), msg_id="to-cancel"
    )
    await asyncio.sleep(0.05)
    client.cancel_request(types.CancelParams("to-cancel"))
    with pytest.raises(JsonRpcException, match="cancel"):
        await asyncio.wait_for(asyncio.wrap_future(waiting), 2)
    await asyncio.sleep(0.05)
    explained = await explain(client)
    assert (explained["outcome"], explained["reason"]) == ("cancelled", "cancelled")


async def test_shows_how_a_model_loads(start: Start) -> None:
    capabilities = with_inline(capabilities_of("neovim"))
    capabilities.window = types.WindowClientCapabilities(work_done_progress=True)
    client = await start(["<load>", "1"], capabilities)
    await ghost_text(client, opened(client, "x = ‸\n"))
    await ghost_text(client, opened(client, "y = ‸\n", uri="file:///project/other.py"))
    await until(lambda: client.progress_reports)
    (reports,) = client.progress_reports.values()
    await until(lambda: isinstance(reports[-1], types.WorkDoneProgressEnd))
    assert isinstance(reports[0], types.WorkDoneProgressBegin)
    assert reports[0].title == "Midfill: loading scripted-complete"


async def test_a_senseless_request_is_answered(start: Start, capabilities: Caps) -> None:
    client = await start(["1"], with_inline(capabilities))
    at = opened(client, "x = ‸\n")
    request = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": types.TEXT_DOCUMENT_INLINE_COMPLETION,
        "params": {"position": 3},
    }
    waiting: Any = asyncio.get_running_loop().create_future()
    client.protocol._request_futures[7] = waiting
    client.protocol._send_data(request)
    with pytest.raises(JsonRpcException, match="Invalid"):
        await asyncio.wait_for(waiting, 2)
    assert len(await ghost_text(client, at)) == 1


async def test_cancelling_the_menus_request_stops_the_decoding(start: Start, capabilities: Caps) -> None:
    client = await start(["<hold>"], without_inline(capabilities), settings={"completionWaitMs": 60000})
    params = types.CompletionParams(DOCUMENT, opened(client, "total = su‸\n"))
    waiting = client.protocol.send_request(types.TEXT_DOCUMENT_COMPLETION, params, msg_id="menu")
    await asyncio.sleep(0.05)
    client.cancel_request(types.CancelParams("menu"))
    with pytest.raises(JsonRpcException, match="cancel"):
        await asyncio.wait_for(asyncio.wrap_future(waiting), 2)
    await asyncio.sleep(0.05)
    assert (await explain(client))["reason"] == "cancelled"


# -- why (not) -------------------------------------------------------------------------------------------------


async def test_explains_the_last_completion(start: Start, capabilities: Caps) -> None:
    client = await start(["m(prices)"], with_inline(capabilities))
    at = opened(client, "import os\nimport re\nimport io\nx = 1\ntotal = su‸\n")
    await ghost_text(client, at)
    explained = await explain(client, textDocument={"uri": URI})
    assert explained == await explain(client)
    millis = explained.pop("millis")
    assert set(millis) == {"queue", "context", "evaluate", "generate", "postprocess", "total"}
    prompt = explained.pop("prompt")
    assert prompt["anchor"] == {"line": 1, "character": 0}
    assert (prompt["tokens"], prompt["evaluated"]) == (10, 10)
    assert explained == {
        "outcome": "shown",
        "reason": None,
        "message": None,
        "source": "model",
        "text": "m(prices)",
        "confidence": 0.905,
        "weakest": 0.905,
        "raw": "m(prices)",
        "model": "scripted-complete",
        "generated": 3,
        "drafted": 0,
        "acceptedDrafts": 0,
    }


@pytest.mark.parametrize(
    ("marked", "answer", "reason"), [("pri‸nt(x)\n", "m", "insideWord"), ("x = 1‸\n", "\n", "empty")]
)
async def test_every_nothing_has_a_reason(
    start: Start, capabilities: Caps, marked: str, answer: str, reason: str
) -> None:
    client = await start([answer], with_inline(capabilities))
    assert await ghost_text(client, opened(client, marked)) == []
    explained = await explain(client)
    assert (explained["outcome"], explained["reason"]) == ("rejected", reason)


async def test_a_missing_model_is_said_once_and_explained(start: Start, capabilities: Caps) -> None:
    client = await start(["<missing>"], with_inline(capabilities))
    at = opened(client, "x = ‸\n")
    assert await ghost_text(client, at) == []
    assert await ghost_text(client, at) == []
    await until(lambda: client.messages)
    assert [message.message for message in client.messages] == [
        "The model is not on this machine: run `midfill models fetch complete`."
    ]
    assert (await explain(client))["reason"] == "modelMissing"


async def test_nothing_to_explain(start: Start, capabilities: Caps) -> None:
    client = await start(["x"], capabilities)
    assert await explain(client) is None


async def test_a_document_that_is_not_open(start: Start, capabilities: Caps) -> None:
    client = await start(["x"], with_inline(capabilities))
    assert await ghost_text(client, types.Position(0, 0)) == []


# -- settings --------------------------------------------------------------------------------------------------


async def test_a_wrong_setting_is_named_and_the_rest_works(start: Start, capabilities: Caps) -> None:
    settings = {"midfill": {"enabld": 1, "maxLineTokens": "many", "multiline": False}}
    client = await start(["x = 1\n    y = 2\n"], with_inline(capabilities), settings=settings)
    await until(lambda: len(client.messages) == 2)
    assert [message.message for message in client.messages] == [
        "midfill.enabld: no such setting; did you mean enabled?",
        "midfill.maxLineTokens: must be a whole number, not 'many'",
    ]
    (item,) = await ghost_text(client, opened(client, "def f():\n    ‸\n"))
    assert item.insert_text == "x = 1"


async def test_settings_change_while_it_runs(start: Start, capabilities: Caps) -> None:
    client = await start(["1"], with_inline(capabilities))
    at = opened(client, "x = ‸\n")
    assert await ghost_text(client, at)
    for settings in ({"midfill": {"enabled": False}}, {"enabled": False}):
        client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
        assert await ghost_text(client, at) == []
        client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"midfill": {}}))
        assert await ghost_text(client, at)


async def test_empty_settings_leave_those_of_the_start(start: Start, capabilities: Caps) -> None:
    client = await start(["1"], with_inline(capabilities), settings={"midfill": {"enabled": False}})
    at = opened(client, "x = ‸\n")
    for settings in ({}, None):
        client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
        assert await ghost_text(client, at) == []
    client.workspace_did_change_configuration(types.DidChangeConfigurationParams({"midfill": {}}))
    assert await ghost_text(client, at)


# -- edits -----------------------------------------------------------------------------------------------------


async def actions(
    client: LanguageClient, where: types.Range, *diagnostics: types.Diagnostic, only: list[Any] | None = None
) -> list[types.CodeAction]:
    answer = await client.text_document_code_action_async(
        types.CodeActionParams(DOCUMENT, where, types.CodeActionContext(list(diagnostics), only=only))
    )
    return [action for action in answer or () if isinstance(action, types.CodeAction)]


async def commands(client: LanguageClient, where: types.Range) -> list[str]:
    """The commands of the actions that have one. lsprotocol takes such an action for a bare command."""
    answer = await client.text_document_code_action_async(
        types.CodeActionParams(DOCUMENT, where, types.CodeActionContext([]))
    )
    found = [ast.literal_eval(each.command) for each in answer or () if isinstance(each, types.Command)]
    return [each["command"] for each in found]


def resolving(capabilities: Caps) -> Caps:
    """The oldest recorded clients cannot resolve code actions; every current one can."""
    assert capabilities.text_document is not None
    assert capabilities.text_document.code_action is not None
    client = capabilities.text_document.code_action
    client.resolve_support = types.ClientCodeActionResolveOptions(["edit"])
    client.data_support = True
    return capabilities


async def test_lists_actions_without_the_model(start: Start, capabilities: Caps) -> None:
    client = await start(["<hold>"], resolving(capabilities))
    opened(client, FUNCTION)
    broken = types.Diagnostic(span(1, 11, 12), "undefined name 'a'")
    offered = await actions(client, span(1, 4, 4), broken)
    assert [action.title for action in offered] == [
        "Midfill: Add docstring",
        "Midfill: Refactor with AI...",
        "Midfill: Add type annotations",
        "Midfill: Handle errors",
        "Midfill: Add logging",
        "Midfill: Fix: undefined name 'a'",
        "Midfill: Generate tests",
    ]
    assert not any(action.is_preferred or action.edit for action in offered)
    assert [action.title for action in await actions(client, span(1, 4, 4), broken, only=["quickfix"])] == [
        "Midfill: Fix: undefined name 'a'"
    ]
    assert [action.title for action in await actions(client, span(1, 4, 4), broken, only=["source"])] == [
        "Midfill: Generate tests"
    ]
    assert len(await actions(client, span(1, 4, 4), only=["refactor"])) == 5
    assert [action.title for action in await actions(client, span(1, 4, 16), only=["refactor.extract"])] == [
        "Midfill: Extract function"
    ]


@pytest.mark.parametrize("known", [[types.CodeActionTag.LlmGenerated], []])
async def test_marks_actions_as_a_models_for_clients_that_know_the_tag(
    start: Start, known: list[types.CodeActionTag]
) -> None:
    capabilities = resolving(capabilities_of("neovim"))
    assert capabilities.text_document is not None
    assert capabilities.text_document.code_action is not None
    capabilities.text_document.code_action.tag_support = types.CodeActionTagOptions(known)
    client = await start(["x"], capabilities)
    opened(client, FUNCTION)
    offered = await actions(client, span(0, 5, 5))
    assert offered and all(list(action.tags or ()) == known for action in offered)


async def test_resolves_a_versioned_and_annotated_edit(start: Start) -> None:
    client = await start(["Add."], resolving(capabilities_of("visual_studio_code")))
    opened(client, FUNCTION)
    (docstring, *_) = await actions(client, span(0, 5, 5))
    resolved = await client.code_action_resolve_async(docstring)
    assert resolved.edit is not None
    (edited,) = resolved.edit.document_changes or ()
    assert isinstance(edited, types.TextDocumentEdit)
    assert edited.text_document == types.OptionalVersionedTextDocumentIdentifier(URI, 1)
    (edit,) = edited.edits
    assert isinstance(edit, types.AnnotatedTextEdit)
    assert (edit.range, edit.new_text) == (span(1, 4, 4), '"""Add."""\n    ')
    annotation = (resolved.edit.change_annotations or {})[edit.annotation_id]
    assert (annotation.label, annotation.needs_confirmation) == ("Midfill: Add docstring", False)
    assert resolved.data["result"]["attempts"] == 1


async def test_a_client_without_versioned_edits_gets_plain_ones(start: Start) -> None:
    capabilities = resolving(capabilities_of("neovim"))
    assert capabilities.workspace is not None
    capabilities.workspace.workspace_edit = None
    client = await start(["Add."], capabilities)
    opened(client, FUNCTION)
    (docstring, *_) = await actions(client, span(0, 5, 5))
    resolved = await client.code_action_resolve_async(docstring)
    assert resolved.edit is not None
    assert list((resolved.edit.changes or {})[URI]) == [types.TextEdit(span(1, 4, 4), '"""Add."""\n    ')]


async def test_no_edit_but_a_reason_when_nothing_can_be_trusted(start: Start, capabilities: Caps) -> None:
    client = await start(["def add(a, b):\n    return (("], resolving(capabilities))
    opened(client, FUNCTION)
    refactor = (await actions(client, span(0, 5, 5)))[1]
    resolved = await client.code_action_resolve_async(refactor)
    assert resolved.edit is None
    assert resolved.data["result"]["attempts"] == 3
    assert "syntax error" in resolved.data["result"]["reason"]
    await until(lambda: client.messages)
    assert "syntax error" in client.messages[-1].message


async def test_an_edit_for_a_version_that_is_gone_is_dropped(start: Start, capabilities: Caps) -> None:
    client = await start(["Add."], resolving(capabilities))
    opened(client, FUNCTION)
    (docstring, *_) = await actions(client, span(0, 5, 5))
    change(client, 2, span(0, 0, 0), "# new\n")
    resolved = await client.code_action_resolve_async(docstring)
    assert resolved.edit is None
    assert "changed" in resolved.data["result"]["reason"]


async def documented_while(client: LanguageClient, where: types.Range, typed: str) -> types.CodeAction:
    """The action that documents the function, resolved while something is typed."""
    opened(client, FUNCTION)
    (docstring, *_) = await actions(client, span(0, 5, 5))
    resolving_now = asyncio.ensure_future(client.code_action_resolve_async(docstring))
    await asyncio.sleep(0)
    change(client, 2, where, typed)
    return await asyncio.wait_for(resolving_now, 5)


async def test_an_edit_dropped_because_its_code_changed_meanwhile(start: Start, capabilities: Caps) -> None:
    client = await start(["<slow>Add."], resolving(capabilities))
    resolved = await documented_while(client, span(1, 4, 4), "yield ")
    assert resolved.edit is None
    assert "changed" in resolved.data["result"]["reason"]


async def test_an_edit_follows_what_is_typed_elsewhere_meanwhile(start: Start) -> None:
    client = await start(["<slow>Add."], resolving(capabilities_of("visual_studio_code")))
    resolved = await documented_while(client, span(0, 0, 0), "# new\n")
    assert resolved.edit is not None
    (edited,) = resolved.edit.document_changes or ()
    assert isinstance(edited, types.TextDocumentEdit)
    assert edited.text_document.version == 2
    assert [edit.range for edit in edited.edits if isinstance(edit, types.AnnotatedTextEdit)] == [span(2, 4, 4)]


async def test_an_edit_that_deletes_much_needs_the_users_word(start: Start) -> None:
    client = await start(["def f():\n    return 1"], resolving(capabilities_of("visual_studio_code")))
    opened(client, "def f():\n" + "    print(1)\n" * 9 + "    return 1\n")
    resolved = await client.code_action_resolve_async((await actions(client, span(0, 5, 5)))[1])
    assert resolved.edit is not None
    assert [each.needs_confirmation for each in (resolved.edit.change_annotations or {}).values()] == [True]


async def test_the_last_instruction_can_be_given_again(start: Start, capabilities: Caps) -> None:
    client = await start(["def add(a, b):\n    return b + a"], resolving(capabilities))
    opened(client, FUNCTION)
    await command(client, "midfill.refactor", uri=URI, range=WHERE, instruction="swap the two")
    again = [a for a in await actions(client, span(0, 5, 5)) if a.title == "Midfill: Again: swap the two"]
    assert [action.data["instruction"] for action in again] == ["swap the two"]


async def test_the_instruction_of_a_comment_can_be_given_again(start: Start, capabilities: Caps) -> None:
    client = await start(["def add(a, b):\n    return b + a"], resolving(capabilities))
    opened(client, f"# midfill: swap the two\n{FUNCTION}\n\ndef other():\n    return 1\n")
    (noted,) = [a for a in await actions(client, span(1, 5, 5)) if a.title == "Midfill: swap the two"]
    assert (await client.code_action_resolve_async(noted)).edit is not None
    again = [a for a in await actions(client, span(5, 5, 5)) if a.title == "Midfill: Again: swap the two"]
    assert [action.data["instruction"] for action in again] == ["swap the two"]


async def test_progress_comes_before_the_model_does(start: Start) -> None:
    capabilities = resolving(capabilities_of("neovim"))
    capabilities.window = types.WindowClientCapabilities(work_done_progress=True)
    client = await start(["<slow>Add the one to the other, and give back the sum of both."], capabilities)
    opened(client, FUNCTION)
    (docstring, *_) = await actions(client, span(0, 5, 5))
    resolving_now = asyncio.ensure_future(client.code_action_resolve_async(docstring))
    started = asyncio.get_running_loop().time()
    await until(lambda: client.progress_reports)
    assert asyncio.get_running_loop().time() - started < 0.45
    await resolving_now
    (reports,) = client.progress_reports.values()
    await until(lambda: isinstance(reports[-1], types.WorkDoneProgressEnd))
    assert isinstance(reports[0], types.WorkDoneProgressBegin)
    assert reports[0].cancellable
    assert any("tokens" in (report.message or "") and report.percentage for report in reports[1:-1])


async def test_refactors_by_command_with_an_instruction(start: Start, capabilities: Caps) -> None:
    client = await start(["def add(a, b):\n    return b + a"], capabilities)
    applied = applying(client)
    opened(client, FUNCTION)
    result = await command(client, "midfill.refactor", uri=URI, range=WHERE, instruction="swap")
    assert (result["applied"], result["reason"], result["attempts"]) == (True, None, 1)
    assert len(applied) == 1


@pytest.mark.parametrize(
    "request_", [{}, {"uri": URI}, {"uri": URI, "range": {"start": 3}}, {"uri": "file:///no"}]
)
async def test_a_senseless_command_gets_a_reason(
    start: Start, capabilities: Caps, request_: dict[str, Any]
) -> None:
    client = await start(["x"], capabilities)
    opened(client, FUNCTION)
    params = types.ExecuteCommandParams("midfill.refactor", arguments=[request_])
    result = await client.workspace_execute_command_async(params)
    assert result["applied"] is False
    assert result["reason"]


async def test_a_client_that_asks_the_user_gets_the_command_for_it(start: Start) -> None:
    capabilities = resolving(capabilities_of("neovim"))
    capabilities.experimental = {"midfill": {"askInstruction": True}}
    client = await start(["x"], capabilities)
    opened(client, FUNCTION)
    assert "midfill.askInstruction" in (await commands(client, span(0, 5, 5)))


async def test_resolving_a_mere_command_changes_nothing(start: Start, capabilities: Caps) -> None:
    client = await start(["x"], capabilities)
    opened(client, FUNCTION)
    action = types.CodeAction("Midfill: Refactor with AI...", kind=types.CodeActionKind.RefactorRewrite)
    assert await client.code_action_resolve_async(action) == action
    assert client.messages == []


async def test_a_client_that_cannot_resolve_gets_a_command(start: Start) -> None:
    capabilities = capabilities_of("neovim")
    assert capabilities.text_document is not None
    assert capabilities.text_document.code_action is not None
    capabilities.text_document.code_action.resolve_support = None
    client = await start(["x"], capabilities)
    opened(client, FUNCTION)
    assert set(await commands(client, span(0, 5, 5))) == {"midfill.act", "midfill.explainCode"}
