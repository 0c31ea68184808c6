"""`$/progress` for what takes long: loading a model, making an edit."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lsprotocol import types

from midfill.engine.base import Event, LoadProgress, Role

if TYPE_CHECKING:
    from midfill.lsp.server import Server


class Progress:
    """One progress bar in the client, or nothing where the client shows none.

    `token`: the client's own, else one is created. `on_cancel` makes the bar cancellable.
    """

    def __init__(
        self,
        server: Server,
        title: str,
        token: types.ProgressToken | None = None,
        on_cancel: Callable[[], None] | None = None,
    ) -> None:
        self._server, self._title, self._on_cancel = server, title, on_cancel
        self._token: types.ProgressToken | None = token
        self._open = token is not None
        self._ended = False
        self._message: str | None = None
        if token is not None:
            self._begin()
            return
        window = server.client_capabilities.window
        if window is not None and window.work_done_progress:
            self._token = f"midfill-{uuid.uuid4()}"
            server.work_done_progress.create(self._token, self._created)

    def report(self, message: str, percentage: int | None = None) -> None:
        self._message = message
        self._send(types.WorkDoneProgressReport(message=message, percentage=percentage))

    def end(self, message: str | None = None) -> None:
        self._send(types.WorkDoneProgressEnd(message=message))
        self._open, self._ended = False, True
        if self._token is not None:
            self._server.work_done_progress.tokens.pop(self._token, None)

    def _created(self, _: Any) -> None:
        # Nothing may be reported before the client has said that it knows the token.
        if not self._ended:
            self._open = True
            self._begin()

    def _begin(self) -> None:
        cancellable = self._on_cancel is not None
        begin = types.WorkDoneProgressBegin(
            self._title, cancellable=cancellable, message=self._message, percentage=0
        )
        self._send(begin)
        future = self._server.work_done_progress.tokens.get(self._token or "")
        if future is not None and self._on_cancel is not None:
            on_cancel = self._on_cancel
            future.add_done_callback(lambda f: on_cancel() if f.cancelled() else None)

    def _send(
        self, value: types.WorkDoneProgressBegin | types.WorkDoneProgressReport | types.WorkDoneProgressEnd
    ) -> None:
        if not self._open or self._token is None:
            return
        if isinstance(value, types.WorkDoneProgressBegin):
            self._server.work_done_progress.begin(self._token, value)
        elif isinstance(value, types.WorkDoneProgressReport):
            self._server.work_done_progress.report(self._token, value)
        else:
            self._server.work_done_progress.end(self._token, value)


def show_loading(server: Server) -> None:
    """Show the loading of models, from the first percent to the last, and say when one fails."""
    bars: dict[Role, Progress] = {}

    def listen(progress: Event) -> None:
        if not isinstance(progress, LoadProgress):
            # The engine is lost, and what it was loading with it.
            for role in list(bars):
                bars.pop(role).end("interrupted")
            return
        if progress.role not in bars:
            bars[progress.role] = Progress(server, f"Midfill: loading {progress.name}")
        if progress.error is not None:
            bars.pop(progress.role).end("failed")
            server.say(progress.error)
        elif progress.fraction >= 1:
            bars.pop(progress.role).end("ready")
            if progress.warning is not None:
                server.say(progress.warning, types.MessageType.Warning)
        else:
            percentage = int(progress.fraction * 100)
            bars[progress.role].report(f"{percentage}%", percentage)

    server.engine.subscribe(listen)
