"""The commands of `midfill models`."""

from __future__ import annotations

import argparse
import asyncio
import json

from midfill import terminal
from midfill.errors import MidfillError
from midfill.models import catalog


def list_(options: argparse.Namespace) -> int:
    if options.json:
        names = ("name", "role", "family", "quantization", "bytes", "licence")
        known = [
            {**{name: getattr(model, name) for name in names}, "here": catalog.path(model).exists()}
            for model in catalog.load()
        ]
        print(json.dumps(known, indent=2))
        return 0
    for model in catalog.load():
        state = "here" if catalog.path(model).exists() else "not here"
        what = f"{model.quantization:7} {model.bytes / 1e6:8,.0f} MB  {model.licence:12}"
        print(f"{model.role or '-':9} {model.name:32} {what} {state}")
    return 0


def fetch(options: argparse.Namespace) -> int:
    from midfill.models.fetch import fetch

    for model in _chosen(options.names):
        with terminal.bar(f"{model.name}") as progress:
            path = fetch(model, progress, terminal.tell)
        terminal.tell(f"{model.name} is at {path}, its SHA-256 is right.")
    return 0


def path(options: argparse.Namespace) -> int:
    model = catalog.find(options.name)
    print(catalog.path(model))
    if not catalog.path(model).exists():
        terminal.tell(f"{model.name} is not there yet: run `midfill models fetch {model.name}`.")
        return 1
    return 0


def verify(options: argparse.Namespace) -> int:
    code = 0
    for model in _chosen(options.names):
        try:
            print(f"{model.name}: right, {catalog.verify(model)}")
        except MidfillError as error:
            terminal.tell(str(error))
            code = 1
    return code


def add(options: argparse.Namespace) -> int:
    model = catalog.add(options.name, options.path, role=options.role, family=options.family)
    choose = "bind it by the setting midfill.models"
    used = f"it is now the default for {model.role}" if model.role else choose
    terminal.tell(f"{model.name} is added ({model.family}, {model.quantization}): {used}.")
    return 0


def inspect(options: argparse.Namespace) -> int:
    from midfill import inspection

    found = inspection.inspect(options.path, options.family)
    print(json.dumps(found, indent=2) if options.json else inspection.report(found))
    return 0 if found["family"] else 1


def recommend(options: argparse.Namespace) -> int:
    from midfill import recommend

    where = recommend.machine()
    rates = asyncio.run(recommend.measured())
    here = frozenset(model.name for model in catalog.load() if catalog.path(model).exists())
    advice = recommend.recommend(where, rates, here)
    if options.json:
        print(json.dumps(recommend.as_json(where, rates, advice), indent=2))
    else:
        print(recommend.report(where, rates, advice))
    if options.use:
        terminal.tell(f"The models that are here are set in {recommend.use(advice)}.")
    return 0


def compare(options: argparse.Namespace) -> int:
    from midfill import compare

    def progress(what: str, done: int, all_of_them: int) -> None:
        terminal.progress(f"[{'#' * (30 * done // all_of_them):30}] {what}", 100 * done // all_of_them)

    roles = [options.role] if options.role else compare.ROLES
    found = compare.Comparison([], {}, {})
    code = 0
    try:
        asyncio.run(compare.compare(options.names, roles, progress, found=found))
    except KeyboardInterrupt:
        if not found.scores:
            raise
        terminal.tell("Interrupted: this is what was done by then.")
        code = 130
    print(compare.report(found))
    if options.json:
        terminal.write(options.json, json.dumps(compare.as_json(found), indent=2) + "\n")
    if options.html:
        terminal.write(options.html, compare.as_html(found))
    return code


def _chosen(names: list[str]) -> list[catalog.Model]:
    """The models named, or the default of each role."""
    return [catalog.find(name) for name in names or ["complete", "edit"]]
