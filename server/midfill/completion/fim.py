"""Fill-in-the-middle prompts: one row a model family, in the words of the family's own documentation.

Two forms: PSM, prefix before suffix, and SPM, suffix before prefix. The prompt is anchored: the text from the
anchor to the cursor stands behind the middle token, as the beginning of the answer, so that typing only ever
appends to the prompt. That holds in both forms. A family without a middle token needs no anchor: its suffix comes
first, and the prefix, which is last, is what typing appends to.

The token that begins a text (BOS) is in no row: the vocabulary says whether there is one, and the engine adds it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from midfill.completion.context import NOTHING, Context
from midfill.engine.base import ITS_SERVERS, Part
from midfill.errors import ModelError


@dataclass(frozen=True)
class Family:
    """The control tokens around the three texts, and how a project's other files stand in front of them.

    `middle` is empty where the prefix comes last. `project` and `file` stand before the name of a project and of
    each of its files, `named` behind the project's; without a `file` mark the family knows no other files.
    `inside`: what of that belongs to the prefix, behind its token, and not in front of all: nothing, the `path` of
    the file at hand, or the `files` too.
    """

    name: str
    form: Literal["PSM", "SPM"]
    prefix: str
    suffix: str
    middle: str
    project: str = ""
    named: str = ""
    file: str = ""
    inside: Literal["", "path", "files"] = ""


_QWEN = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
_STAR = ("<fim_prefix>", "<fim_suffix>", "<fim_middle>")
_DEEPSEEK = ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>")

FAMILIES = {
    family.name: family
    for family in (
        # Qwen2.5-Coder technical report (arXiv 2409.12186), section 3.2, figure 4.
        *(
            Family(
                name,
                "PSM",
                *_QWEN,
                project="<|repo_name|>",
                named="\n",
                file="<|file_sep|>",
            )
            for name in ("qwen2.5-coder", "qwen3-coder")
        ),
        # Meta's codellama/llama/generation.py, infilling_prompt_tokens: "<PRE> {pre} <SUF>{suf} <MID>". The prefix
        # has SentencePiece's leading space, suffix and middle have none. No format for other files is documented.
        *(Family(name, "PSM", "▁<PRE>", "▁<SUF>", "▁<MID>") for name in ("codellama", "wizardcoder-codellama")),
        # DeepSeek-Coder's README, "Code Insertion" and "Repository Level Code Completion": each file stands under
        # a comment with its path.
        *(
            Family(name, "PSM", *_DEEPSEEK, file="#", inside="files")
            for name in ("deepseek-coder", "deepseek-coder-v2", "wizardcoder-deepseek")
        ),
        # StarCoder (arXiv 2305.06161), section 5.1, and the model card's "Fill-in-the-middle".
        *(
            Family(name, "PSM", *_STAR, project="<reponame>", file="<filename>")
            for name in ("starcoder", "wizardcoder-starcoder", "refact")
        ),
        # StarCoder 2 (arXiv 2402.19173), section 5.1: the path is the beginning of the prefix.
        Family(
            "starcoder2",
            "PSM",
            *_STAR,
            project="<repo_name>",
            file="<file_sep>",
            inside="path",
        ),
        # Model card stabilityai/stable-code-3b; the tokens are StarCoder's.
        Family("stablecode", "PSM", *_STAR, project="<reponame>", file="<filename>"),
        # Granite Code (arXiv 2405.04324), section 3.2: StarCoder's tokens.
        Family("granite-code", "PSM", *_STAR, project="<reponame>", file="<filename>"),
        # Model card google/codegemma-2b, whose example shows what stands between a file's separator and its code.
        Family(
            "codegemma",
            "PSM",
            *_QWEN,
            file="<|file_separator|>",
        ),
        # Mistral's mistral-common, InstructTokenizer.encode_fim. Other files as in continue's template for it.
        Family("codestral", "SPM", "[PREFIX]", "[SUFFIX]", "", file="+++++ ", inside="files"),
        # Seed-Coder (arXiv 2506.03524), section 2.2: SPM only. No format for other files is documented.
        Family(
            "seed-coder",
            "SPM",
            "<[fim-prefix]>",
            "<[fim-suffix]>",
            "<[fim-middle]>",
        ),
        # Model card JetBrains/Mellum-4b-base, "Fill in the middle with additional files as context".
        Family("mellum", "SPM", *_STAR, file="<filename>"),
    )
}

# What a server is told that marks the hole itself: the text before the cursor, and the text after it.
_ITS_SERVERS = Family(ITS_SERVERS, "PSM", "", "", "")


def family(name: str, doubt: str = "") -> Family:
    """The row of a family. Raises `ModelError`, in the words of `doubt` if there are, where it fills no holes."""
    if name == ITS_SERVERS:
        return _ITS_SERVERS
    try:
        return FAMILIES[name]
    except KeyError:
        raise ModelError(
            doubt
            or f"A model of the family {name!r} cannot complete code. "
            f"Set midfill.models.complete to a model of one of the families {', '.join(FAMILIES)}."
        ) from None


def prompt(
    family: Family, before_anchor: str, typed: str, after_cursor: str, context: Context = NOTHING
) -> tuple[Part, ...]:
    """What changes least comes first: other files, the text before the anchor, the suffix, what is being typed."""
    outside, inside = _project(family, context) if context.fragments and family.file else ((), ())
    # Without a middle token the prefix goes on to the cursor.
    before = Part(before_anchor if family.middle else before_anchor + typed, opens=not inside)
    prefix = (Part(family.prefix, control=True), *inside, before)
    suffix = (Part(family.suffix, control=True), Part(after_cursor))
    middle = (Part(family.middle, control=True), Part(typed)) if family.middle else ()
    return (*outside, *((*prefix, *suffix) if family.form == "PSM" else (*suffix, *prefix)), *middle)


def _project(family: Family, context: Context) -> tuple[tuple[Part, ...], tuple[Part, ...]]:
    """The other files and the head of this one: what stands in front of all, and what in the prefix."""
    files: list[Part] = []
    if family.project:
        files += [Part(family.project, control=True), Part(context.project + family.named)]
    for fragment in context.fragments:
        files += [Part(family.file, control=True), Part(f"{fragment.path}\n{fragment.text}")]
    files.append(Part(family.file, control=True))
    path = Part(f"{context.path}\n")
    if family.inside == "files":
        return (), (*files, path)
    return (tuple(files), (path,)) if family.inside == "path" else ((*files, path), ())


def readable(data: bytes) -> str:
    """Text of a file as the model sees it: with \\n line ends only."""
    return data.decode("utf-8", "surrogatepass").replace("\r\n", "\n").replace("\r", "\n")
