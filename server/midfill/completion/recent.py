"""Where the user has edited lately: what was done in one place is often what comes next in another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from midfill.document import Document

# Places that are remembered, and the lines above and below an edit that belong to its place.
PLACES, AROUND = 8, 2


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a document, from 0, as it was after the latest edit there."""

    document: Document
    line: int

    @property
    def text(self) -> str:
        """The lines around the edit; ends with a line end."""
        text = self.document.text
        last = min(self.line + AROUND, text.line_count - 1)
        return f"{text.slice(text.line_start(max(self.line - AROUND, 0)), text.line_end(last)).rstrip()}\n"


class Recent:
    """The places that were edited, the latest first. It holds a few snapshots, and nothing of a closed file."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    def edited(self, document: Document, line: int) -> None:
        """The user has edited a line, from 0, of a document that is now as given."""
        kept = (each for each in self._places if not _is_near(each, document.uri, line))
        self._places = [Place(document, min(line, document.text.line_count - 1)), *kept][:PLACES]

    def forget(self, uri: str) -> None:
        self._places = [each for each in self._places if each.document.uri != uri]

    def elsewhere(self, document: Document, cursor: int, far: int) -> Iterator[Place]:
        """The places but those that are less than `far` bytes away from byte offset `cursor` of a document."""
        for each in self._places:
            start = each.document.text.line_start(each.line)
            if each.document.uri != document.uri or abs(start - cursor) >= far:
                yield each


def _is_near(place: Place, uri: str, line: int) -> bool:
    return place.document.uri == uri and abs(place.line - line) <= AROUND
