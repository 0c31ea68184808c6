"""The tokens of a prompt by the vocabulary of any GGUF file, told by a process of its own.

llama.cpp ends the process that makes it read a vocabulary which it did not think of, such as one that has a token
twice.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from midfill.engine.base import Part
from midfill.errors import LoadError

SECONDS = 60


def tokens(path: Path, stops: Sequence[str], parts: Sequence[Part]) -> list[int]:
    """The tokens of a whole prompt. Loads no weights. Raises `LoadError`."""
    task = {"path": str(path), "stops": list(stops), "parts": [asdict(part) for part in parts]}
    # -P: the working folder may be a stranger's, and no module of it must be imported.
    command = [sys.executable, "-P", "-m", "midfill.engine.tokens"]
    try:
        done = subprocess.run(
            command, input=json.dumps(task).encode(), capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise LoadError("it takes too long") from None
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == 1:
        raise LoadError(said)
    if done.returncode:
        # Where an assertion fails, llama.cpp says which before it ends.
        assertion = next((line for line in said.splitlines() if "ASSERT" in line), "without a word")
        raise LoadError(f"it crashes ({assertion.rpartition('/')[2]})")
    found: list[int] = json.loads(done.stdout)
    return found


def main() -> int:
    from midfill.engine import llama

    task = json.loads(sys.stdin.buffer.read())
    try:
        with llama.vocabulary(Path(task["path"]), task["stops"]) as tokenizer:
            found = tokenizer.prompt([Part(**part) for part in task["parts"]])
    except LoadError as error:
        sys.stderr.write(str(error))
        return 1
    json.dump(found, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
