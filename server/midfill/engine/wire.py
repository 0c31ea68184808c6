"""What the host and a window say to each other: pygls' JSON-RPC, with its cancellation, and our values as JSON.

    window ── midfill/hello Hello ──▶ host ── Hello            the first request; all others are unknown before
           ── midfill/generate Request ──▶                     answered with null at the end of the stream
           ◀── midfill/chunk {id, chunk} ──                    `id` is that of the request
           ── $/cancelRequest ──▶
           ◀── midfill/loading LoadProgress ──
           ── midfill/status ──▶      ── HostStatus
           ── midfill/leave Leaving ──▶                        the host tells all windows so and ends
           ◀── midfill/leaving Leaving ──

`midfill/hello` and `midfill/leave` must stay as they are, since hosts and windows of all versions use them.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from cattrs import Converter
from cattrs.errors import BaseValidationError
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.io_ import run_async
from pygls.protocol import (
    JsonRPCNotification,
    JsonRPCProtocol,
    JsonRPCRequestMessage,
    JsonRPCResponseMessage,
)
from pygls.server import JsonRPCServer

from midfill import errors
from midfill.engine.base import ModelStatus

HELLO = "midfill/hello"
GENERATE = "midfill/generate"
CHUNK = "midfill/chunk"
LOADING = "midfill/loading"
STATUS = "midfill/status"
LEAVE = "midfill/leave"
LEAVING = "midfill/leaving"

# Our errors' code: any that JSON-RPC has not reserved.
FAILED = 1
T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks. `secret`: see `runtime.Notice`."""

    version: str
    pid: int
    secret: str


@dataclass(frozen=True, slots=True)
class Leaving:
    """Why the host ends, for the user. `final`: a window must not start another by itself."""

    reason: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class HostStatus:
    """`uptime` is in seconds; `windows` are the other connections."""

    uptime: float
    windows: int
    models: tuple[ModelStatus, ...]


class Peer(JsonRPCServer):
    """One end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(_Protocol, _converter)
        self._reader, self._writer = reader, writer
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._gone: errors.EngineError | None = None
        self.protocol.set_writer(writer)

    async def listen(self) -> None:
        """Handle what comes until the other end is gone or `close` is called."""
        try:
            await run_async(
                threading.Event(), self._reader, self.protocol, log, error_handler=self.report_server_error
            )
        except (OSError, EOFError, ValueError) as error:
            log.debug("the connection broke: %s", error)
        finally:
            self._writer.close()

    def ask(self, method: str, params: Any = None) -> tuple[int, asyncio.Future[Any]]:
        """Send a request; returns its id and its result to come, which is a `MidfillError` if it fails."""
        id = next(self._ids)
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._gone:
            result.set_exception(self._gone)
            return id, result
        self._asked[id] = result
        answered = self.protocol.send_request(method, params, msg_id=id)
        answered.add_done_callback(lambda answer: self._answered(id, answer))
        return id, result

    def notify(self, method: str, params: Any) -> None:
        if not self._writer.is_closing():
            self.protocol.notify(method, params)

    def cancel(self, id: int) -> None:
        """Ask the other end to give a request up; it is still answered."""
        self.notify(types.CANCEL_REQUEST, types.CancelParams(id))

    def give_up(self, error: errors.EngineError) -> None:
        """Let all requests that wait, and all to come, fail: nobody will answer them."""
        self._gone = error
        waiting, self._asked = self._asked, {}
        for result in waiting.values():
            if not result.done():
                result.set_exception(error)

    async def close(self) -> None:
        """Send what is still to be sent, then hang up."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            await asyncio.wait_for(self._writer.wait_closed(), 1)

    def report_server_error(self, error: Exception, source: Any) -> None:
        # What we raise on purpose has been sent to the other end, where somebody waits for it.
        if not isinstance(error, JsonRpcException):
            log.error("a message could not be handled: %s", error)

    def _answered(self, id: int, answer: Future[Any]) -> None:
        result = self._asked.pop(id, None)
        if result is None or result.done():
            return
        error = answer.exception()
        if error is None:
            result.set_result(answer.result())
        else:
            result.set_exception(_from_json(error))


def read(value: Any, kind: type[T]) -> T:
    """JSON to one of our values. Raises `EngineError`."""
    try:
        return _CONVERTER.structure(value, kind)
    except (BaseValidationError, TypeError, ValueError, KeyError) as error:
        raise errors.EngineError(
            f"The window and the host disagree about {kind.__name__}. "
            "Run `midfill host --stop`, then restart the editor."
        ) from error


def failure(error: errors.MidfillError) -> JsonRpcException:
    """An error as it is sent; the other end raises it again."""
    return JsonRpcException(str(error), FAILED, type(error).__name__)


def _from_json(error: BaseException) -> errors.MidfillError:
    if isinstance(error, JsonRpcException) and error.code == FAILED:
        return _ERRORS.get(str(error.data), errors.EngineError)(error.message)
    return errors.EngineError(f"The host failed: {error}. Its log has the details.")


def _with_subclasses(kind: type[errors.MidfillError]) -> Iterator[type[errors.MidfillError]]:
    yield kind
    for subclass in kind.__subclasses__():
        yield from _with_subclasses(subclass)


_ERRORS = {kind.__name__: kind for kind in _with_subclasses(errors.MidfillError)}


class _Protocol(JsonRPCProtocol):
    """pygls' JSON-RPC; of LSP it knows how to cancel."""

    def get_message_type(self, method: str) -> type[Any] | None:
        return types.CancelNotification if method == types.CANCEL_REQUEST else None


def _converter() -> Converter:
    return _CONVERTER


def _make_converter() -> Converter:
    converter = Converter()
    hooks: dict[type[Any], Callable[[dict[str, Any], Any], Any]] = {
        types.CancelNotification: lambda data, kind: kind(types.CancelParams(data["params"]["id"])),
        types.ResponseErrorMessage: lambda data, kind: kind(
            id=data["id"], error=types.ResponseError(**data["error"])
        ),
    }
    for message in (JsonRPCRequestMessage, JsonRPCResponseMessage, JsonRPCNotification):
        hooks[message] = lambda data, kind: kind(**data)
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, hook)
    return converter


_CONVERTER = _make_converter()
