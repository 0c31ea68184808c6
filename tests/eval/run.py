"""How good the suggestions are: the evaluation data through the real server, beside the model alone and a peer.

    python tests/eval/run.py DATA [--limit 3] [--minutes 5] [--peer URL] [--json FILE] [--plot FILE] [--curve FILE]

README.md beside this file says what is measured and how. Answers are kept in build/eval: a run that was
interrupted, or that `--minutes` ended, goes on where it stopped; `--minutes 0` only reports what is known.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import report
import sandbox
from data import KINDS, Case, load
from systems import RECIPE, Answers, System, infill_system, midfill_system, perfect, product_key, raw_system

from midfill import app
from midfill.bench.processes import own_host
from midfill.client import editor
from midfill.config import Config
from midfill.errors import MidfillError

BUILD = Path(__file__).resolve().parents[2] / "build" / "eval"
# Nothing is read ahead but where somebody types, and then of that file: no case may profit from another, nor slow
# another system down. There is no other file.
# The gate of confidence is put on when the answers are scored, so that they show what it takes away.
SETTINGS = {"warmUp": False, "index": False, "minConfidence": 0}
# Those who are asked the same every time, whatever state Midfill's source is in.
OTHERS = ("raw", "infill", "infill indented")


def main() -> None:
    options = arguments()
    cases = load(options.data, options.kinds, options.limit, options.seed)
    kept = {
        name: Answers(BUILD, name.replace(" ", "-"), RECIPE if name in OTHERS else product_key())
        for name in [*options.systems, *dict(options.variant)]
    }
    if options.minutes:
        try:
            with own_host():
                asyncio.run(ask(cases, kept, options))
        except MidfillError as error:
            sys.exit(str(error))
    known = [case for case in cases if any(case in answers for answers in kept.values())]
    print(f"{len(known)} of {len(cases)} cases; generated code runs in {sandbox.isolation()}", file=sys.stderr)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda case: judged(case, kept), known))
    columns = [
        "raw",
        "raw, cut",
        "infill",
        "infill indented",
        "midfill",
        "no gate",
        "untrimmed",
        "other trigger",
        *dict(options.variant),
        "perfect",
    ]
    columns = [name for name in columns if any(name in each.scores for each in results)]
    report.show(results, columns)
    if options.json:
        about = {"commit": commit(), "source": product_key(), "seed": options.seed, "cases": len(known)}
        options.json.write_text(json.dumps(report.as_json(results, columns, about), indent=1) + "\n", "utf-8")
    if options.plot:
        report.plot(options.plot, results, columns)
    if options.curve:
        report.plot_curves(options.curve, results)


def judged(case: Case, kept: dict[str, Answers]) -> report.Result:
    answers = {name: answers[case] for name, answers in kept.items() if case in answers}
    return report.result(case, {**answers, "perfect": asyncio.run(perfect(case))})


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="the folder with the .jsonl files")
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(KINDS), help=", ".join(KINDS))
    parser.add_argument("--limit", type=int, help="so many cases of each kind, drawn with --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="ask no more cases after so many minutes")
    parser.add_argument(
        "--systems",
        type=lambda text: text.split(","),
        default=["midfill", "other trigger", "raw", "infill", "infill indented"],
        help="midfill: as users ask for the kind; other trigger: not so; raw: the model alone; infill: --peer",
    )
    parser.add_argument(
        "--variant",
        type=variant,
        action="append",
        default=[],
        metavar="NAME:SETTING=VALUE,...",
        help="Midfill with other settings, by the trigger of the kind",
    )
    parser.add_argument("--peer", help="URL of a llama-server with the same model")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--curve", type=Path, help="only the confidence, as a picture for the documentation")
    return parser.parse_args()


def variant(text: str) -> tuple[str, dict[str, Any]]:
    name, _, settings = text.partition(":")
    return name, {
        key: json.loads(value) for key, _, value in (each.partition("=") for each in settings.split(","))
    }


async def ask(cases: Sequence[Case], kept: dict[str, Answers], options: argparse.Namespace) -> None:
    """All systems answer a case in turn, so that a run which ends early compares the same cases."""
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="midfill-eval-")))
        systems: dict[str, System] = {}
        window = await stack.enter_async_context(editor(folder, SETTINGS))
        reader = await stack.enter_async_context(editor(folder, {**SETTINGS, "warmUp": True}))
        systems["midfill"] = midfill_system(window, reader, folder)
        systems["other trigger"] = midfill_system(window, reader, folder, own_trigger=False)
        engine = app.host_engine(Config)
        stack.push_async_callback(engine.close)
        systems["raw"] = raw_system(engine)
        if options.peer:
            systems["infill"] = infill_system(options.peer)
            systems["infill indented"] = infill_system(options.peer, whole_lines=False)
        for name, settings in options.variant:
            other = await stack.enter_async_context(editor(folder, {**SETTINGS, "warmUp": True, **settings}))
            systems[name] = midfill_system(other, other, folder)
        until = time.monotonic() + options.minutes * 60
        for number, case in enumerate(cases, 1):
            for name, answers in kept.items():
                if name not in systems or case in answers:
                    continue
                if time.monotonic() > until:
                    return
                answers.add(case, await systems[name](case))
            print(f"\r{number} of {len(cases)} cases", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)


def commit() -> str:
    """What the working tree is, for whoever reads the figures later."""
    command = ["git", "-C", str(BUILD.parent.parent), "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
