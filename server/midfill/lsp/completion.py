"""Inline completion, its fallback for older clients, and the explanation of either."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

from lsprotocol import types

from midfill.completion import Completion
from midfill.document import Document
from midfill.engine.base import CancelToken
from midfill.lsp import convert
from midfill.lsp.feedback import ACCEPTED, COPILOT_ACCEPTED, Feedback, suggestion_of
from midfill.lsp.server import Running, Server
from midfill.text import Edit


def register(server: Server, feedback: Feedback) -> None:

    @server.feature(types.TEXT_DOCUMENT_INLINE_COMPLETION, types.InlineCompletionOptions())
    async def inline_completion(
        params: types.InlineCompletionParams,
    ) -> types.InlineCompletionList | list[types.InlineCompletionItem] | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        invoked = params.context.trigger_kind is types.InlineCompletionTriggerKind.Invoked
        selected = params.context.selected_completion_info
        items = await suggest(server, feedback, document, params.position, invoked, selected)
        # Clients of Copilot know only the list as an object.
        return types.InlineCompletionList(items) if server.copilot else items or None

    @server.feature("textDocument/didShowCompletion")
    def did_show(params: Any) -> None:
        feedback.shown(suggestion_of(params))

    @server.feature("textDocument/didPartiallyAcceptCompletion")
    def did_partially_accept(params: Any) -> None:
        """`{item, acceptedLength}`: a length in UTF-16 units, from the start of the item's text."""
        length = params.get("acceptedLength") if isinstance(params, dict) else None
        if isinstance(length, int):
            feedback.partly_accepted(suggestion_of(params), length)

    @server.command(ACCEPTED)
    def accepted(suggestion: Any = None) -> None:
        """An editor executes this after it has inserted the suggestion."""
        feedback.accepted(suggestion)

    @server.feature("midfill/explain")
    def explain(params: Any) -> dict[str, Any] | None:
        return _explain(server, params or {})


async def suggest(
    server: Server,
    feedback: Feedback,
    document: Document,
    at: types.Position,
    invoked: bool,
    selected: types.SelectedCompletionInfo | None = None,
) -> list[types.InlineCompletionItem]:
    """What is suggested at a place, the best first. Each has a command that tells that it was accepted."""
    feedback.apply(server)
    completion = await _run(server, document, at, invoked, selected)
    if completion.outcome != "shown":
        return []
    items = convert.inline_items(completion, document, server.encoding, selected)
    command = COPILOT_ACCEPTED if server.copilot else ACCEPTED
    # Only the first one took what was measured; the others came along.
    for index, item in enumerate(items):
        confidence = completion.others[index - 1].confidence if index else completion.confidence
        name = feedback.name(completion, str(item.insert_text), confidence, index)
        item.command = types.Command("Accepted", command, arguments=[name])
    return items


def register_fallback(server: Server) -> None:
    """`textDocument/completion`, for clients that do not know inline completion."""

    @server.feature(types.TEXT_DOCUMENT_COMPLETION, types.CompletionOptions(trigger_characters=list(" .,:=([{<")))
    async def completion(params: types.CompletionParams) -> types.CompletionList | None:
        document = server.documents.get(params.text_document.uri)
        if document is None:
            return None
        task = asyncio.ensure_future(_run(server, document, params.position, invoked=False))
        # The pop-up menu must not wait for a model; a slow answer goes to the cache, for when the client asks
        # again, as the list is incomplete.
        try:
            await asyncio.wait({task}, timeout=server.config.completion_wait_ms / 1000)
        except asyncio.CancelledError:
            task.cancel()
            raise
        items = []
        if task.done() and (done := task.result()).outcome == "shown":
            items = [convert.completion_item(done, document, server.encoding)]
        return types.CompletionList(is_incomplete=True, items=items)


async def _run(
    server: Server,
    document: Document,
    at: types.Position,
    invoked: bool,
    selected: types.SelectedCompletionInfo | None = None,
) -> Completion:
    """One completion, which supersedes the one before it in this window.

    `selected` is what the client's menu would insert: the completion goes on from there, as if it was accepted.
    """
    cursor = there = document.text.offset(convert.position(at), server.encoding)
    if selected is not None:
        start, end = convert.offsets(document.text, selected.range, server.encoding)
        document = document.edited([Edit(start, end, selected.text)])
        cursor = start + len(selected.text.encode("utf-8", "surrogatepass"))
    running = server.running
    if running is None or not running.answers(document, cursor, invoked):
        if running:
            running.cancel.cancel()
        cancel = CancelToken()
        pipeline = asyncio.ensure_future(server.completer.complete(document, cursor, invoked, cancel))
        running = server.running = Running(document, cursor, invoked, cancel, pipeline)
    # Else it is the same question again, as from a menu that was answered without waiting: join it.
    running.waiting += 1
    try:
        completion = await asyncio.shield(running.pipeline)
    except asyncio.CancelledError:
        # The client withdrew its request: unless another one waits for it too, stop the decoding, and note what it
        # has cost.
        if running.waiting == 1:
            running.cancel.cancel()
            with contextlib.suppress(Exception):
                server.explain(await running.pipeline, document, at)
        raise
    finally:
        running.waiting -= 1
    if completion.outcome == "cancelled":
        completion = replace(completion, reason="superseded")
    elif selected is not None:
        # The user may still choose something else.
        server.warm.looked_at(document.uri, there)
    else:
        server.warm.completed(document, completion)
    server.explain(completion, document, at)
    return completion


def _explain(server: Server, params: dict[str, Any]) -> dict[str, Any] | None:
    """The newest completion that fits the document and the position, where they are given."""
    uri = (params.get("textDocument") or {}).get("uri")
    at = params.get("position")
    position = types.Position(at["line"], at["character"]) if at else None
    problems = server.own_actions.problems
    for known in reversed(server.history):
        if (uri is None or known.uri == uri) and (position is None or known.position == position):
            return {**known.explanation, "problems": problems} if problems else known.explanation
    return None
