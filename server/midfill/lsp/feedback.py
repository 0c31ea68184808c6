"""What the editor reports of suggestions, shown or accepted, and what follows from it for the next ones."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
from dataclasses import dataclass, replace
from typing import Any

from midfill import stats
from midfill.completion import Completion
from midfill.completion.calibration import Counts, counts, threshold
from midfill.index.store import cache_dir
from midfill.lsp.server import Server

ACCEPTED = "midfill.accepted"
COPILOT_ACCEPTED = "github.copilot.didAcceptCompletionItem"
# So many suggestions can be reported on, the latest ones.
_KNOWN = 256


@dataclass
class _Given:
    """A suggestion that was given to the editor, and what is left of its text."""

    uri: str
    text: str
    confidence: float
    shown: bool = False


class Feedback:
    """The suggestions given lately, and the counts of those shown and accepted, which outlive the server.

    For the threshold an acceptance counts only of what was reported as shown, since many editors report the one
    without the other. The statistics (`midfill.stats`) are told of every event, unless the settings forbid it.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._path = cache_dir() / "accepted.json"
        self._counts: Counts | None = None
        self._ids: dict[tuple[str, str, int], str] = {}
        self._given: dict[str, _Given] = {}
        self._window = secrets.token_hex(4)
        self._numbers = 0

    def name(self, completion: Completion, text: str, confidence: float, index: int = 0) -> str:
        """The id of a suggestion; what is left of it after some typing has the same one."""
        key = (completion.uri, completion.raw, index)
        if key not in self._ids:
            self._numbers += 1
            self._ids[key] = f"{self._window}-{self._numbers}"
            while len(self._ids) > _KNOWN:
                self._given.pop(self._ids.pop(next(iter(self._ids))), None)
            self._record("given", self._ids[key], **self._facts(completion, text, confidence))
        name = self._ids[key]
        known = self._given.setdefault(name, _Given(completion.uri, text, confidence))
        known.text, known.confidence = text, confidence
        return name

    def shown(self, given: object) -> None:
        """The editor has shown a suggestion. What it says of an unknown one is of no use."""
        known = self._given.get(given) if isinstance(given, str) else None
        if isinstance(given, str) and known and not known.shown:
            known.shown = True
            self._record("shown", given)
            self._keep(self.counts.saw(known.confidence))

    def accepted(self, given: object) -> None:
        """The user has accepted a suggestion."""
        known = self._given.pop(given, None) if isinstance(given, str) else None
        if isinstance(given, str) and known:
            self._record("accepted", given)
            if known.shown:
                self._keep(self.counts.took(known.confidence))
            asyncio.get_running_loop().call_later(stats.KEPT_AFTER, self._look_again, given, known)

    def partly_accepted(self, given: object, characters: int) -> None:
        """The user has accepted the beginning of a suggestion, so many UTF-16 units."""
        if isinstance(given, str) and given in self._given:
            self._record("partly", given, characters=characters)

    def _look_again(self, given: str, known: _Given) -> None:
        """Is it still there? Of a file that was closed nobody knows."""
        document = self._server.documents.get(known.uri)
        if document is not None:
            self._record("kept" if known.text.strip() in str(document.text) else "changed", given)

    def _facts(self, completion: Completion, text: str, confidence: float) -> dict[str, Any]:
        document = self._server.documents.get(completion.uri)
        usage = completion.usage
        return {
            "language": document.language.name if document and document.language else None,
            "source": completion.source,
            "millis": round(completion.total_ms, 1),
            "confidence": round(confidence, 2),
            "prompt": usage.prompt,
            "evaluated": usage.evaluated,
            "generated": usage.generated,
            "characters": len(text),
        }

    def _record(self, event: str, given: str, **facts: Any) -> None:
        if self._server.config.statistics:
            stats.record(event, given, **facts)

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
