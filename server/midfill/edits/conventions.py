"""The conventions of documentation: how each is asked for, and how inventions are told from facts.

Small models fill in every section that they know: a `Raises:` in a function that raises nothing, a parameter that
is none. What the syntax tree knows better is asked for exactly, and taken out where the model wrote it anyway.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from midfill.document import Document
from midfill.syntax import Definition, definitions, doc_of, parameters


@dataclass(frozen=True)
class Convention:
    """`ask` describes it in words; the others say how parameters, results and errors are written."""

    ask: str
    parameter: str = ""
    returns: str = ""
    raises: str = ""


CONVENTIONS = {
    "Python": Convention(
        "a Google-style docstring: one summary line in the imperative that ends with a period, then sections",
        "`Args:` with a line for each parameter",
        "`Returns:`",
        "`Raises:`",
    ),
    "JSDoc": Convention(
        "a JSDoc comment: one summary sentence, then tags",
        "`@param {type} name description` for each parameter",
        "`@returns {type} description`",
        "`@throws`",
    ),
    "TSDoc": Convention(
        "a TSDoc comment: one summary sentence, then tags",
        "`@param name - description` for each parameter",
        "`@returns description`",
        "`@throws`",
    ),
    "Go": Convention("a Go doc comment: one to three complete sentences, the first of which begins with the name"),
    "rustdoc": Convention(
        "a rustdoc comment: one summary sentence, then sections",
        "`# Arguments` with a line ``* `name` - description`` for each parameter",
        "`# Returns`",
        "`# Errors` or `# Panics`",
    ),
    "Javadoc": Convention(
        "a Javadoc comment: one summary sentence, then tags",
        "`@param name description` for each parameter",
        "`@return description`",
        "`@throws`",
    ),
    "KDoc": Convention(
        "a KDoc comment: one summary sentence, then tags",
        "`@param name description` for each parameter",
        "`@return description`",
        "`@throws`",
    ),
    "C# XML": Convention(
        "a C# XML documentation comment: one sentence between `<summary>` and `</summary>`, then elements",
        '`<param name="name">description</param>` for each parameter',
        "`<returns>description</returns>`",
        '`<exception cref="Type">when</exception>`',
    ),
    "PHPDoc": Convention(
        "a PHPDoc comment: one summary sentence, then tags",
        "`@param type $name description` for each parameter",
        "`@return type description`",
        "`@throws`",
    ),
    "YARD": Convention(
        "a YARD comment: one summary sentence, then tags",
        "`@param name [Type] description` for each parameter",
        "`@return [Type] description`",
        "`@raise [Type]`",
    ),
    "LDoc": Convention(
        "an LDoc comment: one summary sentence, then tags",
        "`@param name description` for each parameter",
        "`@return description`",
        "`@raise`",
    ),
    "Bash": Convention(
        "a comment of one to three complete sentences: what the function does, which arguments it takes, by "
        "position, and what it prints"
    ),
    "Doxygen": Convention(
        "a Doxygen comment: `@brief` with one summary sentence, then tags",
        "`@param name description` for each parameter",
        "`@return description`",
        "`@throws`",
    ),
}


@dataclass(frozen=True)
class Facts:
    """What the code says of itself: the parameters (None where they cannot be told), results, errors."""

    parameters: list[str] | None
    returns: bool
    raises: bool
    words: frozenset[str] | None = field(default=None, compare=False)
    """All words of a type's code, which has its parameters somewhere; None for a function."""


def facts_of(document: Document, definition: Definition) -> Facts:
    text = document.text
    code = text.slice(definition.name_end, definition.end)
    begins = definition.end if definition.body_start is None else definition.body_start
    head, body = text.slice(definition.name_end, begins), _told(document, definition, begins)
    # Arrows of a body are those of what it calls or passes on.
    arrow = re.search(r"->(?! *(?:None|\(\))\b)", head) or ("=>" in head and not body.startswith("{"))
    returns = bool(arrow) or re.search(r"\b(?:return|yield)\b[ \t]*[^;\s]|\A\s*=>", body) is not None
    if document.language is not None and (implicit := _RETURNS.get(document.language.id)):
        returns = returns or implicit.match(definition.name + code) is not None
    words = None
    if definition.kind == "class":
        start, end = doc_of(document, definition) or (definition.end, definition.end)
        bare = document.text.slice(definition.start, start) + document.text.slice(end, definition.end)
        words = frozenset(re.findall(r"\w+", bare if start >= definition.start else code))
    raises = _RAISES.search(_told(document, definition, definition.name_end)) is not None
    return Facts(parameters(document, definition), returns, raises, words)


def _told(document: Document, definition: Definition, start: int) -> str:
    """A body's code without comments, strings and the functions inside of it."""
    code = bytearray(document.text.data[start : definition.end])
    for each in definitions(document, (start, definition.end)):
        if definition.kind != "class" and start <= each.start and each.end <= definition.end:
            code[each.start - start : each.end - start] = b" " * (each.end - each.start)
    language = document.language
    if language is None:
        return code.decode("utf-8", "replace")
    quotes = "|".join(rf"{re.escape(each)}.*?{re.escape(each)}" for each in language.multiline_quotes)
    short = "|".join(rf"{each}(?:\\.|[^{each}\\\n])*{each}" for each in language.quotes if each in "\"'")
    comments = "|".join(rf"{re.escape(each)}[^\n]*" for each in language.line_comments)
    block = (
        language.block_comment
        and rf"{re.escape(language.block_comment[0])}.*?{re.escape(language.block_comment[1])}"
    )
    marks = "|".join(filter(None, (quotes, short, block, comments)))
    return (
        re.sub(rf"(?s:{marks})", "", code.decode("utf-8", "replace")) if marks else code.decode("utf-8", "replace")
    )


_RAISES = re.compile(r"\b(?:raise|throw|throws|panic!?|unwrap|expect|assert\w*!?)\b|\bErr\(|\?;|(?<![.\w])error\(")
# What returns a value without saying so: nearly all Ruby methods, and a Kotlin function that is one expression.
_RETURNS = {
    "ruby": re.compile(r"(?!initialize\b)"),
    "kotlin": re.compile(r"\w+\([^{]*\)\s*(?::[^{=]*)?=(?!=)"),
}


def request(convention: Convention, facts: Facts) -> str:
    """The convention in words, with the sections that this code needs and no others."""
    if not convention.parameter:
        return f"{convention.ask}."
    wanted = []
    if facts.parameters is None:
        wanted.append(f"{convention.parameter}, if there are any")
    elif facts.parameters:
        wanted.append(f"{convention.parameter}: {', '.join(facts.parameters)}")
    if facts.returns:
        wanted.append(convention.returns)
    if facts.raises:
        wanted.append(convention.raises)
    if not wanted:
        return f"{convention.ask.rsplit(', then', 1)[0]}, and nothing else."
    return f"{convention.ask}: {'; '.join(wanted)}. No other sections."


def without_inventions(lines: Sequence[str], facts: Facts) -> list[str]:
    """Take out parameters that are none, and results and errors of code that has none."""
    kept: list[str] = []
    names = facts.words if facts.parameters is None else facts.parameters
    for section in _sections(lines):
        topic = _topic(section[0])
        if (topic == "returns" and not facts.returns) or (topic == "raises" and not facts.raises):
            continue
        if topic == "parameters" and names is not None:
            section = _known_entries(section, names)
        elif topic == "parameter" and names is not None:
            name = _TAG_NAME.match(section[0])
            section = [] if name and name[1] not in names else section
        kept.extend(section)
    return kept


def incomplete(documentation: str, facts: Facts) -> str | None:
    """The reason, where some parameters are described and others are not named at all."""
    lines = [line.strip().lstrip("/#*- ") for line in documentation.splitlines()]
    if not any((_topic(line) or "").startswith("parameter") for line in lines):
        return None
    words = set(re.findall(r"\w+", documentation))
    missing = [name for name in facts.parameters or () if name.strip("_") and name not in words]
    return f"The documentation does not describe `{missing[0]}`." if missing else None


_HEADER = re.compile(r"(?:# )?(Args|Arguments|Parameters|Returns?|Yields?|Raises|Errors|Panics|Throws):?\s*$")
_TAG = re.compile(r"[@\\](\w+)|<(param|returns|exception)\b")
_TOPICS = {
    "param": "parameter",
    "return": "returns",
    "returns": "returns",
    "throws": "raises",
    "raise": "raises",
    "exception": "raises",
}
# In PHP the type comes first, and the name has a dollar; in C# the name is an attribute.
_TAG_NAME = re.compile(
    r"""(?:[@\\]param\s+(?:[^$\s]+(?:, [^$\s]+)*\s+(?=[&.]*\$))?(?:\[\w+\]\s+)?(?:\{[^}]*\}\s+)?[\[&.$]*"""
    r"""|<param\s+name=["'])(\w+)"""
)
_ENTRY = re.compile(r"(\s*)(?:[*-] )?[*`]{0,3}([\w.]+)`?\s*(?:\(.*?\))?\s*(?::|-|$)")


def _sections(lines: Sequence[str]) -> list[list[str]]:
    """The summary, and what follows cut before every heading and tag; a blank line belongs to what it follows."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if _topic(line) and sections[-1]:
            sections.append([])
        sections[-1].append(line)
    return [section for section in sections if section]


def _topic(line: str) -> str | None:
    if header := _HEADER.match(line):
        word = header[1]
        if word.startswith(("Arg", "Param")):
            return "parameters"
        return "returns" if word.startswith(("Return", "Yield")) else "raises"
    if tag := _TAG.match(line):
        return _TOPICS.get(tag[1] or tag[2], "other")
    return None


def _known_entries(section: list[str], names: Collection[str]) -> list[str]:
    """The entries of an `Args:` section whose names are parameters; nothing at all if there are none."""
    kept = [section[0]]
    margin: str | None = None
    keeping = True
    for line in section[1:]:
        entry = _ENTRY.match(line)
        if entry and line.strip() and (margin is None or len(entry[1]) <= len(margin)):
            margin = entry[1] if margin is None else margin
            keeping = entry[2] in names
        if keeping or not line.strip():
            kept.append(line)
    return kept if any(line.strip() for line in kept[1:]) else []
