"""The commands that work on code: `complete`, `act` and `demo`; and `trust`, which says what else may."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midfill import terminal
from midfill.errors import MidfillError, UsageError
from midfill.models import catalog
from midfill.text import Encoding, Position, Range, Text

if TYPE_CHECKING:
    from midfill.edits import Action


def complete(options: argparse.Namespace) -> int:
    from midfill.client import editor, read

    path, line, column = _place(options.place)
    text = read(path)
    _check_position(path, text, line, column)
    catalog.require("complete")

    async def run() -> tuple[Any, dict[str, Any], list[str]]:
        async with editor(path.parent, progress=terminal.progress) as window:
            document = window.open(path)
            items = await window.complete(document, Position(line - 1, column - 1))
            return items, await window.explain(document), window.messages

    items, explanation, messages = asyncio.run(run())
    if options.json:
        from midfill.lsp.convert import to_json

        shown = [{"insertText": item.insert_text, "range": to_json(item.range)} for item in items]
        print(json.dumps({"items": shown, "explain": explanation}, indent=2))
    else:
        from midfill.document import Document
        from midfill.show import ghost

        document = Document.open(path.as_uri(), None, 1, text)
        at = document.text.offset(Position(line - 1, column - 1), Encoding.UTF32)
        for item in items:
            written = str(item.insert_text)
            print(ghost(document, at, written, colour=True) if sys.stdout.isatty() else written)
        for message in messages:
            terminal.tell(message)
        if not items and not messages:
            terminal.tell(f"No suggestion here: {explanation.get('reason')}.")
    return 1 if explanation.get("outcome") == "failed" else 0


def act(options: argparse.Namespace) -> int:
    from midfill.client import editor, read

    path, start, end = _lines(options.place)
    text = read(path)
    action, folder = _action(options.action, path)
    mends = action.on == "diagnostic"
    if mends and not options.instruction:
        raise UsageError(f"{options.action} needs --instruction with what the checker says is wrong.")
    _check_position(path, text, start, 1)
    _check_position(path, text, end, 1)
    catalog.require("edit")

    async def run() -> tuple[dict[str, Any], list[str]]:
        async with editor(folder, progress=terminal.progress) as window:
            outcome = await _edit(window, path, action.id, start, end, options.instruction, mends)
            return outcome, window.messages

    outcome, messages = asyncio.run(run())
    # What the model was not made for is to be known of an edit that came about, too.
    for message in messages:
        if message not in (outcome["reason"] or ""):
            terminal.tell(message)
    if options.json:
        print(json.dumps(outcome, indent=2))
    elif outcome["reason"] is None and options.write:
        _replace(path, outcome["text"])
        terminal.tell(f"{path} changed.")
    elif outcome["reason"] is None:
        from midfill.show import diff

        print(diff(text, outcome["text"], path.name, colour=sys.stdout.isatty()), end="")
    if outcome["reason"] is not None:
        terminal.tell(f"No edit: {outcome['reason']}")
    return 0 if outcome["reason"] is None else 1


def demo(options: argparse.Namespace) -> int:
    from midfill import demo

    place = _place(options.place) if options.place else None
    catalog.require("complete", "edit")
    return asyncio.run(demo.run(place))


def trust(options: argparse.Namespace) -> int:
    from midfill import elsewhere, trust

    path = trust.place(Path(options.what))
    if "://" not in options.what and path.parent.is_dir():
        return _trust_actions(path)
    origin = elsewhere.trust(options.what)
    terminal.tell(f"Code may be sent to {origin} from now on, where the setting midfill.engine says so.")
    if origin.startswith("http:"):
        terminal.tell("Without https, everybody on the way can read it.")
    return 0


def _trust_actions(path: Path) -> int:
    """Use a project's actions as they are now; what is wrong with them is said. Raises `MidfillError` for none."""
    from midfill import trust
    from midfill.edits import custom

    data = trust.read(path, own=False)
    if data is None or path.name != trust.NAME:
        raise UsageError(
            f"There is no {trust.NAME} in {path.parent}; name a folder that has one, or a server as https://HOST."
        )
    read = custom.parse(data, str(path))
    for problem in read.problems:
        terminal.tell(problem)
    if not read.actions:
        # There is nothing to remember either: the file is another one when it is mended.
        raise MidfillError(f"{path} has no action that can be used; mend it and run this again.")
    trust.remember(data, path, "trusted")
    for action in read.actions.values():
        print(f"{action.id:30} {action.title}")
    used = "This action" if len(read.actions) == 1 else f"These {len(read.actions)} actions"
    terminal.tell(f"{used} of {path} can be used from now on, until the file changes.")
    return 0


def _action(name: str, path: Path) -> tuple[Action, Path]:
    """The action of that id for a file, and the folder to open for it. Raises `UsageError`."""
    from midfill import trust
    from midfill.edits import ACTIONS, custom

    known, hint = dict(ACTIONS), ""
    if name in known:
        return known[name], path.parent
    if data := trust.read(trust.config_dir() / trust.NAME, own=True):
        known |= custom.parse(data, trust.NAME).actions
    project = next((each for each in path.parents if (each / trust.NAME).exists()), path.parent)
    if data := trust.read(project / trust.NAME, own=False):
        if trust.verdict(data) == "trusted":
            known = {**custom.parse(data, trust.NAME).actions, **known}
        else:
            hint = f" {project} has actions of its own; if you want to use them, run `midfill trust {project}`."
    if name not in known:
        raise UsageError(f"There is no action {name!r}; choose one of {', '.join(known)}.{hint}")
    return known[name], project


async def _edit(
    window: Any, path: Path, action: str, start: int, end: int, instruction: str, mends: bool
) -> dict[str, Any]:
    """Resolve one action on lines, counted from 1; the result is what `act --json` prints.

    `mends`: the instruction is what a checker reports.
    """
    from midfill.lsp.convert import to_json

    document = window.open(path)
    text = document.text
    if end == start and not mends:
        # One line means the definition around it: an empty selection at its first character.
        line = text.line(start - 1)
        first = Position(start - 1, len(line) - len(line.lstrip()))
        where = Range(first, first)
    else:
        where = Range(Position(start - 1, 0), Position(end - 1, len(text.line(end - 1))))
    problems = [(where, instruction)] if mends else []
    offered = await window.actions(document, where, problems)
    chosen = next((each for each in offered if (each.data or {}).get("action") == action), None)
    if chosen is None:
        reason = f"{action} is not possible on line {start}: there is no code that it applies to."
        return {"edits": [], "text": str(text), "attempts": 0, "reason": reason, "millis": {"total": 0.0}}
    resolved = await window.resolve(chosen, "" if mends else instruction)
    edits = window.edits_of(resolved)
    result = resolved.data["result"]
    return {
        "edits": [{"range": to_json(edit.range), "newText": edit.new_text} for edit in edits],
        "text": str(window.apply(document, edits).text),
        "attempts": result["attempts"],
        "reason": result["reason"],
        "millis": result["millis"],
    }


def _place(text: str) -> tuple[Path, int, int]:
    match = re.fullmatch(r"(.+?):(\d+):(\d+)", text)
    if not match:
        raise UsageError(f"{text!r} is no FILE:LINE:COL; try for example app.py:12:5.")
    return Path(match[1]).expanduser().absolute(), int(match[2]), int(match[3])


def _lines(text: str) -> tuple[Path, int, int]:
    match = re.fullmatch(r"(.+?):(\d+)(?:-(\d+))?", text)
    if not match:
        raise UsageError(f"{text!r} is no FILE:START[-END]; try for example app.py:12 or app.py:12-20.")
    start, end = int(match[2]), int(match[3] or match[2])
    if end < start:
        raise UsageError(f"The lines {start}-{end} run backwards; write {end}-{start}.")
    return Path(match[1]).expanduser().absolute(), start, end


def _check_position(path: Path, content: str, line: int, column: int) -> None:
    text = Text.of(content)
    if not 1 <= line <= text.line_count:
        raise UsageError(f"{path.name} has lines 1 to {text.line_count}, not {line}.")
    length = len(text.line(line - 1))
    if not 1 <= column <= length + 1:
        raise UsageError(f"Line {line} of {path.name} has columns 1 to {length + 1}, not {column}.")


def _replace(path: Path, text: str) -> None:
    """Write the whole file or nothing of it, keeping its permissions."""
    path = path.resolve()
    new = path.with_name(f".{path.name}.midfill-{os.getpid()}")
    try:
        new.write_bytes(text.encode("utf-8"))
        new.chmod(path.stat().st_mode & 0o7777)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}. The file is as it was.") from None
