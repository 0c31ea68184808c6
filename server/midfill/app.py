"""The composition root: puts models, engine and server together."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from midfill import elsewhere
from midfill.config import Config
from midfill.engine.base import ModelFile, ModelInfo, Request, Role, Template, Usage
from midfill.models import catalog, families
from midfill.trust import config_dir

if TYPE_CHECKING:
    from midfill.engine.chosen import ChosenEngine
    from midfill.engine.embedded import EmbeddedEngine, NativeModel
    from midfill.engine.generate import LanguageModel
    from midfill.engine.openai import OpenAIEngine
    from midfill.engine.remote import HostEngine

# A server that uses the host needs neither numpy nor llama.cpp, so what does is imported where it is used.

# How many tokens prompt and answer may have together: 12 KB of KV cache each for the 0.5B model, 28 for the 1.5B.
CONTEXT = 8192
# How many seconds the host waits for a new window when the last one has left.
LINGER = 120.0
LOG_BYTES = 1_000_000


def serve(tcp: tuple[str, int] | None = None, in_process: bool = False, copilot: bool = False) -> None:
    """Run the language server until its client leaves. With `in_process` it loads the models itself.

    With `copilot` it also answers what clients of Copilot's language server ask.
    """
    from midfill.lsp.lifecycle import register
    from midfill.lsp.server import Server

    server = Server(lambda settings: chosen_engine(settings, in_process), user_settings(), copilot)
    register(server)
    if tcp:
        server.start_tcp(*tcp)
    else:
        server.start_io()


def serve_web(
    started: Callable[[str], None], port: int, page: Path | None, origins: list[str], in_process: bool = False
) -> None:
    """Run language servers on WebSockets until interrupted; `started` hears the address, with the token in it."""
    from midfill.lsp import web
    from midfill.lsp.lifecycle import register
    from midfill.lsp.server import Server

    def make() -> Server:
        server = Server(lambda settings: chosen_engine(settings, in_process), user_settings())
        register(server)
        return server

    asyncio.run(web.run(make, started, port, page, origins))


def settings_file() -> Path:
    """The user's own settings, over which an editor's go."""
    return config_dir() / "settings.json"


def user_settings() -> dict[str, Any]:
    """What stands in that file; nothing, where it cannot be read."""
    try:
        settings = json.loads(settings_file().read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        logging.getLogger(__name__).warning("%s is not used: %s", settings_file(), error)
        return {}
    return settings if isinstance(settings, dict) else {}


def host(config: Config, linger: float = LINGER) -> None:
    """Run the models for all windows of this user, until none was there for `linger` seconds.

    `config` tells how models are loaded. Raises `HostRuns` when another process does it already, or `EngineError`.
    """
    from midfill.engine import runtime

    log_to_file()
    with runtime.claimed() as (listener, notice):
        # Windows can connect from here on; they wait for the answer while the rest is imported.
        from midfill.engine.host import Host

        engine = local_engine(lambda: config)
        asyncio.run(Host(engine, notice, linger).run(listener))


def host_engine(settings: Callable[[], Config]) -> HostEngine:
    """The engine in the host, which is started on need; `settings` tells which models are wanted."""
    from midfill.engine.remote import HostEngine

    def command() -> list[str]:
        # -P: a window's working folder may be a stranger's project, and no module of it must be imported.
        now = settings()
        options = {
            "--threads": now.threads,
            "--gpu-layers": now.gpu_layers,
            "--flash-attention": now.flash_attention,
            "--cache-type": now.cache_type,
            "--split-mode": now.split_mode,
        }
        given = [str(word) for option in options.items() for word in option]
        return [sys.executable, "-P", "-m", "midfill", "host", *given]

    return HostEngine(_info(settings), command, settings)


def chosen_engine(settings: Callable[[], Config], in_process: bool = False) -> ChosenEngine:
    """What `midfill.engine` says at the moment: this machine's models, or a server's."""
    from midfill.engine.chosen import ChosenEngine

    def there() -> OpenAIEngine:
        from midfill.engine.openai import OpenAIEngine

        return OpenAIEngine(
            lambda role: elsewhere.info(settings().engine, role),
            lambda role: elsewhere.place(settings().engine, role),
        )

    here = local_engine(settings) if in_process else host_engine(settings)
    return ChosenEngine(
        here, there, lambda: settings().engine.kind == "openai", lambda: settings().engine.fallback
    )


def local_engine(settings: Callable[[], Config]) -> EmbeddedEngine:
    """llama.cpp in this process, with the catalogue's models; `settings` tells which and how."""
    from midfill.engine.embedded import EmbeddedEngine

    def load(file: ModelFile, progress: Callable[[float], None]) -> NativeModel:
        # In the model's own thread, because checking the bytes of a new file takes seconds.
        entry = catalog.find(file.info.name)
        catalog.ensure_usable(entry)
        from midfill.engine import llama
        from midfill.engine.threads import Threads

        wanted = settings().threads
        now = settings()
        options = llama.Options(now.gpu_layers, now.flash_attention, now.cache_type, now.split_mode)
        model = llama.load(file, progress, Threads(wanted or cores(), measured=not wanted), options)
        if entry.is_users_own and "complete" in entry.roles:
            model.warning = self_test(model, file.info)
        return model

    return EmbeddedEngine(_info(settings), _locate, load)


def self_test(model: LanguageModel, info: ModelInfo) -> str | None:
    """Let a model fill a hole that any model of code can fill; what the user is to hear if it does not."""
    from midfill.completion import fim
    from midfill.engine.generate import generate

    if info.family not in fim.FAMILIES:
        return None
    before, typed, after = "def add(a, b):\n", "    return a", "\n\n\nprint(add(1, 2))\n"
    parts = fim.prompt(fim.FAMILIES[info.family], before, typed, after)
    answer: list[str] = []
    request = Request("complete", info.name, parts, 8, stop=("\n",))
    generate(model, request, Usage(), lambda chunk: answer.append(chunk.text))
    if re.match(r"\s*\+\s*b\b", "".join(answer)):
        return None
    return (
        f"The model {info.name} answers nonsense: after `def add(a, b): return a` it writes {''.join(answer)!r}. "
        f"Perhaps its family is not {info.family} (see `midfill models inspect`), or it is no model to complete "
        "code. Choose another in midfill.models.complete."
    )


def _info(settings: Callable[[], Config]) -> Callable[[Role], ModelInfo]:
    def info(role: Role) -> ModelInfo:
        name = settings().models.of(role)
        return replace(_locate(name).info, doubt=catalog.doubt(catalog.find(name), role))

    return info


def _locate(name: str) -> ModelFile:
    model = catalog.find(name)
    template = Template(model.template, model.begin, model.end) if model.template else None
    stops = families.named(model.family).stops
    info = ModelInfo(model.name, model.family, min(CONTEXT, model.context), template=template, stops=stops)
    return ModelFile(info, catalog.present(model))


def log_to_file() -> None:
    """For a process without a terminal. The log never holds the user's code: pygls, which logs it, is silent."""
    from logging.handlers import RotatingFileHandler

    from midfill.engine.runtime import log_folder

    handler: logging.Handler = logging.StreamHandler()
    if not sys.stderr.isatty():
        try:
            log_folder().mkdir(parents=True, exist_ok=True)
            path = log_folder() / "host.log"
            handler = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=3, encoding="utf-8", delay=True)
        except OSError:
            # A home without room or rights for a log is no reason not to work.
            handler = logging.NullHandler()
    faulthandler.enable()
    logging.basicConfig(handlers=[handler], level=logging.WARNING, format=f"%(asctime)s {os.getpid()} %(message)s")
    logging.getLogger("midfill").setLevel(logging.INFO)
    # A hundred lines a model, which are about the model and not about us.
    logging.getLogger("midfill.engine.llama").setLevel(logging.WARNING)
    logging.getLogger("pygls").setLevel(logging.CRITICAL)


def log_to_stderr(verbose: bool) -> None:
    """Our own messages; those of the libraries hold the user's code, so only their warnings."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("midfill").setLevel(logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger("pygls").setLevel(logging.ERROR)


def cores() -> int:
    """Physical cores, as far as this process may use them; hyper-threads slow llama.cpp down."""
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or usable, usable)
