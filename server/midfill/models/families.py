"""The families of models, and what is known of each.

How the prompts of a family look is said in `completion/fim.py` and `edits/chat.py`, in rows of the same `name`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

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

# Models of any other make that follow instructions, by the chat template in their file. Only a user can say so.
BY_TEMPLATE = Family("by-template", (), ("edit", "explain"), 4096, "unknown", (), "", "")

# Names of models that mark the turns of a conversation otherwise than what they were made from.
_OTHERWISE = "hermes|dolphin|phind|deepseekr1"


def named(name: str) -> Family:
    """The family of that name. Raises `UsageError`, which lists the names."""
    if name == BY_TEMPLATE.name:
        return BY_TEMPLATE
    try:
        return FAMILIES[name]
    except KeyError:
        choices = ", ".join((*FAMILIES, BY_TEMPLATE.name))
        raise UsageError(f"There is no model family {name!r}. Choose one of {choices}.") from None


def squeezed(name: str) -> str:
    """A model's name in small letters without punctuation, as `Family.named` wants it."""
    return re.sub(r"[^a-z0-9.]", "", name.lower())


def of_name(name: str) -> Family | None:
    """The family of a model of which only the name is known; None where that does not tell."""
    letters = squeezed(name)
    if re.search(_OTHERWISE, letters):
        return None
    if "wizardcoder" in letters:
        # The name does not say what it was made of.
        return FAMILIES["wizardcoder"]
    # A size may stand in the middle, as in granite-8b-code.
    sizeless = squeezed(re.sub(r"(?i)\b[0-9.]+b\b", "", name))
    rows = sorted(FAMILIES.values(), key=lambda row: len(row.called), reverse=True)
    called = (row for row in rows if squeezed(row.called) in sizeless)
    return next((row for row in called if re.search(row.named, letters)), None)


def recommended(role: str) -> str:
    """What to say to one whose model does not fit a role."""
    return {
        "complete": "a coder model, such as qwen2.5-coder-0.5b-instruct",
        "edit": "a coder model that follows instructions, such as qwen2.5-coder-1.5b-instruct",
        "explain": "a model that follows instructions, such as qwen2.5-coder-1.5b-instruct",
    }[role]
