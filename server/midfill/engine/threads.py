"""How many threads decode fastest, found out while decoding.

Decoding one token is bound by memory, and on a busy machine threads wait for the one that has no core: then fewer
are faster. So now and then a token is decoded with another number, and the number that was fastest lately is used.
"""

from __future__ import annotations

# Every so many tokens another number of threads is tried.
_EVERY = 32
# How many times each is tried in the beginning.
_FIRST = 3
# Weight of the newest of the times that are averaged.
_NEWS = 0.2


class Threads:
    """`most` are all that may be used, as long prompts always do; `best` decodes a token fastest."""

    def __init__(self, most: int, measured: bool = True) -> None:
        """Without `measured`, `most` it is."""
        self.most = most
        self._milliseconds: dict[int, float] = {}
        self._numbers = [most]
        if measured:
            self._numbers += [number for number in (most * 3 // 4, most // 2) if 0 < number < most]
            self._numbers = list(dict.fromkeys(self._numbers))
        self._steps = 0

    @property
    def best(self) -> int:
        return min(self._milliseconds, key=self._milliseconds.__getitem__, default=self.most)

    def next(self) -> int:
        """The number for the next token."""
        self._steps += 1
        if self._steps <= _FIRST * len(self._numbers):
            return self._numbers[self._steps % len(self._numbers)]
        if self._steps % _EVERY == 0:
            return self._numbers[self._steps // _EVERY % len(self._numbers)]
        return self.best

    def saw(self, number: int, milliseconds: float) -> None:
        """A token was decoded with so many threads in so many milliseconds."""
        known = self._milliseconds.get(number)
        # The first time includes what is done once.
        if known is None or self._steps <= len(self._numbers):
            self._milliseconds[number] = milliseconds
        else:
            self._milliseconds[number] = known + _NEWS * (milliseconds - known)
