"""The commands `serve` and `host`: the two processes of Midfill."""

from __future__ import annotations

import argparse
import asyncio
import re

from midfill import terminal
from midfill.errors import MidfillError, UsageError

# Every import of this module delays the server's answer to its editor, and the host's greeting.


def serve(options: argparse.Namespace) -> int:
    from midfill import app

    app.log_to_stderr(options.verbose)
    if options.ws:
        return _serve_web(options)
    if options.port is not None or options.page or options.origin:
        raise UsageError("--port, --page and --origin go with --ws.")
    app.serve(_address(options.tcp) if options.tcp else None, options.in_process, options.copilot)
    return 0


def host(options: argparse.Namespace) -> int:
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
        terminal.tell(str(error))
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
        terminal.tell(f"{how}, and keep it to yourself: who has that address can use the server. Ctrl+C ends it.")

    try:
        app.serve_web(started, options.port or 0, options.page, options.origin or [], options.in_process)
    except ImportError as error:
        if error.name != "websockets":
            raise
        raise MidfillError("--ws needs the package websockets: pip install 'midfill[web]'.") from error
    except OSError as error:
        raise MidfillError(f"Port {options.port or 0} cannot be used: {error.strerror or error}.") from error
    return 0


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{text!r} is no HOST:PORT; try 127.0.0.1:2087.")
    return host.strip("[]") or "127.0.0.1", int(port)


async def _stop_host() -> int:
    from midfill.engine import remote

    terminal.tell("The host has ended." if await remote.stop() else "No host runs.")
    return 0


async def _host_status() -> int:
    from midfill.engine import remote

    found = await remote.status()
    if found is None:
        terminal.tell("No host runs; the first suggestion or edit starts one.")
        return 1
    host, status = found
    print(f"Midfill {host.version}, process {host.pid}, up {status.uptime:.0f} s, windows: {status.windows}")
    for model in status.models:
        speed = f"evaluates {model.evaluate:.0f} and generates {model.generate:.0f} tokens a second"
        cache = f"{model.sessions} sessions, {model.cached} of {model.context} tokens cached"
        print(f"{model.name}: {model.threads} threads, {speed}; {cache}")
    return 0
