"""What comes of a request for a completion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from midfill.completion.trigger import Rejection
from midfill.engine.base import Usage

Outcome = Literal["shown", "rejected", "cancelled", "failed"]
Source = Literal["model", "typeThrough", "cache", "prefetch"]
Reason = Rejection | Literal["cancelled", "superseded", "modelMissing", "engineFailed"]


@dataclass(frozen=True)
class Suggestion:
    """Text in place of the `replaces` bytes behind the cursor, whose characters it contains itself.

    `confidence` is the geometric mean of the probabilities that the model gave to its tokens, `weakest` the
    smallest of them, 0 to 1.
    """

    text: str
    replaces: int = 0
    confidence: float = 1.0
    weakest: float = 1.0


@dataclass(frozen=True)
class Completion:
    """What came of one request. `text` is for insertion at byte offset `cursor` of version `version`.

    It stands in place of the `replaces` bytes behind the cursor. `others` are further suggestions, the likelier
    ones first. `reason` is None when, and only when, the outcome is "shown"; `message` tells of a failure.
    """

    uri: str
    version: int
    cursor: int
    outcome: Outcome
    reason: Reason | None = None
    message: str | None = None
    source: Source = "model"
    text: str = ""
    replaces: int = 0
    confidence: float = 1.0
    weakest: float = 1.0
    others: tuple[Suggestion, ...] = ()
    raw: str = ""
    model: str = ""
    prompt: str = ""
    anchor: int = 0
    usage: Usage = field(default_factory=Usage)
    context_ms: float = 0.0
    postprocess_ms: float = 0.0
    total_ms: float = 0.0
