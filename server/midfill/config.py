"""The settings, as a frozen value. README.md lists them for the user."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Models:
    """The names of the models, or of the roles whose defaults they are. What has no model to explain, edits."""

    complete: str = "complete"
    edit: str = "edit"
    explain: str = ""

    def of(self, role: str) -> str:
        """The model of a role, or of the next role that can stand in for it."""
        return {"complete": self.complete, "edit": self.edit}.get(role) or self.explain or self.edit


@dataclass(frozen=True)
class Config:
    """Defaults are right for an ordinary laptop. The metadata is what `parse` checks a value against."""

    enabled: bool = field(default=True, metadata={"is": "true or false"})
    """Whether suggestions are made at all."""
    disabled_languages: tuple[str, ...] = field(default=(), metadata={"is": "a list of language names"})
    """LSP language ids without suggestions."""
    multiline: bool = field(default=True, metadata={"is": "true or false"})
    """Whether a suggestion may be a block of lines."""
    max_line_tokens: int = field(default=48, metadata={"is": "a whole number", "from": 1, "to": 512})
    max_block_tokens: int = field(default=160, metadata={"is": "a whole number", "from": 1, "to": 2048})
    in_comments: bool = field(default=True, metadata={"is": "true or false"})
    in_strings: bool = field(default=True, metadata={"is": "true or false"})
    """Whether to suggest inside comments and strings while the user types."""
    min_confidence: int = field(default=50, metadata={"is": "a whole number", "from": 0, "to": 100})
    """In percent: a suggestion of which the model is less sure is not made while the user types. The default keeps
    nearly all that is right (tests/eval/README.md)."""
    alternatives: int = field(default=3, metadata={"is": "a whole number", "from": 1, "to": 8})
    """How many distinct suggestions to make when the user asks for one."""
    latency_target_ms: int = field(default=500, metadata={"is": "a whole number", "from": 50, "to": 60000})
    """How long a suggestion while typing may take; decides how much code the model reads and writes."""
    warm_up: bool = field(default=True, metadata={"is": "true or false"})
    """Whether the model reads the code around the cursor before anyone asks, in idle time."""
    warm_up_on_battery: bool = field(default=False, metadata={"is": "true or false"})
    drafts: bool = field(default=True, metadata={"is": "true or false"})
    """Whether repeated code is guessed and verified, which makes answers faster."""
    completion_wait_ms: int = field(default=1000, metadata={"is": "a whole number", "from": 0, "to": 60000})
    """How long `textDocument/completion`, the fallback, may hold up the client's pop-up menu."""
    index: bool = field(default=True, metadata={"is": "true or false"})
    """Whether the symbols of the workspace are indexed, so that the model can be told of other files."""
    models: Models = field(default=Models(), metadata={"is": 'an object like {"edit": "a model\'s name"}'})
    """Which model does what."""
    edit_attempts: int = field(default=3, metadata={"is": "a whole number", "from": 1, "to": 5})
    """How often the model may try before an edit is given up."""
    edit_seconds: int = field(default=120, metadata={"is": "a whole number", "from": 1, "to": 3600})
    """After so many seconds the model does not try again."""
    confirm_deletions: int = field(default=50, metadata={"is": "a whole number", "from": 0, "to": 100})
    """In percent of the lines: the client should ask before an edit deletes more."""
    confirm_edits: bool = field(default=False, metadata={"is": "true or false"})
    """Whether the client should ask before it applies an edit of a model."""
    threads: int = field(default=0, metadata={"is": "a whole number", "from": 0, "to": 256})
    """Threads of the engine; 0 means one a core. Read once, at start."""


def parse(settings: object) -> tuple[Config, list[str]]:
    """Read the JSON under `midfill`. What is wrong is named in the second value; the rest holds."""
    if settings is None:
        return Config(), []
    if not isinstance(settings, Mapping):
        return Config(), [f"midfill: the settings must be an object, not {settings!r}"]
    known = {_camel(f.name): f for f in fields(Config)}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in settings.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            problems.append(f"midfill.{name}: no such setting" + (f"; did you mean {close[0]}?" if close else ""))
            continue
        setting = known[name]
        try:
            values[setting.name] = _checked(value, setting.default, setting.metadata)
        except ValueError as problem:
            problems.append(f"midfill.{name}: {problem}")
    return Config(**values), problems


def _checked(value: object, default: object, wanted: Mapping[str, Any]) -> object:
    if isinstance(default, Models):
        if isinstance(value, Mapping) and all(isinstance(each, str) and each for each in value.values()):
            roles = [each.name for each in fields(Models)]
            if unknown := [str(role) for role in value if role not in roles]:
                raise ValueError(f"there is no role {unknown[0]}; the roles are {', '.join(roles)}")
            return Models(**value)
    elif isinstance(default, tuple):
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
    elif type(value) is type(default):
        if isinstance(value, int) and "from" in wanted and not wanted["from"] <= value <= wanted["to"]:
            raise ValueError(f"must be from {wanted['from']} to {wanted['to']}, not {value}")
        return value
    raise ValueError(f"must be {wanted['is']}, not {value!r}")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
