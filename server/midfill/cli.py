"""The command line. Results go to standard output; progress and messages to standard error.

Exit codes: 0 done; 1 it was tried and could not be done; 2 the request is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import midfill
from midfill.errors import MidfillError, UsageError

if TYPE_CHECKING:
    from midfill.edits import Action
    from midfill.models.catalog import Model

# Every import of this module delays the server's answer to its editor: each command imports what it needs.


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except UsageError as error:
        _tell(str(error))
        return 2
    except MidfillError as error:
        _tell(str(error))
        return 1
    except BrokenPipeError:
        # The reader of our output has gone, which is its good right; do not complain when flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        _tell("Interrupted.")
        return 130


def copilot() -> int:
    """`midfill-copilot`: what to give a plugin of Copilot that wants one path to a language server."""
    return main(["serve", "--copilot", *sys.argv[1:]])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="midfill", description="A local-first AI language server.")
    parser.add_argument("--version", action="version", version=f"midfill {midfill.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the language server (an editor does this)")
    serve.add_argument("--tcp", metavar="HOST:PORT", help="listen on a socket instead of stdio; HOST may be empty")
    serve.add_argument(
        "--ws", action="store_true", help="serve browsers by WebSocket; prints an address with a token"
    )
    serve.add_argument("--port", metavar="N", type=_port, help="with --ws; 0, the default, means any that is free")
    serve.add_argument("--page", metavar="FOLDER", type=Path, help="with --ws: a page to serve, too")
    serve.add_argument(
        "--origin", metavar="URL", action="append", help="with --ws: another origin whose pages may connect"
    )
    serve.add_argument("--stdio", action="store_true", help="what is done anyway; some editors insist on it")
    serve.add_argument("--verbose", action="store_true", help="log more to standard error")
    serve.add_argument("--in-process", action="store_true", help="load the models here instead of using the host")
    serve.add_argument("--copilot", action="store_true", help="for editor plugins made for Copilot's server")
    serve.set_defaults(run=_serve)

    host = commands.add_parser("host", help="run the models for all editor windows (`serve` starts it)")
    host.add_argument("--threads", metavar="N", type=_threads, default=0, help="0 means one a core")
    host.add_argument("--gpu-layers", metavar="N", type=int, default=-1, help="-1 means as many as fit")
    host.add_argument("--flash-attention", choices=["auto", "on", "off"], default="auto")
    host.add_argument("--cache-type", choices=["f16", "q8_0", "q4_0"], default="f16", help="of the KV cache")
    host.add_argument("--split-mode", choices=["layer", "row", "none"], default="layer", help="over several cards")
    host.add_argument(
        "--linger", metavar="SECONDS", type=_linger, default=120.0, help="how long to wait for another window"
    )
    instead = host.add_mutually_exclusive_group()
    instead.add_argument("--status", action="store_true", help="tell about the host that runs")
    instead.add_argument("--stop", action="store_true", help="end the host that runs")
    host.set_defaults(run=_host)

    complete = commands.add_parser("complete", help="suggest what to insert at a place in a file")
    complete.add_argument("place", metavar="FILE:LINE:COL", help="LINE and COL count from 1")
    complete.add_argument("--json", action="store_true", help="print the items and why, as JSON")
    complete.set_defaults(run=_complete)

    act = commands.add_parser("act", help="change code: docstring, refactor, fix, or an action of your own")
    act.add_argument("action", metavar="ACTION", help="docstring, refactor, fix ..., or the name of your own")
    act.add_argument("place", metavar="FILE:START[-END]", help="lines, counted from 1")
    act.add_argument("--instruction", default="", help="what to do (refactor); what is wrong (fix)")
    how = act.add_mutually_exclusive_group()
    how.add_argument("--diff", action="store_true", help="print the change (this is the default)")
    how.add_argument("--write", action="store_true", help="change the file")
    how.add_argument("--json", action="store_true", help="print the edits and the new text as JSON")
    act.set_defaults(run=_act)

    models = commands.add_parser("models", help="list, fetch, check and add model files")
    which = models.add_subparsers(required=True, metavar="COMMAND")
    known = which.add_parser("list", help="the models known, and which are here")
    known.add_argument("--json", action="store_true")
    known.set_defaults(run=_models_list)
    fetch = which.add_parser("fetch", help="download models (the two defaults, unless named)")
    fetch.add_argument("names", nargs="*", metavar="ROLE|NAME")
    fetch.set_defaults(run=_models_fetch)
    path = which.add_parser("path", help="print where a model's file is")
    path.add_argument("name", metavar="ROLE|NAME")
    path.set_defaults(run=_models_path)
    verify = which.add_parser("verify", help="compare the files with their official SHA-256")
    verify.add_argument("names", nargs="*", metavar="ROLE|NAME")
    verify.set_defaults(run=_models_verify)
    add = which.add_parser("add", help="use a GGUF file of your own")
    add.add_argument("name", metavar="NAME")
    add.add_argument("path", metavar="PATH.gguf", type=Path)
    add.add_argument("--role", choices=["complete", "edit"], help="make it the default of this role")
    add.add_argument("--family", help="its family, where the file does not tell")
    add.set_defaults(run=_models_add)
    inspect = which.add_parser("inspect", help="tell a GGUF file's family, and how it is asked")
    inspect.add_argument("path", metavar="PATH.gguf", type=Path)
    inspect.add_argument("--family", help="its family, where the file does not tell")
    inspect.add_argument("--json", action="store_true", help="for programs")
    inspect.set_defaults(run=_models_inspect)

    recommend = which.add_parser("recommend", help="which models are right for this machine")
    recommend.add_argument("--json", action="store_true", help="for programs")
    recommend.add_argument("--use", action="store_true", help="write it to the settings")
    recommend.set_defaults(run=_models_recommend)

    compare = which.add_parser("compare", help="give models the same small tasks")
    compare.add_argument("names", nargs="+", metavar="NAME")
    compare.add_argument("--role", choices=["complete", "edit", "explain"], help="only the tasks of this role")
    compare.add_argument("--json", metavar="FILE", type=Path, help="write the figures")
    compare.add_argument("--html", metavar="FILE", type=Path, help="write a report with a plot")
    compare.set_defaults(run=_models_compare)

    trust = commands.add_parser("trust", help="use a project's own actions, or an inference server elsewhere")
    trust.add_argument("what", metavar="PATH|URL", help="a folder with a .midfill.toml, or a server's address")
    trust.set_defaults(run=_trust)

    doctor = commands.add_parser("doctor", help="check the installation and measure the models")
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run=_doctor)

    stats = commands.add_parser("stats", help="what came of the suggestions: shown, accepted, kept, how fast")
    stats.add_argument("--days", metavar="N", type=int, help="of the last N days only")
    stats_as = stats.add_mutually_exclusive_group()
    stats_as.add_argument("--json", action="store_true")
    stats_as.add_argument("--html", metavar="FILE", type=Path, help="write one page with plots")
    stats_as.add_argument("--forget", action="store_true", help="delete what was counted")
    stats.set_defaults(run=_stats)

    bench = commands.add_parser("bench", help="measure how fast suggestions and edits are")
    measure = bench.add_subparsers(required=True, metavar="COMMAND")
    typing = measure.add_parser("typing", help="type in real files, and measure every keystroke")
    typing.add_argument(
        "paths", nargs="*", metavar="FILE", type=Path, help="what to type, instead of Python modules"
    )
    typing.add_argument("--keys", metavar="N", type=int, default=300, help="how many keystrokes, about")
    typing.add_argument("--seed", metavar="N", type=int, default=0, help="which keystrokes")
    typing.add_argument("--gap", metavar="SECONDS", type=float, default=0.15, help="median from key to key")
    typing.add_argument("--peer", metavar="URL", help="a running llama-server, to be asked the same")
    typing.add_argument("--engine", metavar="URL", help="an inference server to use, instead of the models here")
    typing.add_argument("--model", default="qwen2.5-coder", help="what that server calls its model")
    typing.add_argument("--json", metavar="FILE", type=Path, help="write every keystroke and all figures")
    typing.add_argument("--plot", metavar="FILE.png", type=Path, help="draw the distributions (needs matplotlib)")
    typing.set_defaults(run=_bench_typing)
    load = measure.add_parser("load", help="let many editors type against one inference server")
    load.add_argument("--engine", metavar="URL", required=True, help="the inference server")
    load.add_argument("--model", default="qwen2.5-coder", help="what the server calls its model")
    load.add_argument("--editors", metavar="N", type=int, default=200, help="how many editors there are")
    load.add_argument("--seconds", metavar="S", type=float, default=60.0, help="how long they type")
    load.add_argument(
        "--every", metavar="S", type=float, default=20.0, help="seconds between an editor's requests"
    )
    load.add_argument("--lines", metavar="N", type=int, default=8, help="lines of code that a prompt shows")
    load.add_argument("--tokens", metavar="N", type=int, default=4, help="tokens of an answer at most")
    load.add_argument("--json", metavar="FILE", type=Path, help="write the figures")
    load.set_defaults(run=_bench_load)
    edit = measure.add_parser("edit", help="rewrite real functions with and without drafts")
    edit.add_argument("--json", metavar="FILE", type=Path, help="write every edit and all figures")
    edit.set_defaults(run=_bench_edit)

    demo = commands.add_parser("demo", help="see it work on a sample project, or on your own file")
    demo.add_argument("place", nargs="?", metavar="FILE:LINE:COL")
    demo.set_defaults(run=_demo)
    return parser


def _serve(options: argparse.Namespace) -> int:
    from midfill import app

    app.log_to_stderr(options.verbose)
    if options.ws:
        return _serve_web(options)
    if options.port is not None or options.page or options.origin:
        raise UsageError("--port, --page and --origin go with --ws.")
    app.serve(_address(options.tcp) if options.tcp else None, options.in_process, options.copilot)
    return 0


def _serve_web(options: argparse.Namespace) -> int:
    from midfill import app

    if options.tcp or options.copilot:
        raise UsageError(f"--ws does not go with {'--tcp' if options.tcp else '--copilot'}.")
    for origin in options.origin or []:
        if not re.fullmatch(r"https?://[^/?#\s]+", origin):
            raise UsageError(f"{origin!r} is no origin; write it as http://localhost:5173, without a path.")
    if options.page and not (options.page / "index.html").is_file():
        raise UsageError(f"The folder {options.page} has no index.html.")

    def started(address: str) -> None:
        print(address, flush=True)
        how = "Open it in a browser" if options.page else "Connect to it by WebSocket"
        _tell(f"{how}, and keep it to yourself: who has that address can use the server. Ctrl+C ends it.")

    try:
        app.serve_web(started, options.port or 0, options.page, options.origin or [], options.in_process)
    except ImportError as error:
        if error.name != "websockets":
            raise
        raise MidfillError("--ws needs the package websockets: pip install 'midfill[web]'.") from error
    except OSError as error:
        raise MidfillError(f"Port {options.port or 0} cannot be used: {error.strerror or error}.") from error
    return 0


def _host(options: argparse.Namespace) -> int:
    if options.status or options.stop:
        return asyncio.run(_stop_host() if options.stop else _host_status())
    from midfill import app
    from midfill.config import Config
    from midfill.engine.runtime import HostRuns

    try:
        config = Config(
            threads=options.threads,
            gpu_layers=options.gpu_layers,
            flash_attention=options.flash_attention,
            cache_type=options.cache_type,
            split_mode=options.split_mode,
        )
        app.host(config, options.linger)
    except HostRuns as error:
        # What was wanted is so, and a window that started us looks for the other one.
        _tell(str(error))
    return 0


async def _stop_host() -> int:
    from midfill.engine import remote

    _tell("The host has ended." if await remote.stop() else "No host runs.")
    return 0


async def _host_status() -> int:
    from midfill.engine import remote

    found = await remote.status()
    if found is None:
        _tell("No host runs; the first suggestion or edit starts one.")
        return 1
    host, status = found
    print(f"Midfill {host.version}, process {host.pid}, up {status.uptime:.0f} s, windows: {status.windows}")
    for model in status.models:
        speed = f"evaluates {model.evaluate:.0f} and generates {model.generate:.0f} tokens a second"
        cache = f"{model.sessions} sessions, {model.cached} of {model.context} tokens cached"
        print(f"{model.name}: {model.threads} threads, {speed}; {cache}")
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{text!r} is no HOST:PORT; try 127.0.0.1:2087.")
    return host.strip("[]") or "127.0.0.1", int(port)


def _complete(options: argparse.Namespace) -> int:
    from midfill.client import editor, read
    from midfill.text import Encoding, Position

    path, line, column = _place(options.place)
    text = read(path)
    _check_position(path, text, line, column)
    _require_models("complete")

    async def run() -> tuple[Any, dict[str, Any], list[str]]:
        async with editor(path.parent, progress=_progress) as window:
            document = window.open(path)
            items = await window.complete(document, Position(line - 1, column - 1))
            return items, await window.explain(document), window.messages

    items, explanation, messages = asyncio.run(run())
    if options.json:
        from midfill.lsp.convert import to_json

        shown = [{"insertText": item.insert_text, "range": to_json(item.range)} for item in items]
        print(json.dumps({"items": shown, "explain": explanation}, indent=2))
    else:
        from midfill.document import Document
        from midfill.show import ghost

        document = Document.open(path.as_uri(), None, 1, text)
        at = document.text.offset(Position(line - 1, column - 1), Encoding.UTF32)
        for item in items:
            written = str(item.insert_text)
            print(ghost(document, at, written, colour=True) if sys.stdout.isatty() else written)
        if not items:
            _tell(" ".join(messages) or f"No suggestion here: {explanation.get('reason')}.")
    return 1 if explanation.get("outcome") == "failed" else 0


def _act(options: argparse.Namespace) -> int:
    from midfill.client import editor, read

    path, start, end = _lines(options.place)
    text = read(path)
    action, folder = _action(options.action, path)
    mends = action.on == "diagnostic"
    if mends and not options.instruction:
        raise UsageError(f"{options.action} needs --instruction with what the checker says is wrong.")
    _check_position(path, text, start, 1)
    _check_position(path, text, end, 1)
    _require_models("edit")

    async def run() -> dict[str, Any]:
        async with editor(folder, progress=_progress) as window:
            return await _edit(window, path, action.id, start, end, options.instruction, mends)

    outcome = asyncio.run(run())
    if options.json:
        print(json.dumps(outcome, indent=2))
    elif outcome["reason"] is None and options.write:
        _replace(path, outcome["text"])
        _tell(f"{path} changed.")
    elif outcome["reason"] is None:
        from midfill.show import diff

        print(diff(text, outcome["text"], path.name, colour=sys.stdout.isatty()), end="")
    if outcome["reason"] is not None:
        _tell(f"No edit: {outcome['reason']}")
    return 0 if outcome["reason"] is None else 1


def _action(name: str, path: Path) -> tuple[Action, Path]:
    """The action of that id for a file, and the folder to open for it. Raises `UsageError`."""
    from midfill import trust
    from midfill.edits import ACTIONS, custom

    known, hint = dict(ACTIONS), ""
    if name in known:
        return known[name], path.parent
    if data := trust.read(trust.config_dir() / trust.NAME, own=True):
        known |= custom.parse(data, trust.NAME).actions
    project = next((each for each in path.parents if (each / trust.NAME).exists()), path.parent)
    if data := trust.read(project / trust.NAME, own=False):
        if trust.verdict(data) == "trusted":
            known = {**custom.parse(data, trust.NAME).actions, **known}
        else:
            hint = f" {project} has actions of its own; if you want to use them, run `midfill trust {project}`."
    if name not in known:
        raise UsageError(f"There is no action {name!r}; choose one of {', '.join(known)}.{hint}")
    return known[name], project


async def _edit(
    window: Any, path: Path, action: str, start: int, end: int, instruction: str, mends: bool
) -> dict[str, Any]:
    """Resolve one action on lines, counted from 1; the result is what `act --json` prints.

    `mends`: the instruction is what a checker reports.
    """
    from midfill.lsp.convert import to_json
    from midfill.text import Position, Range

    document = window.open(path)
    text = document.text
    if end == start and not mends:
        # One line means the definition around it: an empty selection at its first character.
        line = text.line(start - 1)
        first = Position(start - 1, len(line) - len(line.lstrip()))
        where = Range(first, first)
    else:
        where = Range(Position(start - 1, 0), Position(end - 1, len(text.line(end - 1))))
    problems = [(where, instruction)] if mends else []
    offered = await window.actions(document, where, problems)
    chosen = next((each for each in offered if (each.data or {}).get("action") == action), None)
    if chosen is None:
        reason = f"{action} is not possible on line {start}: there is no code that it applies to."
        return {"edits": [], "text": str(text), "attempts": 0, "reason": reason, "millis": {"total": 0.0}}
    resolved = await window.resolve(chosen, "" if mends else instruction)
    edits = window.edits_of(resolved)
    result = resolved.data["result"]
    return {
        "edits": [{"range": to_json(edit.range), "newText": edit.new_text} for edit in edits],
        "text": str(window.apply(document, edits).text),
        "attempts": result["attempts"],
        "reason": result["reason"],
        "millis": result["millis"],
    }


def _models_list(options: argparse.Namespace) -> int:
    from midfill.models import catalog

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


def _models_fetch(options: argparse.Namespace) -> int:
    from midfill.models.fetch import fetch

    for model in _chosen(options.names):
        with _bar(f"{model.name}") as progress:
            path = fetch(model, progress, _tell)
        _tell(f"{model.name} is at {path}, its SHA-256 is right.")
    return 0


def _models_path(options: argparse.Namespace) -> int:
    from midfill.models import catalog

    model = catalog.find(options.name)
    print(catalog.path(model))
    if not catalog.path(model).exists():
        _tell(f"{model.name} is not there yet: run `midfill models fetch {model.name}`.")
        return 1
    return 0


def _models_verify(options: argparse.Namespace) -> int:
    from midfill.models import catalog

    code = 0
    for model in _chosen(options.names):
        try:
            print(f"{model.name}: right, {catalog.verify(model)}")
        except MidfillError as error:
            _tell(str(error))
            code = 1
    return code


def _models_add(options: argparse.Namespace) -> int:
    from midfill.models import catalog

    model = catalog.add(options.name, options.path, role=options.role, family=options.family)
    choose = "bind it by the setting midfill.models"
    used = f"it is now the default for {model.role}" if model.role else choose
    _tell(f"{model.name} is added ({model.family}, {model.quantization}): {used}.")
    return 0


def _models_inspect(options: argparse.Namespace) -> int:
    from midfill import inspection

    found = inspection.inspect(options.path, options.family)
    print(json.dumps(found, indent=2, ensure_ascii=False) if options.json else inspection.report(found))
    return 0 if found["family"] else 1


def _models_recommend(options: argparse.Namespace) -> int:
    from midfill import recommend
    from midfill.models import catalog

    where = recommend.machine()
    rates = asyncio.run(recommend.measured())
    here = frozenset(model.name for model in catalog.load() if catalog.path(model).exists())
    advice = recommend.recommend(where, rates, here)
    if options.json:
        print(json.dumps(recommend.as_json(where, rates, advice), indent=2))
    else:
        print(recommend.report(where, advice))
    if options.use:
        _tell(f"The models that are here are set in {recommend.use(advice)}.")
    return 0


def _models_compare(options: argparse.Namespace) -> int:
    from midfill import compare

    def progress(what: str, done: int, all_of_them: int) -> None:
        _progress(f"[{'#' * (30 * done // all_of_them):30}] {what}", 100 * done // all_of_them)

    roles = [options.role] if options.role else compare.ROLES
    found = asyncio.run(compare.compare(options.names, roles, progress))
    print(compare.report(found))
    if options.json:
        options.json.write_text(json.dumps(compare.as_json(found), indent=2) + "\n", encoding="utf-8")
    if options.html:
        options.html.write_text(compare.as_html(found), encoding="utf-8")
    return 0


def _trust(options: argparse.Namespace) -> int:
    from midfill import elsewhere, trust

    path = trust.place(Path(options.what))
    if "://" not in options.what and path.parent.is_dir():
        return _trust_actions(path)
    origin = elsewhere.trust(options.what)
    _tell(f"Code may be sent to {origin} from now on, where the setting midfill.engine says so.")
    if origin.startswith("http:"):
        _tell("Without https, everybody on the way can read it.")
    return 0


def _trust_actions(path: Path) -> int:
    """Use a project's actions as they are now; what is wrong with them is said. Raises `MidfillError` for none."""
    from midfill import trust
    from midfill.edits import custom

    data = trust.read(path, own=False)
    if data is None or path.name != trust.NAME:
        raise UsageError(
            f"There is no {trust.NAME} in {path.parent}; name a folder that has one, or a server as https://HOST."
        )
    read = custom.parse(data, str(path))
    for problem in read.problems:
        _tell(problem)
    if not read.actions:
        # There is nothing to remember either: the file is another one when it is mended.
        raise MidfillError(f"{path} has no action that can be used; mend it and run this again.")
    trust.remember(data, path, "trusted")
    for action in read.actions.values():
        print(f"{action.id:30} {action.title}")
    used = "This action" if len(read.actions) == 1 else f"These {len(read.actions)} actions"
    _tell(f"{used} of {path} can be used from now on, until the file changes.")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from midfill import doctor

    findings = asyncio.run(doctor.examine())
    print(json.dumps(findings, indent=2) if options.json else doctor.report(findings))
    return 1 if findings["problems"] else 0


def _stats(options: argparse.Namespace) -> int:
    from midfill import stats

    if options.days is not None and options.days < 1:
        raise UsageError(f"--days needs a number from 1, not {options.days}.")
    if options.forget:
        stats.forget()
        _tell("Forgotten.")
        return 0
    suggestions = stats.read(options.days)
    if options.json:
        print(json.dumps(stats.summary(suggestions), indent=2))
    elif options.html:
        try:
            options.html.write_text(stats.page(suggestions), "utf-8")
        except OSError as error:
            raise UsageError(f"{options.html} cannot be written: {error.strerror}.") from None
        _tell(f"{options.html} is written.")
    else:
        print(stats.report(suggestions), end="")
    return 0


def _bench_typing(options: argparse.Namespace) -> int:
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
        _require_models("complete")
    typing.main(plan, _progress, options.json, options.plot)
    return 0


def _bench_load(options: argparse.Namespace) -> int:
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
    figures = asyncio.run(load.run(plan, _progress))
    print(load.report(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 1 if figures["lost"] else 0


def _bench_edit(options: argparse.Namespace) -> int:
    from midfill.bench import edit

    _require_models("edit")
    edit.main(_progress, options.json)
    return 0


def _demo(options: argparse.Namespace) -> int:
    from midfill import demo

    place = _place(options.place) if options.place else None
    _require_models("complete", "edit")
    return asyncio.run(demo.run(place))


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) > 256:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 256")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port, a number up to 65535")
    return int(text)


def _linger(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no time in seconds")
    return seconds


def _chosen(names: list[str]) -> list[Model]:
    """The models named, or the default of each role."""
    from midfill.models import catalog

    return [catalog.find(name) for name in names or ["complete", "edit"]]


def _require_models(*roles: str) -> None:
    """Say at once, and not after a server has started, that a model is missing."""
    from midfill.models import catalog

    for role in roles:
        catalog.present(catalog.find(role))


def _place(text: str) -> tuple[Path, int, int]:
    match = re.fullmatch(r"(.+?):(\d+):(\d+)", text)
    if not match:
        raise UsageError(f"{text!r} is no FILE:LINE:COL; try for example app.py:12:5.")
    return Path(match[1]).expanduser().absolute(), int(match[2]), int(match[3])


def _lines(text: str) -> tuple[Path, int, int]:
    match = re.fullmatch(r"(.+?):(\d+)(?:-(\d+))?", text)
    if not match:
        raise UsageError(f"{text!r} is no FILE:START[-END]; try for example app.py:12 or app.py:12-20.")
    start, end = int(match[2]), int(match[3] or match[2])
    if end < start:
        raise UsageError(f"The lines {start}-{end} run backwards; write {end}-{start}.")
    return Path(match[1]).expanduser().absolute(), start, end


def _check_position(path: Path, content: str, line: int, column: int) -> None:
    from midfill.text import Text

    text = Text.of(content)
    if not 1 <= line <= text.line_count:
        raise UsageError(f"{path.name} has lines 1 to {text.line_count}, not {line}.")
    length = len(text.line(line - 1))
    if not 1 <= column <= length + 1:
        raise UsageError(f"Line {line} of {path.name} has columns 1 to {length + 1}, not {column}.")


def _replace(path: Path, text: str) -> None:
    """Write the whole file or nothing of it, keeping its permissions."""
    path = path.resolve()
    new = path.with_name(f".{path.name}.midfill-{os.getpid()}")
    try:
        new.write_bytes(text.encode("utf-8"))
        new.chmod(path.stat().st_mode & 0o7777)
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror}. The file is as it was.") from None


def _progress(message: str, percentage: int | None) -> None:
    """One line that rewrites itself, on a terminal only."""
    if sys.stderr.isatty():
        done = f" {percentage}%" if percentage is not None else ""
        sys.stderr.write(f"\r\x1b[K{message}{done}\r")
        sys.stderr.flush()


@contextlib.contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar in bytes on a terminal; elsewhere a line every ten percent."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

        columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(title, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
        return
    tenth = -1

    def report(done: int, total: int) -> None:
        nonlocal tenth
        if total and done * 10 // total > tenth:
            tenth = done * 10 // total
            _tell(f"{title}: {tenth * 10}% of {total / 1e6:,.0f} MB")

    yield report


def _tell(message: str) -> None:
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}midfill: {message}", file=sys.stderr)
