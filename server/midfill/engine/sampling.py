"""Choosing tokens: greedy, under the byte constraint of token healing.

Token healing: the cursor often cuts a word where the tokenizer would not, `retu|rn`, and a model that never
saw `ret`, `u` for `return` answers badly. So the last tokens of the prompt are dropped, and the first
generated ones must spell the dropped bytes before they may go on freely. Looking further back than one token
is the idea of "Token alignment" (arXiv 2410.09303).
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# How many tokens healing may drop; each that is generated again costs a decode.
LOOK_BACK = 3

_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")

Logits: TypeAlias = NDArray[np.float32]
"""Shape (vocabulary size,)."""


@dataclass(frozen=True)
class Vocabulary:
    """What each token spells. `spelling[id]` is empty for a control token, which ends a generation."""

    spelling: Sequence[bytes]
    _sorted: list[bytes] = field(init=False, repr=False)
    _sorted_ids: NDArray[np.int64] = field(init=False, repr=False)
    _id_of: dict[bytes, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ids = sorted((i for i, s in enumerate(self.spelling) if s), key=self.spelling.__getitem__)
        object.__setattr__(self, "_sorted", [self.spelling[i] for i in ids])
        object.__setattr__(self, "_sorted_ids", np.array(ids, dtype=np.int64))
        object.__setattr__(self, "_id_of", {self.spelling[i]: i for i in ids})

    def consistent_with(self, rest: bytes) -> NDArray[np.int64]:
        """Ids of the tokens that spell `rest` and perhaps more, or the beginning of `rest`."""
        low = bisect_left(self._sorted, rest)
        high = _first_not_starting_with(self._sorted, rest, low)
        shorter = [self._id_of[rest[:n]] for n in range(1, len(rest)) if rest[:n] in self._id_of]
        return np.concatenate([self._sorted_ids[low:high], np.array(shorter, dtype=np.int64)])


def _first_not_starting_with(spellings: list[bytes], prefix: bytes, low: int) -> int:
    """The spellings are sorted, so those that start with `prefix` are one run that begins at `low`."""
    high = len(spellings)
    while low < high:
        middle = (low + high) // 2
        if spellings[middle].startswith(prefix):
            low = middle + 1
        else:
            high = middle
    return low


def heal(tokens: Sequence[int], vocabulary: Vocabulary) -> tuple[Sequence[int], Healing]:
    """Drop the tokens of the word that `tokens` (of one text) ends in; at least one, at most `LOOK_BACK`."""
    keep = len(tokens) - 1
    if keep < 0:
        return tokens, Healing()
    rest = vocabulary.spelling[tokens[keep]]
    while keep > 0 and len(tokens) - keep < LOOK_BACK and _WORD.fullmatch(rest):
        before = vocabulary.spelling[tokens[keep - 1]]
        if not _WORD.fullmatch(before[-1:]):
            break
        keep -= 1
        rest = before + rest
    return tokens[:keep], Healing(rest)


@dataclass
class Healing:
    """The bytes that the generated tokens must still spell before they are free."""

    rest: bytes = b""

    def pick(self, logits: Logits, vocabulary: Vocabulary) -> tuple[int, float]:
        """The most likely token that the constraint allows, and the natural log of its probability."""
        if self.rest:
            allowed = vocabulary.consistent_with(self.rest)
            token = int(allowed[np.argmax(logits[allowed])])
        else:
            token = int(np.argmax(logits))
        return token, log_probability(logits, token)

    def take(self, spelling: bytes) -> bytes:
        """Account for a picked token; returns the part of its spelling that is new text."""
        if len(spelling) < len(self.rest):
            self.rest = self.rest[len(spelling) :]
            return b""
        new = spelling[len(self.rest) :]
        self.rest = b""
        return new


def log_probability(logits: Logits, token: int) -> float:
    top = float(logits.max())
    return float(logits[token]) - top - float(np.log(np.exp(logits - top).sum()))
