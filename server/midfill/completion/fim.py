"""Fill-in-the-middle prompts: one row a model family.

The prompt is anchored: the text from the anchor to the cursor stands behind the middle token, as the beginning
of the answer, so that typing only ever appends to the prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midfill.completion.context import NOTHING, Context, Fragment
from midfill.engine.base import Part
from midfill.errors import ModelError


@dataclass(frozen=True)
class Family:
    """The control tokens around the three texts, in the order prefix, suffix, middle (PSM).

    `project` and `file` stand before the name of a project and of each of its files.
    """

    name: str
    prefix: str
    suffix: str
    middle: str
    project: str
    file: str


FAMILIES = {
    family.name: family
    for family in (
        # Qwen2.5-Coder technical report (arXiv 2409.12186), section 3.2.
        Family(
            "qwen2.5-coder",
            "<|fim_prefix|>",
            "<|fim_suffix|>",
            "<|fim_middle|>",
            "<|repo_name|>",
            "<|file_sep|>",
        ),
    )
}


def family(name: str) -> Family:
    """The row of a family. Raises `ModelError` for a model that cannot fill in the middle."""
    try:
        return FAMILIES[name]
    except KeyError:
        raise ModelError(
            f"A model of the family {name!r} cannot complete code. "
            f"Set midfill.models.complete to one of the families {', '.join(FAMILIES)}."
        ) from None


def prompt(
    family: Family, before_anchor: str, typed: str, after_cursor: str, context: Context = NOTHING
) -> tuple[Part, ...]:
    """What changes least comes first: other files, the text before the anchor, the suffix, what is being typed."""
    return (
        *(_project(family, context) if context.fragments else ()),
        Part(family.prefix, control=True),
        Part(before_anchor),
        Part(family.suffix, control=True),
        Part(after_cursor),
        Part(family.middle, control=True),
        Part(typed),
    )


def _project(family: Family, context: Context) -> Iterator[Part]:
    yield Part(family.project, control=True)
    yield Part(f"{context.project}\n")
    for fragment in (*context.fragments, Fragment(context.path, "")):
        yield Part(family.file, control=True)
        yield Part(f"{fragment.path}\n{fragment.text}")


def readable(data: bytes) -> str:
    """Text of a file as the model sees it: with \\n line ends only."""
    return data.decode("utf-8", "surrogatepass").replace("\r\n", "\n").replace("\r", "\n")
