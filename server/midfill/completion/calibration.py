"""The confidence below which nothing is suggested while typing, moved by what this user accepts.

The counts hold no code: how many suggestions were shown and accepted, by the model's confidence in them. From them
follows the threshold, within `REACH` of the setting: it rises over suggestions that are hardly ever accepted, and
falls where even the least confident ones often are. Old counts fade, so what is hidden gets another chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

# In percent: how far the threshold may move from the setting, in steps of what width.
REACH, WIDTH = 20, 5
# So many suggestions of a step must have been shown before it says anything.
ENOUGH = 20
# The share accepted below which suggestions only disturb, and that above which less confident ones may be welcome.
POOR, GOOD = 0.05, 0.3
# All counts are halved when more suggestions than these have been shown.
REMEMBERED = 1000

_STEPS = 100 // WIDTH


@dataclass(frozen=True)
class Counts:
    """How many suggestions were shown and accepted, by steps of confidence from 0 to 1."""

    shown: tuple[int, ...] = (0,) * _STEPS
    accepted: tuple[int, ...] = (0,) * _STEPS

    def saw(self, confidence: float) -> Counts:
        """One more was shown."""
        counts = self
        if sum(self.shown) >= REMEMBERED:
            counts = Counts(*(tuple(count // 2 for count in each) for each in (self.shown, self.accepted)))
        return replace(counts, shown=_one_more(counts.shown, confidence))

    def took(self, confidence: float) -> Counts:
        """One of those shown was accepted."""
        return replace(self, accepted=_one_more(self.accepted, confidence))


def counts(shown: object, accepted: object) -> Counts:
    """Counts from numbers that were kept in a file; none if they are not what they should be."""
    return Counts(tuple(shown), tuple(accepted)) if _are_counts(shown) and _are_counts(accepted) else Counts()


def threshold(setting: int, counts: Counts) -> int:
    """In percent. A setting of 0 means that nobody wants a threshold."""
    at = setting
    while 0 < at < min(setting + REACH, 100) and _share(counts, at, 1.0) < POOR:
        at += WIDTH
    if at > setting:
        return min(at, setting + REACH, 100)
    while at > max(setting - REACH, WIDTH) and _share(counts, at, 0.0) > GOOD:
        at -= WIDTH
    return at


def _share(counts: Counts, percent: int, unknown: float) -> float:
    """The share that was accepted of the suggestions from this confidence to the next step."""
    step = min(percent // WIDTH, _STEPS - 1)
    return counts.accepted[step] / counts.shown[step] if counts.shown[step] >= ENOUGH else unknown


def _one_more(counts: Sequence[int], confidence: float) -> tuple[int, ...]:
    step = min(max(int(confidence * _STEPS), 0), _STEPS - 1)
    return tuple(count + (number == step) for number, count in enumerate(counts))


def _are_counts(numbers: object) -> TypeGuard[Sequence[int]]:
    return (
        isinstance(numbers, list | tuple)
        and len(numbers) == _STEPS
        and all(type(number) is int and number >= 0 for number in numbers)
    )
