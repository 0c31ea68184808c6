"""Drafts: guesses at the next tokens, which the model verifies in one evaluation.

Code repeats itself, and a rewrite repeats the old code. So the tokens that followed the last few tokens when
they occurred before are a good guess, and evaluating a few tokens together costs little more than one. The answer
is what it would be without drafts: a guess is kept only where the model would have chosen it.
(Prompt look-up decoding; compare "Inference with Reference", arXiv 2304.04487.)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

# The longest run of tokens that is looked up, and the shortest.
LONGEST, SHORTEST = 4, 2
# How many tokens a draft may have, chosen anew before each. With the token before it these are multiples of four,
# since a CPU's kernels multiply four rows at a time.
LENGTHS = (0, 1, 3, 7, 11, 15)
# How many tokens of white space may follow each other in a draft.
BLANKS = 2


class Ground(NamedTuple):
    """What a guess rests on: so many tokens that were found again, in the text being rewritten or elsewhere."""

    tokens: int
    rewriting: bool = False


HEALED = Ground(0)
"""The guess begins with the tokens that healing dropped."""

# How often the first token of a guess was right, and how often each further one was, if the one before was.
_FIRST = {HEALED: 0.3, Ground(2): 0.5, Ground(3): 0.6, Ground(4): 0.8}
_FIRST |= {Ground(2, True): 0.7, Ground(3, True): 0.8, Ground(4, True): 0.92}
_NEXT = {ground: 0.95 if ground.rewriting else 0.85 for ground in _FIRST}
# Weight of the newest of the observations that are averaged.
_NEWS = 0.1
# A draft must promise so many times the tokens a millisecond of none: who waits for a line notices a wrong one
# more. A rewrite is long, and what counts is its sum.
_WORTHY, _WORTHY_REWRITING = 1.3, 1.05
# How fast it is forgotten that drafts did not pay, at each place where one was possible and not made.
_FORGET = 0.01


class Repetition:
    """Finds where the last tokens of a growing text occurred before, there or in one of the fixed `texts`.

    Longer runs of tokens count more than shorter ones; among equals the growing text, then `old`, which is being
    rewritten, then the first of `texts`.
    """

    def __init__(
        self, texts: Sequence[tuple[int, ...]], growing: Sequence[int], old: tuple[int, ...] = ()
    ) -> None:
        self._growing = _Index()
        self._indexes = [self._growing, *(_indexed(text) for text in (old, *texts))]
        # Where the last guess in each index came from: text that repeats goes on from there.
        self._from = [0] * len(self._indexes)
        for token in growing:
            self._growing.append(token)

    def append(self, token: int) -> None:
        self._growing.append(token)

    def guess(self, most: int, ahead: Sequence[int] = ()) -> tuple[list[int], Ground]:
        """At most `most` tokens that may follow, and what the guess rests on.

        `ahead`: tokens that are taken to follow already.
        """
        recent = [*self._growing.tokens[-LONGEST:], *ahead][-LONGEST:]
        for length in range(min(LONGEST, len(recent)), SHORTEST - 1, -1):
            key = tuple(recent[len(recent) - length :])
            for i, index in enumerate(self._indexes):
                if places := index.after.get(key):
                    at = bisect_left(places, self._from[i])
                    place = places[at] if at < len(places) else places[-1]
                    self._from[i] = place
                    return index.tokens[place : place + most], Ground(length, rewriting=i == 1)
        return [], HEALED


class _Index:
    """A text, and for every run of its tokens the places behind it, in rising order."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.after: dict[tuple[int, ...], list[int]] = {}

    def append(self, token: int) -> None:
        for length in range(SHORTEST, min(LONGEST, len(self.tokens)) + 1):
            run = tuple(self.tokens[len(self.tokens) - length :])
            self.after.setdefault(run, []).append(len(self.tokens))
        self.tokens.append(token)


# The long texts of a prompt are the same from keystroke to keystroke.
@lru_cache(maxsize=32)
def _indexed(text: tuple[int, ...]) -> _Index:
    index = _Index()
    for token in text:
        index.append(token)
    return index


class Payoff:
    """What a model's evaluations cost and how often guesses hold; says how long a draft pays.

    One for a model. It starts from costs typical for a CPU and learns from every evaluation. Where drafts do not
    pay, it says 0, and tries a short one again after a while.
    """

    def __init__(self) -> None:
        # Milliseconds for an evaluation of n tokens; 0.0 means that none was seen yet.
        self._cost = [0.0] * (LENGTHS[-1] + 2)
        self._first = dict(_FIRST)
        self._next = dict(_NEXT)

    def saw(self, tokens: int, milliseconds: float) -> None:
        """An evaluation of `tokens` tokens took so long."""
        if tokens < len(self._cost):
            known = self._cost[tokens]
            # An evaluation that paused for another one took long for no reason of its own.
            change = min(milliseconds, 4 * known) - known
            self._cost[tokens] = known + _NEWS * change if known else milliseconds

    def starts(self) -> None:
        """Another rewrite begins. How much of an old text comes again is up to the wish, not to the model."""
        for ground in filter(lambda each: each.rewriting, _FIRST):
            self._first[ground], self._next[ground] = _FIRST[ground], _NEXT[ground]

    def judged(self, ground: Ground, held: int, drafted: int) -> None:
        """Of a draft that rested on this, the first `held` tokens were right."""
        if not drafted:
            return
        self._first[ground] += _NEWS * ((held > 0) - self._first[ground])
        for right in (True,) * (held - 1) + (False,) * (0 < held < drafted):
            self._next[ground] += _NEWS * (right - self._next[ground])

    def length(self, ground: Ground) -> int:
        """How many tokens of a guess to draft: as many as give the most tokens a millisecond."""
        first, following = self._first[ground], min(self._next[ground], 0.98)
        worthy = _WORTHY_REWRITING if ground.rewriting else _WORTHY

        def tokens(draft: int) -> float:
            return 1 + first * (1 - following**draft) / (1 - following)

        def gain(draft: int) -> float:
            return tokens(draft) / self.cost(draft + 1) / (worthy if draft else 1)

        best = max(LENGTHS, key=gain)
        if best == 0:
            self._first[ground] += _FORGET * (_FIRST[ground] - self._first[ground])
        return best

    def cost(self, tokens: int) -> float:
        """Milliseconds that an evaluation of so many tokens takes; estimated where none was seen."""
        if self._cost[tokens]:
            return self._cost[tokens]
        one = self._cost[1] or 1.0
        return one * (1 + 0.5 * (tokens - 1) if tokens < 4 else 1.3 + 0.27 * tokens)
