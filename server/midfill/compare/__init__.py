"""`midfill models compare`: the same small tasks for each model, with quality, time and memory side by side.

The tasks are in `tasks.toml`. No code that a model writes is run: a line must be the right one, an edit must pass
the checks that every edit passes here and have what was asked for, an explanation must name what matters. Decoding
is greedy, so a comparison repeats; only the times vary.
"""

from __future__ import annotations

import html
import re
import statistics
import time
import tomllib
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from midfill import app
from midfill.completion import fim
from midfill.config import Config, Models
from midfill.document import Document
from midfill.edits import Wish, read, resolve
from midfill.engine.base import CancelToken, Engine, Request
from midfill.errors import MidfillError
from midfill.models import catalog

ROLES = ("complete", "edit", "explain")


@dataclass(frozen=True, slots=True)
class Score:
    """How a model did in a role: `quality` from 0 to 1, None where it cannot do it, with the reason in `note`.

    `ms` is the median time of an answer.
    """

    model: str
    role: str
    quality: float | None
    tasks: int
    ms: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`memory` are the bytes of each model's file, which are most of what it takes."""

    scores: list[Score]
    memory: dict[str, int]


def tasks() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(Path(__file__).with_name("tasks.toml").read_text("utf-8"))


async def compare(
    names: Sequence[str],
    roles: Sequence[str],
    progress: Callable[[str, int, int], None],
    engine_of: Callable[[Callable[[], Config]], Engine] = app.local_engine,
) -> Comparison:
    """Give every model every task. `progress` hears what is done, the number of it and how many there are.

    Raises `UsageError` or `ModelError` for a model that is not there.
    """
    models = [catalog.find(name) for name in names]
    for model in models:
        catalog.present(model)
    todo, done = len(models) * sum(len(tasks()[role]) for role in roles), 0
    scores = []
    for model in models:
        config = Config(models=Models(model.name, model.name, model.name), edit_attempts=2, drafts=False)
        engine = engine_of(lambda config=config: config)  # type: ignore[misc]
        try:
            for role in roles:
                results, note = [], catalog.doubt(model, role)
                for task in tasks()[role]:
                    progress(f"{model.name}: {role}", done, todo)
                    done += 1
                    started = time.perf_counter()
                    try:
                        quality = await _GIVEN[role](task, config, engine)
                    except MidfillError as error:
                        note = str(error)
                        continue
                    results.append((quality, (time.perf_counter() - started) * 1000))
                scores.append(_score(model.name, role, results, note))
        finally:
            await engine.close()
    progress("done", todo, todo)
    return Comparison(scores, {model.name: model.bytes for model in models})


async def _complete(task: dict[str, Any], config: Config, engine: Engine) -> float:
    before, after = task["code"].split("|")
    info = engine.info("complete")
    line = before.rfind("\n") + 1
    prompt = fim.prompt(fim.family(info.family), before[:line], before[line:], after)
    request = Request("complete", info.name, prompt, 24, heal=True, stop=("\n",), drafts=False)
    written = ""
    async with aclosing(engine.generate(request, CancelToken())) as chunks:
        async for chunk in chunks:
            written += chunk.text
    bare = _bare(written)
    return float(any(bare == _bare(right) for right in task["right"]))


async def _edit(task: dict[str, Any], config: Config, engine: Engine) -> float:
    document = Document.open("file:///task.py", "python", 1, task["code"])
    wish = Wish("refactor", 0, len(document.text.data), task["instruction"])
    result = await resolve(document, wish, config, engine, CancelToken())
    if result.reason is not None:
        return 0.0
    text = str(document.edited(result.edits).text)
    wanted = all(re.search(pattern, text) for pattern in task["wanted"])
    return float(wanted and not any(re.search(pattern, text) for pattern in task.get("unwanted", ())))


async def _explain(task: dict[str, Any], config: Config, engine: Engine) -> float:
    document = Document.open("file:///task.py", "python", 1, task["code"])
    reading = await read(document, Wish("explain", 0, len(document.text.data)), config, engine, CancelToken())
    return sum(bool(re.search(word, reading.text, re.IGNORECASE)) for word in task["wanted"]) / len(task["wanted"])


_GIVEN = {"complete": _complete, "edit": _edit, "explain": _explain}


def _bare(line: str) -> str:
    """Without spaces and a comment behind it, which change nothing."""
    return re.sub(r"\s+", "", re.sub(r"\s+#.*", "", line))


def _score(model: str, role: str, results: Sequence[tuple[float, float]], note: str) -> Score:
    if not results:
        return Score(model, role, None, 0, 0, note)
    quality = round(statistics.fmean(quality for quality, _ in results), 3)
    return Score(model, role, quality, len(results), round(statistics.median(ms for _, ms in results)), note)


def report(found: Comparison) -> str:
    lines = [f"{'model':34} {'GB':>5}  {'role':9} {'quality':>8} {'tasks':>6} {'ms':>8}"]
    for score in found.scores:
        quality = f"{score.quality:.0%}" if score.quality is not None else "-"
        size = f"{found.memory[score.model] / 1e9:.2f}"
        lines.append(f"{score.model:34} {size:>5}  {score.role:9} {quality:>8} {score.tasks:6} {score.ms:8,}")
        if score.note:
            lines.append(f"{'':42}{score.note}")
    return "\n".join(lines)


def as_json(found: Comparison) -> dict[str, Any]:
    return {"scores": [asdict(score) for score in found.scores], "bytes": found.memory}


def as_html(found: Comparison) -> str:
    """A page that needs nothing else: the table, and for each role a bar for each model."""
    rows, plots = "", ""
    for score in found.scores:
        quality = f"{score.quality:.0%}" if score.quality is not None else "-"
        cells = (score.model, score.role, quality, str(score.tasks), f"{score.ms:,}", score.note)
        rows += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>\n"
    for role in dict.fromkeys(score.role for score in found.scores):
        plots += f"<h2>{role}</h2>\n" + _bars([score for score in found.scores if score.role == role])
    return _PAGE.format(rows=rows, plots=plots)


def _bars(scores: Sequence[Score]) -> str:
    slowest = max((score.ms for score in scores), default=0) or 1
    drawn = ""
    for number, score in enumerate(scores):
        y, quality = 44 * number, score.quality or 0.0
        told = f"{quality:.0%}, {score.ms:,} ms" if score.quality is not None else "cannot do it"
        drawn += (
            f'<text x="0" y="{y + 14}">{html.escape(score.model)}</text>'
            f'<rect x="280" y="{y + 2}" width="{300 * quality:.0f}" height="14" fill="#2a6"/>'
            f'<rect x="280" y="{y + 18}" width="{300 * score.ms / slowest:.0f}" height="8" fill="#99b"/>'
            f'<text x="590" y="{y + 14}">{told}</text>'
        )
    return f'<svg width="760" height="{44 * len(scores)}" role="img">{drawn}</svg>\n'


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Models compared</title>
<style>body{{font:14px sans-serif;margin:2em;max-width:60em}} td,th{{padding:.2em .8em;text-align:left}}
svg text{{font:13px sans-serif}}</style>
<h1>Models compared</h1>
<p>Quality in green, from 0 to 100 %; below it in grey the median time of an answer.</p>
{plots}<h2>All figures</h2>
<table><tr><th>model</th><th>role</th><th>quality</th><th>tasks</th><th>ms</th><th></th></tr>
{rows}</table></html>
"""
