"""The settings, as a frozen value. docs/settings.md lists them for the user."""

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
class Backend:
    """Where the models run: `embedded` on this machine, `openai` on a server that speaks OpenAI's protocol."""

    kind: str = field(default="embedded", metadata={"is": '"embedded" or "openai"'})
    url: str = field(default="", metadata={"is": "an address like http://127.0.0.1:8080"})
    model: str = field(default="", metadata={"is": "a model's name"})
    """What the server calls the model; it may be empty where the server has one only."""
    edit_model: str = field(default="", metadata={"is": "a model's name"})
    """Another one, that edits and explains."""
    family: str = field(default="", metadata={"is": "a model family's name"})
    """The family of the models, where their names do not tell."""
    context: int = field(default=8192, metadata={"is": "a whole number", "from": 512, "to": 1000000})
    in_flight: int = field(default=4, metadata={"is": "a whole number", "from": 1, "to": 64})
    """How many requests the server is asked at once."""
    fallback: bool = field(default=False, metadata={"is": "true or false"})
    """Whether the models of this machine answer while the server does not."""


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
    engine: Backend = field(default=Backend(), metadata={"is": 'an object like {"kind": "openai", "url": "..."}'})
    """Where the models run."""
    edit_attempts: int = field(default=3, metadata={"is": "a whole number", "from": 1, "to": 5})
    """How often the model may try before an edit is given up."""
    edit_seconds: int = field(default=120, metadata={"is": "a whole number", "from": 1, "to": 3600})
    """After so many seconds the model does not try again."""
    confirm_deletions: int = field(default=50, metadata={"is": "a whole number", "from": 0, "to": 100})
    """In percent of the lines: the client should ask before an edit deletes more."""
    confirm_edits: bool = field(default=False, metadata={"is": "true or false"})
    """Whether the client should ask before it applies an edit of a model."""
    project_actions: bool = field(default=True, metadata={"is": "true or false"})
    """Whether the actions of a project's `.midfill.toml` are used, once its user has said that they may be."""
    gpu_layers: int = field(default=-1, metadata={"is": "a whole number", "from": -1, "to": 1000})
    """How many layers of a model a graphics card computes, if llama.cpp was built for one; -1: as many as fit."""
    flash_attention: str = field(default="auto", metadata={"is": '"auto", "on" or "off"'})
    cache_type: str = field(default="f16", metadata={"is": '"f16", "q8_0" or "q4_0"'})
    """How the KV cache is kept; what is shorter takes less memory and is a little less exact."""
    split_mode: str = field(default="layer", metadata={"is": '"layer", "row" or "none"'})
    """How a model is spread over several graphics cards."""
    statistics: bool = field(default=True, metadata={"is": "true or false"})
    """Whether what came of suggestions is counted on this machine, for `midfill stats`; no code is kept."""
    threads: int = field(default=0, metadata={"is": "a whole number", "from": 0, "to": 256})
    """Threads of the engine; 0 means one a core. Read once, at start."""


def parse(settings: object) -> tuple[Config, list[str]]:
    """Read the JSON under `midfill`. What is wrong is named in the second value; the rest holds."""
    if settings is None:
        return Config(), []
    if not isinstance(settings, Mapping):
        return Config(), [f"midfill: the settings must be an object, not {settings!r}"]
    values, problems = _values(settings, Config, "midfill")
    backend = settings.get("engine")
    if backend == "embedded":
        values["engine"] = Backend()
    elif isinstance(backend, Mapping):
        inner, wrong = _values(backend, Backend, "midfill.engine")
        values["engine"] = Backend(**inner)
        problems += wrong
        if values["engine"].kind == "openai" and not values["engine"].url:
            problems.append("midfill.engine.url: say where the server is, like http://127.0.0.1:8080")
            values["engine"] = Backend()
    elif backend is not None:
        problems.append(
            f'midfill.engine: must be "embedded" or {{"kind": "openai", "url": "..."}}, not {backend!r}'
        )
    return Config(**values), problems


def _values(
    settings: Mapping[Any, Any], kind: type[Config] | type[Backend], path: str
) -> tuple[dict[str, Any], list[str]]:
    known = {_camel(f.name): f for f in fields(kind)}
    values: dict[str, Any] = {}
    problems: list[str] = []
    for name, value in settings.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            problems.append(f"{path}.{name}: no such setting" + (f"; did you mean {close[0]}?" if close else ""))
            continue
        setting = known[name]
        if isinstance(setting.default, Backend):
            continue
        try:
            values[setting.name] = _checked(value, setting.default, setting.metadata)
        except ValueError as problem:
            problems.append(f"{path}.{name}: {problem}")
    return values, problems


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
        if "or" in wanted["is"] and isinstance(value, str) and f'"{value}"' not in wanted["is"]:
            raise ValueError(f"must be {wanted['is']}, not {value!r}")
        return value
    raise ValueError(f"must be {wanted['is']}, not {value!r}")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
