"""The commands that report: `doctor`, `stats` and `bench`."""

from __future__ import annotations

import argparse
import asyncio
import json

from midfill import terminal
from midfill.errors import UsageError
from midfill.models import catalog


def doctor(options: argparse.Namespace) -> int:
    from midfill import doctor

    findings = asyncio.run(doctor.examine())
    print(json.dumps(findings, indent=2) if options.json else doctor.report(findings))
    return 1 if findings["problems"] else 0


def stats(options: argparse.Namespace) -> int:
    from midfill import stats

    if options.days is not None and options.days < 1:
        raise UsageError(f"--days needs a number from 1, not {options.days}.")
    if options.forget:
        stats.forget()
        terminal.tell("Forgotten.")
        return 0
    suggestions = stats.read(options.days)
    if options.json:
        print(json.dumps(stats.summary(suggestions), indent=2))
    elif options.html:
        terminal.write(options.html, stats.page(suggestions))
        terminal.tell(f"{options.html} is written.")
    else:
        print(stats.report(suggestions), end="")
    return 0


def bench_typing(options: argparse.Namespace) -> int:
    from midfill.bench import typing

    plan = typing.Plan(
        options.paths or typing.default_paths(),
        options.keys,
        options.seed,
        options.gap,
        options.peer,
        options.engine,
        options.model,
    )
    if not plan.engine:
        catalog.require("complete")
    typing.main(plan, terminal.progress, options.json, options.plot)
    return 0


def bench_load(options: argparse.Namespace) -> int:
    from midfill.bench import load

    plan = load.Plan(
        options.engine,
        options.model,
        options.editors,
        options.seconds,
        options.every,
        options.lines,
        options.tokens,
    )
    figures = asyncio.run(load.run(plan, terminal.progress))
    print(load.report(figures))
    if options.json:
        terminal.write(options.json, json.dumps(figures, indent=2) + "\n")
    return 1 if figures["lost"] else 0


def bench_edit(options: argparse.Namespace) -> int:
    from midfill.bench import edit

    catalog.require("edit")
    edit.main(terminal.progress, options.json)
    return 0
