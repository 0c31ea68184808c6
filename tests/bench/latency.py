"""What needs no model: a change of a long file, and the answer to a key that goes on with what is suggested.

    python tests/bench/latency.py [--lines 10000 --lines 100000] [--changes 400] [--keys 400]

Everything is timed at the client, over stdio, with the real server and the real model behind it.

Changes are the letters of comments, typed at the ends of random lines. A change has no answer of its own: timed
is a change with a question after it that the server answers in order and from memory; the same question alone
is measured in turn, and the table has both and the difference of their medians. `parsed` is what a change and
the syntax tree after it cost in the process, as a completion asks for it.

For keys, lines of this project are completed on request from some place inside; what is suggested is then typed
letter by letter, with a request after each, and taken back letter by letter.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median, quantiles

from lsprotocol import types

import midfill
from midfill.bench.processes import own_host
from midfill.client import Editor, editor
from midfill.document import Document
from midfill.text import Change, Encoding, Position, Range

COMMENT = "# typed"
SOURCES = sorted(Path(midfill.__file__).parent.rglob("*.py"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, action="append", help="of the files that are changed")
    parser.add_argument("--changes", type=int, default=400, help="of each file")
    parser.add_argument("--keys", type=int, default=400, help="typed through, and as many taken back")
    options = parser.parse_args()
    with own_host():
        asyncio.run(measure(options.lines or [10_000, 100_000], options.changes, options.keys))


async def measure(lines: list[int], changes: int, keys: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with editor(Path(folder), {"warmUp": False}) as window:
            for count in lines:
                await changed(window, Path(folder), count, changes)
        async with editor(Path(folder)) as window:
            await typed(window, Path(folder), keys)


async def changed(window: Editor, folder: Path, lines: int, changes: int) -> None:
    """Comments typed at random places of a file of so many lines."""
    code = "".join(path.read_text("utf-8") for path in SOURCES).splitlines(keepends=True)
    text = "".join(code[number % len(code)] for number in range(lines))
    document = window.open(folder / f"long{lines}.py", text)
    other = window.open(folder / "other.py", "")
    dice = random.Random(1)
    alone, together, parsed = [], [], []
    assert document.tree is not None
    line = 0
    for number in range(changes):
        letter = COMMENT[number % len(COMMENT)]
        if letter == COMMENT[0]:
            line = dice.randrange(lines)
        at = Position(line, len(document.text.line(line)))
        began = time.perf_counter()
        await window.explain(other)
        alone.append(time.perf_counter() - began)
        params = types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(number + 2, document.uri),
            [types.TextDocumentContentChangePartial(types.Range(_lsp(at), _lsp(at)), letter)],
        )
        began = time.perf_counter()
        window.client.text_document_did_change(params)
        await window.explain(other)
        together.append(time.perf_counter() - began)
        began = time.perf_counter()
        document = document.apply([Change(Range(at, at), letter)], Encoding.UTF32, number + 2)
        assert document.tree is not None
        parsed.append(time.perf_counter() - began)
    window.documents[document.uri] = document
    difference = (median(together) - median(alone)) * 1000
    print(f"a change of {lines:,} lines: {_figures(together)}, question alone: {_figures(alone)}")
    print(f"    difference of medians {difference:.2f} ms; parsed, in the process: {_figures(parsed)}", flush=True)


async def typed(window: Editor, folder: Path, keys: int) -> None:
    """Suggestions typed letter by letter, and taken back."""
    dice = random.Random(1)
    forth: list[float] = []
    back: list[float] = []
    sources: Counter[str] = Counter()
    while len(forth) < keys:
        path = dice.choice(SOURCES)
        document = Document.open(
            (folder / f"{len(window.documents)}.py").as_uri(), None, 1, path.read_text("utf-8")
        )
        line = dice.randrange(document.text.line_count)
        code = document.text.line(line).rstrip("\r\n")
        if len(code.strip()) < 20 or code.lstrip().startswith("#"):
            continue
        column = len(code) - len(code.lstrip()) + 6
        document = window.open(folder / f"{len(window.documents)}.py", path.read_text("utf-8"))
        document = window.type(document, Position(line, column), Position(line, len(code)), "")
        found = await window.complete(document, Position(line, column), invoked=True)
        text = str(found[0].insert_text).partition("\n")[0] if found else ""
        if len(text) < 4:
            continue
        await asyncio.sleep(0.3)
        for number, letter in enumerate(text[:-1]):
            at = Position(line, column + number)
            document = await _timed(window, document, (at, at, letter), forth, sources)
        for number in reversed(range(len(text) - 1)):
            at, end = Position(line, column + number), Position(line, column + number + 1)
            document = await _timed(window, document, (at, end, ""), back, sources)
    print(f"a letter of what is suggested: {_figures(forth)}")
    print(f"a letter taken back: {_figures(back)}")
    print(f"answered from: {', '.join(f'{source} {count}' for source, count in sources.most_common())}")


async def _timed(
    window: Editor,
    document: Document,
    change: tuple[Position, Position, str],
    times: list[float],
    sources: Counter[str],
) -> Document:
    start, end, text = change
    began = time.perf_counter()
    document = window.type(document, start, end, text)
    await window.complete(document, Position(start.line, start.character + len(text)), invoked=False)
    times.append(time.perf_counter() - began)
    sources[(await window.explain(document))["source"]] += 1
    return document


def _lsp(at: Position) -> types.Position:
    return types.Position(at.line, at.character)


def _figures(seconds: list[float]) -> str:
    cuts = quantiles(seconds, n=100)
    return f"p50 {median(seconds) * 1000:.2f}, p95 {cuts[94] * 1000:.2f}, p99 {cuts[98] * 1000:.2f} ms"


if __name__ == "__main__":
    main()
