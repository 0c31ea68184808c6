"""Code actions: cheap to list, costly to resolve, and stateless between the two."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from midfill.document import Document
from midfill.edits import (
    Problem,
    Project,
    Reading,
    Result,
    Target,
    Wish,
    instruction_of,
    propose,
    rebased,
    resolve,
)
from midfill.edits.work import Report
from midfill.engine.base import CancelToken
from midfill.errors import EditRejected, MidfillError, UsageError
from midfill.index.symbols import path_of
from midfill.lsp import convert
from midfill.lsp.progress import Progress
from midfill.lsp.server import Server

KINDS = [
    types.CodeActionKind.RefactorRewrite,
    types.CodeActionKind.RefactorExtract,
    types.CodeActionKind.QuickFix,
    types.CodeActionKind.Source,
]
_DISCARD = types.MessageActionItem("Discard")
_CHANGED = "The file has changed since the action was offered; ask again."
# Bytes of another file that is read to extend it.
_LARGEST_READ = 1_000_000
T = TypeVar("T")
_CHANGED_MEANWHILE = "The code changed while the edit was made; ask again."


def register(server: Server, capabilities: types.ClientCapabilities) -> None:
    # A client that knows commands only knows no options either.
    options = types.CodeActionOptions(code_action_kinds=KINDS, resolve_provider=True)
    client = capabilities.text_document.code_action if capabilities.text_document else None
    literals = client is not None and client.code_action_literal_support is not None

    @server.feature(types.TEXT_DOCUMENT_CODE_ACTION, options if literals else None)
    def code_action(params: types.CodeActionParams) -> Sequence[types.CodeAction | types.Command]:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return []
        if params.range.start == params.range.end:
            # Editors ask wherever the cursor rests, and no other message of theirs tells where it is.
            server.warm.looked_at(document.uri, convert.offsets(document.text, params.range, server.encoding)[0])
        actions = _list(server, document, params, resolves=literals and _resolves(client))
        return actions if literals else [action.command for action in actions if action.command is not None]

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def code_action_resolve(action: types.CodeAction) -> types.CodeAction:
        if not isinstance(action.data, dict):
            # Some clients resolve every action without an edit, also one that is only a command.
            return action
        data, title = action.data, action.title
        try:
            document, result = await act(server, data)
        except MidfillError as error:
            server.say(str(error))
            action.data = {**data, "result": {"attempts": 0, "reason": str(error), "millis": {"total": 0.0}}}
            return action
        action.data = {**data, "result": told(result)}
        if result.reason is None:
            action.edit = workspace_edit(server, document, result, title)
        else:
            server.say(f"{title}: {result.reason}", types.MessageType.Warning)
        return action


async def act(server: Server, data: dict[str, Any]) -> tuple[Document, Result]:
    """Make the edit that `data` (see `_data`) describes, on the version that it names.

    The document is the one that the edits are for: where it has changed meanwhile, but not the code that they
    change, the newest version; for tests, theirs. Raises `EditRejected` otherwise, and what `resolve` raises.
    """

    async def edit(document: Document, wish: Wish, cancel: CancelToken, report: Report) -> Result:
        project = _project(server, document)
        actions = server.own_actions.of(document.uri)
        result = await resolve(document, wish, server.config, server.engine, cancel, report, actions, project)
        if wish.action == "refactor" and (said := instruction_of(document, wish)):
            server.last_instruction = said
        return result

    document, result = await work_on(server, data, edit)
    if result.patch is None:
        return document, result
    if result.target is not None:
        _require_creation(server, result.target)
        document = result.target.document
    if reason := await _not_wanted(server, title_of(server, data), result):
        return document, replace(result, edits=(), patch=None, reason=reason)
    newest = server.documents.get(document.uri)
    if newest is document or (newest is None and result.target is not None):
        return document, result
    edits = None if newest is None else await asyncio.to_thread(rebased, document, newest, result.patch)
    if newest is None or edits is None:
        raise EditRejected(_CHANGED_MEANWHILE)
    return newest, replace(result, edits=edits)


async def work_on(
    server: Server,
    data: dict[str, Any],
    work: Callable[[Document, Wish, CancelToken, Report], Coroutine[Any, Any, T]],
) -> tuple[Document, T]:
    """Do what `data` describes, with a progress bar that can cancel it.

    Raises `EditRejected` where `data` is about an older version, and what `work` raises.
    """
    document = server.documents.get(str(data.get("uri")))
    if document is None or data.get("version") not in (None, document.version):
        raise EditRejected(_CHANGED)
    cancel = CancelToken()
    wish = _wish(server, document, data)
    action = server.own_actions.of(document.uri).get(wish.action)
    server.doubt("explain" if action and action.command else "edit")
    progress = Progress(server, title_of(server, data), on_cancel=cancel.cancel)

    def report(message: str, tokens: int, fraction: float) -> None:
        progress.report(f"{message} ({tokens} tokens)" if tokens else message, int(fraction * 100))

    report("Looking", 0, 0.0)
    try:
        wish = replace(wish, symbols=server.signatures(document, wish.start))
        with server.warm.beside_an_edit():
            return document, await asyncio.shield(asyncio.ensure_future(work(document, wish, cancel, report)))
    except asyncio.CancelledError:
        cancel.cancel()
        raise
    finally:
        progress.end()


async def _not_wanted(server: Server, title: str, result: Result) -> str | None:
    """Why an edit is not to be made. A client that marks no edits for its user to confirm is asked to ask."""
    workspace = server.client_capabilities.workspace
    client = workspace.workspace_edit if workspace else None
    if (client and client.change_annotation_support) or not _needs_confirmation(server, result):
        return None
    why = "It deletes much of the code." if result.confirm else "Edits are to be confirmed."
    params = types.ShowMessageRequestParams(
        types.MessageType.Warning, f"{title}: apply the edit? {why}", [types.MessageActionItem("Apply"), _DISCARD]
    )
    try:
        chosen = await server.window_show_message_request_async(params)
    except JsonRpcException:
        return f"{why} This editor cannot ask whether that is wanted."
    return None if chosen is not None and chosen.title == "Apply" else "It was not confirmed."


def _needs_confirmation(server: Server, result: Result) -> bool:
    return server.config.confirm_edits or result.confirm


def _project(server: Server, document: Document) -> Project | None:
    """Where a document is, for whoever looks for its tests."""
    path = path_of(document.uri)
    if path is None:
        return None
    folders = [each for uri in server.workspace.folders if (each := path_of(uri)) and each in path.parents]
    root = max(folders, key=lambda each: len(each.parts), default=path.parent)

    def read(path: Path) -> Document | None:
        if known := server.documents.get(path.as_uri()):
            return known
        try:
            if path.stat().st_size > _LARGEST_READ:
                return None
            return Document.open(path.as_uri(), None, 0, path.read_bytes().decode("utf-8"))
        except (OSError, ValueError):
            return None

    return Project(path, root, read)


def _require_creation(server: Server, target: Target) -> None:
    """Raises `EditRejected` where a file is to be created and the client cannot do that."""
    workspace = server.client_capabilities.workspace
    client = workspace.workspace_edit if workspace else None
    if target.creates and not (
        client and types.ResourceOperationKind.Create in (client.resource_operations or ())
    ):
        raise EditRejected(f"This editor cannot create files for a server; create {target.path} and ask again.")


def title_of(server: Server, data: dict[str, Any]) -> str:
    """What an action is called where it is at work."""
    action = server.own_actions.of(str(data.get("uri"))).get(str(data.get("action")))
    return f"Midfill: {action.title}" if action else "Midfill"


def told(result: Result) -> dict[str, Any]:
    """What `data.result` of a resolved action, and the result of a command, say about an edit."""
    return {"attempts": result.attempts, **told_of(result)}


def told_of(result: Result | Reading) -> dict[str, Any]:
    """Why there is nothing, if so, and what the answer has cost."""
    usage = result.usage
    return {
        "reason": result.reason,
        "tokens": {
            "prompt": usage.prompt,
            "evaluated": usage.evaluated,
            "generated": usage.generated,
            "drafted": usage.drafted,
            "acceptedDrafts": usage.accepted,
        },
        "millis": {
            "queue": round(usage.queue_ms, 1),
            "evaluate": round(usage.evaluate_ms, 1),
            "generate": round(usage.generate_ms, 1),
            "total": round(result.total_ms, 1),
        },
    }


def workspace_edit(server: Server, document: Document, result: Result, label: str) -> types.WorkspaceEdit:
    workspace = server.client_capabilities.workspace
    return convert.workspace_edit(
        list(result.edits),
        document,
        server.encoding,
        label,
        _needs_confirmation(server, result),
        workspace.workspace_edit if workspace else None,
        creates=result.target is not None and result.target.creates,
    )


def _resolves(client: types.CodeActionClientCapabilities | None) -> bool:
    """Whether the client asks for an action's edit when it is wanted, and keeps the `data` till then."""
    support = client.resolve_support if client else None
    return bool(client and client.data_support and support and "edit" in support.properties)


def _list(
    server: Server, document: Document, params: types.CodeActionParams, resolves: bool
) -> list[types.CodeAction]:
    start, end = convert.offsets(document.text, params.range, server.encoding)
    problems = [_problem(server, document, diagnostic) for diagnostic in params.context.diagnostics]
    capabilities = server.client_capabilities.text_document
    client = capabilities.code_action if capabilities else None
    tags = client.tag_support.value_set if client and client.tag_support else ()
    tagged = types.CodeActionTag.LlmGenerated in tags
    actions = []
    given = dict(zip(problems, params.context.diagnostics, strict=True))
    known = server.own_actions.of(document.uri).values()
    for offer in propose(document, start, end, problems, server.last_instruction, known):
        action = offer.action
        if params.context.only and not any(_within(action.kind, only) for only in params.context.only):
            continue
        fixes = [given[problem] for problem in offer.problems] or None
        data = _data(document, params.range, action.id, offer.instruction, fixes)
        shown = types.CodeAction(
            title=offer.title,
            kind=types.CodeActionKind(action.kind),
            diagnostics=fixes,
            tags=[types.CodeActionTag.LlmGenerated] if tagged else None,
        )
        if action.command is not None:
            shown.command = types.Command(offer.title, action.command, arguments=[data])
        elif offer.asks and _asks(server.client_capabilities):
            shown.command = types.Command(offer.title, "midfill.askInstruction", arguments=[data])
        elif resolves:
            shown.data = data
        else:
            shown.command = types.Command(offer.title, "midfill.act", arguments=[data])
        actions.append(shown)
    return actions


def _within(kind: str, only: str) -> bool:
    return kind == only or kind.startswith(f"{only}.")


def _data(
    document: Document,
    where: types.Range,
    action: str,
    instruction: str,
    diagnostics: Sequence[types.Diagnostic] | None,
) -> dict[str, Any]:
    """All that is needed to make the edit later. A client may set `instruction` before it resolves."""
    return {
        "uri": document.uri,
        "version": document.version,
        "range": convert.to_json(where),
        "action": action,
        "instruction": instruction,
        "diagnostics": [
            {"range": convert.to_json(diagnostic.range), "message": diagnostic.message}
            for diagnostic in diagnostics or ()
        ],
    }


def _wish(server: Server, document: Document, data: dict[str, Any]) -> Wish:
    """The core's view of `_data`. Raises `UsageError` for one that no server wrote."""
    try:
        where = convert.from_json(data["range"], types.Range)
        start, end = convert.offsets(document.text, where, server.encoding)
        problems = [
            Problem(
                *convert.offsets(document.text, convert.from_json(each["range"], types.Range), server.encoding),
                str(each["message"]),
            )
            for each in data.get("diagnostics") or ()
        ]
        return Wish(str(data["action"]), start, end, str(data.get("instruction") or ""), tuple(problems))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError("An edit needs an action and a range with start and end.") from error


def _problem(server: Server, document: Document, diagnostic: types.Diagnostic) -> Problem:
    return Problem(*convert.offsets(document.text, diagnostic.range, server.encoding), diagnostic.message)


def _asks(capabilities: types.ClientCapabilities) -> bool:
    """Whether the client has the command `midfill.askInstruction`, which asks the user for the instruction."""
    experimental = capabilities.experimental
    own = experimental.get("midfill") if isinstance(experimental, dict) else None
    return isinstance(own, dict) and bool(own.get("askInstruction"))
