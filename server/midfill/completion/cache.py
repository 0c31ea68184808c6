"""What the pipeline remembers between requests, in memory only."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from midfill.completion.window import Window
from midfill.document import Document

Answer = TypeVar("Answer")

SIZE = 64


class Memory(Generic[Answer]):
    """The window of each document, and the latest answers by content and cursor (least recently used go)."""

    def __init__(self) -> None:
        self.windows: dict[str, Window] = {}
        self._answers: OrderedDict[tuple[str, int, int], Answer] = OrderedDict()

    def recall(self, document: Document, cursor: int) -> Answer | None:
        """The answer given for the same text and cursor, if it is still known."""
        key = _key(document, cursor)
        if key in self._answers:
            self._answers.move_to_end(key)
        return self._answers.get(key)

    def remember(self, document: Document, cursor: int, answer: Answer) -> None:
        self._answers[_key(document, cursor)] = answer
        while len(self._answers) > SIZE:
            self._answers.popitem(last=False)

    def forget(self, uri: str) -> None:
        """The document was closed."""
        self.windows.pop(uri, None)
        for key in [key for key in self._answers if key[0] == uri]:
            del self._answers[key]


def _key(document: Document, cursor: int) -> tuple[str, int, int]:
    return document.uri, cursor, hash(document.text.data)
