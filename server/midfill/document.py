"""A document as one frozen value: its text and the syntax tree that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import tree_sitter

from midfill.languages import Language, language_for
from midfill.text import Change, Edit, Encoding, Text, in_order

LARGEST_PARSED = 8 * 1024 * 1024
"""Bytes. A larger text has no tree, because its first parse takes more than a second and holds the GIL."""


@dataclass(frozen=True, eq=False)
class Document:
    """One version of one file. Whoever holds it may use it on any thread, while newer versions come."""

    uri: str
    version: int
    language: Language | None
    text: Text
    _stale: tree_sitter.Tree | None = field(default=None, repr=False)
    """A tree of an older text that has been told of every edit since."""

    @classmethod
    def open(cls, uri: str, language_id: str | None, version: int, text: str) -> Document:
        """A new document. Its language is the one that the editor names, else the one of the file's name."""
        return cls(uri, version, language_for(language_id, uri), Text.of(text))

    @cached_property
    def tree(self) -> tree_sitter.Tree | None:
        """The syntax tree; None for an unknown language and for a text beyond `LARGEST_PARSED`.

        It is parsed, from the older tree, when someone first asks: a burst of changes then costs one parse, and
        none of them waits for it.
        """
        if self.language is None or len(self.text) > LARGEST_PARSED:
            return None
        parser = self.language.parser()
        return parser.parse(self.text.data, self._stale) if self._stale else parser.parse(self.text.data)

    def apply(self, changes: Sequence[Change], encoding: Encoding, version: int) -> Document:
        """The next version: the changes in sequence, each relative to the text after those before it."""
        text, tree = self.text, self._tree_to_edit()
        for change in changes:
            if change.range is None:
                text, tree = Text.of(change.text), None
                continue
            start = text.offset(change.range.start, encoding)
            end = max(start, text.offset(change.range.end, encoding))
            text = _replace(text, tree, Edit(start, end, change.text))
        return replace(self, version=version, text=text, _stale=tree)

    def edited(self, edits: Iterable[Edit]) -> Document:
        """The same version with edits in this document's offsets, to look at what they would do.

        Raises ValueError when two edits overlap or one is outside the text.
        """
        text, tree = self.text, self._tree_to_edit()
        for edit in reversed(in_order(edits)):
            text = _replace(text, tree, edit)
        return replace(self, text=text, _stale=tree)

    def _tree_to_edit(self) -> tree_sitter.Tree | None:
        # Tree.edit works in place: the snapshots that others hold must not shift.
        tree = self.__dict__.get("tree", self._stale)
        return tree.copy() if tree else None


def _replace(text: Text, tree: tree_sitter.Tree | None, edit: Edit) -> Text:
    """The text after the edit; the tree is told in place."""
    after = text.replace(edit)
    if tree:
        new_end = edit.end + len(after) - len(text)
        tree.edit(
            edit.start,
            edit.end,
            new_end,
            text.point(edit.start),
            text.point(edit.end),
            after.point(new_end),
        )
    return after
