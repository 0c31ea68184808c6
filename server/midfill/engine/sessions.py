"""Sessions: the sequences of a KV cache, found again by what they hold.

A session is one sequence of tokens whose keys and values are cached. Requests do not name a session: the one
that shares the longest beginning with the prompt is continued, and where continuing would throw away a prompt
that somebody may come back to (another file, another place), it is forked and the beginning is shared. So each
file and place lately worked at keeps its cache, an undo finds the old one, and the least recently used goes first.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

# A session may lose this many tokens of its prompt to another prompt before it is forked instead.
LOSS = 64


class Cells(Protocol):
    """The cells of a KV cache, each of which may belong to several sequences."""

    def remove(self, sequence: int, start: int) -> None:
        """Let go of a sequence's tokens from position `start` on."""

    def share(self, source: int, target: int, length: int) -> None:
        """Let the empty sequence `target` hold the first `length` tokens of `source` too."""


@dataclass(eq=False)
class Session:
    """`tokens[i]` is cached at position i. The first `prompt` of them are the last prompt, the rest an answer."""

    id: int
    tokens: list[int] = field(default_factory=list)
    prompt: int = 0
    used: int = 0
    held: bool = False


class Sessions:
    """At most `count` sessions over the cells of one model."""

    def __init__(self, cells: Cells, count: int) -> None:
        self._cells = cells
        self._free = list(range(count))
        self._all: list[Session] = []
        self._clock = 0

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._all)

    @property
    def cached(self) -> int:
        """Tokens in all sessions; one that is shared counts in each."""
        return sum(len(session.tokens) for session in self._all)

    @contextlib.contextmanager
    def hold(self, prompt: Sequence[int]) -> Iterator[tuple[Session, list[int]]]:
        """A session whose tokens begin `prompt`, held until the end; and the tokens taken from its end for that.

        What is taken was likely a suggestion, and what the user writes instead may well go on like it.
        """
        best = max(self._all, key=lambda session: common(session.tokens, prompt), default=None)
        length = common(best.tokens, prompt) if best else 0
        if best is None or length == 0 or best.held or best.prompt - length > LOSS:
            session = self.fork(best, length)
            taken = best.tokens[length:] if best and length else []
        else:
            session, taken = best, best.tokens[length:]
            self.truncate(session, length)
        session.held = True
        session.prompt = len(prompt)
        try:
            yield session, taken
        finally:
            session.held = False
            session.prompt = min(session.prompt, len(session.tokens))
            self._touch(session)

    def fork(self, source: Session | None, length: int) -> Session:
        """A new session that begins with the first `length` tokens of `source`."""
        if not self._free:
            # The source must not go to make room for its own copy.
            self.drop_oldest(spare=source)
        session = Session(self._free.pop(0))
        if source is not None and length:
            self._cells.share(source.id, session.id, length)
            session.tokens = source.tokens[:length]
        self._all.append(session)
        self._touch(session)
        return session

    def truncate(self, session: Session, length: int) -> None:
        if length < len(session.tokens):
            self._cells.remove(session.id, length)
            del session.tokens[length:]

    def drop(self, session: Session) -> None:
        self._cells.remove(session.id, 0)
        self._all.remove(session)
        self._free.append(session.id)

    def drop_oldest(self, spare: Session | None = None) -> bool:
        """Forget the session that was used longest ago. False when all are in use."""
        idle = [session for session in self._all if not session.held and session is not spare]
        if not idle:
            return False
        self.drop(min(idle, key=lambda session: session.used))
        return True

    def _touch(self, session: Session) -> None:
        self._clock += 1
        session.used = self._clock


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the longest common beginning, by bisection on comparisons that run in C."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
