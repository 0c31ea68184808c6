"""Commands, for clients that ask the user for an instruction or cannot resolve code actions."""

from __future__ import annotations

from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from midfill.errors import EditRejected, MidfillError
from midfill.lsp.code_action import act, title_of, told, workspace_edit
from midfill.lsp.server import Server


def register(server: Server) -> None:
    @server.command("midfill.refactor")
    async def refactor(request: dict[str, Any]) -> dict[str, Any]:
        """`{uri, range, instruction}`: change the selection, or the definition around it, as told."""
        return await _apply(server, {**request, "action": "refactor"})

    @server.command("midfill.act")
    async def any_action(request: dict[str, Any]) -> dict[str, Any]:
        """The `data` of one of our code actions."""
        return await _apply(server, request)


async def _apply(server: Server, request: dict[str, Any]) -> dict[str, Any]:
    """Make the edit and have the client apply it. The result says what came of it; a refusal has a reason."""
    title = title_of(server, request)
    try:
        _require_edits(server)
        document, result = await act(server, request)
    except MidfillError as error:
        server.say(str(error))
        return {"applied": False, "attempts": 0, "reason": str(error), "millis": {"total": 0.0}}
    if result.reason is not None:
        server.say(f"{title}: {result.reason}", types.MessageType.Warning)
        return {"applied": False, **told(result)}
    edit = workspace_edit(server, document, result, title)
    try:
        response = await server.workspace_apply_edit_async(types.ApplyWorkspaceEditParams(edit, "Midfill"))
    except JsonRpcException:
        response = types.ApplyWorkspaceEditResult(False, "The editor cannot apply the edits of a server.")
    reason = None if response.applied else response.failure_reason or "The editor did not apply the edit."
    return {**told(result), "applied": response.applied, "reason": reason}


def _require_edits(server: Server) -> None:
    """Raises `EditRejected` before the model is asked for what the client could not apply."""
    workspace = server.client_capabilities.workspace
    if workspace is None or not workspace.apply_edit:
        raise EditRejected("This editor cannot apply the edits of a server.")
