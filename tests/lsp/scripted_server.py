"""The real server with an engine that says what it is told: `python scripted_server.py '["answer", ...]'`.

The answer "<hold>" never comes; "<slow>text" comes after half a second; "<missing>" raises ModelMissing; behind
"<load>" as the first, a model is loaded. A second argument `--copilot` is that of `midfill serve`; with `--ws`, it
serves WebSockets; with `--roles` the engine tells of the models that the settings bind, as the real one does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from scripted import ScriptedEngine

from midfill import app
from midfill.config import Config
from midfill.errors import ModelMissing
from midfill.lsp.lifecycle import register
from midfill.lsp.server import Server

ANSWERS = json.loads(sys.argv[1])


def engine(settings: Callable[[], Config]) -> ScriptedEngine:
    missing = ModelMissing("The model is not on this machine: run `midfill models fetch complete`.")
    answers = [missing if answer == "<missing>" else answer for answer in ANSWERS]
    loads = "<load>" in ANSWERS
    scripted = ScriptedEngine(answers[loads:], asyncio.Event() if "<hold>" in ANSWERS else None, loads)
    if "--roles" in sys.argv:
        scripted.info = app._info(settings)  # type: ignore[method-assign]
    return scripted


def make() -> Server:
    server = Server(engine, copilot="--copilot" in sys.argv)
    register(server)
    return server


if "--ws" in sys.argv:
    from midfill.lsp import web

    asyncio.run(web.run(make, lambda address: print(address, flush=True)))
else:
    make().start_io()
