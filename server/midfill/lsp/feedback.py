"""What the editor reports of suggestions, shown or accepted, and what follows from it for the next ones."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from typing import Any

from midfill.completion import Completion
from midfill.completion.calibration import Counts, counts, threshold
from midfill.index.store import cache_dir
from midfill.lsp.server import Server

ACCEPTED = "midfill.accepted"
# So many suggestions can be reported on, the latest ones.
_KNOWN = 256


class Feedback:
    """The suggestions given lately, and the counts of those shown and accepted, which outlive the server.

    An acceptance counts only of what was reported as shown, since many editors report the one without the other.
    """

    def __init__(self) -> None:
        self._path = cache_dir() / "accepted.json"
        self._counts: Counts | None = None
        self._ids: dict[tuple[str, str], str] = {}
        self._confidence: dict[str, float] = {}
        self._shown: set[str] = set()
        self._given = 0

    def name(self, completion: Completion) -> str:
        """The id of a suggestion; what is left of it after some typing has the same one."""
        key = (completion.uri, completion.raw)
        if key not in self._ids:
            self._given += 1
            self._ids[key] = str(self._given)
            while len(self._ids) > _KNOWN:
                old = self._ids.pop(next(iter(self._ids)))
                self._confidence.pop(old, None)
                self._shown.discard(old)
        self._confidence[self._ids[key]] = completion.confidence
        return self._ids[key]

    def shown(self, given: object) -> None:
        """The editor has shown a suggestion. What it says of an unknown one is of no use."""
        if isinstance(given, str) and given in self._confidence and given not in self._shown:
            self._shown.add(given)
            self._keep(self.counts.saw(self._confidence[given]))

    def accepted(self, given: object) -> None:
        """The user has accepted a suggestion."""
        if isinstance(given, str) and given in self._shown:
            self._shown.discard(given)
            self._keep(self.counts.took(self._confidence.pop(given)))

    def apply(self, server: Server) -> None:
        """Let the threshold of the next suggestions be what the user's choices say."""
        wanted = threshold(server.config.min_confidence, self.counts)
        config = server.completer.config
        if config.min_confidence != wanted:
            server.completer = replace(server.completer, config=replace(config, min_confidence=wanted))

    @property
    def counts(self) -> Counts:
        if self._counts is None:
            self._counts = self._read()
        return self._counts

    def _read(self) -> Counts:
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            return counts(kept["shown"], kept["accepted"])
        except (OSError, ValueError, KeyError, TypeError):
            return Counts()

    def _keep(self, new: Counts) -> None:
        """Of two windows that write at once one is forgotten, which does no harm."""
        self._counts = new
        beside = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            beside.write_text(json.dumps({"shown": new.shown, "accepted": new.accepted}), "utf-8")
            os.replace(beside, self._path)


def suggestion_of(params: Any) -> object:
    """The id in the item of `textDocument/didShowCompletion`, `{item: {command: {arguments: [id]}}}`."""
    try:
        return params["item"]["command"]["arguments"][0]
    except (KeyError, IndexError, TypeError):
        return None
