"""A document as one frozen value: its text and the syntax tree that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import tree_sitter

from midfill.languages import Language, language_for
from midfill.text import Change, Edit, Encoding, Text, in_order

Span = tuple[int, int]

LARGEST_PARSED = 8 * 1024 * 1024
"""Bytes. A larger text has no tree, because its first parse takes more than a second and holds the GIL."""


@dataclass(frozen=True, eq=False)
class Document:
    """One version of one file. Whoever holds it may use it on any thread, while newer versions come."""

    uri: str
    version: int
    language: Language | None
    text: Text
    part: Span | None = None
    """The bytes that are in the document's language, where the rest of the text is in another one."""
    _stale: tree_sitter.Tree | None = field(default=None, repr=False)
    """A tree of an older text that has been told of every edit since."""
    _embedded: dict[tuple[Language, Span], Document] = field(default_factory=dict, repr=False)
    """The documents that `seen_at` has made."""

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
        if self.part is not None:
            start, end = self.part
            parser.included_ranges = [
                tree_sitter.Range(self.text.point(start), self.text.point(end), start, end),
            ]
        return parser.parse(self.text.data, self._stale) if self._stale else parser.parse(self.text.data)

    @property
    def end(self) -> int:
        """Where the text ends that is in the document's language."""
        return self.part[1] if self.part else len(self.text)

    @property
    def code(self) -> str:
        """The text that is in the document's language."""
        return self.text.slice(*self.part) if self.part else str(self.text)

    def seen_at(self, start: int, end: int | None = None) -> Document:
        """The document as one of the language at the bytes `start..end`: of a Markdown fence's, for example.

        It has the same text and the same offsets, but a tree of the embedded code only; the document itself where
        the range is in no embedded code of a language that is known.
        """
        embedded = self._innermost(start, start if end is None else end)
        return embedded.seen_at(start, end) if embedded else self

    def _innermost(self, start: int, end: int) -> Document | None:
        """The embedded code around a range, as `injections.scm` tells; of two for one node the later pattern wins.

        The code is the node `injection.content`, but for the lines down to `injection.opening` and from
        `injection.closing` on.
        """
        if self.tree is None or self.language is None or not self.language.has_query("injections"):
            return None
        query = self.language.query("injections")
        cursor = tree_sitter.QueryCursor(query)
        # To ask the nodes around the place takes microseconds, and to ask all of a long file milliseconds.
        cursor.set_max_start_depth(0)
        node = self.tree.root_node.descendant_for_byte_range(max(start - 1, 0), end)
        while node is not None:
            found = None
            for pattern, captures in sorted(cursor.matches(node), key=lambda match: match[0]):
                span = self._embedded_span(captures)
                if span[0] <= start and end <= span[1]:
                    found = self._embedded_language(query, pattern, captures), span
            if found is not None:
                language, span = found
                return self._as(language, span) if language else None
            node = node.parent
        return None

    def _as(self, language: Language, part: Span) -> Document:
        if (language, part) not in self._embedded:
            self._embedded[language, part] = Document(self.uri, self.version, language, self.text, part=part)
        return self._embedded[language, part]

    def _embedded_language(
        self, query: tree_sitter.Query, pattern: int, captures: dict[str, list[tree_sitter.Node]]
    ) -> Language | None:
        """The language that the document names, by any id or extension of it, or else the pattern."""
        if "injection.language" in captures:
            name = self.text.slice(*captures["injection.language"][0].byte_range).lower()
        else:
            name = query.pattern_settings(pattern).get("injection.language") or ""
        return language_for(name, f"a.{name}")

    def _embedded_span(self, captures: dict[str, list[tree_sitter.Node]]) -> Span:
        start, end = captures["injection.content"][0].byte_range
        if "injection.opening" in captures:
            start = self.text.line_start(self.text.line_of(captures["injection.opening"][0].end_byte) + 1)
        if "injection.closing" in captures:
            end = self.text.line_start(self.text.line_of(captures["injection.closing"][0].start_byte))
        return start, max(start, end)

    def apply(self, changes: Sequence[Change], encoding: Encoding, version: int) -> Document:
        """The next version: the changes in sequence, each relative to the text after those before it."""
        text, tree, part = self.text, self._tree_to_edit(), self.part
        for change in changes:
            if change.range is None:
                text, tree, part = Text.of(change.text), None, None
                continue
            start = text.offset(change.range.start, encoding)
            end = max(start, text.offset(change.range.end, encoding))
            edit = Edit(start, end, change.text)
            text, part = _replace(text, tree, edit), _moved(part, edit)
        return replace(self, version=version, text=text, _stale=tree, part=part, _embedded={})

    def edited(self, edits: Iterable[Edit]) -> Document:
        """The same version with edits in this document's offsets, to look at what they would do.

        Raises ValueError when two edits overlap or one is outside the text.
        """
        text, tree, part = self.text, self._tree_to_edit(), self.part
        for edit in reversed(in_order(edits)):
            text, part = _replace(text, tree, edit), _moved(part, edit)
        return replace(self, text=text, _stale=tree, part=part, _embedded={})

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


def _moved(part: Span | None, edit: Edit) -> Span | None:
    """Where a part of the text is after the edit. What is inserted at its ends belongs to it."""
    if part is None or edit.start > part[1]:
        return part
    grown = len(edit.text.encode("utf-8", "surrogatepass")) - (edit.end - edit.start)
    start = part[0] + grown if edit.end < part[0] else min(part[0], edit.start)
    return start, max(part[1], edit.end) + grown
