"""What came of the suggestions, on this machine and for its user only: numbers, names of languages, and no code.

A line of JSON is appended for every event, so several windows can write at once:

    {"at": 1795600000.1, "id": "3f2a-7", "event": "given", "language": "python", "source": "model",
     "millis": 142.0, "confidence": 0.81, "prompt": 812, "evaluated": 2, "generated": 9, "characters": 31}
    {"at": ..., "id": "3f2a-7", "event": "shown" | "accepted" | "partly" | "kept" | "changed"}

`partly` has the characters accepted so far. After `KEPT_AFTER` seconds an accepted suggestion is `kept` if its
text is still in the document, and `changed` if it is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from midfill.index.store import cache_dir

KEPT_AFTER = 30.0
# When the file is larger it becomes the old one, and what was the old one is forgotten.
MOST_BYTES = 5_000_000
_PERCENTILES = (50, 75, 95)
_LATENCIES = (50, 100, 200, 300, 500, 750, 1000, 2000)


def files() -> tuple[Path, Path]:
    """Where the events are, the newer ones first."""
    return cache_dir() / "stats.jsonl", cache_dir() / "stats.old.jsonl"


def record(event: str, given: str, **facts: Any) -> None:
    """Append one event; without room or rights for it nothing happens."""
    newest, old = files()
    line = json.dumps({"at": round(time.time(), 1), "id": given, "event": event, **facts})
    with contextlib.suppress(OSError):
        newest.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if newest.exists() and newest.stat().st_size > MOST_BYTES:
            os.replace(newest, old)
        descriptor = os.open(newest, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "ab") as file:
            file.write(f"{line}\n".encode())


def forget() -> None:
    """Delete all events."""
    for file in files():
        file.unlink(missing_ok=True)


@dataclass
class Suggestion:
    """What is known of one suggestion."""

    at: float
    facts: dict[str, Any]
    happened: set[str] = field(default_factory=set)
    partly: int = 0

    @property
    def shown(self) -> bool:
        """Not every editor tells what it has shown, but what was accepted was seen."""
        return bool(self.happened & {"shown", "accepted", "partly"})

    @property
    def accepted(self) -> bool:
        return "accepted" in self.happened


def read(days: int | None = None) -> list[Suggestion]:
    """The suggestions of the last `days`, or all that are remembered, the oldest first."""
    since = time.time() - days * 86400 if days else 0.0
    found: dict[str, Suggestion] = {}
    for event in _events():
        given, name = str(event.get("id")), event.get("event")
        if name == "given":
            found[given] = Suggestion(float(event["at"]), event)
        elif given in found:
            found[given].happened.add(str(name))
            if name == "partly":
                found[given].partly = max(found[given].partly, int(event.get("characters", 0)))
    return [each for each in found.values() if each.at >= since]


def _events() -> Iterator[dict[str, Any]]:
    for file in reversed(files()):
        try:
            lines = file.read_text("utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            # A line that a crash cut short tells nothing.
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict) and isinstance(event.get("at"), int | float):
                    yield event


def summary(suggestions: Sequence[Suggestion]) -> dict[str, Any]:
    """The figures: counts, rates from 0 to 1 (None where nothing is known), times in milliseconds."""
    shown = [each for each in suggestions if each.shown]
    accepted = [each for each in shown if each.accepted]
    kept = [each for each in accepted if "kept" in each.happened]
    known = [each for each in accepted if each.happened & {"kept", "changed"}]
    times = sorted(float(each.facts.get("millis", 0)) for each in suggestions)
    languages: dict[str, list[Suggestion]] = defaultdict(list)
    for each in shown:
        languages[str(each.facts.get("language") or "other")].append(each)
    return {
        "given": len(suggestions),
        "shown": len(shown),
        "accepted": len(accepted),
        "partlyAccepted": sum(each.partly > 0 and not each.accepted for each in shown),
        "acceptedRate": _share(len(accepted), len(shown)),
        "keptAfter30s": len(kept),
        "keptRate": _share(len(kept), len(known)),
        "millis": {f"p{percent}": _percentile(times, percent) for percent in _PERCENTILES},
        "tokensSaved": sum(_saved(each) for each in suggestions),
        "promptTokens": sum(int(each.facts.get("prompt", 0)) for each in suggestions),
        "charactersAccepted": sum(
            int(each.facts.get("characters", 0)) if each.accepted else each.partly for each in shown
        ),
        "sources": dict(Counter(str(each.facts.get("source")) for each in suggestions)),
        "languages": {
            name: {"shown": len(group), "accepted": sum(each.accepted for each in group)}
            for name, group in sorted(languages.items(), key=lambda item: -len(item[1]))
        },
    }


def _saved(each: Suggestion) -> int:
    """Prompt tokens that the cache had already, and so were not evaluated."""
    return max(0, int(each.facts.get("prompt", 0)) - int(each.facts.get("evaluated", 0)))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None


def _percentile(ordered: Sequence[float], percent: int) -> float | None:
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1) if ordered else None


def report(suggestions: Sequence[Suggestion]) -> str:
    """The figures for a terminal."""
    if not suggestions:
        return "Nothing was suggested yet, or the statistics are switched off (setting midfill.statistics).\n"
    figures = summary(suggestions)
    lines = [f"{name:<26}{value:>12}" for name, value in _rows(figures)]
    for name, counts in figures["languages"].items():
        rate = _percent(_share(counts["accepted"], counts["shown"]))
        lines.append(f"  {name:<24}{counts['shown']:>12,} shown, {rate} accepted")
    return "\n".join(lines) + "\n"


def _rows(figures: dict[str, Any]) -> list[tuple[str, str]]:
    millis = figures["millis"]
    return [
        ("suggestions made", f"{figures['given']:,}"),
        ("shown", f"{figures['shown']:,}"),
        ("accepted", f"{figures['accepted']:,}"),
        ("accepted in part", f"{figures['partlyAccepted']:,}"),
        ("accepted of those shown", _percent(figures["acceptedRate"])),
        ("kept after 30 s", f"{figures['keptAfter30s']:,}"),
        ("kept of those accepted", _percent(figures["keptRate"])),
        *((f"time, {name}", f"{value:,.0f} ms") for name, value in millis.items() if value is not None),
        ("characters not typed", f"{figures['charactersAccepted']:,}"),
        ("prompt tokens", f"{figures['promptTokens']:,}"),
        ("of these in the cache", f"{figures['tokensSaved']:,}"),
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def page(suggestions: Sequence[Suggestion]) -> str:
    """The figures and plots as one HTML page that loads nothing from anywhere."""
    figures = summary(suggestions)
    rows = "".join(f"<tr><td>{escape(name)}<td>{escape(value)}" for name, value in _rows(figures))
    days: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for each in suggestions:
        if each.shown:
            day = days[time.strftime("%m-%d", time.localtime(each.at))]
            day[0] += 1
            day[1] += each.accepted
    languages = {name: [counts["shown"], counts["accepted"]] for name, counts in figures["languages"].items()}
    plots = (
        ("Shown and accepted, by day", list(days.items())[-14:]),
        ("Shown and accepted, by language", list(languages.items())[:10]),
        ("Suggestions by the time they took", _histogram(each.facts.get("millis", 0) for each in suggestions)),
        ("Shown and accepted, by how sure the model was", _by_confidence(suggestions)),
    )
    drawn = "".join(f"<h2>{escape(title)}</h2>{_bars(groups)}" for title, groups in plots)
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Midfill: statistics</title>
<style>
:root {{ color-scheme: light dark; --all: #9db4d0; --part: #2f6db5; }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 720px; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1rem; margin: 2rem 0 .5rem }}
td {{ padding: .1rem 2rem .1rem 0 }} td + td {{ text-align: right; font-variant-numeric: tabular-nums }}
svg {{ width: 100%; height: auto }} text {{ font: 11px system-ui, sans-serif; fill: currentColor }}
.all {{ fill: var(--all) }} .part {{ fill: var(--part) }} footer {{ margin: 2rem 0; opacity: .7 }}
</style>
<h1>Midfill: what came of the suggestions</h1>
<table>{rows}</table>
{drawn}
<footer>Light bars: shown, or made; dark bars: accepted. From counts on this machine, which hold no code.</footer>
</html>
"""


def _histogram(times: Iterable[float]) -> list[tuple[str, list[int]]]:
    counts = [0] * (len(_LATENCIES) + 1)
    for millis in times:
        counts[sum(millis >= limit for limit in _LATENCIES)] += 1
    names = [f"< {limit} ms" for limit in _LATENCIES] + [f"{_LATENCIES[-1]} ms +"]
    return [(name, [count]) for name, count in zip(names, counts, strict=True)]


def _by_confidence(suggestions: Sequence[Suggestion]) -> list[tuple[str, list[int]]]:
    steps = [[0, 0] for _ in range(10)]
    for each in suggestions:
        if each.shown:
            step = steps[min(9, int(float(each.facts.get("confidence", 0)) * 10))]
            step[0] += 1
            step[1] += each.accepted
    return [(f"{number * 10} %", step) for number, step in enumerate(steps)]


def _bars(groups: Sequence[tuple[str, Sequence[int]]]) -> str:
    """Bars as SVG; of a group the second value stands inside the first."""
    if not groups:
        return "<p>Nothing yet."
    width, height = 680 / len(groups), 140
    most = max(max(values) for _, values in groups) or 1
    parts = []
    for number, (name, values) in enumerate(groups):
        left, middle = 10 + number * width, 10 + (number + 0.5) * width
        for value, kind in zip(values, ("all", "part"), strict=False):
            tall = height * value / most
            box = f'x="{left + width * 0.15:.1f}" y="{20 + height - tall:.1f}"'
            parts.append(f'<rect class="{kind}" {box} width="{width * 0.7:.1f}" height="{tall:.1f}"/>')
        top = 15 + height - height * values[0] / most
        told = " / ".join(f"{value:,}" for value in reversed(values))
        parts.append(f'<text x="{middle:.1f}" y="{top:.1f}" text-anchor="middle">{told}</text>')
        parts.append(f'<text x="{middle:.1f}" y="{height + 36}" text-anchor="middle">{escape(name)}</text>')
    return f'<svg viewBox="0 0 700 {height + 45}" role="img">{"".join(parts)}</svg>'
