"""The languages that Midfill knows: a folder each under `grammars/`, with `config.toml` and tree-sitter queries.

Importing this module reads nothing. The first look-up reads the config files; a grammar is imported with the
first parse of its language.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import tree_sitter


@dataclass(frozen=True, slots=True)
class Docstring:
    """Where a definition's documentation stands and what it looks like.

    `inside`: the first statement of the body, as in Python. `above`: comments directly above the definition.
    `opening`, `line` and `closing` are how a new one is written: the lines between opening and closing begin with
    `line`; the first two are empty where every line looks alike, as in Go.
    """

    kind: Literal["inside", "above"]
    style: str
    opening: str
    line: str
    closing: str
    pattern: str

    def matches(self, comment: str) -> bool:
        """Whether a comment (or string) that begins like this documents what follows it."""
        return re.match(self.pattern, comment) is not None


@dataclass(frozen=True, eq=False)
class Language:
    """One language: what its config says, and its grammar and queries, which are loaded on first use."""

    id: str
    name: str
    lsp_ids: tuple[str, ...]
    extensions: tuple[str, ...]
    filenames: tuple[str, ...]
    line_comments: tuple[str, ...]
    """What begins a comment that ends with the line; empty where there are none, as in HTML."""
    comments_begin_words: bool
    """Whether a line comment must begin a word, as in Bash, where `$#` holds none."""
    block_comment: tuple[str, str] | None
    block: Literal["indent", "braces", "words"] | None
    """What shows where a block ends; words are `end` and the like. None where there are no blocks."""
    block_opener: str | None
    """A regular expression, found in the code up to the cursor, without blanks, where that opens a block."""
    multiline_quotes: tuple[str, ...]
    """The quotes of strings that may go over several lines."""
    quotes: tuple[str, ...]
    """The quotes of strings that end with the line."""
    indent: str
    docstring: Docstring | None
    """None where there is no convention."""
    comment_nodes: frozenset[str]
    string_nodes: frozenset[str]
    code_in_string_nodes: frozenset[str]
    """The nodes inside a string that hold code again: interpolations."""
    block_nodes: frozenset[str]
    """The nodes whose children are statements or members."""
    clause_nodes: frozenset[str]
    """The parts of a statement that have a body of their own: else, except, case."""
    attribute_nodes: frozenset[str]
    """The siblings above a definition that belong to it: Rust's attributes, TypeScript's decorators."""
    folder: Path
    grammar_module: str
    grammar_function: str

    @cached_property
    def grammar(self) -> tree_sitter.Language:
        """The tree-sitter grammar. Raises ImportError when its wheel is not installed."""
        return tree_sitter.Language(getattr(import_module(self.grammar_module), self.grammar_function)())

    def parser(self) -> tree_sitter.Parser:
        """A new parser. It costs less than a microsecond, and one parser may not be used by two threads."""
        return tree_sitter.Parser(self.grammar)

    def has_query(self, name: str) -> bool:
        """Whether there is a `name`.scm; a language without functions has no definitions, for example."""
        return _has_query(self, name)

    def query(self, name: str) -> tree_sitter.Query:
        """The query in `name`.scm, compiled once. Raises OSError when the language has none."""
        return _query(self, name)


def languages() -> list[Language]:
    """All languages, by name."""
    return list(_languages())


def language_for(lsp_id: str | None, uri_or_path: str) -> Language | None:
    """The language an editor names, else the one that the file's name or extension tells, else None."""
    by_id, by_name, by_extension = _tables()
    path = unquote(urlsplit(uri_or_path).path) if "://" in uri_or_path else uri_or_path
    file = PurePosixPath(path.replace("\\", "/"))
    return by_id.get(lsp_id or "") or by_name.get(file.name) or by_extension.get(file.suffix.lower())


def grammars_folder() -> Path:
    """`grammars/` inside the installed package or, in a checkout, at the top of the repository."""
    package = Path(__file__).resolve().parent
    inside = package / "grammars"
    return inside if inside.is_dir() else package.parents[1] / "grammars"


@cache
def _languages() -> tuple[Language, ...]:
    configs = sorted(grammars_folder().glob("*/config.toml"))
    return tuple(sorted((_load(path) for path in configs), key=lambda language: language.name))


@cache
def _tables() -> tuple[dict[str, Language], dict[str, Language], dict[str, Language]]:
    """The languages by LSP id, by file name and by extension."""
    return (
        {lsp_id: language for language in _languages() for lsp_id in language.lsp_ids},
        {name: language for language in _languages() for name in language.filenames},
        {extension: language for language in _languages() for extension in language.extensions},
    )


@cache
def _has_query(language: Language, name: str) -> bool:
    return (language.folder / f"{name}.scm").is_file()


@cache
def _query(language: Language, name: str) -> tree_sitter.Query:
    return tree_sitter.Query(language.grammar, _query_source(language.folder / f"{name}.scm"))


def _query_source(path: Path) -> str:
    """The text of a query; one that begins with `; inherits: LANGUAGE` comes after that language's."""
    source = path.read_text(encoding="utf-8")
    inherited = re.match(r"; inherits: (\w+)\n", source)
    return _query_source(path.parents[1] / inherited[1] / path.name) + source if inherited else source


def _load(path: Path) -> Language:
    """Read one config. Raises KeyError for a setting that is missing."""
    # The import takes 5 ms, which a server that has only just started does not have.
    import tomllib

    config = tomllib.loads(path.read_text(encoding="utf-8"))
    nodes: Mapping[str, Any] = config["nodes"]
    return Language(
        id=path.parent.name,
        name=config["name"],
        lsp_ids=tuple(config["lsp_ids"]),
        extensions=tuple(config["extensions"]),
        filenames=tuple(config.get("filenames", ())),
        line_comments=tuple(config["line_comments"]),
        comments_begin_words=config.get("comments_begin_words", False),
        block_comment=(pair[0], pair[1]) if (pair := config.get("block_comment")) else None,
        block=config.get("block"),
        block_opener=config.get("block_opener"),
        multiline_quotes=tuple(config["multiline_quotes"]),
        quotes=tuple(config.get("quotes", "\"'")),
        indent=config["indent"],
        docstring=Docstring(**docstring) if (docstring := config.get("docstring")) else None,
        comment_nodes=frozenset(nodes["comment"]),
        string_nodes=frozenset(nodes["string"]),
        code_in_string_nodes=frozenset(nodes.get("code_in_string", ())),
        block_nodes=frozenset(nodes["block"]),
        clause_nodes=frozenset(nodes.get("clause", ())),
        attribute_nodes=frozenset(nodes.get("attribute", ())),
        folder=path.parent,
        grammar_module=config["grammar"]["module"],
        grammar_function=config["grammar"].get("function", "language"),
    )
