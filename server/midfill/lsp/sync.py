"""Our own document store: a new frozen snapshot for every change."""

from __future__ import annotations

from lsprotocol import types

from midfill.document import Document
from midfill.lsp import convert
from midfill.lsp.server import Server


def register(server: Server) -> None:
    """Handlers here are synchronous: a change is in before the next message is read."""

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(params: types.DidOpenTextDocumentParams) -> None:
        item = params.text_document
        server.documents[item.uri] = Document.open(item.uri, item.language_id, item.version, item.text)
        server.warm.looked_at(item.uri)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(params: types.DidChangeTextDocumentParams) -> None:
        identifier = params.text_document
        document = server.documents.get(identifier.uri)
        if document is None:
            server.say(f"{identifier.uri} was changed but never opened; reopen it.")
            return
        changes = [convert.change(change) for change in params.content_changes]
        document = document.apply(changes, server.encoding, identifier.version)
        server.documents[identifier.uri] = document
        if changes and changes[-1].range:
            server.recent.edited(document, changes[-1].range.start.line)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(params: types.DidCloseTextDocumentParams) -> None:
        uri = params.text_document.uri
        server.documents.pop(uri, None)
        server.completer.memory.forget(uri)
        server.recent.forget(uri)
        server.forget_review(uri)

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def did_change_configuration(params: types.DidChangeConfigurationParams) -> None:
        server.configure(server.settings_in(params.settings))
        server.index.follow()
        server.own_actions.look()
