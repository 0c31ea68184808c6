"""What `midfill models inspect` tells of a GGUF file: its family, what it can do, and its prompts in full."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from midfill.completion import fim
from midfill.edits import chat
from midfill.engine.base import ModelInfo, Template
from midfill.engine.tokens import tokens
from midfill.errors import LoadError, MidfillError, UsageError
from midfill.models import detection, families, gguf

PREFIX, SUFFIX = "def f(", "\n    pass\n"
SYSTEM, USER = "You are a helpful assistant.", "Write a function that adds two numbers."
# What converters call the tokens around a hole, now and formerly.
_HOLE_KEYS = ("fim_pre", "fim_suf", "fim_mid", "prefix", "suffix", "middle")


def inspect(path: Path, family: str | None = None) -> dict[str, Any]:
    """The contract of `docs/models.md`. `family` is believed, where it is given.

    Loads the vocabulary and no weights. Raises `UsageError` for what is no GGUF file, or no known family.
    """
    # Path.expanduser fails where there is no such user.
    path = Path(os.path.expanduser(path))
    metadata, vocabulary = gguf.header(path)
    problems: list[str] = []
    found: detection.Detected | None = None
    try:
        found = detection.detect(metadata, vocabulary, family)
    except UsageError as error:
        if family:
            raise
        problems.append(str(error))
    row = found.family if found else None
    roles = found.roles if found else ()
    form = _form(row, metadata, vocabulary, problems)
    if form is None:
        roles = tuple(role for role in roles if role != "complete")
    stops = row.stops if row else ()
    ids = sorted({*(vocabulary[text] for text in stops if text in vocabulary), *_ends(metadata, vocabulary)})
    parts = fim.prompt(form, PREFIX, "", SUFFIX) if form else ()
    numbers: list[int] = []
    try:
        numbers = tokens(path, stops, parts)
    except LoadError as error:
        problems.append(f"llama.cpp cannot load the file, so there are no tokens: {error}.")
    kind, told = _conversation(found, gguf.template(metadata, vocabulary), problems)
    if kind is None:
        roles = tuple(role for role in roles if role == "complete")
    problems += _doubts(found, roles, metadata)
    return {
        "family": row.called if row else None,
        "roles": list(roles),
        "context": gguf.context(metadata) or (row.context if row else None),
        "licence": gguf.licence(metadata) or (found.licence if found else "unknown"),
        "fim": {
            "form": form.form if form else None,
            "example": {
                "prefix": PREFIX,
                "suffix": SUFFIX,
                "prompt": "".join(part.text for part in parts),
                "tokens": numbers,
            }
            if form
            else None,
            "stop": ids,
        },
        "chat": {"template": kind, "example": told},
        "problems": problems,
    }


def _form(
    row: families.Family | None, metadata: dict[str, Any], vocabulary: dict[str, int], problems: list[str]
) -> fim.Family | None:
    if row is None or row.name not in fim.FAMILIES:
        return None
    form = fim.FAMILIES[row.name]
    if missing := [text for text in (form.prefix, form.suffix, form.middle) if text and text not in vocabulary]:
        problems.append(
            f"The vocabulary lacks {', '.join(missing)}, so the model cannot complete code. "
            f"Choose instead {families.recommended('complete')}."
        )
        return None
    if metadata.get("general.architecture") in detection.RECURRENT:
        problems.append(
            "The model's architecture is recurrent: it would read everything again at each keystroke. Choose for "
            f"completion {families.recommended('complete')}."
        )
        return None
    # Converters write these keys, which Midfill does not need; where they are wrong, the prompt is not.
    for key, text in zip(_HOLE_KEYS, 2 * (form.prefix, form.suffix, form.middle), strict=True):
        told = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if text and told is not None and told != vocabulary[text]:
            problems.append(
                f"The file's {key}_token_id is {told!r}, but {text} is token {vocabulary[text]}, "
                "which Midfill uses."
            )
    return form


def _ends(metadata: dict[str, Any], vocabulary: dict[str, int]) -> list[int]:
    """The ids that the file itself says end a text or a turn."""
    keys = ("eos", "eot", "eom")
    found = (metadata.get(f"tokenizer.ggml.{key}_token_id") for key in keys)
    return [token for token in found if isinstance(token, int) and token in vocabulary.values()]


def _doubts(found: detection.Detected | None, roles: Sequence[str], metadata: dict[str, Any]) -> list[str]:
    """What the user should know of a model before choosing it."""
    if found is None:
        return []
    doubts: list[str] = []
    if gguf.context(metadata) is None:
        doubts.append(f"The file does not tell its context; {found.family.context:,} tokens is the family's.")
    if found.follows is None and {"edit", "explain"} & {*roles}:
        good = "use it for completion only" if "complete" in roles else "it is of no use here"
        doubts.append(
            f"The file does not tell whether the model follows instructions; if it is a base model, {good}."
        )
    if not roles:
        doubts.append(f"The model fits no role. Choose instead {families.recommended('edit')}.")
    if isinstance(parts := metadata.get("split.count"), int) and parts > 1:
        doubts.append(f"The model is in {parts} files, which must lie in the same folder; name the first of them.")
    return doubts


def _conversation(
    found: detection.Detected | None, template: tuple[str, str, str], problems: list[str]
) -> tuple[str | None, dict[str, str] | None]:
    """Whose chat template is used, and an example; the family's own where the file's cannot be."""
    source, *marks = template
    builtin = found is not None and found.family.name in chat.CHATS and found.follows is not False
    name = found.family.name if found and builtin else ""
    for kind, info in (
        ("file", ModelInfo("", "", 0, template=Template(source, *marks)) if source else None),
        ("builtin", ModelInfo("", name, 0) if builtin else None),
    ):
        if info is None:
            continue
        system = SYSTEM if info.template or chat.CHATS[name].system else ""
        turns = [*([chat.Turn("system", system)] if system else []), chat.Turn("user", USER)]
        try:
            parts = chat.conversation(info, turns, "")
        except MidfillError as error:
            problems.append(str(error))
            continue
        return kind, {"system": system, "user": USER, "prompt": "".join(part.text for part in parts)}
    return None, None


def report(found: dict[str, Any]) -> str:
    """The findings in words."""
    hole, talk = found["fim"], found["chat"]
    lines = [
        f"family   {found['family'] or 'not known'}",
        f"roles    {', '.join(found['roles']) or 'none'}",
        f"context  {found['context'] or 'not known'} tokens",
        f"licence  {found['licence']}",
        f"fim      {hole['form'] or 'none'}",
    ]
    if hole["example"]:
        lines += [f"           {hole['example']['prompt']!r}", f"           {hole['example']['tokens']}"]
    lines.append(f"stops    {hole['stop']}")
    lines.append(f"chat     {talk['template'] or 'none'}")
    if talk["example"]:
        lines.append(f"           {talk['example']['prompt']!r}")
    return "\n".join([*lines, *(f"problem: {problem}" for problem in found["problems"])])
