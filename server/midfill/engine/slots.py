"""Where a llama-server keeps our prompts, so that a request finds the one that it goes on with.

The server puts a request into the free slot whose last prompt is most like the new one. Whoever types on before an
answer is there overtakes it: Midfill hangs up and asks anew at once, while the server notices with its next token.
Until then the slot that has the prompt is not free, and the server would evaluate everything in another one. Told
which slot is meant, it waits that moment. Where nothing of ours is on its way the server chooses, as it knows what
others have asked; but for a prompt that is read ahead in pieces, whose beginning others have as well.
"""

from __future__ import annotations

import bisect
import contextlib
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Seconds within which a server has noticed that we have hung up (llama.cpp, HTTP_POLLING_SECONDS), and some more.
NOTICED = 2.0
# A prompt is in a slot if so much of it is there. What is read ahead goes where so much of what is there is kept.
LIKE, KEPT = 0.5, 0.9


@dataclass(slots=True)
class Visit:
    """A request at the server, which is to be asked for the slot `named`, if any.

    What comes back is noted here: whether something was `heard`, and the slot where the server says it was.
    """

    named: int | None = None
    heard: bool = False
    told: int | None = None


@dataclass(slots=True)
class _Stay:
    """The last prompt of ours in a slot, and until when a request of ours may still be at work there."""

    prompt: str
    until: float = -math.inf


class Slots:
    """The slots of one server, as far as it is known what they have of ours, the latest last.

    `total` is how many there are, 0 where that is not known.
    """

    def __init__(self, total: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self._clock = clock
        self._stays: dict[int, _Stay] = {}
        # How many requests of ours are in a slot that is not known. It may be any, and it may take long.
        self._astray = 0

    def known(self, prompt: str, slot: int | None) -> int:
        """How many characters of a prompt are in a slot, or in the one that has most of it."""
        slot = self._closest(prompt) if slot is None else slot
        return common(prompt, self._stays[slot].prompt) if slot in self._stays else 0

    def place(self, prompt: str) -> int | None:
        """The slot for a prompt of which the server sees the beginning first, and would put it where that is.

        That is one whose prompt it goes on with, or else one that we do not use, or have not used for longest:
        what was read last is still needed. None: the server had better choose.
        """
        if not self.total or self._astray:
            return None
        slot = self._closest(prompt)
        if slot is not None and self.known(prompt, slot) > KEPT * len(self._stays[slot].prompt):
            return slot
        others = [slot for slot in range(self.total) if slot not in self._stays]
        return random.choice(others) if others else next(iter(self._stays))

    @contextlib.contextmanager
    def visit(self, prompt: str, slot: int | None = None) -> Iterator[Visit]:
        """While a request is at the server, in a certain slot if there is one."""
        supposed = slot if slot is not None else self._like(prompt)
        last = self._stays.get(supposed) if supposed is not None else None
        visit = Visit(slot)
        if last and slot is None and not self._astray and self._clock() < last.until:
            visit.named = supposed
        is_astray = supposed is None
        self._astray += is_astray
        if last:
            last.until = math.inf
        try:
            yield visit
        finally:
            self._astray -= is_astray
            if last:
                # It is there no more, or at work until the server has noticed.
                last.until = -math.inf if visit.told is not None else self._clock() + NOTICED
            if visit.told is not None:
                self._put(visit.told, _Stay(prompt))
            elif supposed is not None and visit.heard:
                self._put(supposed, _Stay(prompt, self._clock() + NOTICED))

    def _closest(self, prompt: str) -> int | None:
        return max(self._stays, key=lambda slot: common(prompt, self._stays[slot].prompt), default=None)

    def _like(self, prompt: str) -> int | None:
        """Where most of a prompt is."""
        slot = self._closest(prompt)
        return slot if slot is not None and self.known(prompt, slot) > LIKE * len(prompt) else None

    def _put(self, slot: int, stay: _Stay) -> None:
        self._stays.pop(slot, None)
        self._stays[slot] = stay


def common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    longest = min(len(one), len(other))
    return bisect.bisect_left(range(1, longest + 1), True, key=lambda n: one[:n] != other[:n])
