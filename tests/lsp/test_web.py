"""The server on WebSockets: who may connect, and that a window works as on stdio."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import signal
import sys
import urllib.error
import urllib.request
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from conftest import HERE, capabilities_of
from midfill.cli import main
from midfill.lsp import web
from midfill.lsp.convert import to_json
from midfill.lsp.lifecycle import close, register
from midfill.lsp.server import Server

sys.path.insert(0, str(HERE.parent / "unit"))

from scripted import ScriptedEngine

Serve = Callable[..., Awaitable[str]]
SCRIPTED = HERE / "scripted_server.py"
URI = "inmemory://demo/shop.py"


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start `midfill serve --ws` and tell the address that it prints."""
    running: list[asyncio.subprocess.Process] = []

    async def started(*options: str, command: tuple[str, ...] = ("-m", "midfill", "serve", "--ws")) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, *options, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        running.append(process)
        assert process.stdout is not None
        return (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()

    yield started
    for process in running:
        process.terminate()
        await process.wait()


class Window:
    """The least that a client must be, so that nothing of ours is on this end."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._asked = 0

    async def tell(self, method: str, params: Any) -> None:
        await self._socket.send(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))

    async def ask(self, method: str, params: Any) -> Any:
        self._asked += 1
        request = {"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params}
        await self._socket.send(json.dumps(request))
        while True:
            message = await asyncio.wait_for(self._socket.recv(), 30)
            assert isinstance(message, str), "a browser's client reads no binary messages"
            answer = json.loads(message)
            if answer.get("id") == self._asked and "method" not in answer:
                return answer["result"]

    async def complete(self, text: str) -> list[str]:
        """Open a file, and ask for suggestions at its end."""
        capabilities = to_json(capabilities_of("vscode_languageclient_10"))
        await self.ask("initialize", {"processId": None, "rootUri": None, "capabilities": capabilities})
        await self.tell("initialized", {})
        document = {"uri": URI, "languageId": "python", "version": 1, "text": text}
        await self.tell("textDocument/didOpen", {"textDocument": document})
        lines = text.split("\n")
        at = {"line": len(lines) - 1, "character": len(lines[-1])}
        params = {"textDocument": {"uri": URI}, "position": at, "context": {"triggerKind": 1}}
        items = await self.ask("textDocument/inlineCompletion", params)
        return [item["insertText"] for item in items or []]


def status_of(error: pytest.ExceptionInfo[InvalidStatus]) -> int:
    return error.value.response.status_code


async def test_windows_are_served_beside_and_after_each_other(serve: Serve) -> None:
    address = await serve(command=(str(SCRIPTED), json.dumps(["one"]), "--ws"))
    async with connect(address) as first, connect(address) as second:
        assert await Window(first).complete("x = ") == ["one"]
        assert await Window(second).complete("y = ") == ["one"]
        window = Window(second)
        await window.ask("shutdown", None)
        await window.tell("exit", None)
        await asyncio.wait_for(second.wait_closed(), 10)
    # As when a page is loaded again.
    async with connect(address) as third:
        assert await Window(third).complete("z = ") == ["one"]


async def test_null_is_how_emacs_says_that_it_knows_inline_completion(serve: Serve) -> None:
    address = await serve(command=(str(SCRIPTED), json.dumps(["one"]), "--ws"))
    for client, menu in (({"inlineCompletion": None}, False), ({}, True)):
        async with connect(address) as socket:
            params = {"processId": None, "rootUri": None, "capabilities": {"textDocument": client}}
            answer = await Window(socket).ask("initialize", params)
            assert ("completionProvider" in answer["capabilities"]) == menu, "else it would be offered twice"


async def test_a_lost_connection_leaves_nothing_behind() -> None:
    engine = ScriptedEngine(["one"], hold=asyncio.Event())
    windows: weakref.WeakSet[Server] = weakref.WeakSet()

    def make() -> Server:
        server = Server(lambda _: engine)
        register(server)
        windows.add(server)
        return server

    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(web.run(make, address.set_result))
    socket = await connect(await address)
    asking = asyncio.create_task(Window(socket).complete("x = "))
    while not engine.requests:
        await asyncio.sleep(0.01)
    socket.transport.abort()
    with pytest.raises(ConnectionClosed):
        await asking
    # The documents go with the window.
    async with asyncio.timeout(10):
        while windows:
            engine.listeners.clear()
            gc.collect()
            await asyncio.sleep(0.01)
    assert engine.closed and len(asyncio.all_tasks()) == 2, "this one and the one that serves"
    serving.cancel()
    await asyncio.wait([serving])


async def test_a_request_is_about_the_text_at_hand_though_a_change_comes_right_behind_it() -> None:
    engine = ScriptedEngine(["1"])
    server = Server(lambda _: engine)
    register(server)
    document = {"uri": URI, "languageId": "python", "version": 1, "text": "x = \n"}
    at = {"line": 0, "character": 4}
    above = {"line": 0, "character": 0}
    messages: list[dict[str, Any]] = [
        {"id": 1, "method": "initialize", "params": {"processId": None, "rootUri": None, "capabilities": {}}},
        {"method": "initialized", "params": {}},
        {"method": "textDocument/didOpen", "params": {"textDocument": document}},
        {
            "id": 2,
            "method": "textDocument/inlineCompletion",
            "params": {"textDocument": {"uri": URI}, "position": at, "context": {"triggerKind": 1}},
        },
        {
            "method": "textDocument/didChange",
            "params": {
                "textDocument": {"uri": URI, "version": 2},
                "contentChanges": [{"range": {"start": above, "end": above}, "text": "import os\n"}],
            },
        },
    ]

    class Burst:
        async def __aiter__(self) -> AsyncIterator[str]:
            for message in messages:
                yield json.dumps({"jsonrpc": "2.0", **message})

        async def send(self, data: str, text: bool) -> None:
            pass

    await web._talk(server, Burst())  # type: ignore[arg-type]
    while not engine.requests:
        await asyncio.sleep(0.01)
    assert engine.requests[0].prompt[-1].text == "x = "
    await close(server)


async def test_a_message_that_is_too_large_ends_its_connection_only(serve: Serve) -> None:
    address = await serve(command=(str(SCRIPTED), json.dumps(["one"]), "--ws"))
    socket = await connect(address)
    async with connect(address) as other:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.send('"' + "x" * web.MESSAGE_BYTES)
            await asyncio.wait_for(socket.recv(), 30)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
        assert await Window(other).complete("x = ") == ["one"]


async def test_ctrl_c_ends_it_though_a_page_is_open() -> None:
    command = (sys.executable, "-m", "midfill", "serve", "--ws")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        assert process.stdout is not None
        address = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        async with connect(address):
            process.send_signal(signal.SIGINT)
            _, said = await asyncio.wait_for(process.communicate(), 20)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode == 130 and said.decode().splitlines()[-1] == "midfill: Interrupted."


async def test_nonsense_ends_nothing(serve: Serve) -> None:
    address = await serve(command=(str(SCRIPTED), json.dumps(["one"]), "--ws"))
    async with connect(address) as socket:
        await socket.send("no JSON")
        await socket.send('{"jsonrpc": "2.0", "method": 7}')
        assert await Window(socket).complete("x = ") == ["one"]


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?other=x"])
async def test_a_wrong_token_is_refused(serve: Serve, query: str) -> None:
    url = urlsplit(await serve())
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"ws://{url.netloc}/{query}")
    assert status_of(refused) == 401


@pytest.mark.parametrize("origin", ["https://example.com", "http://127.0.0.1:1", "http://localhost", "null"])
async def test_a_foreign_page_is_refused_even_with_the_token(serve: Serve, origin: str) -> None:
    address = await serve()
    with pytest.raises(InvalidStatus) as refused:
        await connect(address, additional_headers={"Origin": origin})
    assert status_of(refused) == 403


async def test_own_pages_and_those_that_were_named_may_connect(serve: Serve) -> None:
    address = await serve("--origin", "http://localhost:5173")
    own = f"http://{urlsplit(address).netloc}"
    for origin in (own, own.replace("127.0.0.1", "localhost"), "http://localhost:5173"):
        async with connect(address, additional_headers={"Origin": origin}):
            pass


async def test_another_name_for_this_machine_is_refused(serve: Serve) -> None:
    url = urlsplit(await serve())
    request = urllib.request.Request(f"http://{url.netloc}/", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        await asyncio.to_thread(urllib.request.urlopen, request)
    assert refused.value.code == 403
    refused.value.close()


async def test_is_on_loopback_only(serve: Serve) -> None:
    port = urlsplit(await serve()).port
    # Any other address of this machine; Linux has all of 127/8.
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.2", port)


async def test_a_page_is_served_and_nothing_beside_it(serve: Serve, tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text("<p>here</p>")
    (page / "code.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    address = await serve("--page", str(page))
    url = urlsplit(address)
    assert url.scheme == "http" and len(url.fragment) > 20

    def get(path: str) -> tuple[int, str, str]:
        try:
            with urllib.request.urlopen(f"http://{url.netloc}{path}") as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, "", error.read().decode()

    assert await asyncio.to_thread(get, "/") == (200, "text/html", "<p>here</p>")
    assert (await asyncio.to_thread(get, "/code.js"))[:2] == (200, "text/javascript")
    for path in ("/../secret.txt", "/%2e%2e/secret.txt", f"/{tmp_path}/secret.txt", "/none", "/%00", "//"):
        status, _, body = await asyncio.to_thread(get, path)
        assert "secret" not in body and (status == 404 or path == "//"), path
    async with connect(f"ws://{url.netloc}/?token={url.fragment}"):
        pass


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--port", "1"], "go with --ws"),
        (["--page", "."], "go with --ws"),
        (["--origin", "x"], "go with --ws"),
        (["--ws", "--page", "."], "no index.html"),
        (["--ws", "--tcp", ":1"], "does not go with --tcp"),
        (["--ws", "--copilot"], "does not go with --copilot"),
        (["--ws", "--origin", "localhost:5173"], "is no origin"),
        (["--ws", "--origin", "http://localhost:5173/"], "without a path"),
    ],
)
def test_options_that_make_no_sense(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *options]) == 2
    assert said in capsys.readouterr().err


async def test_a_port_that_is_taken(serve: Serve) -> None:
    port = urlsplit(await serve()).port
    command = [sys.executable, "-m", "midfill", "serve", "--ws", "--port", str(port)]
    second = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await asyncio.wait_for(second.communicate(), 30)
    assert second.returncode == 1 and f"Port {port} cannot be used" in said.decode()
