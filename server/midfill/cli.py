"""The command line. Results go to standard output; progress and messages to standard error.

Exit codes: 0 done; 1 it was tried and could not be done; 2 the request is wrong.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import midfill
from midfill import terminal
from midfill.errors import MidfillError, UsageError

# Every import of this module delays the server's answer to its editor.


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Where the output is no UTF-8, as in a file on Windows, what it cannot spell is escaped.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return command(options.run)(options)
    except UsageError as error:
        terminal.tell(str(error))
        return 2
    except MidfillError as error:
        terminal.tell(str(error))
        return 1
    except BrokenPipeError:
        # The reader of our output has gone, which is its good right; do not complain when flushing at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        terminal.tell("Interrupted.")
        return 130


def copilot() -> int:
    """`midfill-copilot`: what to give a plugin of Copilot that wants one path to a language server."""
    return main(["serve", "--copilot", *sys.argv[1:]])


def command(run: str) -> Callable[[argparse.Namespace], int]:
    """The function that `run` names in one of our modules, which is imported for it and no sooner."""
    module, function = run.split(".")
    found: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(f"midfill.{module}"), function)
    return found


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
    serve.set_defaults(run="serve_commands.serve")

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
    host.set_defaults(run="serve_commands.host")

    complete = commands.add_parser("complete", help="suggest what to insert at a place in a file")
    complete.add_argument("place", metavar="FILE:LINE:COL", help="LINE and COL count from 1")
    complete.add_argument("--json", action="store_true", help="print the items and why, as JSON")
    complete.set_defaults(run="code_commands.complete")

    act = commands.add_parser("act", help="change code: docstring, refactor, fix, or an action of your own")
    act.add_argument("action", metavar="ACTION", help="docstring, refactor, fix ..., or the name of your own")
    act.add_argument("place", metavar="FILE:START[-END]", help="lines, counted from 1")
    act.add_argument("--instruction", default="", help="what to do (refactor); what is wrong (fix)")
    how = act.add_mutually_exclusive_group()
    how.add_argument("--diff", action="store_true", help="print the change (this is the default)")
    how.add_argument("--write", action="store_true", help="change the file")
    how.add_argument("--json", action="store_true", help="print the edits and the new text as JSON")
    act.set_defaults(run="code_commands.act")

    models = commands.add_parser("models", help="list, fetch, check and add model files")
    which = models.add_subparsers(required=True, metavar="COMMAND")
    known = which.add_parser("list", help="the models known, and which are here")
    known.add_argument("--json", action="store_true")
    known.set_defaults(run="model_commands.list_")
    fetch = which.add_parser("fetch", help="download models (the two defaults, unless named)")
    fetch.add_argument("names", nargs="*", metavar="ROLE|NAME")
    fetch.set_defaults(run="model_commands.fetch")
    path = which.add_parser("path", help="print where a model's file is")
    path.add_argument("name", metavar="ROLE|NAME")
    path.set_defaults(run="model_commands.path")
    verify = which.add_parser("verify", help="compare the files with their official SHA-256")
    verify.add_argument("names", nargs="*", metavar="ROLE|NAME")
    verify.set_defaults(run="model_commands.verify")
    add = which.add_parser("add", help="use a GGUF file of your own")
    add.add_argument("name", metavar="NAME")
    add.add_argument("path", metavar="PATH.gguf", type=Path)
    add.add_argument("--role", choices=["complete", "edit"], help="make it the default of this role")
    add.add_argument("--family", help="its family, where the file does not tell")
    add.set_defaults(run="model_commands.add")
    inspect = which.add_parser("inspect", help="tell a GGUF file's family, and how it is asked")
    inspect.add_argument("path", metavar="PATH.gguf", type=Path)
    inspect.add_argument("--family", help="its family, where the file does not tell")
    inspect.add_argument("--json", action="store_true", help="for programs")
    inspect.set_defaults(run="model_commands.inspect")

    recommend = which.add_parser("recommend", help="which models are right for this machine")
    recommend.add_argument("--json", action="store_true", help="for programs")
    recommend.add_argument("--use", action="store_true", help="write it to the settings")
    recommend.set_defaults(run="model_commands.recommend")

    compare = which.add_parser("compare", help="give models the same small tasks")
    compare.add_argument("names", nargs="+", metavar="NAME")
    compare.add_argument("--role", choices=["complete", "edit", "explain"], help="only the tasks of this role")
    compare.add_argument("--json", metavar="FILE", type=Path, help="write the figures")
    compare.add_argument("--html", metavar="FILE", type=Path, help="write a report with a plot")
    compare.set_defaults(run="model_commands.compare")

    trust = commands.add_parser("trust", help="use a project's own actions, or an inference server elsewhere")
    trust.add_argument("what", metavar="PATH|URL", help="a folder with a .midfill.toml, or a server's address")
    trust.set_defaults(run="code_commands.trust")

    doctor = commands.add_parser("doctor", help="check the installation and measure the models")
    doctor.add_argument("--json", action="store_true")
    doctor.set_defaults(run="report_commands.doctor")

    stats = commands.add_parser("stats", help="what came of the suggestions: shown, accepted, kept, how fast")
    stats.add_argument("--days", metavar="N", type=int, help="of the last N days only")
    stats_as = stats.add_mutually_exclusive_group()
    stats_as.add_argument("--json", action="store_true")
    stats_as.add_argument("--html", metavar="FILE", type=Path, help="write one page with plots")
    stats_as.add_argument("--forget", action="store_true", help="delete what was counted")
    stats.set_defaults(run="report_commands.stats")

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
    typing.set_defaults(run="report_commands.bench_typing")
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
    load.set_defaults(run="report_commands.bench_load")
    edit = measure.add_parser("edit", help="rewrite real functions with and without drafts")
    edit.add_argument("--json", metavar="FILE", type=Path, help="write every edit and all figures")
    edit.set_defaults(run="report_commands.bench_edit")

    demo = commands.add_parser("demo", help="see it work on a sample project, or on your own file")
    demo.add_argument("place", nargs="?", metavar="FILE:LINE:COL")
    demo.set_defaults(run="code_commands.demo")
    return parser


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
