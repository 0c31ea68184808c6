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
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

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
    """By model: `size` are the bytes of its file, `memory` the most that this process grew by while it worked."""

    scores: list[Score]
    size: dict[str, int]
    memory: dict[str, int]


def tasks() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(Path(__file__).with_name("tasks.toml").read_text("utf-8"))


async def compare(
    names: Sequence[str],
    roles: Sequence[str],
    progress: Callable[[str, int, int], None],
    engine_of: Callable[[Callable[[], Config]], Engine] = app.local_engine,
    found: Comparison | None = None,
) -> Comparison:
    """Give every model every task. `progress` hears what is done, the number of it and how many there are.

    What is done so far is in `found`, should it be interrupted. Raises `UsageError` or `ModelError` for a model
    that is not there.
    """
    # A model may be named twice, by its name and by its role.
    models = list({model.name: model for model in map(catalog.find, names)}.values())
    for model in models:
        catalog.present(model)
    todo, done = len(models) * sum(len(tasks()[role]) for role in roles), 0
    found = found or Comparison([], {}, {})
    memory = found.memory
    for model in models:
        found.size[model.name] = model.bytes
        before = psutil.Process().memory_info().rss
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
                    grown = psutil.Process().memory_info().rss - before
                    memory[model.name] = max(grown, memory.get(model.name, 0))
                found.scores.append(_score(model.name, role, results, note))
        finally:
            await engine.close()
    progress("done", todo, todo)
    return found


async def _complete(task: dict[str, Any], config: Config, engine: Engine) -> float:
    before, after = task["code"].split("|")
    info = engine.info("complete")
    line = before.rfind("\n") + 1
    prompt = fim.prompt(fim.family(info.family, info.doubt), before[:line], before[line:], after)
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
    lines = [f"{'model':34} {'file':>8} {'memory':>8}  {'role':9} {'quality':>8} {'tasks':>6} {'ms':>8}"]
    for score in found.scores:
        quality = f"{score.quality:.0%}" if score.quality is not None else "-"
        size, memory = _gigabytes(found.size, score.model), _gigabytes(found.memory, score.model)
        figures = f"{score.role:9} {quality:>8} {score.tasks:6} {score.ms:8,}"
        lines.append(f"{score.model:34} {size:>8} {memory:>8}  {figures}")
        if score.note:
            lines.append(f"{'':54}{score.note}")
    return "\n".join(lines)


def _gigabytes(of: Mapping[str, int], model: str) -> str:
    return f"{of[model] / 1e9:.2f} GB" if model in of else "-"


def as_json(found: Comparison) -> dict[str, Any]:
    return {"scores": [asdict(score) for score in found.scores], "bytes": found.size, "memory": found.memory}


def as_html(found: Comparison) -> str:
    """A page that needs nothing else: for each role two bars for each model, and the table."""
    rows, plots = "", ""
    for score in found.scores:
        quality = f"{score.quality:.0%}" if score.quality is not None else "-"
        size, memory = _gigabytes(found.size, score.model), _gigabytes(found.memory, score.model)
        cells = (score.model, score.role, quality, str(score.tasks), f"{score.ms:,}", size, memory, score.note)
        rows += "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>\n"
    for role in dict.fromkeys(score.role for score in found.scores):
        scores = [score for score in found.scores if score.role == role]
        slowest = max(score.ms for score in scores) or 1
        bars = "".join(_bars(score, slowest) for score in scores)
        plots += f'<section aria-label="{role}"><h2>{role}</h2>\n{bars}</section>\n'
    return _PAGE.format(rows=rows, plots=plots)


def _bars(score: Score, slowest: int) -> str:
    quality = score.quality or 0.0
    told = f"{quality:.0%}, {score.ms:,} ms" if score.quality is not None else "cannot do it"
    return (
        f'<div class="model"><span class="name">{html.escape(score.model)}</span><span class="bars">'
        f'<span class="quality" style="width:{100 * quality:.0f}%"></span>'
        f'<span class="time" style="width:{100 * score.ms / slowest:.0f}%"></span></span>'
        f"<span>{told}</span></div>\n"
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Models compared</title>
<style>
:root{{color-scheme:light dark;--quality:#2a8a5b;--time:#8a8fb5;--line:#8884}}
body{{font:15px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem}}
h2{{margin:1.6em 0 .4em;font-size:1.15em;text-transform:capitalize}}
.model{{display:grid;grid-template-columns:17rem 1fr 9rem;gap:1rem;align-items:center;margin:.5rem 0}}
.name{{overflow-wrap:anywhere}}
.bars{{display:block;background:linear-gradient(90deg,var(--line) 1px,#0000 1px) 0/25% 100%;
border-right:1px solid var(--line)}}
.bars span{{display:block}}
.quality{{height:14px;background:var(--quality)}} .time{{height:8px;margin-top:2px;background:var(--time)}}
.key{{display:inline-block;width:1.6em;height:.7em}}
.wide{{overflow-x:auto}} table{{border-collapse:collapse}}
td,th{{padding:.3em .8em .3em 0;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}}
td:last-child{{white-space:normal;min-width:14em}}
td:nth-child(n+3):nth-child(-n+7),th:nth-child(n+3):nth-child(-n+7){{text-align:right}}
@media(max-width:40rem){{body{{margin:1rem auto}} .model{{grid-template-columns:1fr;gap:.15rem;margin:.9rem 0}}}}
</style></head><body>
<h1>Models compared</h1>
<p><span class="key quality"></span> quality, from 0 to 100 %
<span class="key time"></span> median time of an answer, against the slowest</p>
{plots}<h2>All figures</h2>
<div class="wide"><table><tr><th>model</th><th>role</th><th>quality</th><th>tasks</th><th>ms</th><th>file</th>
<th>memory</th><th></th></tr>
{rows}</table></div></body></html>
"""
