"""The real server with an engine that says what it is told: `python scripted_server.py '["answer", ...]'`.

The answer "<hold>" never comes; "<slow>text" comes after half a second; "<missing>" raises ModelMissing; behind
"<load>" as the first, a model is loaded. A second argument `--copilot` is that of `midfill serve`; with `--ws`, it
serves WebSockets.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

from scripted import ScriptedEngine

from midfill.errors import ModelMissing
from midfill.lsp.lifecycle import register
from midfill.lsp.server import Server

ANSWERS = json.loads(sys.argv[1])


def engine(_: object) -> ScriptedEngine:
    missing = ModelMissing("The model is not on this machine: run `midfill models fetch complete`.")
    answers = [missing if answer == "<missing>" else answer for answer in ANSWERS]
    loads = "<load>" in ANSWERS
    return ScriptedEngine(answers[loads:], asyncio.Event() if "<hold>" in ANSWERS else None, loads)


def make() -> Server:
    server = Server(engine, copilot="--copilot" in sys.argv)
    register(server)
    return server


if "--ws" in sys.argv:
    from midfill.lsp import web

    asyncio.run(web.run(make, lambda address: print(address, flush=True)))
else:
    make().start_io()
