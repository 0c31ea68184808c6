"""The composition root: puts models, engine and server together."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from midfill.config import Config
from midfill.engine.base import ModelFile, ModelInfo, Role
from midfill.engine.embedded import EmbeddedEngine, NativeModel
from midfill.models import catalog

# How many tokens prompt and answer may have together: 12 KB of KV cache each for the 0.5B model, 28 for the 1.5B.
CONTEXT = 8192


def serve(tcp: tuple[str, int] | None = None) -> None:
    """Run the language server until its client leaves."""
    from midfill.lsp.lifecycle import register
    from midfill.lsp.server import Server

    server = Server(local_engine)
    register(server)
    if tcp:
        server.start_tcp(*tcp)
    else:
        server.start_io()


def local_engine(settings: Callable[[], Config]) -> EmbeddedEngine:
    """llama.cpp in this process, with the catalogue's models; `settings` tells which and how."""

    def info(role: Role) -> ModelInfo:
        config = settings()
        return locate(config.complete_model if role == "complete" else config.edit_model).info

    def locate(name: str) -> ModelFile:
        model = catalog.find(name)
        info = ModelInfo(model.name, model.family, min(CONTEXT, model.context))
        return ModelFile(info, catalog.present(model))

    def load(file: ModelFile, progress: Callable[[float], None]) -> NativeModel:
        # In the model's own thread, because checking the bytes of a new file takes seconds.
        catalog.ensure_usable(catalog.find(file.info.name))
        from midfill.engine import llama

        return llama.load(file, progress, settings().threads or _cores())

    return EmbeddedEngine(info, locate, load)


def log_to_stderr(verbose: bool) -> None:
    """Our own messages; those of the libraries hold the user's code, so only their warnings."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("midfill").setLevel(logging.DEBUG if verbose else logging.WARNING)
    logging.getLogger("pygls").setLevel(logging.ERROR)


def _cores() -> int:
    """Physical cores, as far as this process may use them; hyper-threads slow llama.cpp down."""
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(psutil.cpu_count(logical=False) or usable, usable)
