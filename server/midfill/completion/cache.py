"""What the pipeline remembers between requests, in memory only."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

from midfill.completion.pace import Pace
from midfill.completion.window import Window
from midfill.document import Document

Answer = TypeVar("Answer")

SIZE = 64
# Windows of one document: the places that the user goes back to.
WINDOWS = 6


class Memory(Generic[Answer]):
    """The windows of each document, the latest answers by content and cursor, and how fast the model is."""

    def __init__(self) -> None:
        self.pace = Pace()
        self._windows: dict[str, list[Window]] = {}
        self._answers: OrderedDict[tuple[str, int, bool, int], Answer] = OrderedDict()

    def windows(self, uri: str) -> tuple[Window, ...]:
        """The windows that the model has seen, the latest first. They outlive the closing of the document."""
        return tuple(self._windows.get(uri, ()))

    def keep(self, uri: str, window: Window) -> None:
        """The model has seen this window now."""
        others = [old for old in self._windows.get(uri, ()) if old.before != window.before]
        self._windows[uri] = [window, *others[: WINDOWS - 1]]

    def recall(self, document: Document, cursor: int, invoked: bool) -> Answer | None:
        """The answer given to the same question, if it is still known. Asked for, an answer is more."""
        key = _key(document, cursor, invoked)
        if key in self._answers:
            self._answers.move_to_end(key)
        return self._answers.get(key)

    def remember(self, document: Document, cursor: int, invoked: bool, answer: Answer) -> None:
        self._answers[_key(document, cursor, invoked)] = answer
        while len(self._answers) > SIZE:
            self._answers.popitem(last=False)

    def forget(self, uri: str) -> None:
        """The document was closed."""
        for key in [key for key in self._answers if key[0] == uri]:
            del self._answers[key]


def _key(document: Document, cursor: int, invoked: bool) -> tuple[str, int, bool, int]:
    return document.uri, cursor, invoked, hash(document.text.data)
