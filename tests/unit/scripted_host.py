"""A host process with an engine that says what it is told: `python scripted_host.py VERSION LINGER '["answer"]'`.

The answer "<hold>" is never finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys

from scripted import ScriptedEngine

import midfill
from midfill.engine import runtime
from midfill.engine.host import Host

midfill.__version__, linger, answers = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
engine = ScriptedEngine(answers, asyncio.Event() if "<hold>" in answers else None)
with contextlib.suppress(runtime.HostRuns), runtime.claimed() as (listener, notice):
    asyncio.run(Host(engine, notice, linger).run(listener))
