"""What the pipeline remembers between requests, in memory only."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace

from midfill.completion.pace import Pace
from midfill.completion.postprocess import fitted, is_closer
from midfill.completion.result import Completion
from midfill.completion.window import Window
from midfill.document import Document
from midfill.engine.base import Usage

# How many answers are remembered, of all documents together.
SIZE = 128
# Windows of one document: the places that the user goes back to.
WINDOWS = 6
# An answer holds as long as so many bytes around its cursor are what they were.
BEFORE, AFTER = 2000, 500
# An editor inserts so many closers by itself for what is typed.
CLOSERS = 3

_LINE_END = re.compile(rb"\r?\n[ \t]*")


class Memory:
    """The windows of each document, the latest answers, and how fast the model is."""

    def __init__(self) -> None:
        self.pace = Pace()
        self._windows: dict[str, list[Window]] = {}
        self._answers: deque[_Answered] = deque(maxlen=SIZE)

    def windows(self, uri: str) -> tuple[Window, ...]:
        """The windows that the model has seen, the latest first. They outlive the closing of the document."""
        return tuple(self._windows.get(uri, ()))

    def keep(self, uri: str, window: Window) -> None:
        """The model has seen this window now."""
        others = [old for old in self._windows.get(uri, ()) if old.before != window.before]
        self._windows[uri] = [window, *others[: WINDOWS - 1]]

    def recall(self, document: Document, cursor: int, invoked: bool) -> Completion | None:
        """The answer given to the same question; or what is left of a suggestion that the user has typed on in.

        What was suggested while typing is not enough for a user who asks.
        """
        for answered in self._answers:
            if answered.completion.uri == document.uri and (answered.invoked or not invoked):
                again = answered.again(document, cursor)
                if again is not None:
                    return again
        return None

    def remember(self, document: Document, completion: Completion, invoked: bool) -> None:
        data, cursor = document.text.data, completion.cursor
        before, after = data[max(cursor - BEFORE, 0) : cursor], data[cursor : cursor + AFTER]
        self._answers.appendleft(_Answered(completion, invoked, before, after))

    def forget(self, uri: str) -> None:
        """The document was closed."""
        kept = [answered for answered in self._answers if answered.completion.uri != uri]
        self._answers = deque(kept, maxlen=SIZE)


@dataclass(frozen=True)
class _Answered:
    """A completion, and the bytes around its cursor when it was asked for."""

    completion: Completion
    invoked: bool
    before: bytes
    after: bytes

    def again(self, document: Document, cursor: int) -> Completion | None:
        """What it says for a cursor that stands where it did, or behind what was typed of the suggestion since."""
        known, data = self.completion, document.text.data
        start = known.cursor
        if cursor < start or not data.startswith(self.before, start - len(self.before)):
            return None
        typed = data[start:cursor]
        cost = Usage(prompt=known.usage.prompt)
        source = known.source if known.source == "prefetch" else "cache"
        again = replace(
            known, version=document.version, source=source, usage=cost, context_ms=0.0, postprocess_ms=0.0
        )
        if not typed:
            return again if self._follows(data, cursor) else None
        text = known.text.encode("utf-8", "surrogatepass")
        if opened := self._opened(data, cursor, typed):
            if known.replaces or not text.endswith(opened):
                return None
            text = text.removesuffix(opened)
        if known.outcome != "shown" or not text.startswith(typed) or len(typed) == len(text):
            return None
        rest = text[len(typed) :].decode("utf-8", "surrogatepass")
        replaces = 0 if opened else self._replaces(data, cursor, rest)
        if replaces is None:
            return None
        if "\n" not in rest:
            tail = document.text.slice(cursor, document.text.line_end(document.text.line_of(cursor)))
            rest, replaces = _shorter(rest, replaces, tail)
        if not rest.strip():
            return None
        return replace(again, cursor=cursor, source="typeThrough", text=rest, replaces=replaces, others=())

    def _opened(self, data: bytes, cursor: int, typed: bytes) -> bytes:
        """The line end, with indentation, that an editor inserts behind the cursor when Enter opens brackets.

        A suggestion for between brackets ends with that itself.
        """
        line_end = _LINE_END.match(data, cursor)
        if line_end is None or b"\n" not in typed or self._follows(data, cursor):
            return b""
        return line_end[0] if self._follows(data, line_end.end()) else b""

    def _replaces(self, data: bytes, cursor: int, rest: str) -> int | None:
        """How many bytes behind the cursor `rest` replaces there now; None when other code stands there."""
        replaces = self.completion.replaces
        # The closers that the suggestion brings itself may have been typed over already.
        for over in range(replaces + 1):
            if self._follows(data, cursor, over):
                return replaces - over
        # The editor has closed what was typed, and the rest of the suggestion closes it too.
        for inserted in range(1, CLOSERS + 1):
            closers = data[cursor : cursor + inserted]
            if is_closer(closers) and self._follows(data, cursor + inserted):
                return inserted + replaces if all(chr(closer) in rest for closer in closers) else None
        return None

    def _follows(self, data: bytes, at: int, over: int = 0) -> bool:
        """Whether at this place follows what followed the cursor, its first `over` bytes aside."""
        expected = self.after[over:]
        return data.startswith(expected, at) if len(self.after) == AFTER else data[at:] == expected


def _shorter(rest: str, replaces: int, tail: str) -> tuple[str, int]:
    """The rest of a suggestion without the closers that stand behind it, and how many bytes that replaces.

    Accepted, it makes the same line.
    """
    behind = tail.encode("utf-8", "surrogatepass")
    fit, over = fitted(rest, tail)
    same = fit.encode("utf-8", "surrogatepass") + behind[over:] == (
        rest.encode("utf-8", "surrogatepass") + behind[replaces:]
    )
    return (fit, over) if same else (rest, replaces)
