"""Reading ahead: while nobody types the model evaluates the code around the place where the user is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from midfill.completion import Completion
from midfill.document import Document
from midfill.engine.base import CancelToken, Event, Lost, When
from midfill.errors import MidfillError
from midfill.lsp import convert

if TYPE_CHECKING:
    from midfill.lsp.server import Server

# So many seconds without news of the user, before the machine is put to work.
PAUSE = 0.3


class Warmth:
    """At most one place is being warmed, the latest that the user was at."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._place: tuple[str, int | None] | None = None
        self._cancel = CancelToken()
        self._task: asyncio.Task[None] | None = None
        self._edits = 0

    def looked_at(self, uri: str, cursor: int | None = None) -> None:
        """Warm a place, a byte offset where it is known, if nothing happens for a moment.

        It is work for idle time, unless an edit runs already: whoever goes elsewhere meanwhile will type there.
        """
        # Where one types, an editor also asks what can be done there. That is no reason to begin again.
        if (uri, cursor) != self._place or self._task is None or self._task.done():
            self._start(uri, cursor, "soon" if self._edits else "idle", None)

    @contextlib.contextmanager
    def beside_an_edit(self) -> Iterator[None]:
        """While an edit runs."""
        self._edits += 1
        try:
            yield
        finally:
            self._edits -= 1

    def completed(self, document: Document, completion: Completion) -> None:
        """Warm the place where the user types, before an edit goes on, and find what comes after what is shown."""
        self._start(document.uri, completion.cursor, "soon", (document, completion))

    def again(self) -> None:
        """The engine has lost all that it knew."""
        if self._place:
            self._start(*self._place, "idle", None)

    def stop(self) -> None:
        self._cancel.cancel()
        self._cancel = CancelToken()
        if self._task:
            self._task.cancel()

    def _start(self, uri: str, cursor: int | None, when: When, done: tuple[Document, Completion] | None) -> None:
        self.stop()
        self._place = (uri, cursor)
        self._task = asyncio.ensure_future(self._warm(uri, cursor, when, done, self._cancel))

    async def _warm(
        self,
        uri: str,
        cursor: int | None,
        when: When,
        done: tuple[Document, Completion] | None,
        cancel: CancelToken,
    ) -> None:
        await asyncio.sleep(PAUSE)
        server = self._server
        document, config = server.documents.get(uri), server.config
        if document is None or document.language is None or not (config.enabled and config.warm_up):
            return
        if _on_battery() and not config.warm_up_on_battery:
            return
        # What goes wrong is said when the user asks for something.
        with contextlib.suppress(MidfillError):
            await server.completer.warm_up(document, cursor, cancel, when)
            if done and done[0] is document and done[1].outcome == "shown":
                await server.completer.prefetch(*done, cancel)


def register(server: Server) -> None:
    @server.feature("textDocument/didFocus")
    def did_focus(params: Any) -> None:
        _look(server, params or {})

    @server.feature("midfill/didMoveCursor")
    def did_move_cursor(params: Any) -> None:
        _look(server, params or {})

    def listen(event: Event) -> None:
        if isinstance(event, Lost) and event.final:
            server.say(event.reason)
        elif isinstance(event, Lost):
            server.warm.again()

    server.engine.subscribe(listen)


def _look(server: Server, params: dict[str, Any]) -> None:
    """The user looks at a document, at a position if there is one."""
    document = server.documents.get(str((params.get("textDocument") or {}).get("uri")))
    if document is None:
        return
    cursor = None
    if at := params.get("position"):
        position = types.Position(int(at["line"]), int(at["character"]))
        cursor = document.text.offset(convert.position(position), server.encoding)
    server.warm.looked_at(document.uri, cursor)


def _on_battery() -> bool:
    import psutil

    battery = psutil.sensors_battery()
    return battery is not None and not battery.power_plugged
