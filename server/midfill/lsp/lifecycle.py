"""Start and stop: what the client can do decides what we offer it."""

from __future__ import annotations

from lsprotocol import types

from midfill.lsp import code_action, commands, completion, copilot, explain, index, own_actions, sync, warm
from midfill.lsp.feedback import Feedback
from midfill.lsp.progress import show_loading
from midfill.lsp.server import Server


def register(server: Server) -> None:
    """Register every handler of the server."""
    sync.register(server)
    feedback = Feedback(server)
    completion.register(server, feedback)
    if server.copilot:
        copilot.register(server, feedback)
    commands.register(server)
    explain.register(server)
    own_actions.register(server)
    warm.register(server)
    index.register(server)
    show_loading(server)

    @server.feature(types.INITIALIZE)
    def initialize(params: types.InitializeParams) -> None:
        code_action.register(server, params.capabilities)
        client = params.capabilities.text_document
        if not server.copilot and (client is None or client.inline_completion is None):
            completion.register_fallback(server)
        server.settings_at_start = server.settings_in(params.initialization_options)

    @server.feature(types.INITIALIZED)
    def initialized(_: types.InitializedParams) -> None:
        # Not earlier, because before this a server may not send messages, and wrong settings make one.
        server.configure(server.settings_at_start)
        server.index.start()
        server.own_actions.look()

    @server.feature(types.SHUTDOWN)
    async def shutdown(_: None) -> None:
        await close(server)


async def close(server: Server) -> None:
    """End what works for the window. Once more does no harm."""
    server.warm.stop()
    server.index.stop()
    server.own_actions.stop()
    await server.engine.close()
