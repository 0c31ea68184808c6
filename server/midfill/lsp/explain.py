"""Commands that give something to read: an explanation in a document of its own, a review as diagnostics."""

from __future__ import annotations

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from midfill.document import Document
from midfill.edits import Reading, read
from midfill.errors import MidfillError
from midfill.lsp import convert
from midfill.lsp.code_action import told_of, work_on
from midfill.lsp.server import Server

SCHEME = "midfill"
# Seconds between two looks of the client at an explanation that is being written.
_REFRESH = 0.5
# Explanations that are kept as files.
_KEPT = 20


def register(server: Server) -> None:
    written: dict[str, str] = {}

    @server.feature(types.WORKSPACE_TEXT_DOCUMENT_CONTENT)
    def text_document_content(params: types.TextDocumentContentParams) -> types.TextDocumentContentResult:
        return types.TextDocumentContentResult(written.get(params.uri, ""))

    @server.command("midfill.explainCode")
    async def explain_code(request: dict[str, Any]) -> dict[str, Any]:
        """The `data` of our action; answers `{text, uri, reason, tokens, millis}`."""
        return await _explain(server, {**request, "action": "explain"}, written)

    @server.command("midfill.review")
    async def review(request: dict[str, Any]) -> dict[str, Any]:
        """The `data` of our action; answers `{findings, reason, tokens, millis}`."""
        return await _review(server, {**request, "action": "review"})

    @server.command("midfill.clearReview")
    def clear_review(*requests: Any) -> int:
        """Take the findings away, of `{uri}` or of all documents; answers in how many there were some."""
        uri = next((each.get("uri") for each in requests if isinstance(each, dict)), None)
        gone = [each for each in server.reviewed if uri in (None, each)]
        for each in gone:
            server.forget_review(each)
        return len(gone)


async def _asks_for_documents(server: Server) -> bool:
    """Whether the client asks us for the text of documents of our own; it is told of them the first time."""
    if server.serves_documents is None:
        workspace = server.client_capabilities.workspace
        client = workspace.text_document_content if workspace else None
        server.serves_documents = client is not None and bool(client.dynamic_registration)
        if server.serves_documents:
            options = types.TextDocumentContentRegistrationOptions([SCHEME])
            method = types.WORKSPACE_TEXT_DOCUMENT_CONTENT
            registration = types.Registration("midfill-documents", method, options)
            try:
                await server.client_register_capability_async(types.RegistrationParams([registration]))
            except JsonRpcException:
                server.serves_documents = False
    return server.serves_documents


async def _explain(server: Server, data: dict[str, Any], written: dict[str, str]) -> dict[str, Any]:
    live = _Live(server, data, written) if await _asks_for_documents(server) else None
    hear = live.hear if live else lambda _: None
    try:
        _, reading = await work_on(
            server,
            data,
            lambda document, wish, cancel, report: read(
                document, wish, server.config, server.engine, cancel, report, hear
            ),
        )
    except MidfillError as error:
        return _refused(server, str(error))
    if reading.reason is not None:
        return {**_refused(server, reading.reason), **told_of(reading)}
    uri = await (live.end(reading.text) if live else _shown_as_file(server, data, reading.text))
    return {"text": reading.text, "uri": uri, **told_of(reading)}


class _Live:
    """An explanation that the client shows while it is written."""

    def __init__(self, server: Server, data: dict[str, Any], written: dict[str, str]) -> None:
        self._server, self._written = server, written
        self._uri = f"{SCHEME}:/explain/{_name(data)}.md"
        self._showing: asyncio.Task[None] | None = None
        self._ended = False

    def hear(self, text: str) -> None:
        self._written[self._uri] = text
        if self._showing is None:
            self._showing = asyncio.ensure_future(self._show())

    async def end(self, text: str) -> str:
        self.hear(text)
        self._ended = True
        if self._showing:
            await self._showing
        return self._uri

    async def _show(self) -> None:
        with contextlib.suppress(JsonRpcException):
            await self._server.window_show_document_async(types.ShowDocumentParams(self._uri, take_focus=False))
            shown = ""
            while True:
                ended = self._ended
                if (now := self._written[self._uri]) != shown:
                    shown = now
                    refresh = types.TextDocumentContentRefreshParams(self._uri)
                    await self._server.workspace_text_document_content_refresh_async(refresh)
                if ended:
                    return
                await asyncio.sleep(_REFRESH)


async def _shown_as_file(server: Server, data: dict[str, Any], text: str) -> str | None:
    """Write the explanation to the user's cache and have the client open it; say where it is if it cannot."""
    from midfill.index.store import cache_dir

    folder = cache_dir() / "explain"
    path = folder / f"{_name(data)}.md"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.write_text(text, "utf-8")
        _forget_old(folder)
    except OSError as error:
        server.say(
            f"The explanation cannot be written to {path}: {error.strerror}. MIDFILL_CACHE can name a folder."
        )
        return None
    window = server.client_capabilities.window
    if window is not None and window.show_document is not None and window.show_document.support:
        with contextlib.suppress(JsonRpcException):
            shown = await server.window_show_document_async(
                types.ShowDocumentParams(path.as_uri(), take_focus=False)
            )
            if shown.success:
                return path.as_uri()
    server.say(f"The explanation is in {path}.", types.MessageType.Info)
    return path.as_uri()


def _forget_old(folder: Path) -> None:
    files = sorted(folder.glob("*.md"), key=lambda each: each.stat().st_mtime, reverse=True)
    for each in files[_KEPT:]:
        each.unlink(missing_ok=True)


def _name(data: dict[str, Any]) -> str:
    """A name for an explanation: the file's and the line."""
    stem = re.sub(r"[^\w.-]+", "-", str(data.get("uri", "")).rsplit("/", 1)[-1]) or "code"
    with contextlib.suppress(KeyError, TypeError, ValueError):
        return f"{stem}-{int(data['range']['start']['line']) + 1}"
    return stem


async def _review(server: Server, data: dict[str, Any]) -> dict[str, Any]:
    try:
        document, reading = await work_on(
            server,
            data,
            lambda document, wish, cancel, report: read(
                document, wish, server.config, server.engine, cancel, report
            ),
        )
    except MidfillError as error:
        return _refused(server, str(error))
    if reading.reason is not None:
        return {**_refused(server, reading.reason), **told_of(reading)}
    if server.documents.get(document.uri) is not document:
        return {**_refused(server, "The file has changed since; review it again."), **told_of(reading)}
    found = _diagnostics(server, document, reading)
    server.reviewed.add(document.uri)
    server.text_document_publish_diagnostics(types.PublishDiagnosticsParams(document.uri, found, document.version))
    if not found:
        server.say("Midfill found nothing to remark.", types.MessageType.Info)
    return {"findings": [convert.to_json(each) for each in found], **told_of(reading)}


def _diagnostics(server: Server, document: Document, reading: Reading) -> list[types.Diagnostic]:
    return [
        types.Diagnostic(
            convert.lsp_range(document.text, each.start, each.end, server.encoding),
            each.message,
            types.DiagnosticSeverity.Hint,
            source="midfill",
        )
        for each in reading.findings
    ]


def _refused(server: Server, reason: str) -> dict[str, Any]:
    server.say(reason, types.MessageType.Warning)
    return {"reason": reason}
