"""Those who fill holes: Midfill through its real server, its model asked plainly, and a llama-server's /infill."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from data import KINDS, Case
from score import Answer

import midfill
from midfill import app
from midfill.bench.peer import request
from midfill.bench.processes import host_process
from midfill.client import Editor
from midfill.completion import Completer, fim
from midfill.completion.cache import Memory
from midfill.completion.pace import Pace
from midfill.config import Config
from midfill.document import Document
from midfill.engine.base import CancelToken, Chunk, Engine, ModelInfo, Request, Role, Usage
from midfill.errors import EngineError
from midfill.lsp.warm import PAUSE
from midfill.text import Encoding

System = Callable[[Case], Awaitable[Answer]]

# Names the way in which raw model and peer are asked: to be raised with any change of it.
RECIPE = "1"
# How many tokens the others may write: as many as llama.vim asks for, and more than the longest hole has.
TOKENS, LINE_TOKENS = 192, 64


def midfill_system(window: Editor, reader: Editor, folder: Path, own_trigger: bool = True) -> System:
    """What an editor would show: the first item. Each case is a file of its own, so that none knows another.

    `own_trigger`: ask as users ask for the kind; else the other way. Where somebody types, the code around has
    been read before; that is what `reader`, a window that warms up, is for.
    """

    async def fill(case: Case) -> Answer:
        invoked = KINDS[case.kind].invoked is own_trigger
        name = hashlib.sha256(f"{case.id} {invoked}".encode()).hexdigest()[:12]
        asked = window if invoked else reader
        document = asked.open(folder / name / case.path, case.buffer)
        at = document.text.position(len(case.prefix.encode("utf-8", "surrogatepass")), Encoding.UTF32)
        if not invoked:
            asked.move_cursor(document, at)
            await read_ahead()
        started = time.perf_counter()
        items = await asked.complete(document, at, invoked)
        millis = (time.perf_counter() - started) * 1000
        told = await asked.explain(document)
        if told["outcome"] == "failed":
            raise EngineError(told["message"] or "The engine failed; its messages are above.")
        start = end = len(case.prefix)
        text = ""
        if items:
            text = items[0].insert_text if isinstance(items[0].insert_text, str) else items[0].insert_text.value
            if where := items[0].range:
                start, end = (_index(case.buffer, each) for each in (where.start, where.end))
        evaluated = (told.get("prompt") or {}).get("evaluated", 0)
        return Answer(
            case.buffer, text, start, end, told["reason"], told.get("confidence"), told["raw"], millis, evaluated,
            told["generated"], told.get("weakest"),
        )  # fmt: skip

    return fill


async def read_ahead() -> None:
    """Wait until the host is idle: it has read what it reads while nobody types."""
    await asyncio.sleep(PAUSE + 0.2)
    while (busy := host_process()) and busy.cpu_percent(0.2) > 15:
        await asyncio.sleep(0)


def raw_system(engine: Engine) -> System:
    """The model's own prompt of as much code as Midfill shows, cut at the cursor; nothing is healed or trimmed."""

    async def fill(case: Case) -> Answer:
        info = engine.info("complete")
        budget = Pace().budget(Config().latency_target_ms)
        before, after = _last_lines(case.prefix, budget.before), _first_lines(case.suffix, budget.after)
        prompt = fim.prompt(fim.family(info.family), before, "", after)
        one_line = KINDS[case.kind].one_line
        asked = Request(
            "complete",
            info.name,
            prompt,
            LINE_TOKENS if one_line else TOKENS,
            stop=("\n",) if one_line else (),
        )
        text, usage, started = "", Usage(), time.perf_counter()
        async with aclosing(engine.generate(asked, CancelToken())) as chunks:
            async for chunk in chunks:
                text, usage = text + chunk.text, chunk.usage
        millis = (time.perf_counter() - started) * 1000
        cursor = len(case.prefix)
        buffer = case.prefix + case.suffix
        return Answer(
            buffer, text, cursor, cursor, millis=millis, evaluated=usage.evaluated, generated=usage.generated
        )

    return fill


def infill_system(url: str, whole_lines: bool = True) -> System:
    """llama.vim's request, but greedy and without its limits of time, so that a slow machine answers the same.

    On a blank line llama.vim leaves out the indentation that is there; without `whole_lines` it is sent.
    """
    place = urlsplit(url)

    async def fill(case: Case) -> Answer:
        one_line = KINDS[case.kind].one_line
        line, column = case.prefix.count("\n"), len(case.prefix) - (case.prefix.rfind("\n") + 1)
        body = {
            **request(case.buffer, line, column),
            **({} if whole_lines else {"prompt": case.prefix[len(case.prefix) - column :]}),
            "input_extra": [],
            "n_predict": LINE_TOKENS if one_line else TOKENS,
            "stop": ["\n"] if one_line else [],
            "top_k": 40,
            "top_p": 0.90,
            "temperature": 0,
            "samplers": ["top_k", "top_p", "infill", "temperature"],
            "cache_prompt": True,
        }
        connection = http.client.HTTPConnection(place.hostname or "127.0.0.1", place.port, timeout=120)
        started = time.perf_counter()
        connection.request("POST", "/infill", json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        millis = (time.perf_counter() - started) * 1000
        connection.close()
        cursor, timings = len(case.prefix), answer["timings"]
        text = answer["content"]
        if whole_lines:
            text = without_indentation(text, case.prefix[cursor - column : cursor])
        evaluated, generated = timings["prompt_n"], timings["predicted_n"]
        return Answer(
            case.buffer, text, cursor, cursor, raw=answer["content"], millis=millis, evaluated=evaluated,
            generated=generated,
        )  # fmt: skip

    return fill


async def perfect(case: Case) -> Answer:
    """What the pipeline leaves of the truth if the model writes just that: more right no model can be."""
    document = Document.open(f"file:///{case.path}", None, 1, case.buffer)
    cursor, start = len(case.prefix.encode("utf-8", "surrogatepass")), len(case.prefix)
    invoked = KINDS[case.kind].invoked
    shown = await Completer(Config(), _Knows(case.middle), Memory()).complete(
        document, cursor, invoked, CancelToken()
    )
    replaced = document.text.slice(cursor, cursor + shown.replaces)
    return Answer(case.buffer, shown.text, start, start + len(replaced), shown.reason)


class _Knows:
    """An engine whose model knows the answer. Only what the pipeline calls is there."""

    def __init__(self, answer: str) -> None:
        self._answer = answer

    def info(self, role: Role) -> ModelInfo:
        return ModelInfo("perfect", next(iter(fim.FAMILIES)), app.CONTEXT)

    async def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
        text = self._answer
        for stop in request.stop:
            text = text.split(stop, 1)[0]
        for line in text.splitlines(keepends=True):
            yield Chunk(line, 0.0, Usage())
        yield Chunk("", 0.0, Usage(), "end")


def without_indentation(text: str, before: str) -> str:
    """On a blank line llama.vim leaves out of the answer the white space that is there already."""
    if before.strip():
        return text
    line = text.split("\n", 1)[0]
    return text[min(len(line) - len(line.lstrip()), len(before)) :]


class Answers:
    """The answers of one system to cases, kept in a file, so that a long run can go on after an interruption."""

    def __init__(self, folder: Path, system: str, key: str) -> None:
        """`key` tells one state of the system from another."""
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{system}-{key}.jsonl"
        self._known: dict[str, Answer] = {}
        if self._path.exists():
            for line in self._path.read_text("utf-8").splitlines():
                row = json.loads(line)
                self._known[row["id"]] = Answer(**row["answer"])

    def __contains__(self, case: Case) -> bool:
        return case.id in self._known

    def __getitem__(self, case: Case) -> Answer:
        return self._known[case.id]

    def add(self, case: Case, answer: Answer) -> None:
        self._known[case.id] = answer
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"id": case.id, "answer": asdict(answer)}) + "\n")


def product_key() -> str:
    """A digest of Midfill's source: answers of the working tree count until the next change, committed or not."""
    root = Path(midfill.__file__).parent
    grammars = root.parents[1] / "grammars"
    paths = [*root.rglob("*.py"), *grammars.rglob("*.toml"), *grammars.rglob("*.scm")]
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _index(text: str, position: Any) -> int:
    at = 0
    for _ in range(position.line):
        at = text.index("\n", at) + 1
    return at + int(position.character)


def _last_lines(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return text[text.find("\n", len(text) - most) + 1 :]


def _first_lines(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return text[: text.rfind("\n", 0, most) + 1] or text[:most]
