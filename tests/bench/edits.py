"""What a code action costs the user: `python tests/bench/edits.py [--functions 8] [--keys 80]`.

"Add docstring" on functions of 18 to 22 lines that have none, with the model loaded: the time until the first
progress is there, and until the edit is. Then the same keys are typed twice, once undisturbed and once while such
edits are made one after another: a completion comes before an edit.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import quantiles

from midfill.bench.processes import own_host
from midfill.bench.script import script
from midfill.bench.typing import Plan, _Typist, default_paths
from midfill.client import Editor, editor, read
from midfill.document import Document
from midfill.syntax import Definition, definitions, doc_of
from midfill.text import Encoding, Range

LINES = range(18, 23)
# Keys before what counts, so that the model is loaded and the places are read.
FIRST = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", type=int, default=8)
    parser.add_argument("--keys", type=int, default=80)
    options = parser.parse_args()
    with own_host():
        asyncio.run(timed(options.functions))
    for beside in (False, True):
        # A host and a window of their own, or the second would find its answers in a cache.
        with own_host():
            samples = asyncio.run(typed(options.keys, beside))
        name = "beside edits" if beside else "undisturbed"
        _show(f"{name}, keys that asked the model", [ms for ms, asked in samples if asked], "ms")
        _show(f"{name}, all keys", [ms for ms, _ in samples], "ms")


async def timed(functions: int) -> None:
    """Document so many functions, after one that has the model loaded."""
    heard: list[float] = []

    def progress(message: str, _: int | None) -> None:
        if "docstring" in message:
            heard.append(time.perf_counter())

    async with editor(Path.cwd(), {"index": False, "warmUp": False}, progress) as window:
        firsts, totals = [], []
        for number, (document, definition) in enumerate(itertools.islice(_places(window), functions + 1)):
            heard.clear()
            began = time.perf_counter()
            reason = await _documented(window, document, definition)
            total = time.perf_counter() - began
            if number:
                totals.append(total)
                firsts.append(((heard[0] if heard else time.perf_counter()) - began) * 1000)
                print(
                    f"{definition.name}: progress {firsts[-1]:.0f} ms, {total:.1f} s, {reason or 'edit'}",
                    flush=True,
                )
        _show("first progress", firsts, "ms")
        _show("a docstring", totals, "s")


async def typed(keys: int, beside: bool) -> list[tuple[float, bool]]:
    """Type, with edits beside or without: milliseconds, and whether the model was asked."""
    paths = default_paths()
    async with editor(Path.cwd(), {"index": False}) as window:
        typist = _Typist(window, paths, Plan(paths, keys), None)
        places = list(itertools.islice(_places(window), 8))
        edits = asyncio.ensure_future(_forever(window, places)) if beside else None
        for number, key in enumerate(script([read(path) for path in paths], FIRST + keys, 0)):
            if number == FIRST:
                typist.samples.clear()
            await typist.press(key)
        await typist.settle()
        if edits:
            edits.cancel()
    return [(each.ms, each.generated > 0) for each in typist.samples if each.ms is not None]


def _places(window: Editor) -> Iterator[tuple[Document, Definition]]:
    """Functions of Python's library in a fixed order."""
    folder = Path(inspect.__file__).parent
    for path in sorted(folder.glob("*.py")):
        if path in default_paths() or path.stat().st_size > 100_000:
            continue
        document = Document.open(path.as_uri(), None, 1, read(path))
        for each in definitions(document):
            size = document.text.line_of(each.end) - document.text.line_of(each.start) + 1
            if each.kind != "class" and size in LINES and doc_of(document, each) is None:
                yield window.open(path), each
                break


async def _documented(window: Editor, document: Document, definition: Definition) -> str | None:
    at = document.text.position(definition.name_start, Encoding.UTF32)
    offered = await window.actions(document, Range(at, at))
    action = next(each for each in offered if (each.data or {}).get("action") == "docstring")
    return (await window.resolve(action)).data["result"]["reason"]


async def _forever(window: Editor, places: Sequence[tuple[Document, Definition]]) -> None:
    for place in itertools.cycle(places):
        await _documented(window, *place)


def _show(what: str, figures: list[float], unit: str) -> None:
    cuts = quantiles(figures, n=20)
    print(f"{what} (n={len(figures)}): p50 {cuts[9]:.1f} {unit}, p95 {cuts[18]:.1f} {unit}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
