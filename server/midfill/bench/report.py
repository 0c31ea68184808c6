"""The figures for people, as JSON, and as a picture."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

import midfill
from midfill import terminal
from midfill.bench.figures import Bar, Memory, Row, Sample, bars, figures, rows
from midfill.errors import UsageError


def show(samples: Sequence[Sample], memory: Memory) -> None:
    """Print the rows, the summary and the bars."""
    console = paper()
    found = rows(samples)
    console.print(_rows(found))
    if any(sample.peer for sample in samples):
        console.print(_peer(found))
    console.print(_summary(figures(samples, memory)))
    console.print(_bars(bars(samples, memory)))


def as_json(samples: Sequence[Sample], memory: Memory, about: dict[str, Any]) -> dict[str, Any]:
    """Everything, every keystroke included. `about` tells how it was measured."""
    return {
        "about": {**about, **machine()},
        "summary": figures(samples, memory),
        "bars": [{**asdict(bar), "verdict": bar.verdict} for bar in bars(samples, memory)],
        "rows": [asdict(row) for row in rows(samples)],
        "keys": [asdict(sample) for sample in samples],
    }


def machine() -> dict[str, Any]:
    """What a reader needs to know to compare two runs."""
    return {
        "midfill": midfill.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Raises `UsageError` when the file cannot be written."""
    terminal.write(path, json.dumps(content, indent=1) + "\n")


def require_plot() -> None:
    """Say before anything is measured that no picture can be drawn. Raises `UsageError`."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install 'midfill[bench]'.") from None


def plot(path: Path, samples: Sequence[Sample]) -> None:
    """Two distributions over all keys that were waited for, on logarithmic axes. Raises `UsageError`."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    waited = [sample for sample in samples if sample.ms is not None]
    peers = [sample.peer for sample in waited if sample.peer]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    left.ecdf([max(sample.ms or 0.0, 0.1) for sample in waited], label="Midfill")
    right.ecdf([sample.evaluated + 1 for sample in waited], label="Midfill")
    if peers:
        left.ecdf([peer.ms for peer in peers], label="llama-server /infill")
        right.ecdf([peer.evaluated + 1 for peer in peers], label="llama-server /infill")
    left.set_xlabel("time to suggestion, ms")
    right.set_xlabel("prompt tokens evaluated a keystroke, plus one")
    left.set_ylabel("share of keystrokes")
    for axes in (left, right):
        axes.set_xscale("log")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be drawn: {error}.") from None
    finally:
        pyplot.close(figure)


def _rows(found: Sequence[Row]) -> Table:
    shown = table(
        "keystroke",
        "keys",
        "no model",
        "ms p50, p95, p99",
        "evaluated p50, p95",
        "generated",
        "accepted",
        "thrown away",
    )
    for row in found:
        accepted = f"{row.accepted} of {row.drafted}"
        times, evaluated = _joined(row.ms, ",.0f"), _joined(row.evaluated, ",.0f")
        counts = [str(row.generated), accepted, str(row.thrown_away)]
        shown.add_row(row.kind, str(row.keys), _percent(row.without_model), times, evaluated, *counts)
    return shown


def _peer(found: Sequence[Row]) -> Table:
    shown = table("llama-server", "ms p50, p95, p99", "evaluated p50, p95", "ours / its ms p50, p95")
    for row in found:
        figures = _joined(row.peer_ms, ",.0f"), _joined(row.peer_evaluated, ",.0f"), _joined(row.ratio, ".2f")
        shown.add_row(row.kind, *figures)
    return shown


def _summary(summary: dict[str, Any]) -> str:
    step = summary["decodeStepMs"]
    peak = ", ".join(f"{name} {size / 1e6:,.0f} MB" for name, size in summary["peakMemory"].items())
    sources = ", ".join(f"{name} {count}" for name, count in summary["sources"].items())
    return (
        f"Shown: {sources or 'nothing'}. "
        f"Answered without the model: {_percent(summary['withoutModel'])} of what was typed.\n"
        f"Tokens: {summary['generated']} generated, {summary['thrownAway']} of them thrown away; "
        f"{summary['drafted']} drafted, {summary['acceptedDrafts']} of them accepted.\n"
        f"One decode step: {'-' if step is None else f'{step:.1f} ms'}. Peak memory: {peak or 'not measured'}."
    )


def _bars(measured: Sequence[Bar]) -> Table:
    shown = table("bar", "measured", "at most", "keys", "")
    colours = {"PASS": "green", "MISSED": "red"}
    for bar in measured:
        figure = "-" if bar.measured is None else f"{bar.measured:.3g}"
        colour = colours.get(bar.verdict, "default")
        shown.add_row(bar.name, figure, f"{bar.limit:g}", str(bar.of), f"[{colour}]{bar.verdict}[/]")
    return shown


def paper() -> Console:
    """Standard output; wide enough for the tables where it is no terminal."""
    return Console(width=None if sys.stdout.isatty() else 110)


def table(first: str, *others: str) -> Table:
    table = Table(first, box=box.SIMPLE)
    for title in others:
        table.add_column(title, justify="right", no_wrap=title.startswith("ms"))
    return table


def _joined(values: Sequence[float | None], form: str) -> str:
    return "  ".join("-" if value is None else format(value, form) for value in values)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
