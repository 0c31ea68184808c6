"""A running llama-server, asked as llama.vim asks it."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any, Self
from urllib.parse import urlsplit

from midfill.bench.figures import PeerSample
from midfill.errors import EngineError, UsageError
from midfill.text import indentation, is_blank

PREFIX_LINES, SUFFIX_LINES, TOKENS = 256, 64, 24

# llama.vim's own: the sampling that stops an uncertain answer, and the limit after which the first line is enough.
_OPTIONS = {
    "id_slot": 0,
    "input_extra": [],
    "n_predict": TOKENS,
    "stop": [],
    "top_k": 40,
    "top_p": 0.90,
    "samplers": ["top_k", "top_p", "infill"],
    "seed": 1,
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 250,
    "response_fields": ["content", "timings"],
}


class Peer:
    """A llama-server that answers at `url`. Use it as a context manager."""

    def __init__(self, url: str) -> None:
        """Raises `UsageError` for what is no URL, and `EngineError` when nobody answers there."""
        address = urlsplit(url)
        if address.scheme != "http" or not address.hostname:
            raise UsageError(f"{url!r} is no address of a llama-server; try http://127.0.0.1:8012.")
        self._url = url
        self._path = address.path.rstrip("/")
        self._connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=120)
        self._connect()
        self._send("GET", "/health")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, text: str, line: int, character: int) -> PeerSample:
        """Ask for a completion at a position, which counts code points. Raises `EngineError`."""
        body = json.dumps({**request(text, line, character), **_OPTIONS})
        # The server drops a connection that was idle for some seconds. A new one is made outside of the time.
        self._connect()
        started = time.perf_counter()
        answer = self._send("POST", "/infill", body)
        ms = (time.perf_counter() - started) * 1000
        try:
            timings = json.loads(answer)["timings"]
            evaluated, generated = timings["prompt_n"], timings["predicted_n"]
            return PeerSample(ms, evaluated, generated, timings["prompt_ms"], timings["predicted_ms"])
        except (ValueError, KeyError, TypeError) as error:
            raise EngineError(f"{self._url} does not answer as a llama-server does: {answer[:200]!r}.") from error

    def _connect(self) -> None:
        self._connection.close()
        try:
            self._connection.connect()
        except OSError as error:
            raise self._unreachable(error) from error

    def _send(self, method: str, path: str, body: str | None = None) -> bytes:
        headers = {"Content-Type": "application/json"} if body else {}
        try:
            self._connection.request(method, self._path + path, body, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if response.status != 200:
            raise EngineError(f"{self._url}{path} answers {response.status}: {answer[:200]!r}.")
        return answer

    def _unreachable(self, error: Exception) -> EngineError:
        return EngineError(f"No llama-server answers at {self._url}: {error}. Start one, or leave --peer out.")


def request(text: str, line: int, character: int) -> dict[str, Any]:
    """The part of llama.vim's request that follows from the file and the cursor.

    From `fim_ctx_local` in its autoload/llama.vim: whole lines around the cursor's, whose beginning is the
    `prompt`; a line of white space counts as empty.
    """
    lines = text.split("\n")
    current = lines[line]
    before, after = ("", "") if is_blank(current) else (current[:character], current[character:])
    return {
        "input_prefix": "\n".join(lines[max(0, line - PREFIX_LINES) : line]) + "\n",
        "prompt": before,
        "input_suffix": "\n".join([after, *lines[line + 1 : line + 1 + SUFFIX_LINES]]) + "\n",
        "n_indent": 0 if is_blank(current) else len(indentation(current)),
    }
