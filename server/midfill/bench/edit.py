"""`midfill bench edit`: rewrites of real functions through the real server, with and without drafts.

Every edit is made twice, in two rounds: in the first with drafts for every other one, in the second the other way
around. Each round has a server of its own and the same order, so that an edit finds the same in the KV cache both
times; within one server the second of two equal edits would have its prompt there already, and seem much faster.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types

from midfill.bench import report
from midfill.bench.processes import own_host
from midfill.bench.typing import default_paths
from midfill.client import Editor, editor
from midfill.document import Document
from midfill.errors import EngineError, UsageError
from midfill.syntax import definitions
from midfill.text import Encoding, Position, Range

# Functions that are long enough to copy from and short enough for a small model, in lines.
_LINES = range(6, 26)
_EDITS = (
    ("refactor", "Add type annotations to the parameters and the result."),
    ("refactor", "Use a better name for the local variable that is used most."),
    ("docstring", ""),
)
# Functions of each file.
_FUNCTIONS = 1


@dataclass(frozen=True, slots=True)
class Case:
    """An edit of the definition at `where`."""

    path: Path
    name: str
    where: Position
    action: str
    instruction: str


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit that was made. `ms` is the time as the client sees it; counts are tokens; `text` is what it inserts.

    `drafted` and `accepted` are None where the server does not tell.
    """

    case: int
    drafts: bool
    ms: float
    attempts: int
    reason: str | None
    generated: int
    drafted: int | None
    accepted: int | None
    text: str


def main(progress: Callable[[str, int | None], None], json: Path | None = None, seed: int = 0) -> None:
    """Measure, print, and write what is wanted. Raises `UsageError` or `EngineError`."""
    cases = [case for path in default_paths() for case in choose(path, seed)]
    edits = asyncio.run(run(cases, progress))
    figures = summary(cases, edits)
    show(figures)
    if json:
        made = [{key: value for key, value in asdict(edit).items() if key != "text"} for edit in edits]
        report.write_json(json, {"about": {"seed": seed, **report.machine()}, **figures, "made": made})


def choose(path: Path, seed: int) -> list[Case]:
    """Edits of a few functions of a file, by seed."""
    document = Document.open(path.as_uri(), None, 1, path.read_text("utf-8"))
    text = document.text
    fitting = [
        each
        for each in definitions(document)
        if each.kind in ("function", "method") and text.line_of(each.end) - text.line_of(each.start) + 1 in _LINES
    ]
    chosen = random.Random(f"{seed} {path.name}").sample(fitting, min(_FUNCTIONS, len(fitting)))
    return [
        Case(path, each.name, text.position(each.name_start, Encoding.UTF32), action, instruction)
        for each in chosen
        for action, instruction in _EDITS
    ]


async def run(cases: Sequence[Case], progress: Callable[[str, int | None], None]) -> list[Edited]:
    """Make every edit with and without drafts. Raises `EngineError`."""
    edits: list[Edited] = []
    for second in (False, True):
        with own_host():
            async with editor(cases[0].path.parent, progress=progress) as window:
                documents = {path: window.open(path) for path in {case.path for case in cases}}
                # The first edit of a server loads the model. The last case's own turn comes long after.
                await _edit(window, documents[cases[-1].path], cases[-1], -1, True)
                for index, case in enumerate(cases):
                    drafts = (index % 2 == 1) ^ second
                    edits.append(await _edit(window, documents[case.path], case, index, drafts))
                    progress(f"editing, {len(edits)} of {2 * len(cases)}", 50 * len(edits) // len(cases))
    return edits


def summary(cases: Sequence[Case], edits: Sequence[Edited]) -> dict[str, Any]:
    """One entry an edit, and the medians over all, as JSON."""
    found: list[dict[str, Any]] = []
    for index, case in enumerate(cases):
        on, off = (
            next(edit for edit in edits if edit.case == index and edit.drafts == drafts)
            for drafts in (True, False)
        )
        found.append(
            {
                "file": case.path.name,
                "name": case.name,
                "action": case.action,
                "instruction": case.instruction,
                "withDraftsMs": on.ms,
                "withoutDraftsMs": off.ms,
                "ratio": on.ms / off.ms,
                "same": (on.text, on.reason) == (off.text, off.reason),
                "reason": on.reason,
                "generated": on.generated,
                "drafted": on.drafted,
                "acceptedDrafts": on.accepted,
            }
        )
    return {
        "edits": found,
        "medianRatio": statistics.median(edit["ratio"] for edit in found),
        "same": sum(edit["same"] for edit in found),
    }


def show(figures: dict[str, Any]) -> None:
    """Print a row an edit, and the medians."""
    table = report.table("edit", "with drafts", "without", "ratio", "tokens", "drafts accepted", "same", "")
    for edit in figures["edits"]:
        table.add_row(
            f"{edit['action']} {edit['name']}",
            f"{edit['withDraftsMs'] / 1000:.1f} s",
            f"{edit['withoutDraftsMs'] / 1000:.1f} s",
            f"{edit['ratio']:.2f}",
            str(edit["generated"]),
            "not told" if edit["drafted"] is None else f"{edit['acceptedDrafts']} of {edit['drafted']}",
            "yes" if edit["same"] else "NO",
            "no edit" if edit["reason"] else "",
        )
    console = report.paper()
    console.print(table)
    console.print(
        f"Time with drafts / without, median: {figures['medianRatio']:.2f}. "
        f"The same outcome: {figures['same']} of {len(figures['edits'])}."
    )


async def _edit(window: Editor, document: Document, case: Case, index: int, drafts: bool) -> Edited:
    # No other model is to read the code around the cursor meanwhile.
    settings = {"midfill": {"drafts": drafts, "warmUp": False}}
    window.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(settings))
    offered = await window.actions(document, Range(case.where, case.where))
    action = next((each for each in offered if (each.data or {}).get("action") == case.action), None)
    if any("midfill.drafts" in message for message in window.messages):
        raise EngineError("This server has no setting midfill.drafts, so there is nothing to compare.")
    if action is None:
        raise UsageError(f"{case.action} is not possible at {case.name} in {case.path.name}.")
    started = time.perf_counter()
    resolved = await window.resolve(action, case.instruction)
    ms = (time.perf_counter() - started) * 1000
    data: Any = resolved.data
    result = data["result"]
    tokens = result.get("tokens", {})
    return Edited(
        case=index,
        drafts=drafts,
        ms=ms,
        attempts=result["attempts"],
        reason=result["reason"],
        generated=tokens.get("generated", 0),
        drafted=tokens.get("drafted"),
        accepted=tokens.get("acceptedDrafts"),
        text="\0".join(edit.new_text for edit in window.edits_of(resolved)),
    )
