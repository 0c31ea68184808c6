"""`serve --copilot`: what clients of Copilot's language server ask, answered by what this server does already.

Their positions count UTF-16 units, whatever was negotiated for the rest. There is nobody to sign in as: every
client hears that it is signed in, as a user without a name, because one of them looks its user's picture up on the
Internet.
"""

from __future__ import annotations

from typing import Any

from lsprotocol import types

import midfill
from midfill.document import Document
from midfill.engine.base import Event, LoadProgress
from midfill.lsp import convert
from midfill.lsp.completion import suggest
from midfill.lsp.feedback import COPILOT_ACCEPTED, Feedback
from midfill.lsp.server import Server
from midfill.text import Encoding, Position

PANEL_ACCEPTED = "github.copilot.didAcceptPanelCompletionItem"
_SIGNED_IN = {"status": "OK", "user": ""}


def register(server: Server, feedback: Feedback) -> None:
    _register_account(server)
    _register_feedback(server, feedback)
    _register_status(server)

    async def completions(params: Any, invoked: bool) -> list[dict[str, Any]]:
        document = _document(server, params)
        if document is None:
            return []
        where = _of(params, "doc", "position")
        cursor = document.text.offset(Position(int(where["line"]), int(where["character"])), Encoding.UTF16)
        at = convert.lsp_position(document.text, cursor, server.encoding)
        items = await suggest(server, feedback, document, at, invoked)
        made = [_completion(item, document, cursor, server.encoding) for item in items]
        # copilot.el before 2026 shows only what is of the version that it asked for.
        return [{**each, "docVersion": _of(params, "doc", "version")} for each in made]

    @server.feature("getCompletions")
    async def get_completions(params: Any) -> dict[str, Any]:
        return {"completions": await completions(params, invoked=False)}

    @server.feature("getCompletionsCycling")
    async def get_completions_cycling(params: Any) -> dict[str, Any]:
        return {"completions": await completions(params, invoked=True)}

    @server.feature("getPanelCompletions")
    async def get_panel_completions(params: Any) -> dict[str, Any]:
        found = await completions(params, invoked=True)
        panel = params.get("panelId")
        for each in found:
            solution = {
                "panelId": panel,
                "solutionId": each["uuid"],
                "completionText": each["text"],
                "displayText": each["displayText"],
                "range": each["range"],
                "score": 0,
            }
            server.protocol.notify("PanelSolution", solution)
        server.protocol.notify("PanelSolutionsDone", {"panelId": panel, "status": "OK"})
        return {"solutionCountTarget": len(found)}

    @server.feature("textDocument/copilotPanelCompletion")
    async def copilot_panel_completion(params: Any) -> dict[str, Any]:
        document = server.documents.get(str(_of(params, "textDocument", "uri")))
        where = _of(params, "position")
        if document is None or where is None:
            return {"items": []}
        at = types.Position(int(where["line"]), int(where["character"]))
        items = await suggest(server, feedback, document, at, invoked=True)
        for number, item in enumerate(items, 1):
            assert item.command is not None
            item.command = types.Command(
                f"Accept completion {number}", PANEL_ACCEPTED, arguments=item.command.arguments
            )
        found = [convert.to_json(item) for item in items]
        token = params.get("partialResultToken")
        if token is None:
            return {"items": found}
        # What was told while it was made is no part of the answer.
        for each in found:
            server.protocol.notify(types.PROGRESS, types.ProgressParams(token, {"items": [each]}))
        return {"items": []}

    @server.feature("textDocument/copilotInlineEdit")
    def inline_edit(params: Any) -> dict[str, Any]:
        """Edits are made on request only, by code actions."""
        return {"edits": []}


def _register_account(server: Server) -> None:
    for method in ("checkStatus", "signInConfirm", "signInWithGithubToken"):
        server.feature(method)(lambda _: _SIGNED_IN)
    for method in ("signIn", "signInInitiate"):
        server.feature(method)(lambda _: {**_SIGNED_IN, "status": "AlreadySignedIn"})
    server.feature("signOut")(lambda _: {"status": "NotSignedIn"})
    for method in ("setEditorInfo", "notifyRejected", "recordTelemetryConsent"):
        server.feature(method)(lambda _: "OK")
    server.feature("getVersion")(lambda _: {"version": midfill.__version__, "buildType": "prod"})
    server.feature("checkFileStatus")(lambda _: {"status": "included"})

    @server.feature("copilot/models")
    def models(_: Any) -> list[dict[str, Any]]:
        name = server.config.models.complete
        return [{"id": name, "modelName": name, "scopes": ["completion"], "default": True}]


def _register_feedback(server: Server, feedback: Feedback) -> None:
    @server.command(COPILOT_ACCEPTED)
    @server.command(PANEL_ACCEPTED)
    def accepted(suggestion: Any = None) -> None:
        feedback.accepted(suggestion)

    @server.feature("notifyShown")
    def notify_shown(params: Any) -> str:
        feedback.shown(_of(params, "uuid"))
        return "OK"

    @server.feature("notifyAccepted")
    def notify_accepted(params: Any) -> str:
        feedback.accepted(_of(params, "uuid"))
        return "OK"


def _register_status(server: Server) -> None:
    def tell(kind: str, message: str, busy: bool) -> None:
        server.protocol.notify("didChangeStatus", {"kind": kind, "message": message, "busy": busy})
        older = "InProgress" if busy else "Normal" if kind == "Normal" else "Warning"
        server.protocol.notify("statusNotification", {"status": older, "message": message})

    def listen(event: Event) -> None:
        if not isinstance(event, LoadProgress):
            return
        if event.error is not None:
            tell("Error", event.error, busy=False)
        elif event.fraction >= 1:
            tell("Normal", "", busy=False)
        else:
            tell("Normal", f"Midfill: loading {event.name}: {int(event.fraction * 100)}%", busy=True)

    server.engine.subscribe(listen)


def _document(server: Server, params: Any) -> Document | None:
    """The open document, or the text that comes with the request, where that is another one or newer."""
    given = _of(params, "doc") or {}
    uri = str(given.get("uri"))
    document = server.documents.get(uri)
    source = given.get("source")
    if isinstance(source, str) and (document is None or str(document.text) != source):
        return Document.open(uri, given.get("languageId"), 0, source)
    return document


def _completion(
    item: types.InlineCompletionItem, document: Document, cursor: int, encoding: Encoding
) -> dict[str, Any]:
    """An item for clients that replace from the start of the line.

    LSP-copilot puts `text` in place of the whole line, whatever the range. copilot.lua replaces the range, but of
    a single line it first takes off the end that `text` shares with what is right of the cursor. So the text goes
    on to the end of the line, and the range of a single line ends before what will be taken off.
    """
    text = document.text
    assert item.range is not None and item.command is not None and item.command.arguments
    insert = str(item.insert_text)
    _, end = convert.offsets(text, item.range, encoding)
    line = text.line_of(cursor)
    start, line_end = text.line_start(line), text.line_end(line)
    whole = text.slice(start, cursor) + insert + text.slice(end, line_end)
    if "\n" in insert:
        end = line_end
    else:
        replaced = text.slice(cursor, end)
        common = 0
        while common < min(len(insert), len(replaced)) and insert[-common - 1] == replaced[-common - 1]:
            common += 1
        end -= len(replaced[len(replaced) - common :].encode("utf-8", "surrogatepass"))
    at = convert.lsp_position(text, cursor, Encoding.UTF16)
    return {
        "uuid": item.command.arguments[0],
        "text": whole,
        "displayText": insert,
        "position": convert.to_json(at),
        "range": convert.to_json(convert.lsp_range(text, start, end, Encoding.UTF16)),
    }


def _of(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
