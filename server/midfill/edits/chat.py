"""Conversations: how the turns are marked, for each family of models that follow instructions.

A model's own chat template is used where its file has one that works, and else the row of its family. What is
said, by us or by the user's code, is put in afterwards and is never a control part, so it cannot end a turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from midfill.edits import render
from midfill.engine.base import ITS_SERVERS, ModelInfo, Part, Template
from midfill.errors import ModelError

Speaker = Literal["system", "user", "assistant"]

# A chat template that is longer than this is no chat template.
LONGEST = 100_000


@dataclass(frozen=True)
class Turn:
    """One message of a conversation."""

    speaker: Speaker
    text: str


@dataclass(frozen=True)
class Chat:
    """How a family marks the turns.

    `first` are the system's words and the user's, `user` what the user says later, `ask` the beginning of an
    answer, `lead` what stands before one as soon as there is one, `answered` the end of one. `system`: whether the
    family tells a system's words from the user's. `default`: what the family puts in the system's place where
    nobody says anything; a model knows itself by that. `at_once` begins an answer that would begin with thinking.
    """

    first: str
    user: str
    ask: str
    answered: str
    system: bool = True
    default: str = ""
    lead: str = ""
    at_once: str = ""


def _chatml(default: str = "", at_once: str = "") -> Chat:
    user = "<|im_start|>user\n{user}<|im_end|>\n"
    first = "<|im_start|>system\n{system}<|im_end|>\n" + user
    return Chat(first, user, "<|im_start|>assistant\n", "<|im_end|>\n", default=default, at_once=at_once)


def _alpaca() -> Chat:
    turn = "### Instruction:\n{user}\n\n"
    task = "Below is an instruction that describes a task. "
    wish = "Write a response that appropriately completes the request.\n\n"
    first = f"{task}{wish}### Instruction:\n{{system}}\n\n{{user}}\n\n"
    return Chat(first, turn, "### Response:", "\n\n", system=False)


_GEMMA = "<start_of_turn>user\n{user}<end_of_turn>\n"
_HEADER = "<|start_header_id|>{speaker}<|end_header_id|>\n\n"

CHATS = {
    # ChatML: the templates in the files of Qwen and SmolLM2.
    **dict.fromkeys(
        ("qwen2.5-coder", "qwen2.5"),
        _chatml("You are Qwen, created by Alibaba Cloud. You are a helpful assistant."),
    ),
    "qwen3-coder": _chatml(),
    "qwen3": _chatml(at_once="<think>\n\n</think>\n\n"),
    "qwen2": _chatml("You are a helpful assistant."),
    "smollm2": _chatml("You are a helpful AI assistant named SmolLM, trained by Hugging Face"),
    # Meta's llama/generation.py, chat_completion.
    **dict.fromkeys(
        ("codellama", "codellama-python"),
        Chat(
            "[INST] <<SYS>>\n{system}\n<</SYS>>\n\n{user} [/INST]",
            "<s>[INST] {user} [/INST]",
            "",
            " </s>",
            lead=" ",
        ),
    ),
    # Model card codellama/CodeLlama-70b-Instruct-hf.
    "codellama-70b": Chat(
        "Source: system\n\n {system} <step> Source: user\n\n {user} <step> ",
        "Source: user\n\n {user} <step> ",
        "Source: assistant\nDestination: user\n\n ",
        " <step> ",
    ),
    # Model card deepseek-ai/deepseek-coder-6.7b-instruct, and llama.cpp's src/llama-chat.cpp.
    **dict.fromkeys(
        ("deepseek-coder", "deepseek-coder-v1.5"),
        Chat(
            "{system}\n### Instruction:\n{user}\n",
            "### Instruction:\n{user}\n",
            "### Response:\n",
            "\n<|EOT|>\n",
        ),
    ),
    # Model card deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct.
    "deepseek-coder-v2": Chat(
        "{system}\n\nUser: {user}\n\n", "User: {user}\n\n", "Assistant:", "<｜end▁of▁sentence｜>", lead=" "
    ),
    # Model cards WizardLMTeam/WizardCoder-*: Alpaca's prompt, with a sentence of its own in the system's place.
    **dict.fromkeys(
        ("wizardcoder", "wizardcoder-starcoder", "wizardcoder-deepseek", "wizardcoder-codellama"), _alpaca()
    ),
    # Meta's Llama 3 model card, "Llama 3 Instruct".
    "llama-3": Chat(
        _HEADER.format(speaker="system")
        + "{system}<|eot_id|>"
        + _HEADER.format(speaker="user")
        + "{user}<|eot_id|>",
        _HEADER.format(speaker="user") + "{user}<|eot_id|>",
        _HEADER.format(speaker="assistant"),
        "<|eot_id|>",
    ),
    # Google's "Gemma formatting and system instructions": the system's words are the beginning of the user's.
    **dict.fromkeys(
        ("gemma-3", "codegemma-it"),
        Chat(
            _GEMMA.replace("{user}", "{system}\n\n{user}"),
            _GEMMA,
            "<start_of_turn>model\n",
            "<end_of_turn>\n",
            system=False,
        ),
    ),
    # The template in Gemma 4's files.
    "gemma-4": Chat(
        "<|turn>system\n{system}<turn|>\n<|turn>user\n{user}<turn|>\n",
        "<|turn>user\n{user}<turn|>\n",
        "<|turn>model\n",
        "<turn|>\n",
    ),
}


def conversation(info: ModelInfo, turns: Sequence[Turn], answer: str) -> tuple[Part, ...]:
    """The turns, and the beginning of the answer that the model goes on with.

    Where a server marks the turns, they are bare. Raises `ModelError` for a model that cannot follow instructions,
    or whose template cannot be rendered.
    """
    if info.family == ITS_SERVERS:
        return (*(Part(turn.text) for turn in turns), Part(answer))
    speakers = tuple(turn.speaker for turn in turns)
    marked, problem = _rendered(info.template, speakers) if info.template else ("", "")
    if not marked and info.family in CHATS:
        marked = _marked(CHATS[info.family], speakers)
        answer = answer and CHATS[info.family].lead + answer
    elif problem:
        raise ModelError(
            f"The chat template in the model's file cannot be used: {problem}. "
            "Choose another model in midfill.models."
        )
    elif not marked:
        raise ModelError(
            info.doubt
            or f"A model of the family {info.family!r} cannot edit code. "
            f"Set midfill.models.edit to a model of one of the families {', '.join(CHATS)}."
        )
    return (*_filled(marked, turns), Part(answer))


# Where the text of turn number n is to stand, in characters that no template has.
_PLACE = "\ue000{}\ue001"
_THINKS = re.compile(r"<(think|thought|seed:think)>\s*\Z")
_PLACES = re.compile("\ue000([0-9]+)\ue001")


def _filled(marked: str, turns: Sequence[Turn]) -> list[Part]:
    parts: list[Part] = []
    space = ""
    for n, piece in enumerate(pieces := _PLACES.split(marked)):
        if n % 2:
            parts.append(Part(space + turns[int(piece)].text))
        elif piece:
            # A space before a word is part of the word's token.
            mark = piece.rstrip(" ") if n + 1 < len(pieces) else piece
            space = piece[len(mark) :]
            parts.append(Part(mark, control=True, opens=n == 0))
    return parts


def _marked(chat: Chat, speakers: Sequence[Speaker]) -> str:
    marked = ""
    for n, speaker in enumerate(speakers):
        place = _PLACE.format(n)
        if speaker == "system":
            system = place
        elif speaker == "assistant":
            marked += chat.ask + chat.lead + place + chat.answered
        elif n == 1 and speakers[0] == "system":
            marked += chat.first.format(system=system, user=place)
        elif n == 0 and chat.default:
            marked += chat.first.format(system=chat.default, user=place)
        elif n == 0:
            # Without a system's words their frame goes too, as far as the family tells the two apart.
            marked += chat.user.format(user=place) if chat.system else _alone(chat).format(user=place)
        else:
            marked += chat.user.format(user=place)
    return marked + chat.ask + chat.at_once


def _alone(chat: Chat) -> str:
    return chat.first.replace("{system}\n\n", "")


@lru_cache(maxsize=32)
def _rendered(template: Template, speakers: tuple[Speaker, ...]) -> tuple[str, str]:
    """The turns marked by a template, or "" and the reason.

    A template that knows no system gets its words with the user's.
    """
    messages = [(speaker, _PLACE.format(n)) for n, speaker in enumerate(speakers)]
    text, problem = _render(template, messages)
    if _all_there(text, speakers):
        return _thought(text), ""
    if speakers[:2] == ("system", "user"):
        merged = [("user", f"{messages[0][1]}\n\n{messages[1][1]}"), *messages[2:]]
        text, problem = _render(template, merged)
        if _all_there(text, speakers):
            return _thought(text), ""
    return "", problem or "it leaves out what is said"


def _thought(text: str) -> str:
    """Without thinking, where a template lets an answer begin with that, whatever it is told: ours is begun."""
    return _THINKS.sub(r"<\1>\n\n</\1>\n\n", text)


def _all_there(text: str, speakers: Sequence[Speaker]) -> bool:
    return sorted(int(place) for place in _PLACES.findall(text)) == list(range(len(speakers)))


def _render(template: Template, messages: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The rendered text, or "" and the reason."""
    if len(template.source) > LONGEST:
        return "", "it is too long"
    variables = {
        "messages": [{"role": role, "content": content} for role, content in messages],
        "add_generation_prompt": True,
        "bos_token": template.begin,
        "eos_token": template.end,
        # The answer is begun for the model, so that there is no place to think in.
        "enable_thinking": False,
    }
    return render.apart("chat", template.source, variables)
