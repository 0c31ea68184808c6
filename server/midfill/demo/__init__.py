"""The main job on real input, through the real language server: type, see a suggestion, accept, edit."""

from __future__ import annotations

import sys
import time
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

from lsprotocol import types

from midfill.client import Editor, editor
from midfill.document import Document
from midfill.show import diff, ghost
from midfill.syntax import Definition, definitions
from midfill.text import Encoding, Position, Range

_INSTRUCTION = "Replace the hand-written sort by sorted() and the string concatenation by an f-string."


async def run(place: tuple[Path, int, int] | None) -> int:
    """Demonstrate on the sample project or, with (file, line, column from 1), on a file; none is changed."""
    with TemporaryDirectory() as folder:
        if place is None:
            path = Path(folder) / "inventory.py"
            path.write_text(files("midfill.demo").joinpath("sample/inventory.py").read_text("utf-8"), "utf-8")
        else:
            path = place[0]
        async with editor(path.parent, progress=_progress) as window:
            document = window.open(path)
            if place is None:
                await _type_and_complete(window, document)
            else:
                await _complete_at(window, document, Position(place[1] - 1, place[2] - 1))
            document = window.documents[document.uri]
            target = _function(document, place)
            if target is None:
                _say("There is no function here to edit.")
                return 0
            document = await _edit(window, document, target.name, "docstring", "")
            await _edit(window, document, target.name, "refactor", _INSTRUCTION if place is None else "")
    return 0


async def _type_and_complete(window: Editor, document: Document) -> None:
    """Type a line under the docstring of `total_value`, letter by letter, asking for a suggestion on the way."""
    line = str(document.text).split("\n").index('        """The value of everything in stock."""')
    at = Position(line, len(document.text.line(line)))
    document = window.type(document, at, at, "\n        ")
    await _type(window, document, Position(line + 1, 8), "return su", "m(")


async def _complete_at(window: Editor, document: Document, at: Position) -> None:
    """Take the last letter before the cursor away and type it again, to show a key stroke."""
    before = Position(at.line, max(at.character - 1, 0))
    letter = document.text.line(at.line)[before.character : at.character]
    document = window.type(document, before, at, "")
    await _type(window, document, before, "", letter)


async def _type(window: Editor, document: Document, at: Position, silently: str, asking: str) -> None:
    """Type; ask for a suggestion first when `silently` is typed, then at every letter of `asking`; accept."""
    for letter in silently:
        document = window.type(document, at, at, letter)
        at = Position(at.line, at.character + 1)
    typed = f"You type `{silently}`. " if silently else ""
    _title(f"{typed}The first suggestion, for which the model must be loaded and the file read")
    items = await _show(window, document, at)
    for letter in asking:
        document = window.type(document, at, at, letter)
        at = Position(at.line, at.character + 1)
        _title(f"You type `{letter}`")
        items = await _show(window, document, at)
    if items:
        window.type(document, at, at, str(items[0].insert_text))
        _say("You press Tab: it is in the file.")


async def _show(window: Editor, document: Document, at: Position) -> list[types.InlineCompletionItem]:
    started = time.perf_counter()
    items = await window.complete(document, at)
    seconds = time.perf_counter() - started
    explanation = await window.explain(document)
    if items:
        offset = document.text.offset(at, Encoding.UTF32)
        print(ghost(document, offset, str(items[0].insert_text), colour=sys.stdout.isatty()))
    else:
        _say(f"No suggestion: {explanation.get('reason')} {explanation.get('message') or ''}")
    prompt = explanation.get("prompt", {})
    _say(
        f"{seconds:.2f} s; {prompt.get('tokens')} prompt tokens, {prompt.get('evaluated')} of them evaluated, "
        f"{explanation.get('generated')} generated"
    )
    return items


def _function(document: Document, place: tuple[Path, int, int] | None) -> Definition | None:
    functions = [each for each in definitions(document) if each.kind in ("function", "method")]
    if place is None:
        return next(each for each in functions if each.name == "cheapest")
    at = document.text.offset(Position(place[1] - 1, place[2] - 1), Encoding.UTF32)
    around = [each for each in functions if each.start <= at <= each.end]
    return min(around, key=lambda each: each.end - each.start, default=functions[0] if functions else None)


async def _edit(window: Editor, document: Document, name: str, action: str, instruction: str) -> Document:
    target = next(each for each in definitions(document) if each.name == name)
    at = document.text.position(target.name_start, Encoding.UTF32)
    actions = await window.actions(document, Range(at, at))
    chosen = next(each for each in actions if each.data and each.data["action"] == action)
    _title(f"{chosen.title} on {name}()" + (f": {instruction}" if instruction else ""))
    started = time.perf_counter()
    resolved = await window.resolve(chosen, instruction)
    seconds = time.perf_counter() - started
    result = (resolved.data or {})["result"]
    if result["reason"]:
        _say(f"{seconds:.1f} s; no edit: {result['reason']}")
        return document
    changed = window.apply(document, window.edits_of(resolved))
    print(diff(str(document.text), str(changed.text), Path(document.uri).name, colour=sys.stdout.isatty()), end="")
    _say(f"{seconds:.1f} s; {result['attempts']} attempt(s), {result['tokens']['generated']} tokens generated")
    return changed


def _title(text: str) -> None:
    print(f"\n\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() else f"\n{text}")


def _say(text: str) -> None:
    print(f"  {text}")


def _progress(message: str, percentage: int | None) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{message}{'' if percentage is None else f' {percentage}%'}\r")
        sys.stderr.flush()
