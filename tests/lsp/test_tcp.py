"""The server on a socket."""

from __future__ import annotations

import asyncio
import socket
import sys

from lsprotocol import types
from pytest_lsp import make_test_lsp_client

from conftest import opened


async def test_serves_one_client_on_a_loopback_socket() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "midfill", "serve", "--tcp", f":{port}"]
    server = await asyncio.create_subprocess_exec(*command)
    client = make_test_lsp_client()
    for _ in range(200):
        try:
            await client.start_tcp("127.0.0.1", port)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.05)
    await client.initialize_session(types.InitializeParams(types.ClientCapabilities()))
    opened(client, "def f():\n    return ‸1\n")
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(
            types.TextDocumentIdentifier("file:///project/shop.py"),
            types.Range(types.Position(1, 4), types.Position(1, 4)),
            types.CodeActionContext([]),
        )
    )
    assert actions
    await client.shutdown_session()
    await asyncio.wait_for(server.wait(), 20)
    # pygls' client leaves its end of the connection open.
    writer = client.protocol.writer
    assert isinstance(writer, asyncio.StreamWriter)
    writer.close()
    await writer.wait_closed()
