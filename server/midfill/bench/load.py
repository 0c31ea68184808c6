"""`midfill bench load`: many editors type against one inference server, each as its own window with its own code.

Every editor asks at its own times, on average every `every` seconds, for the rest of a line in its own place of a
real file, and types on. A request that is answered, however late, is kept; one that fails or ends without an
answer is lost. What counts is that none is, and that no editor waits much longer than the others.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import psutil

from midfill import elsewhere
from midfill.bench.typing import default_paths
from midfill.client import read
from midfill.completion import fim
from midfill.config import Backend
from midfill.engine.base import CancelToken, Request
from midfill.engine.openai import OpenAIEngine
from midfill.errors import MidfillError, UsageError

# An active user types and looks, in turns: so many requests a minute reach the model. Most keystrokes need none
# (58 % of typed keys, `midfill bench typing`), and the rest come in bursts.
REQUESTS_A_MINUTE = 12.0


@dataclass(frozen=True, slots=True)
class Plan:
    """`lines` of code stand before and after the cursor; an answer has `tokens` at most."""

    url: str
    model: str
    editors: int = 200
    seconds: float = 60.0
    every: float = 20.0
    lines: int = 8
    tokens: int = 4

    def __post_init__(self) -> None:
        """Raises `UsageError`."""
        if min(self.editors, self.lines, self.tokens) < 1:
            raise UsageError("--editors, --lines and --tokens must be 1 or more.")
        if self.every <= 0 or self.seconds <= 0:
            raise UsageError("--every and --seconds must be more than 0.")


@dataclass(slots=True)
class Editor:
    """What one editor has lived through: times to the whole answer in seconds, and tokens evaluated for each.

    `reason`: why the first that was lost was.
    """

    waits: list[float] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)
    generated: int = 0
    lost: int = 0
    reason: str = ""


async def run(plan: Plan, progress: Callable[[str, int | None], None]) -> dict[str, Any]:
    """The figures as JSON. Raises `ModelError` for a server that must not be asked."""
    backend = Backend("openai", plan.url, plan.model)
    elsewhere.info(backend, "complete")
    texts = [str(read(path)).splitlines(keepends=True) for path in default_paths()]
    editors = [Editor() for _ in range(plan.editors)]
    most = [psutil.Process().memory_info().rss]
    started = time.perf_counter()
    typing = asyncio.gather(
        *(_type(editor, plan, backend, texts, random.Random(n)) for n, editor in enumerate(editors))
    )
    while not typing.done():
        await asyncio.wait([typing], timeout=1)
        most[0] = max(most[0], psutil.Process().memory_info().rss)
        passed = time.perf_counter() - started
        progress(f"{plan.editors} editors type", min(99, int(100 * passed / plan.seconds)))
    await typing
    progress("", None)
    return figures(plan, editors, time.perf_counter() - started, most[0])


async def _type(
    editor: Editor, plan: Plan, backend: Backend, texts: Sequence[Sequence[str]], chance: random.Random
) -> None:
    engine = OpenAIEngine(lambda role: elsewhere.info(backend, role), lambda role: elsewhere.place(backend, role))
    form = fim.family(engine.info("complete").family)
    text = chance.choice(texts)
    end = time.monotonic() + plan.seconds
    line = chance.randrange(plan.lines, len(text) - plan.lines)
    typed = 1
    try:
        # At first at any time, so that not all begin together.
        pause = chance.uniform(0, plan.every)
        while time.monotonic() + pause < end:
            await asyncio.sleep(pause)
            while typed > len(current := text[line].rstrip("\n")):
                line, typed = line + 1, 1
                if line >= len(text) - plan.lines:
                    line = plan.lines
            before = "".join(text[line - plan.lines : line])
            after = "".join(text[line + 1 : line + 1 + plan.lines])
            prompt = fim.prompt(form, before, current[:typed], after)
            request = Request("complete", backend.model, prompt, plan.tokens, heal=True, stop=("\n",))
            await _ask(editor, engine, request)
            typed += chance.randrange(1, 4)
            pause = chance.expovariate(1 / plan.every)
    finally:
        await engine.close()


async def _ask(editor: Editor, engine: OpenAIEngine, request: Request) -> None:
    started = time.perf_counter()
    finished = None
    try:
        async with aclosing(engine.generate(request, CancelToken())) as chunks:
            async for chunk in chunks:
                finished, usage = chunk.finish, chunk.usage
    except MidfillError as error:
        editor.lost += 1
        editor.reason = editor.reason or str(error)
        return
    if finished is None:
        editor.lost += 1
        editor.reason = editor.reason or "An answer had no end."
        return
    editor.waits.append(time.perf_counter() - started)
    editor.evaluated.append(usage.evaluated)
    editor.generated += usage.generated


def figures(plan: Plan, editors: Sequence[Editor], seconds: float, memory: int) -> dict[str, Any]:
    """Times in milliseconds. The p95 of an editor that asked fewer than five times tells nothing."""
    waits = sorted(wait for editor in editors for wait in editor.waits)
    evaluated = sorted(tokens for editor in editors for tokens in editor.evaluated)
    tails = sorted(_percentile(sorted(editor.waits), 0.95) for editor in editors if len(editor.waits) >= 5)
    rate = len(waits) / seconds
    fair = tails[-1] / statistics.median(tails) if tails else None
    return {
        "editors": plan.editors,
        "seconds": round(seconds, 1),
        "requests": len(waits),
        "lost": sum(editor.lost for editor in editors),
        "reason": next((editor.reason for editor in editors if editor.lost), None),
        "p50": _ms(_percentile(waits, 0.5)),
        "p95": _ms(_percentile(waits, 0.95)),
        "medianEditorP95": _ms(statistics.median(tails)) if tails else None,
        "worstEditorP95": _ms(tails[-1]) if tails else None,
        "worstToMedian": round(fair, 2) if fair else None,
        "evaluatedP50": _percentile(evaluated, 0.5),
        "evaluatedP95": _percentile(evaluated, 0.95),
        "generated": sum(editor.generated for editor in editors),
        "requestsPerSecond": round(rate, 2),
        "activeUsers": int(rate * 60 / REQUESTS_A_MINUTE),
        "memory": memory,
    }


def report(found: dict[str, Any]) -> str:
    """The figures in words, with the capacity that follows."""
    lines = [
        f"{found['editors']} editors, {found['requests']} requests in {found['seconds']} s, {found['lost']} lost.",
        *([f"One was lost because: {found['reason']}"] if found["reason"] else []),
        f"Time to the answer: p50 {found['p50']} ms, p95 {found['p95']} ms.",
    ]
    if found["worstToMedian"] is not None:
        lines.append(
            f"p95 of the median editor {found['medianEditorP95']} ms, of the worst {found['worstEditorP95']} ms: "
            f"{found['worstToMedian']} times as long (bar: 3)."
        )
    else:
        lines.append("No editor asked five times: measure longer (--seconds) to see how fair the server is.")
    per_user = f"{REQUESTS_A_MINUTE:.0f} requests a minute of an active user"
    lines += [
        f"Prompt tokens evaluated: p50 {found['evaluatedP50']}, p95 {found['evaluatedP95']} a request.",
        f"{found['requestsPerSecond']} requests a second were answered; at {per_user} that is "
        f"{found['activeUsers']} active users at this load.",
        f"Memory of this side: {found['memory'] / 1e6:.0f} MB.",
    ]
    return "\n".join(lines)


def _percentile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
