"""`midfill serve` with an ear on the wire: writes a line of JSON for every message to the file $MIDFILL_TAP.

A line is `[seconds, "in" or "out", method or null, id or null]`; the clock is that of the wall.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from typing import BinaryIO

server = subprocess.Popen(
    [os.environ["MIDFILL_PROGRAM"], *sys.argv[1:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
)


def relay(source: BinaryIO, target: BinaryIO, name: str) -> None:
    with open(os.environ["MIDFILL_TAP"], "a", buffering=1) as log:
        while header := b"".join(iter(source.readline, b"\r\n")):
            length = re.search(rb"Content-Length: (\d+)", header)
            assert length is not None, header
            body = source.read(int(length[1]))
            at = time.time()
            target.write(header + b"\r\n" + body)
            target.flush()
            message = json.loads(body)
            log.write(json.dumps([at, name, message.get("method"), message.get("id")]) + "\n")


def incoming() -> None:
    with contextlib.suppress(BrokenPipeError):
        relay(sys.stdin.buffer, server.stdin, "in")  # type: ignore[arg-type]
        server.stdin.close()  # type: ignore[union-attr]


def outgoing() -> None:
    relay(server.stdout, sys.stdout.buffer, "out")  # type: ignore[arg-type]


if sys.argv[1:2] == ["serve"]:
    for each in (incoming, outgoing):
        threading.Thread(target=each, daemon=True).start()
else:
    sys.stdout.buffer.write(server.communicate()[0])
    sys.stdout.flush()
# Not `sys.exit`: the threads may be waiting for more.
os._exit(server.wait() % 256)
