"""A document as one frozen value: its text and the syntax tree that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import tree_sitter

from midfill.languages import Language, language_for
from midfill.text import Change, Edit, Encoding, Text, in_order

LARGEST_PARSED = 8 * 1024 * 1024
"""Bytes; a larger text has no tree, because its first parse would take seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One version of one file. Whoever holds it may use it on any thread, while newer versions come.

    `tree` is None for an unknown language and for a text beyond `LARGEST_PARSED`.
    """

    uri: str
    version: int
    language: Language | None
    text: Text
    tree: tree_sitter.Tree | None

    @classmethod
    def open(cls, uri: str, language_id: str | None, version: int, text: str) -> Document:
        """Parse a text. The language is the one named by the editor or told by the file's name."""
        language = language_for(language_id, uri)
        whole = Text.of(text)
        return cls(uri, version, language, whole, _parse(language, whole, None))

    def apply(self, changes: Sequence[Change], encoding: Encoding, version: int) -> Document:
        """The next version: the changes in sequence, each relative to the text after those before it."""
        text, tree = self.text, _copy(self.tree)
        for change in changes:
            if change.range is None:
                text, tree = Text.of(change.text), None
                continue
            start = text.offset(change.range.start, encoding)
            end = max(start, text.offset(change.range.end, encoding))
            text = _replace(text, tree, Edit(start, end, change.text))
        return replace(self, version=version, text=text, tree=_parse(self.language, text, tree))

    def edited(self, edits: Iterable[Edit]) -> Document:
        """The same version with edits in this document's offsets, to look at what they would do.

        Raises ValueError when two edits overlap or one is outside the text.
        """
        text, tree = self.text, _copy(self.tree)
        for edit in reversed(in_order(edits)):
            text = _replace(text, tree, edit)
        return replace(self, text=text, tree=_parse(self.language, text, tree))


def _copy(tree: tree_sitter.Tree | None) -> tree_sitter.Tree | None:
    # Tree.edit works in place; the snapshots that others hold must not shift.
    return tree.copy() if tree else None


def _replace(text: Text, tree: tree_sitter.Tree | None, edit: Edit) -> Text:
    """The text after the edit; the tree is told in place."""
    after = text.replace(edit)
    if tree:
        new_end = edit.end + len(after) - len(text)
        tree.edit(
            start_byte=edit.start,
            old_end_byte=edit.end,
            new_end_byte=new_end,
            start_point=text.point(edit.start),
            old_end_point=text.point(edit.end),
            new_end_point=after.point(new_end),
        )
    return after


def _parse(language: Language | None, text: Text, old: tree_sitter.Tree | None) -> tree_sitter.Tree | None:
    if language is None or len(text) > LARGEST_PARSED:
        return None
    parser = language.parser()
    return parser.parse(text.data, old) if old else parser.parse(text.data)
