"""What a design decision is worth: exact match of the rest of a line, for variants of the engine side by side.

    python tests/eval/fim.py CASES.jsonl --limit 40 --variant base --variant far:anchor=8 --peer http://127.0.0.1:8080

A case is a JSON object a line: `prefix`, `middle` (to the end of its line), `suffix`, `kind`, `path`. Only the
engine is measured: window, prompt, token healing, greedy decoding to the end of the line; nothing filters or
trims. A variant is a name and settings: `anchor` (lines), `unit` (1: the anchor is where the statement around the
cursor begins, 2: the definition around it), `before` and `after` (bytes), `healing` (tokens looked back),
`patience` (tokens that healing may take beyond those it dropped), `closers` (0: the suffix begins at the cursor
even where only closers stand there), `drafts` (0: none), `stale` (the suffix begins so many lines above the
cursor, as before the cursor went down; below, if negative), `shifted` (the last so many lines above the anchor
were typed after the suffix had been read: its keys and values are moved, and do not know these lines).
Variants take turns on each case, so that they share the cache of the prompt and the state of the machine. `--peer`
asks a llama-server for the same line with the request of llama.vim.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import http.client
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median
from typing import Any
from urllib.parse import urlsplit

from midfill import app
from midfill.completion import fim, window
from midfill.completion.window import Budget, fresh
from midfill.document import Document
from midfill.engine import sampling
from midfill.engine.base import Chunk, Part, Request, Usage
from midfill.engine.generate import generate
from midfill.engine.llama import LlamaModel, load
from midfill.engine.threads import Threads
from midfill.models import catalog
from midfill.syntax import definition_at

DEFAULTS = {
    "anchor": window.ANCHOR_LINES,
    "unit": 0,
    "before": 3200,
    "after": 400,
    "healing": sampling.LOOK_BACK,
    "patience": sampling.PATIENCE,
    "closers": 1,
    "drafts": 1,
    "stale": 0,
    "shifted": 0,
}


# The kinds of nodes that are statements in the languages of the cases.
STATEMENT = re.compile(r"(statement|declaration|definition|item|clause)$")
_lines_above = window.anchor_at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--kinds", default="eol,midword")
    parser.add_argument("--limit", type=int, default=1_000_000, help="cases, chosen at random with --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="complete")
    parser.add_argument("--variant", action="append", help="NAME[:SETTING=NUMBER,...]")
    parser.add_argument("--peer", help="URL of a llama-server with the same model")
    parser.add_argument("--json", type=Path, help="write every answer there")
    options = parser.parse_args()
    variants = dict(variant(text) for text in options.variant or ["base"])
    if not options.cases.is_file():
        sys.exit(f"There is no file {options.cases}.")
    cases = [json.loads(line) for line in options.cases.read_text("utf-8").splitlines()]
    cases = [case for case in cases if case["kind"] in options.kinds.split(",")]
    random.Random(options.seed).shuffle(cases)
    cases = cases[: options.limit]
    entry = catalog.find(options.model)
    model = load(
        app.ModelFile(app.ModelInfo(entry.name, entry.family, 8192), catalog.present(entry)),
        lambda _: None,
        Threads(2),
    )
    answers: list[dict[str, Any]] = []
    for number, case in enumerate(cases, 1):
        for name, settings in variants.items():
            answers.append({**scored(case, *ours(model, entry.family, case, settings)), "variant": name})
        if options.peer:
            answers.append({**scored(case, *peer(options.peer, case)), "variant": "/infill"})
        print(f"\r{number}/{len(cases)}", end="", file=sys.stderr)
    print(file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(answers, indent=1))
    report(answers)


def variant(text: str) -> tuple[str, dict[str, int]]:
    name, _, settings = text.partition(":")
    chosen = dict(DEFAULTS)
    for setting in filter(None, settings.split(",")):
        key, _, value = setting.partition("=")
        if key not in DEFAULTS:
            sys.exit(f"There is no setting {key!r}; choose from {', '.join(DEFAULTS)}.")
        chosen[key] = int(value)
    return name, chosen


@contextlib.contextmanager
def configured(settings: dict[str, int]) -> Iterator[None]:
    known = window.ANCHOR_LINES, window._CLOSERS, window.anchor_at, sampling.LOOK_BACK, sampling.PATIENCE
    window.ANCHOR_LINES = settings["anchor"]
    sampling.LOOK_BACK, sampling.PATIENCE = settings["healing"], settings["patience"]
    if unit := settings["unit"]:
        window.anchor_at = lambda document, cursor: anchor_by_tree(document, cursor, unit)
    if not settings["closers"]:
        window._CLOSERS = b""
    try:
        yield
    finally:
        window.ANCHOR_LINES, window._CLOSERS, window.anchor_at, sampling.LOOK_BACK, sampling.PATIENCE = known


def anchor_by_tree(document: Document, cursor: int, unit: int) -> int:
    """Where the line begins in which the statement (1) or the definition (2) around the cursor does."""
    text = document.text
    start: int | None = None
    if unit == 2 and (definition := definition_at(document, cursor, cursor)):
        start = definition.start
    elif unit == 1 and document.tree:
        node = document.tree.root_node.descendant_for_byte_range(max(cursor - 1, 0), cursor)
        while node and not STATEMENT.search(node.type):
            node = node.parent
        start = node.start_byte if node else None
    if start is None or cursor - start > window.MIDDLE_MOST:
        return _lines_above(document, cursor)
    return text.line_start(text.line_of(start))


def ours(
    model: LlamaModel, family: str, case: dict[str, Any], settings: dict[str, int]
) -> tuple[str, Usage, float]:
    document = Document.open(f"file:///{case['path']}", None, 1, case["prefix"] + case["suffix"])
    cursor = len(case["prefix"].encode())
    with configured(settings):
        seen = fresh(document, cursor, (), Budget(settings["before"], settings["after"]))
        if settings["stale"]:
            seen = replace(seen, after=stale(document, cursor, settings["stale"], settings["after"]))
        typed = fim.readable(document.text.data[seen.anchor : cursor])
        prompt = fim.prompt(fim.family(family), fim.readable(seen.before), typed, fim.readable(seen.after))
        if settings["shifted"]:
            lacks = fim.readable(without_last_lines(seen.before, settings["shifted"]))
            shift(model, fim.prompt(fim.family(family), lacks, "", fim.readable(seen.after)), prompt)
        drafts = bool(settings["drafts"])
        request = Request("complete", "", prompt, 64, heal=True, stop=("\n",), drafts=drafts)
        chunks: list[Chunk] = []
        started = time.perf_counter()
        generate(model, request, Usage(), chunks.append)
    text = "".join(chunk.text for chunk in chunks)
    return text, chunks[-1].usage, (time.perf_counter() - started) * 1000


def stale(document: Document, cursor: int, lines: int, most: int) -> bytes:
    text = document.text
    end = text.line_end(min(max(text.line_of(cursor) - lines, 0), text.line_count - 1))
    return text.data[end : text.boundary(min(end + most, len(text)))]


def without_last_lines(before: bytes, lines: int) -> bytes:
    return b"".join(before.splitlines(keepends=True)[:-lines])


def shift(model: LlamaModel, old: tuple[Part, ...], new: tuple[Part, ...]) -> None:
    """Leave the cache as if `old` had been read, and what follows the anchor only been moved for `new`.

    Both prompts are: what opens them, the text before the anchor, the suffix's mark, the suffix, and the rest.
    """
    while model.sessions.drop_oldest():
        pass
    read(model, old[:2])
    (session,) = model.sessions
    head = len(session.tokens)
    read(model, old[:4])
    rest = session.tokens[head:]
    llama, memory, spare = model._llama, model._memory, model.sessions._free[-1]
    llama.llama_memory_seq_cp(memory, session.id, spare, head, -1)
    model.sessions.truncate(session, head)
    read(model, new[:2])
    moved = len(session.tokens)
    llama.llama_memory_seq_add(memory, spare, head, -1, moved - head)
    llama.llama_memory_seq_cp(memory, spare, session.id, moved, -1)
    llama.llama_memory_seq_rm(memory, spare, 0, -1)
    session.tokens += rest
    session.prompt = len(session.tokens)


def read(model: LlamaModel, prompt: tuple[Part, ...]) -> None:
    generate(model, Request("complete", "", prompt, 0), Usage(), lambda _: None)


def peer(url: str, case: dict[str, Any]) -> tuple[str, Usage, float]:
    """llama.vim's request: 256 lines before, 64 after, the current line as the prompt."""
    before, _, line = case["prefix"].rpartition("\n")
    prefix = "".join(f"{each}\n" for each in before.split("\n")[-256:]) if "\n" in case["prefix"] else ""
    body = {
        "input_prefix": prefix,
        "prompt": line,
        "input_suffix": "".join(each + "\n" for each in case["suffix"].split("\n")[:64]),
        "n_predict": 64,
        "stop": ["\n"],
        "temperature": 0,
        "top_k": 1,
        "cache_prompt": True,
        "samplers": ["top_k"],
    }
    place = urlsplit(url)
    connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=120)
    started = time.perf_counter()
    connection.request("POST", "/infill", json.dumps(body), {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    elapsed = (time.perf_counter() - started) * 1000
    connection.close()
    evaluated = answer["timings"]["prompt_n"]
    return answer["content"], Usage(evaluated=evaluated, generated=answer["timings"]["predicted_n"]), elapsed


def scored(case: dict[str, Any], text: str, usage: Usage, elapsed: float) -> dict[str, Any]:
    middle = case["middle"].rstrip()
    text = text.split("\n")[0].rstrip()
    return {
        "id": case["id"],
        "kind": case["kind"],
        "exact": text == middle,
        "similar": difflib.SequenceMatcher(None, text, middle, autojunk=False).ratio(),
        "evaluated": usage.evaluated,
        "generated": usage.generated,
        "millis": elapsed,
        "text": text,
        "middle": middle,
    }


def report(answers: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(answer["variant"] for answer in answers))
    base = {answer["id"]: answer["exact"] for answer in answers if answer["variant"] == names[0]}
    print(
        f"{'variant':16} {'n':>4} {'exact':>6} {'similar':>8} {'won':>4} {'lost':>5} {'evaluated':>10} {'ms':>6}"
    )
    for name in names:
        mine = [answer for answer in answers if answer["variant"] == name]
        won = sum(answer["exact"] > base[answer["id"]] for answer in mine)
        lost = sum(answer["exact"] < base[answer["id"]] for answer in mine)
        exact, similar = fmean(a["exact"] for a in mine), fmean(a["similar"] for a in mine)
        evaluated, millis = median(a["evaluated"] for a in mine), median(a["millis"] for a in mine)
        print(
            f"{name:16} {len(mine):4} {exact:6.3f} {similar:8.3f} {won:4} {lost:5} {evaluated:10.0f} {millis:6.0f}"
        )


if __name__ == "__main__":
    main()
