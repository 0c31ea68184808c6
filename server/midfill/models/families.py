"""The families of models: what is known of each, and how a GGUF file's family is told from the file itself.

A family is told by the model's architecture, the control tokens of its vocabulary and the name that its maker
wrote into the file's metadata; never by the name of the file. How its prompts look is said in `completion/fim.py`
and `edits/chat.py`, in rows of the same `name`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from midfill.errors import UsageError


@dataclass(frozen=True, slots=True)
class Family:
    """One row: how to know a model of the family, what it is good for, and which file to get.

    `name` is the key of the prompt tables; `family` what users call it, where several rows share that.
    A model is of the family when its architecture is one of `architectures`, its vocabulary has all of `needs` and
    none of `lacks`, and its name matches `named` (a regular expression on the name in small letters without
    punctuation). `context` is in tokens, `sizes` in billions of parameters; `licences` are those of single models,
    by a word of their names. `hub` and `file` are what to fetch, on the Hugging Face hub. `unmarked` says what a
    name means that tells a size but not whether the model follows instructions; `template_in_base`: its base
    models have a chat template too. `stops` are the control tokens that end an answer, as the family's
    documentation names them; the vocabulary may have more. `turn` is the one of them that ends a turn: for models
    that follow instructions it ends a text, too.
    """

    name: str
    architectures: tuple[str, ...]
    roles: tuple[str, ...]
    context: int
    licence: str
    sizes: tuple[float, ...]
    hub: str
    file: str
    family: str = ""
    needs: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    named: str = ""
    quantization: str = "Q4_K_M"
    unmarked: str = "base"
    template_in_base: bool = False
    stops: tuple[str, ...] = ()
    turn: str = ""
    licences: tuple[tuple[str, str], ...] = ()

    @property
    def called(self) -> str:
        return self.family or self.name


_QWEN_FIM = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_STAR_FIM = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_DEEPSEEK_FIM = ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")
_LLAMA_FIM = ("▁<PRE>", "▁<SUF>", "▁<MID>")

# The README of Qwen2.5-Coder, "Fill in the middle"; and what ends DeepSeek-Coder's answers in code and in a chat.
_QWEN_STOPS = (
    "<|endoftext|>",
    "<|im_end|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
)
_DEEPSEEK_STOPS = ("<｜end▁of▁sentence｜>", "<|EOT|>")

# The first row that fits wins, so the special ones stand before the general ones.
FAMILIES = {
    row.name: row
    for row in (
        # WizardCoder is a StarCoder, a DeepSeek-Coder or a Code Llama - Python, trained on instructions, and
        # completes where its vocabulary still has the tokens of its base (model cards WizardLMTeam/WizardCoder-*).
        Family(
            "wizardcoder-starcoder",
            ("starcoder",),
            ("complete", "edit"),
            8192,
            "bigscience-openrail-m",
            (1, 3, 15),
            "TheBloke/WizardCoder-15B-1.0-GGUF",
            "wizardcoder-15b-1.0.Q4_K_M.gguf",
            family="wizardcoder",
            needs=_STAR_FIM,
            named="wizardcoder",
            unmarked="instruct",
            stops=("<|endoftext|>",),
        ),
        Family(
            "wizardcoder-deepseek",
            ("llama",),
            ("complete", "edit"),
            16384,
            "MSFTResearch",
            (33,),
            "TheBloke/WizardCoder-33B-V1.1-GGUF",
            "wizardcoder-33b-v1.1.Q4_K_M.gguf",
            family="wizardcoder",
            needs=_DEEPSEEK_FIM,
            named="wizardcoder",
            unmarked="instruct",
            stops=_DEEPSEEK_STOPS,
            turn="<|EOT|>",
        ),
        Family(
            "wizardcoder-codellama",
            ("llama",),
            ("complete", "edit"),
            16384,
            "llama2",
            (7, 13),
            "TheBloke/WizardCoder-Python-7B-V1.0-GGUF",
            "wizardcoder-python-7b-v1.0.Q4_K_M.gguf",
            family="wizardcoder",
            needs=_LLAMA_FIM,
            named="wizardcoder",
            unmarked="instruct",
            stops=("▁<EOT>",),
        ),
        Family(
            "wizardcoder",
            ("llama",),
            ("edit",),
            16384,
            "llama2",
            (7, 13, 34),
            "TheBloke/WizardCoder-Python-7B-V1.0-GGUF",
            "wizardcoder-python-7b-v1.0.Q4_K_M.gguf",
            named="wizardcoder",
            unmarked="instruct",
        ),
        Family(
            "qwen2.5-coder",
            ("qwen2",),
            ("complete", "edit"),
            32768,
            "Apache-2.0",
            (0.5, 1.5, 3, 7, 14, 32),
            "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
            "qwen2.5-coder-7b-instruct-q4_k_m.gguf",
            needs=_QWEN_FIM,
            named=r"qwen2\.?5coder",
            template_in_base=True,
            stops=_QWEN_STOPS,
            turn="<|im_end|>",
            licences=(("3b", "qwen-research"),),
        ),
        Family(
            "qwen3-coder",
            ("qwen3moe", "qwen3", "qwen3next"),
            ("complete", "edit"),
            262144,
            "Apache-2.0",
            (30, 480),
            "unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
            "Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf",
            needs=_QWEN_FIM,
            named="qwen3coder",
            template_in_base=True,
            stops=_QWEN_STOPS,
            turn="<|im_end|>",
        ),
        # Its model card: the one that follows instructions does not complete.
        Family(
            "codegemma-it",
            ("gemma",),
            ("edit",),
            8192,
            "gemma",
            (7,),
            "bartowski/codegemma-7b-it-GGUF",
            "codegemma-7b-it-Q4_K_M.gguf",
            family="codegemma",
            needs=("<start_of_turn>", "<end_of_turn>", "<|file_separator|>"),
            named=r"codegemma[0-9.]*bit\b",
            stops=("<eos>", "<end_of_turn>"),
            turn="<end_of_turn>",
        ),
        Family(
            "codegemma",
            ("gemma",),
            ("complete",),
            8192,
            "gemma",
            (2, 7),
            "bartowski/codegemma-2b-GGUF",
            "codegemma-2b-Q4_K_M.gguf",
            needs=(*_QWEN_FIM, "<|file_separator|>"),
            stops=("<eos>", *_QWEN_FIM, "<|file_separator|>"),
        ),
        # General models of Qwen's later vocabularies have the tokens of its coders, but were not trained on them
        # alone; nothing but the name tells them apart.
        Family(
            "qwen2.5",
            ("qwen2",),
            ("edit", "explain"),
            32768,
            "Apache-2.0",
            (0.5, 1.5, 3, 7, 14, 32, 72),
            "Qwen/Qwen2.5-7B-Instruct-GGUF",
            "qwen2.5-7b-instruct-q4_k_m.gguf",
            needs=("<|im_start|>",),
            named=r"qwen2\.?5(?!coder)",
            template_in_base=True,
            stops=("<|endoftext|>", "<|im_end|>"),
            turn="<|im_end|>",
            licences=(("3b", "qwen-research"), ("72b", "qwen")),
        ),
        Family(
            "qwen2",
            ("qwen2",),
            ("edit", "explain"),
            32768,
            "Apache-2.0",
            (0.5, 1.5, 7, 72),
            "Qwen/Qwen2-7B-Instruct-GGUF",
            "qwen2-7b-instruct-q4_k_m.gguf",
            needs=("<|im_start|>",),
            lacks=_QWEN_FIM,
            # Qwen1.5 and CodeQwen1.5 have the architecture too, and other licences and tokens.
            named="qwen2",
            template_in_base=True,
            stops=("<|endoftext|>", "<|im_end|>"),
            turn="<|im_end|>",
            licences=(("72b", "tongyi-qianwen"),),
        ),
        Family(
            "qwen3",
            ("qwen3", "qwen3moe"),
            ("edit", "explain"),
            32768,
            "Apache-2.0",
            (0.6, 1.7, 4, 8, 14, 30, 32, 235),
            "Qwen/Qwen3-8B-GGUF",
            "Qwen3-8B-Q4_K_M.gguf",
            needs=("<|im_start|>",),
            named="qwen3(?!.*coder)",
            unmarked="instruct",
            template_in_base=True,
            stops=("<|endoftext|>", "<|im_end|>"),
            turn="<|im_end|>",
        ),
        # Its model card: trained to go on with a text only, from DeepSeek LLM.
        Family(
            "deepseek-coder-v1.5",
            ("llama",),
            ("edit",),
            4096,
            "deepseek",
            (7,),
            "LoneStriker/deepseek-coder-7b-instruct-v1.5-GGUF",
            "deepseek-coder-7b-instruct-v1.5-Q4_K_M.gguf",
            family="deepseek-coder",
            needs=("<｜end▁of▁sentence｜>",),
            named=r"deepseekcoder.*v1\.5",
            stops=_DEEPSEEK_STOPS,
            turn="<|EOT|>",
        ),
        Family(
            "deepseek-coder",
            ("llama",),
            ("complete", "edit"),
            16384,
            "deepseek",
            (1.3, 6.7, 33),
            "TheBloke/deepseek-coder-6.7B-instruct-GGUF",
            "deepseek-coder-6.7b-instruct.Q4_K_M.gguf",
            needs=_DEEPSEEK_FIM,
            stops=_DEEPSEEK_STOPS,
            turn="<|EOT|>",
        ),
        Family(
            "deepseek-coder-v2",
            ("deepseek2",),
            ("complete", "edit"),
            163840,
            "deepseek",
            (16, 236),
            "bartowski/DeepSeek-Coder-V2-Lite-Instruct-GGUF",
            "DeepSeek-Coder-V2-Lite-Instruct-Q4_K_M.gguf",
            needs=_DEEPSEEK_FIM,
            # The general V2 has the same vocabulary.
            named="coder",
            # DeepSeek V3 and R1 have the tokens too, in a larger vocabulary.
            lacks=("<｜tool▁calls▁begin｜>",),
            stops=("<｜end▁of▁sentence｜>",),
        ),
        Family(
            "codellama",
            ("llama",),
            ("complete", "edit"),
            16384,
            "llama2",
            (7, 13),
            "TheBloke/CodeLlama-7B-GGUF",
            "codellama-7b.Q4_K_M.gguf",
            needs=_LLAMA_FIM,
            # The others have the tokens, and were not trained to fill holes.
            named="^(?!.*(python|34b|70b))",
            stops=("▁<EOT>",),
        ),
        # It speaks otherwise than the smaller ones.
        Family(
            "codellama-70b",
            ("llama",),
            ("edit",),
            16384,
            "llama2",
            (70,),
            "TheBloke/CodeLlama-70B-Instruct-GGUF",
            "codellama-70b-instruct.Q4_K_M.gguf",
            family="codellama",
            named="codellama.*70b",
            stops=("<step>",),
        ),
        Family(
            "codellama-python",
            ("llama",),
            ("edit",),
            16384,
            "llama2",
            (7, 13, 34),
            "TheBloke/CodeLlama-34B-Instruct-GGUF",
            "codellama-34b-instruct.Q4_K_M.gguf",
            family="codellama",
            named="codellama",
        ),
        Family(
            "codestral",
            ("llama",),
            ("complete",),
            32768,
            "MNPL-0.1",
            (22,),
            "bartowski/Codestral-22B-v0.1-GGUF",
            "Codestral-22B-v0.1-Q4_K_M.gguf",
            needs=("[SUFFIX]", "[PREFIX]"),
            named="codestral",
        ),
        Family(
            "seed-coder",
            ("llama",),
            ("complete",),
            32768,
            "MIT",
            (8,),
            "unsloth/Seed-Coder-8B-Base-GGUF",
            "Seed-Coder-8B-Base-Q4_K_M.gguf",
            needs=("<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"),
            stops=("<[end▁of▁sentence]>", "<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"),
        ),
        Family(
            "mellum",
            ("llama", "mellum"),
            ("complete",),
            8192,
            "Apache-2.0",
            (4,),
            "JetBrains/Mellum-4b-base-gguf",
            "mellum-4b-base.Q8_0.gguf",
            needs=_STAR_FIM,
            named="mellum",
            quantization="Q8_0",
            stops=("<|endoftext|>", "<filename>"),
        ),
        Family(
            "granite-code",
            ("llama", "starcoder"),
            ("complete",),
            8192,
            "Apache-2.0",
            (3, 8, 20, 34),
            "ibm-granite/granite-3b-code-base-2k-GGUF",
            "granite-3b-code-base.Q4_K_M.gguf",
            needs=_STAR_FIM,
            # The general Granite 3 has the tokens too.
            named="granite.*code",
            stops=("<|endoftext|>",),
        ),
        Family(
            "stablecode",
            ("stablelm",),
            ("complete",),
            16384,
            "stabilityai-ai-community",
            (3,),
            "TheBloke/stable-code-3b-GGUF",
            "stable-code-3b.Q4_K_M.gguf",
            needs=_STAR_FIM,
            stops=("<|endoftext|>",),
        ),
        Family(
            "starcoder2",
            ("starcoder2",),
            ("complete",),
            16384,
            "bigcode-openrail-m",
            (3, 7, 15),
            "second-state/StarCoder2-3B-GGUF",
            "starcoder2-3b-Q4_K_M.gguf",
            needs=(*_STAR_FIM, "<repo_name>", "<file_sep>"),
            stops=("<|endoftext|>", "<file_sep>"),
        ),
        Family(
            "starcoder",
            ("starcoder",),
            ("complete",),
            8192,
            "bigcode-openrail-m",
            (1, 3, 7, 15),
            "TheBloke/starcoder-GGUF",
            "starcoder.Q4_K_M.gguf",
            needs=_STAR_FIM,
            stops=("<|endoftext|>",),
        ),
        Family(
            "refact",
            ("refact",),
            ("complete",),
            4096,
            "bigscience-openrail-m",
            (1.6,),
            "maddes8cht/smallcloudai-Refact-1_6B-fim-gguf",
            "smallcloudai-Refact-1_6B-fim-Q4_K_M.gguf",
            needs=_STAR_FIM,
            stops=("<|endoftext|>",),
        ),
        Family(
            "llama-3",
            ("llama",),
            ("edit", "explain"),
            131072,
            "llama3",
            (1, 3, 8, 70),
            "bartowski/Meta-Llama-3.1-8B-Instruct-GGUF",
            "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf",
            needs=("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
            stops=("<|end_of_text|>", "<|eot_id|>"),
            turn="<|eot_id|>",
            licences=(("3.1", "llama3.1"), ("3.2", "llama3.2"), ("3.3", "llama3.3")),
        ),
        Family(
            "smollm2",
            ("llama",),
            ("explain",),
            8192,
            "Apache-2.0",
            (0.135, 0.36, 1.7),
            "bartowski/SmolLM2-1.7B-Instruct-GGUF",
            "SmolLM2-1.7B-Instruct-Q4_K_M.gguf",
            needs=("<|im_start|>", "<|im_end|>"),
            lacks=_STAR_FIM,
            named="smollm2?",
            stops=("<|endoftext|>", "<|im_end|>"),
            turn="<|im_end|>",
        ),
        Family(
            "gemma-3",
            ("gemma3",),
            ("explain",),
            32768,
            "gemma",
            (0.27, 1, 4, 12, 27),
            "ggml-org/gemma-3-4b-it-GGUF",
            "gemma-3-4b-it-Q4_K_M.gguf",
            needs=("<start_of_turn>", "<end_of_turn>"),
            stops=("<eos>", "<end_of_turn>"),
            turn="<end_of_turn>",
        ),
        Family(
            "gemma-4",
            ("gemma4",),
            ("explain",),
            131072,
            "Apache-2.0",
            (4, 26, 31),
            "ggml-org/gemma-4-26B-A4B-it-GGUF",
            "gemma-4-26B-A4B-it-Q4_K_M.gguf",
            needs=("<|turn>", "<turn|>"),
            stops=("<eos>", "<turn|>"),
        ),
    )
}

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

# Names of models that mark the turns of a conversation otherwise than what they were made from.
_OTHERWISE = "hermes|dolphin|phind|deepseekr1"

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
        if missing := [text for text in row.needs if text not in vocabulary]:
            raise UsageError(
                f"The file cannot be of the family {name}: its vocabulary lacks {', '.join(missing)}."
            )
        return _detected(row, metadata, vocabulary)
    architecture = str(metadata.get("general.architecture", ""))
    squeezed = " ".join(_squeezed(str(metadata.get(key, ""))) for key in _NAMES)
    holding = [
        row
        for row in FAMILIES.values()
        if vocabulary.keys() >= set(row.needs) and not vocabulary.keys() & set(row.lacks)
    ]
    fitting = [row for row in holding if architecture in row.architectures]
    found = next((row for row in fitting if re.search(row.named, squeezed)), None)
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
    if follows and row.roles == ("complete",) and "tokenizer.chat_template" in metadata:
        roles.add("edit")
    in_order = tuple(role for role in ("complete", "edit", "explain") if role in roles)
    return Detected(row, licence, in_order, follows)


def named(name: str) -> Family:
    """The family of that name. Raises `UsageError`, which lists the names."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise UsageError(f"There is no model family {name!r}. Choose one of {', '.join(FAMILIES)}.") from None


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def of_name(name: str) -> Family | None:
    """The family of a model of which only the name is known; None where that does not tell."""
    squeezed = _squeezed(name)
    if re.search(_OTHERWISE, squeezed):
        return None
    if "wizardcoder" in squeezed:
        # The name does not say what it was made of.
        return FAMILIES["wizardcoder"]
    # A size may stand in the middle, as in granite-8b-code.
    sizeless = _squeezed(re.sub(r"(?i)\b[0-9.]+b\b", "", name))
    rows = sorted(FAMILIES.values(), key=lambda row: len(row.called), reverse=True)
    called = (row for row in rows if _squeezed(row.called) in sizeless)
    return next((row for row in called if re.search(row.named, squeezed)), None)


def recommended(role: str) -> str:
    """What to say to one whose model does not fit a role."""
    return {
        "complete": "a coder model, such as qwen2.5-coder-0.5b-instruct",
        "edit": "a coder model that follows instructions, such as qwen2.5-coder-1.5b-instruct",
        "explain": "a model that follows instructions, such as qwen2.5-coder-1.5b-instruct",
    }[role]


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
    if "tokenizer.chat_template" in metadata and not row.template_in_base:
        return True
    # A maker who names a size names the kind as well, where there are two.
    if any(re.fullmatch(r"[0-9.]+[bm]", word) for word in words):
        return row.unmarked == "instruct"
    return True if "tokenizer.chat_template" in metadata else None


def _unknown(metadata: Mapping[str, Any], candidates: list[Family]) -> str:
    architecture, name = (str(metadata.get(f"general.{key}", "")) for key in ("architecture", "name"))
    described = f"its architecture is {architecture!r}" if architecture else "it names no architecture"
    described += f", its name is {name!r}" if name else ", it has no name"
    choices = ", ".join(row.name for row in candidates or FAMILIES.values())
    if not candidates:
        return (
            f"The file's family is none that Midfill knows: {described}, and its vocabulary has the control "
            "tokens of none. Choose another model, or, if you know better, set the family, by `--family` with one "
            f"of: {choices}."
        )
    return (
        f"The file does not tell its family: {described}. It may be of none that Midfill knows; then choose "
        "another model. If you know that it was made from one that its vocabulary fits, set the family, by "
        f"`--family` with one of: {choices}."
    )
