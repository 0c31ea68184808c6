"""A headless editor: starts the real server over stdio and talks to it as an editor does.

The command line, the demonstration, the tests and the benchmarks all see the server through it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient
from pygls.protocol import LanguageServerProtocol

import midfill
from midfill.document import Document
from midfill.errors import EngineError, UsageError
from midfill.lsp.server import json_converter
from midfill.text import Change, Encoding, Position, Range

LARGEST = 10 * 1024 * 1024
_COMMAND = (sys.executable, "-m", "midfill", "serve")


class Editor:
    """One editor window. `documents` is what it has open; `messages` what the server told the user.

    Positions are zero-based and count code points (UTF-32).
    """

    def __init__(self, progress: Callable[[str, int | None], None] | None = None) -> None:
        """`progress` hears of what takes long: a message, and a percentage where there is one."""
        self.client = LanguageClient(
            "midfill",
            midfill.__version__,
            protocol_cls=LanguageServerProtocol,
            converter_factory=json_converter,
        )
        self.documents: dict[str, Document] = {}
        self.messages: list[str] = []
        self.server_info: types.InitializeResult | None = None
        self._progress = progress or (lambda message, percentage: None)
        self._titles: dict[types.ProgressToken, str] = {}
        self._listen()

    async def initialize(self, folder: Path, settings: dict[str, Any] | None = None) -> None:
        self.server_info = await self.client.initialize_async(
            types.InitializeParams(
                capabilities=CAPABILITIES,
                root_uri=folder.as_uri(),
                workspace_folders=[types.WorkspaceFolder(folder.as_uri(), folder.name)],
                # What a command or a benchmark has to ask is asked before an index is there.
                initialization_options={"midfill": {"index": False, **(settings or {})}},
                client_info=types.ClientInfo("midfill command line"),
            )
        )
        self.client.initialized(types.InitializedParams())

    def open(self, path: Path, text: str | None = None) -> Document:
        """Open a file, with this text instead of its own where one is given. Raises `UsageError`."""
        document = Document.open(path.as_uri(), None, 1, read(path) if text is None else text)
        self.documents[document.uri] = document
        language = document.language.lsp_ids[0] if document.language else "plaintext"
        item = types.TextDocumentItem(document.uri, language, 1, str(document.text))
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return document

    def type(self, document: Document, start: Position, end: Position, text: str) -> Document:
        """Replace a range, as typing does, and tell the server."""
        version = document.version + 1
        changed = document.apply([Change(Range(start, end), text)], Encoding.UTF32, version)
        self.documents[document.uri] = changed
        where = types.Range(_lsp(start), _lsp(end))
        self.client.text_document_did_change(
            types.DidChangeTextDocumentParams(
                types.VersionedTextDocumentIdentifier(version, document.uri),
                [types.TextDocumentContentChangePartial(where, text)],
            )
        )
        return changed

    def move_cursor(self, document: Document, at: Position) -> None:
        """Tell the server where the cursor is now."""
        place = {"line": at.line, "character": at.character}
        self.client.protocol.notify(
            "midfill/didMoveCursor", {"textDocument": {"uri": document.uri}, "position": place}
        )

    async def complete(
        self, document: Document, at: Position, invoked: bool = True
    ) -> list[types.InlineCompletionItem]:
        kind = types.InlineCompletionTriggerKind
        answer = await self.client.text_document_inline_completion_async(
            types.InlineCompletionParams(
                types.InlineCompletionContext(kind.Invoked if invoked else kind.Automatic),
                types.TextDocumentIdentifier(document.uri),
                _lsp(at),
            )
        )
        items = answer.items if isinstance(answer, types.InlineCompletionList) else answer
        return list(items or ())

    async def explain(self, document: Document) -> dict[str, Any]:
        result = await self.client.protocol.send_request_async(
            "midfill/explain", {"textDocument": {"uri": document.uri}}
        )
        return dict(result) if result else {}

    async def actions(
        self, document: Document, where: Range, problems: Sequence[tuple[Range, str]] = ()
    ) -> list[types.CodeAction]:
        """The code actions offered for a range, with diagnostics given as (range, message)."""
        diagnostics = [
            types.Diagnostic(_lsp_range(place), message, severity=types.DiagnosticSeverity.Error)
            for place, message in problems
        ]
        answer = await self.client.text_document_code_action_async(
            types.CodeActionParams(
                types.TextDocumentIdentifier(document.uri),
                _lsp_range(where),
                types.CodeActionContext(diagnostics),
            )
        )
        return [action for action in answer or () if isinstance(action, types.CodeAction)]

    async def resolve(self, action: types.CodeAction, instruction: str = "") -> types.CodeAction:
        action.data = {**(action.data or {}), "instruction": instruction}
        return await self.client.code_action_resolve_async(action)

    def edits_of(self, action: types.CodeAction) -> list[types.TextEdit]:
        """The text edits of a resolved action, in order."""
        changes = action.edit.document_changes if action.edit else None
        return [
            types.TextEdit(edit.range, edit.new_text)
            for change in changes or ()
            if isinstance(change, types.TextDocumentEdit)
            for edit in change.edits
            if isinstance(edit, (types.TextEdit, types.AnnotatedTextEdit))
        ]

    def apply(self, document: Document, edits: Sequence[types.TextEdit]) -> Document:
        """Apply edits given in the document's own positions, and tell the server."""
        for edit in sorted(edits, key=lambda e: (e.range.start.line, e.range.start.character), reverse=True):
            document = self.type(document, _core(edit.range.start), _core(edit.range.end), edit.new_text)
        return document

    async def shut_down(self) -> None:
        await self.client.shutdown_async(None)
        self.client.exit(None)

    def _listen(self) -> None:
        client = self.client

        @client.feature(types.WINDOW_SHOW_MESSAGE)
        def show_message(params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)

        @client.feature(types.WINDOW_SHOW_MESSAGE_REQUEST)
        def ask(_: types.ShowMessageRequestParams) -> types.MessageActionItem | None:
            return None

        @client.feature(types.WINDOW_WORK_DONE_PROGRESS_CREATE)
        def create(_: types.WorkDoneProgressCreateParams) -> None:
            return None

        @client.feature(types.PROGRESS)
        def progress(params: types.ProgressParams) -> None:
            value = params.value if isinstance(params.value, dict) else {}
            title = value.get("title") or self._titles.get(params.token, "")
            self._titles[params.token] = title
            if value.get("kind") in ("begin", "report"):
                self._progress(f"{title}: {value.get('message') or ''}", value.get("percentage"))

        @client.feature(types.WORKSPACE_APPLY_EDIT)
        def apply_edit(params: types.ApplyWorkspaceEditParams) -> types.ApplyWorkspaceEditResult:
            action = types.CodeAction("", edit=params.edit)
            for change in params.edit.document_changes or ():
                if isinstance(change, types.TextDocumentEdit):
                    self.apply(self.documents[change.text_document.uri], self.edits_of(action))
            return types.ApplyWorkspaceEditResult(applied=True)


@asynccontextmanager
async def editor(
    folder: Path,
    settings: dict[str, Any] | None = None,
    progress: Callable[[str, int | None], None] | None = None,
    command: Sequence[str] = _COMMAND,
) -> AsyncIterator[Editor]:
    """Start a server for a folder and shut it down again. Raises `EngineError` when it dies."""
    window = Editor(progress)
    await window.client.start_io(*command)
    process = window.client._server
    assert process is not None and process.stderr is not None
    echo = asyncio.ensure_future(_echo(process.stderr))
    try:
        await window.initialize(folder, settings)
        yield window
        await asyncio.wait_for(window.shut_down(), 15)
    except (RuntimeError, TimeoutError) as error:
        raise EngineError(f"The language server ended unexpectedly: {error}. Its messages are above.") from error
    finally:
        if process.returncode is None:
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
        await window.client.stop()
        await echo


def read(path: Path) -> str:
    """The text of a file as it is, line ends included. Raises `UsageError` for one that is no text."""
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than {LARGEST // 1024**2} MB; choose a smaller file.")
        data = path.read_bytes()
        if b"\0" in data:
            raise UsageError(f"{path} is a binary file; choose a text file.")
        return data.decode("utf-8")
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; check the path.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8; convert it first.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None


CAPABILITIES = types.ClientCapabilities(
    workspace=types.WorkspaceClientCapabilities(
        apply_edit=True,
        workspace_edit=types.WorkspaceEditClientCapabilities(
            document_changes=True, change_annotation_support=types.ChangeAnnotationsSupportOptions()
        ),
    ),
    text_document=types.TextDocumentClientCapabilities(
        inline_completion=types.InlineCompletionClientCapabilities(),
        code_action=types.CodeActionClientCapabilities(
            data_support=True,
            resolve_support=types.ClientCodeActionResolveOptions(["edit"]),
            code_action_literal_support=types.ClientCodeActionLiteralOptions(
                types.ClientCodeActionKindOptions([types.CodeActionKind.RefactorRewrite])
            ),
        ),
    ),
    window=types.WindowClientCapabilities(work_done_progress=True),
    general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf32]),
)


async def _echo(stream: asyncio.StreamReader) -> None:
    """The server's messages, for whoever debugs."""
    while line := await stream.readline():
        sys.stderr.write(line.decode("utf-8", "replace"))


def _lsp(position: Position) -> types.Position:
    return types.Position(position.line, position.character)


def _lsp_range(where: Range) -> types.Range:
    return types.Range(_lsp(where.start), _lsp(where.end))


def _core(position: types.Position) -> Position:
    return Position(position.line, position.character)
