"""What a GGUF file holds: its family, its licence and what it can be used for, told from the file itself.

The family is told by the model's architecture, the control tokens of its vocabulary and the name that its maker
wrote into the file's metadata; never by the name of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midfill.errors import UsageError
from midfill.models import gguf
from midfill.models.families import BY_TEMPLATE, FAMILIES, Family, named, squeezed

# Words in the names of models that follow instructions.
_FOLLOWS = frozenset(("instruct", "chat", "it", "sft", "dpo", "rlhf", "assistant", "instruction"))

_BASE = frozenset(("base", "pretrained", "pt"))

# And of those that measure texts, and write none.
_MEASURES = frozenset(("embed", "embedding", "embeddings", "reranker", "rerank"))

# Architectures whose state has no end that could be cut off: each keystroke would read everything again.
RECURRENT = frozenset(
    (
        *("mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7", "jamba", "falcon-h1", "granitehybrid"),
        *("plamo2", "lfm2", "lfm2moe", "nemotron_h", "nemotron_h_moe", "kimi-linear", "qwen3next", "qwen35"),
        "qwen35moe",
    )
)

_NAMES = (
    "general.name",
    "general.basename",
    "general.finetune",
    "general.base_model.0.name",
    "general.base_model.0.repo_url",
)


@dataclass(frozen=True, slots=True)
class Detected:
    """A model's family and licence, and what the file lets it do.

    `follows`: whether it follows instructions; None where nothing tells.
    """

    family: Family
    licence: str
    roles: tuple[str, ...]
    follows: bool | None


def detect(metadata: Mapping[str, Any], vocabulary: Mapping[str, int], name: str | None = None) -> Detected:
    """The family of a model from its GGUF metadata and the ids of its tokens, or the one that the user names.

    Raises `UsageError`, which says what the file does not tell and what to set, or what its vocabulary lacks.
    """
    if what := _no_model(metadata, vocabulary):
        raise UsageError(f"The file {what}.")
    if name is not None:
        row = named(name)
        if row is BY_TEMPLATE and not gguf.template(metadata, vocabulary)[0]:
            raise UsageError("The file has no chat template, so nothing tells how the model is asked.")
        if missing := [text for text in row.needs if text not in vocabulary]:
            raise UsageError(
                f"The file cannot be of the family {name}: its vocabulary lacks {', '.join(missing)}."
            )
        return _detected(row, metadata, vocabulary)
    architecture = str(metadata.get("general.architecture", ""))
    names = " ".join(squeezed(str(metadata.get(key, ""))) for key in _NAMES)
    holding = [
        row
        for row in FAMILIES.values()
        if vocabulary.keys() >= set(row.needs) and not vocabulary.keys() & set(row.lacks)
    ]
    fitting = [row for row in holding if architecture in row.architectures]
    found = next((row for row in fitting if re.search(row.named, names)), None)
    if found is None:
        # What fits any vocabulary is named only where nothing else fits, and never for another architecture.
        told = [row for row in fitting or holding if row.needs]
        raise UsageError(_unknown(metadata, told or fitting))
    return _detected(found, metadata, vocabulary)


def _no_model(metadata: Mapping[str, Any], vocabulary: Mapping[str, int]) -> str:
    """What a file is that holds no model which writes text, as the end of a sentence; empty for a model."""
    kind = str(metadata.get("general.type", "model"))
    architecture = str(metadata.get("general.architecture", ""))
    part, parts = metadata.get("split.no"), metadata.get("split.count")
    if isinstance(part, int) and part > 0:
        return f"is part {part + 1} of {parts} of a model: name the first part, with the others in the same folder"
    if kind != "model" or architecture in ("clip", "controlvector", "imatrix"):
        what = kind if kind != "model" else architecture
        return f"is no model but an addition to one ({what}): name the model itself, or choose another"
    if metadata.get(f"{architecture}.pooling_type") or _words(metadata) & _MEASURES:
        return "is a model that compares texts and writes none (embedding or reranker): choose another"
    if not vocabulary:
        return "has no vocabulary, so nothing can be asked of it: choose another"
    return ""


def _detected(row: Family, metadata: Mapping[str, Any], vocabulary: Mapping[str, int]) -> Detected:
    """What a model of a known family can do, by its metadata."""
    words = _words(metadata)
    licence = next((licence for word, licence in row.licences if word in words), row.licence)
    follows = _follows(row, metadata, vocabulary, words)
    roles = {role for role in row.roles if role == "complete" or follows is not False}
    if metadata.get("general.architecture") in RECURRENT:
        roles.discard("complete")
    if follows and row.roles == ("complete",) and gguf.TEMPLATE in metadata:
        roles.add("edit")
    in_order = tuple(role for role in ("complete", "edit", "explain") if role in roles)
    return Detected(row, licence, in_order, follows)


def _words(metadata: Mapping[str, Any]) -> set[str]:
    """The words of the model's own names."""
    given = " ".join(str(metadata.get(key, "")) for key in _NAMES[:3])
    return set(re.split(r"[^a-z0-9.]+", given.lower()))


def _follows(
    row: Family, metadata: Mapping[str, Any], vocabulary: Mapping[str, int], words: set[str]
) -> bool | None:
    if words & _FOLLOWS or row.called == "wizardcoder":
        return True
    if words & _BASE:
        return False
    if row.turn in vocabulary and metadata.get("tokenizer.ggml.eos_token_id") == vocabulary[row.turn]:
        return True
    if gguf.TEMPLATE in metadata and not row.template_in_base:
        return True
    # A maker who names a size names the kind as well, where there are two.
    if any(re.fullmatch(r"[0-9.]+[bm]", word) for word in words):
        return row.unmarked == "instruct"
    return True if gguf.TEMPLATE in metadata else None


def _unknown(metadata: Mapping[str, Any], candidates: list[Family]) -> str:
    architecture, name = (str(metadata.get(f"general.{key}", "")) for key in ("architecture", "name"))
    described = f"its architecture is {architecture!r}" if architecture else "it names no architecture"
    described += f", its name is {name!r}" if name else ", it has no name"
    choices = ", ".join(row.name for row in candidates or FAMILIES.values())
    own = f"`--family {BY_TEMPLATE.name}` if it follows instructions (it has a chat template), or "
    set_it = f"set the family, by {own if gguf.TEMPLATE in metadata else ''}`--family` with one of: {choices}."
    if not candidates:
        return (
            f"The file's family is none that Midfill knows: {described}, and its vocabulary has the control "
            f"tokens of none. Choose another model, or, if you know better, {set_it}"
        )
    return (
        f"The file does not tell its family: {described}. It may be of none that Midfill knows; then choose "
        f"another model. If you know that it was made from one that its vocabulary fits, {set_it}"
    )
