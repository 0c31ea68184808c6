"""Between the core's values and the protocol's."""

from __future__ import annotations

from typing import Any, TypeVar

from cattrs import BaseValidationError
from lsprotocol import converters, types

from midfill.completion import Completion, Suggestion
from midfill.document import Document
from midfill.edits.diff import joined
from midfill.text import Change, Edit, Encoding, Position, Range, Text

_CONVERTER = converters.get_converter()
_T = TypeVar("_T")


def to_json(value: Any) -> Any:
    return _CONVERTER.unstructure(value)


def from_json(value: Any, kind: type[_T]) -> _T:
    """Raises ValueError, KeyError or TypeError for JSON that is no `kind`."""
    try:
        return _CONVERTER.structure(value, kind)
    except BaseValidationError as error:
        raise ValueError(str(error)) from error


def position(value: types.Position) -> Position:
    return Position(value.line, value.character)


def change(value: types.TextDocumentContentChangeEvent) -> Change:
    if isinstance(value, types.TextDocumentContentChangeWholeDocument):
        return Change(None, value.text)
    start, end = position(value.range.start), position(value.range.end)
    return Change(Range(start, end), value.text)


def lsp_position(text: Text, offset: int, encoding: Encoding) -> types.Position:
    at = text.position(offset, encoding)
    return types.Position(at.line, at.character)


def lsp_range(text: Text, start: int, end: int, encoding: Encoding) -> types.Range:
    return types.Range(lsp_position(text, start, encoding), lsp_position(text, end, encoding))


def offsets(text: Text, value: types.Range, encoding: Encoding) -> tuple[int, int]:
    """Start and end in bytes, in order even if the client's are not."""
    start = text.offset(position(value.start), encoding)
    end = text.offset(position(value.end), encoding)
    return min(start, end), max(start, end)


def inline_items(
    completion: Completion,
    document: Document,
    encoding: Encoding,
    selected: types.SelectedCompletionInfo | None,
) -> list[types.InlineCompletionItem]:
    """What is inserted at the cursor, or in place of what the client's menu has selected; the best first."""
    start = end = completion.cursor
    before = ""
    if selected is not None:
        start, end = offsets(document.text, selected.range, encoding)
        before = selected.text
    return [
        types.InlineCompletionItem(
            insert_text=before + suggestion.text,
            range=lsp_range(document.text, start, end + suggestion.replaces, encoding),
        )
        for suggestion in (Suggestion(completion.text, completion.replaces), *completion.others)
    ]


def completion_item(completion: Completion, document: Document, encoding: Encoding) -> types.CompletionItem:
    """For clients without inline completion. The word before the cursor is part of the item, to filter by."""
    text = document.text
    line = text.slice(text.line_start(text.line_of(completion.cursor)), completion.cursor)
    word = _last_word(line)
    start = completion.cursor - len(word.encode("utf-8", "surrogatepass"))
    end = completion.cursor + completion.replaces
    first, *rest = (word + completion.text).strip().splitlines() or [""]
    return types.CompletionItem(
        label=first + (" …" if rest else ""),
        kind=types.CompletionItemKind.Snippet if rest else types.CompletionItemKind.Text,
        detail="Midfill",
        # Plain text as every client knows it; some have declared no format of markup.
        documentation=word + completion.text,
        filter_text=word + completion.text,
        insert_text_format=types.InsertTextFormat.PlainText,
        # Its indentation is right already; some clients would indent what follows the first line again.
        insert_text_mode=types.InsertTextMode.AsIs,
        text_edit=types.TextEdit(lsp_range(text, start, end, encoding), word + completion.text),
    )


def explanation(completion: Completion, text: Text, encoding: Encoding) -> dict[str, Any]:
    """The result of `midfill/explain`, a documented contract (docs/protocol.md)."""
    usage = completion.usage
    anchor = lsp_position(text, completion.anchor, encoding)
    return {
        "outcome": completion.outcome,
        "reason": completion.reason,
        "message": completion.message,
        "source": completion.source,
        "text": completion.text,
        "confidence": round(completion.confidence, 3),
        "weakest": round(completion.weakest, 3),
        "raw": completion.raw,
        "model": completion.model,
        "prompt": {
            "text": completion.prompt,
            "tokens": usage.prompt,
            "evaluated": usage.evaluated,
            "anchor": {"line": anchor.line, "character": anchor.character},
        },
        "generated": usage.generated,
        "drafted": usage.drafted,
        "acceptedDrafts": usage.accepted,
        "millis": {
            "queue": round(usage.queue_ms, 1),
            "context": round(completion.context_ms, 1),
            "evaluate": round(usage.evaluate_ms, 1),
            "generate": round(usage.generate_ms, 1),
            "postprocess": round(completion.postprocess_ms, 1),
            "total": round(completion.total_ms, 1),
        },
    }


def workspace_edit(
    edits: list[Edit],
    document: Document,
    encoding: Encoding,
    label: str,
    needs_confirmation: bool,
    capabilities: types.WorkspaceEditClientCapabilities | None,
    creates: bool = False,
) -> types.WorkspaceEdit:
    """Versioned where the client knows versions, and marked as a model's work where it knows annotations.

    `creates`: the document has to be created first, which the client must be able to do.
    """
    edits = joined(edits)
    ranges = [lsp_range(document.text, edit.start, edit.end, encoding) for edit in edits]
    plain = [types.TextEdit(at, edit.text) for at, edit in zip(ranges, edits, strict=True)]
    # Files are created by document changes, so who can do that knows those, also where it does not say so: Neovim.
    if capabilities is None or not (capabilities.document_changes or capabilities.resource_operations):
        return types.WorkspaceEdit(changes={document.uri: plain})
    # Version 0 is one of a file that is not open.
    identifier = types.OptionalVersionedTextDocumentIdentifier(document.uri, document.version or None)
    new = [types.CreateFile(document.uri)] if creates else []
    if capabilities.change_annotation_support is None:
        return types.WorkspaceEdit(document_changes=[*new, types.TextDocumentEdit(identifier, plain)])
    marked = [types.AnnotatedTextEdit("midfill", edit.range, edit.new_text) for edit in plain]
    annotation = types.ChangeAnnotation(label, needs_confirmation, "Written by a language model on this machine.")
    for each in new:
        each.annotation_id = "midfill"
    return types.WorkspaceEdit(
        document_changes=[*new, types.TextDocumentEdit(identifier, marked)],
        change_annotations={"midfill": annotation},
    )


def _last_word(line: str) -> str:
    """The letters, digits and underscores that a line ends with."""
    start = len(line)
    while start and (line[start - 1].isalnum() or line[start - 1] == "_"):
        start -= 1
    return line[start:]
