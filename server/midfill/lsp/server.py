"""The server's state, and the one place where a request meets it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from cattrs import Converter
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
    LanguageServerProtocol,
    default_converter,
)

import midfill
from midfill.completion import Completer, Completion
from midfill.completion.cache import Memory
from midfill.completion.context import NOTHING, Context, Fragment, gather, imports_above
from midfill.completion.recent import Recent
from midfill.completion.window import Window
from midfill.config import Config, parse
from midfill.document import Document
from midfill.engine.base import CancelToken, Engine, Role
from midfill.errors import MidfillError
from midfill.index.symbols import path_below
from midfill.lsp import convert
from midfill.lsp.index import Indexes
from midfill.lsp.own_actions import OwnActions
from midfill.lsp.warm import Warmth
from midfill.text import Encoding

log = logging.getLogger(__name__)

# Bytes of other files' signatures that the model is told for an edit.
EDIT_CONTEXT = 900

EMPTY: Mapping[str, Any] = MappingProxyType({})


class Server(LanguageServer):
    """One editor window. `documents` holds the newest snapshot of each open file."""

    protocol: _Protocol

    def __init__(
        self,
        engine: Callable[[Callable[[], Config]], Engine],
        user_settings: Mapping[str, Any] = EMPTY,
        copilot: bool = False,
    ) -> None:
        """`engine` is given a way to read the settings of the moment. The client's go over `user_settings`.

        `copilot`: the client takes us for Copilot's language server (`lsp/copilot.py`).
        """
        super().__init__(
            "midfill",
            midfill.__version__,
            protocol_cls=_Protocol,
            converter_factory=json_converter,
        )
        self._user_settings = user_settings
        self.copilot = copilot
        self.config = Config()
        self.engine = engine(lambda: self.config)
        self.completer = Completer(self.config, self.engine, Memory(), self.look)
        self.documents: dict[str, Document] = {}
        self.recent = Recent()
        self.history: deque[Explained] = deque(maxlen=200)
        self.running: Running | None = None
        self.warm = Warmth(self)
        self.index = Indexes(self)
        self.own_actions = OwnActions(self)
        self.settings_at_start: object = None
        self.last_instruction = ""
        self.serves_documents: bool | None = None
        """Whether the client asks us for the text of documents that are no files; None: not known yet."""
        self.reviewed: set[str] = set()
        """The documents that show findings of a review."""
        self._said: set[str] = set()

    @property
    def encoding(self) -> Encoding:
        return Encoding(self.server_capabilities.position_encoding or "utf-16")

    def configure(self, settings: object) -> None:
        """Take over new settings; what is wrong with them is said by name."""
        if isinstance(settings, Mapping) or settings is None:
            settings = {**self._user_settings, **(settings or {})}
        self.config, problems = parse(settings)
        self.completer = Completer(self.config, self.engine, Memory(), self.look)
        self._said.clear()
        for problem in problems:
            self.say(problem, types.MessageType.Warning)
        if self.config.models != Config().models:
            self.doubt("complete")

    def settings_in(self, value: object) -> object:
        """Clients send the settings bare or under the key `midfill`; those of Copilot send its settings bare.

        Nothing at all, as Emacs' eglot sends at the start, leaves what the client began with.
        """
        if not value:
            return self.settings_at_start
        if isinstance(value, dict) and "midfill" in value:
            return value["midfill"]
        return self.settings_at_start if self.copilot else value

    def say(self, message: str, kind: types.MessageType = types.MessageType.Error) -> None:
        """Show the user a message; the same one only once until something changes."""
        if message not in self._said:
            self._said.add(message)
            log.info("%s", message)
            self.window_show_message(types.ShowMessageParams(kind, message))

    def forget_review(self, uri: str) -> None:
        """Take the findings of a review away."""
        if uri in self.reviewed:
            self.reviewed.discard(uri)
            self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, []))

    def doubt(self, role: Role) -> bool:
        """Say, once, that the model of a role does not seem to fit it, and tell whether that is so."""
        with contextlib.suppress(MidfillError):
            if doubt := self.engine.info(role).doubt:
                self.say(doubt, types.MessageType.Warning)
                return True
        return False

    def look(self, document: Document, window: Window, told: Context) -> Context:
        """What stands elsewhere in the workspace and helps with a window's code; the `Look` of a completion."""
        found = self.index.at(document.uri)
        if found is None:
            return NOTHING
        workspace, path = found
        others = [
            (where, other)
            for other in reversed(self.documents.values())
            if other.uri != document.uri and (where := path_below(workspace.root, other.uri)) is not None
        ]
        budget = self.completer.memory.pace.budget(self.config.latency_target_ms)
        edits = [
            Fragment(where, place.text)
            for place in self.recent.elsewhere(document, window.cursor, budget.before * 3 // 2)
            if (where := path_below(workspace.root, place.document.uri)) is not None
        ]
        previous = told if told.fragments else None
        told = gather(document, path, window.cursor, workspace, budget.context, others, previous, edits)
        imports = imports_above(document, path, window.anchor - len(window.before))
        if not told.fragments and not imports:
            return NOTHING
        return replace(told, project=workspace.root.name, path=path, imports=imports)

    def signatures(self, document: Document, at: int) -> str:
        """What the code around a byte offset uses from other files, for an edit: a line of code each."""
        found = self.index.at(document.uri)
        if found is None:
            return ""
        workspace, path = found
        told = gather(document, path, at, workspace, EDIT_CONTEXT)
        return "".join(fragment.text for fragment in told.fragments)

    def explain(self, completion: Completion, document: Document, at: types.Position) -> None:
        """Remember what came of a completion, for `midfill/explain`."""
        explanation = convert.explanation(completion, document.text, self.encoding)
        self.history.append(Explained(document.uri, at, explanation))
        # A model that does not fit its role is said in the same words, whatever comes of it.
        if completion.outcome == "failed" and completion.message and not self.doubt("complete"):
            self.say(completion.message)


@dataclass
class Running:
    """The newest completion of this window, which a newer one supersedes. It may have ended already."""

    document: Document
    cursor: int
    invoked: bool
    cancel: CancelToken
    pipeline: asyncio.Future[Completion]
    waiting: int = 0
    """How many requests wait for it."""

    def answers(self, document: Document, cursor: int, invoked: bool) -> bool:
        """Whether it is still at work on this very question, or on one that asks for more."""
        same = self.document is document and self.cursor == cursor and self.invoked >= invoked
        return same and not self.cancel.cancelled and not self.pipeline.done()


@dataclass(frozen=True)
class Explained:
    """What `midfill/explain` tells of the completion asked for at one place."""

    uri: str
    position: types.Position
    explanation: dict[str, Any]


class _Protocol(LanguageServerProtocol):
    """pygls without its own document store, whose changes would come without offsets."""

    lsp_text_document__did_open: Any = None
    lsp_text_document__did_change: Any = None
    lsp_text_document__did_close: Any = None
    # Theirs remember every protocol that has asked, with its server and all documents.
    get_message_type = LanguageServerProtocol.get_message_type.__wrapped__  # type: ignore[assignment]
    get_result_type = LanguageServerProtocol.get_result_type.__wrapped__  # type: ignore[assignment]

    def drop_requests(self) -> None:
        """Cancel what is asked for, on either side, since the client has gone."""
        for future in tuple(self._request_futures.values()):
            future.cancel()

    def structure_message(self, data: dict[str, Any]) -> Any:
        """Answer a request whose parameters make no sense; pygls would leave its sender waiting for ever."""
        if data.get("method") == types.INITIALIZE:
            _read_null_as_able(data)
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "id" not in data or "method" not in data:
                raise
            self._send_response(data["id"], error=error.to_response_error())
            return JsonRPCNotification(method="$/answered", jsonrpc=self.VERSION, params=None)


def _read_null_as_able(data: dict[str, Any]) -> None:
    """By `null` Emacs' lsp-mode announces that it knows inline completion; pygls takes that for nothing."""
    params = data.get("params")
    capabilities = params.get("capabilities") if isinstance(params, dict) else None
    client = capabilities.get("textDocument") if isinstance(capabilities, dict) else None
    if isinstance(client, dict) and "inlineCompletion" in client and client["inlineCompletion"] is None:
        client["inlineCompletion"] = {}


def json_converter() -> Converter:
    """pygls' converter, but the params and results of custom methods stay the JSON that they are."""
    converter: Converter = default_converter()  # type: ignore[no-untyped-call]
    for message in (JsonRPCRequestMessage, JsonRPCResponseMessage, JsonRPCNotification):
        converter.register_structure_hook(message, lambda data, kind: kind(**data))
    return converter
