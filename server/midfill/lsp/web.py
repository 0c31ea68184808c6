"""The server on WebSockets, for editors in a browser. Each connection is a window of its own.

Any page that the user visits can ask for a connection to this machine, so being on loopback protects nothing.
Three things must be right in the handshake: the token, which only who started the server knows; the origin, which
a browser tells truthfully; and the host's name, so that no other name can be made to lead here (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import mimetypes
import secrets
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from pygls.exceptions import JsonRpcException
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from midfill.lsp.lifecycle import close
from midfill.lsp.server import Server

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
# The largest message, which is a file as a whole. A larger one ends its connection.
MESSAGE_BYTES = 16 * 1024 * 1024
# The page needs nothing from elsewhere, sends nothing there, and is in no other's frame. Monaco has inline styles
# and starts its worker from a blob.
POLICY = (
    "default-src 'self' data:; script-src 'self'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'"
)


async def run(
    make: Callable[[], Server],
    started: Callable[[str], None],
    port: int = 0,
    page: Path | None = None,
    origins: Sequence[str] = (),
) -> None:
    """Serve until cancelled. `started` hears the address to open or to connect to, with the token in it.

    `page` is a folder whose files are served, too; its page may connect, as may those of `origins`. Port 0 is any
    that is free. Raises OSError where the port is taken.
    """
    token = secrets.token_urlsafe(24)
    door = _Door(token, page, set(origins))

    async def window(socket: ServerConnection) -> None:
        server = make()
        try:
            await _talk(server, socket)
        finally:
            server.protocol.drop_requests()
            await close(server)

    # Nothing is gained by compressing what stays on this machine.
    async with serve(
        window, HOST, port, process_request=door, max_size=MESSAGE_BYTES, compression=None
    ) as listening:
        door.port = next(iter(listening.sockets)).getsockname()[1]
        # Behind the #, so that it is in no request and in no log.
        address = f"http://{HOST}:{door.port}/#{token}" if page else f"ws://{HOST}:{door.port}/?token={token}"
        started(address)
        await asyncio.Future()


async def _talk(server: Server, socket: ServerConnection) -> None:
    """Hand each message to the server, until its client leaves."""
    protocol = server.protocol
    protocol.set_writer(_Writer(socket), include_headers=False)
    # A page that is closed says good-bye as seldom as one that crashes.
    with contextlib.suppress(ConnectionClosed):
        async for data in socket:
            try:
                message = json.loads(data, object_hook=protocol.structure_message)
                if getattr(message, "method", None) == "exit":
                    # pygls would end the process, which serves other windows.
                    return
                protocol.handle_message(message)
                # A request takes its snapshot before a change that has come with it is made.
                await asyncio.sleep(0)
            except Exception as error:
                log.exception("A message makes no sense.")
                server.report_server_error(error, JsonRpcException)


class _Writer:
    """Where pygls writes. Its own writes binary messages, which no client in a browser reads."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket

    async def write(self, data: bytes) -> None:
        # Who has gone needs no answer.
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(data, text=True)

    def close(self) -> Awaitable[None]:
        return self._socket.close()


class _Door:
    """Lets connections in, or answers why not; gives out the files of the page."""

    def __init__(self, token: str, page: Path | None, origins: set[str]) -> None:
        self.port = 0
        self._token = token
        self._page = page
        self._origins = origins

    def __call__(self, connection: ServerConnection, request: Request) -> Response | None:
        names = {f"{name}:{self.port}" for name in (HOST, "localhost")}
        if request.headers.get("Host") not in names:
            return _response(HTTPStatus.FORBIDDEN, f"Ask for {HOST}:{self.port}, by no other name.")
        url = urlsplit(request.path)
        if "Upgrade" not in request.headers:
            return self._file(url.path)
        origin = request.headers.get("Origin")
        # Who sends none is no browser.
        if origin is not None and origin not in self._origins | {f"http://{name}" for name in names}:
            return _response(
                HTTPStatus.FORBIDDEN, f"Pages of {origin} may not connect: see `midfill serve --origin`."
            )
        [token, *_] = parse_qs(url.query).get("token", [""])
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return _response(HTTPStatus.UNAUTHORIZED, "The token is wrong: it is printed when the server starts.")
        return None

    def _file(self, path: str) -> Response:
        if self._page is None:
            return _response(HTTPStatus.UPGRADE_REQUIRED, "This is a language server: connect by WebSocket.")
        root = self._page.resolve()
        try:
            file = (root / unquote(path).lstrip("/")).resolve()
        except ValueError:
            # A name with a null in it.
            file = root.parent
        if file == root:
            file = root / "index.html"
        if not file.is_relative_to(root) or not file.is_file():
            return _response(HTTPStatus.NOT_FOUND, "There is no such file.")
        return _response(HTTPStatus.OK, file.read_bytes(), mimetypes.guess_type(file.name)[0])


def _response(status: HTTPStatus, body: str | bytes, kind: str | None = None) -> Response:
    content = body if isinstance(body, bytes) else f"{body}\n".encode()
    headers = Headers(
        {
            "Content-Type": kind or "text/plain; charset=utf-8",
            "Content-Length": str(len(content)),
            "Connection": "close",
            "Cache-Control": "no-cache",
            "Content-Security-Policy": POLICY,
            "X-Content-Type-Options": "nosniff",
        }
    )
    return Response(status.value, status.phrase, headers, content)
