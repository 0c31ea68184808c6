"""What `midfill models inspect` tells of a GGUF file: its family, what it can do, and its prompts in full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from midfill.completion import fim
from midfill.edits import chat
from midfill.engine.base import ModelInfo, Template
from midfill.errors import MidfillError, UsageError
from midfill.models import families, gguf

PREFIX, SUFFIX = "def f(", "\n    pass\n"
SYSTEM, USER = "You are a helpful assistant.", "Write a function that adds two numbers."
# Architectures whose state has no end that could be cut off: each keystroke would read everything again.
_RECURRENT = (
    "mamba",
    "mamba2",
    "rwkv6",
    "rwkv7",
    "jamba",
    "falcon-h1",
    "granitehybrid",
    "qwen3next",
    "lfm2",
    "plamo2",
)


def inspect(path: Path, family: str | None = None) -> dict[str, Any]:
    """The contract of `docs/models.md`. `family` is believed, where it is given.

    Loads the vocabulary and no weights. Raises `UsageError` for what is no GGUF file, or no known family.
    """
    metadata, vocabulary = gguf.header(path.expanduser())
    problems: list[str] = []
    row: families.Family | None = None
    roles: tuple[str, ...] = ()
    follows: bool | None = None
    try:
        found = families.detect(metadata, vocabulary.keys(), family)
        row, roles, follows = found.family, found.roles, found.follows
    except UsageError as error:
        if family:
            raise
        problems.append(str(error))
    source, *marks = gguf.template(metadata, vocabulary)
    template = Template(source, *marks) if source else None
    form = _form(row, metadata, vocabulary, problems)
    if form is None:
        roles = tuple(role for role in roles if role != "complete")
    stops = row.stops if row else ()
    ids = sorted({*(vocabulary[text] for text in stops if text in vocabulary), *_end(metadata)})
    parts = fim.prompt(form, PREFIX, "", SUFFIX) if form else ()
    tokens: list[int] = []
    try:
        from midfill.engine import llama

        with llama.vocabulary(path, stops) as tokenizer:
            tokens = tokenizer.prompt(parts) if parts else tokens
    except MidfillError as error:
        problems.append(f"llama.cpp cannot read the vocabulary, so there are no tokens: {error}")
    builtin = row is not None and row.name in chat.CHATS and follows is not False
    kind = "file" if template else "builtin" if builtin else None
    told = _conversation(row, template, problems) if kind else None
    if row and follows is None and "edit" in row.roles:
        problems.append(
            "The file does not tell whether the model follows instructions; if it is a base model, use it for "
            "completion only."
        )
    if row and not roles:
        problems.append(f"The model fits no role. Choose instead {families.recommended('edit')}.")
    architecture = str(metadata.get("general.architecture", ""))
    context = metadata.get(f"{architecture}.context_length")
    return {
        "family": row.called if row else None,
        "roles": list(roles),
        "context": context if isinstance(context, int) else row.context if row else None,
        "licence": str(metadata.get("general.license") or (row.licence if row else "unknown")),
        "fim": {
            "form": form.form if form else None,
            "example": {
                "prefix": PREFIX,
                "suffix": SUFFIX,
                "prompt": "".join(part.text for part in parts),
                "tokens": tokens,
            }
            if form
            else None,
            "stop": ids,
        },
        "chat": {"template": kind if told else None, "example": told},
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
    if metadata.get("general.architecture") in _RECURRENT:
        problems.append(
            "The model's architecture is recurrent: it would read everything again at each keystroke. Choose for "
            f"completion {families.recommended('complete')}."
        )
        return None
    return form


def _end(metadata: dict[str, Any]) -> list[int]:
    """The ids that the file itself says end a text or a turn."""
    keys = ("eos", "eot", "eom")
    found = (metadata.get(f"tokenizer.ggml.{key}_token_id") for key in keys)
    return [token for token in found if isinstance(token, int)]


def _conversation(
    row: families.Family | None, template: Template | None, problems: list[str]
) -> dict[str, str] | None:
    info = ModelInfo("", row.name if row else "", 0, template=template)
    system = SYSTEM if template or (row and chat.CHATS[row.name].system) or row is None else ""
    turns = [chat.Turn("user", USER)]
    if system:
        turns.insert(0, chat.Turn("system", system))
    try:
        parts = chat.conversation(info, turns, "")
    except MidfillError as error:
        problems.append(str(error))
        return None
    return {"system": system, "user": USER, "prompt": "".join(part.text for part in parts)}


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
