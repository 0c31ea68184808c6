"""Choosing tokens: greedy, under the byte constraint of token healing.

Token healing: the cursor often cuts a word where the tokenizer would not, `retu|rn`, and a model that never
saw `ret`, `u` for `return` answers badly. So the last tokens of the prompt are dropped, and the first
generated ones must spell the dropped bytes before they may go on freely. Looking further back than one token
is the idea of "Token alignment" (arXiv 2410.09303).
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

# How many tokens healing may drop; each that is generated again costs a decode.
LOOK_BACK = 3
# So many more tokens than were dropped may be needed to spell the dropped bytes again.
PATIENCE = 2

_WORD = re.compile(rb"[A-Za-z0-9_\x80-\xff]+")

Logits: TypeAlias = NDArray[np.float32]
"""Shape (vocabulary size,), or (rows, vocabulary size)."""


@dataclass(frozen=True)
class Vocabulary:
    """What each token spells. `spelling[id]` is empty for a control token, which ends a generation."""

    spelling: Sequence[bytes]
    texts: NDArray[np.int64] = field(init=False, repr=False)
    """Ids of the tokens that spell something, in the order of their spelling."""
    lengths: NDArray[np.int64] = field(init=False, repr=False)
    """How many bytes each token spells, by id."""
    blank: NDArray[np.bool_] = field(init=False, repr=False)
    """Whether a token spells white space only, by id."""
    _sorted: list[bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        ids = sorted((i for i, s in enumerate(self.spelling) if s), key=self.spelling.__getitem__)
        object.__setattr__(self, "texts", np.array(ids, dtype=np.int64))
        object.__setattr__(self, "lengths", np.array([len(s) for s in self.spelling], dtype=np.int64))
        object.__setattr__(self, "blank", np.array([not s.strip() for s in self.spelling], dtype=np.bool_))
        object.__setattr__(self, "_sorted", [self.spelling[i] for i in ids])

    def consistent_with(self, rest: bytes) -> NDArray[np.int64]:
        """Ids of the tokens that spell `rest` and perhaps more, or the beginning of `rest`."""
        spellings = self._sorted
        # Sorted, those that start with `rest` are one run; so are those that spell one of its beginnings.
        low = bisect_left(spellings, rest)
        high = bisect_left(spellings, True, low, key=lambda spelling: not spelling.startswith(rest))
        runs = [self.texts[low:high]]
        for n in range(1, len(rest)):
            beginning = rest[:n]
            low = bisect_left(spellings, beginning)
            runs.append(self.texts[low : bisect_right(spellings, beginning, low)])
        return np.concatenate(runs)


def heal(tokens: tuple[int, ...], vocabulary: Vocabulary) -> tuple[tuple[int, ...], Healing]:
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
    return tokens[:keep], Healing(rest, len(tokens) - keep + PATIENCE)


@dataclass
class Healing:
    """The bytes that the generated tokens must still spell before they are free.

    `patience`: with how many tokens. A model that wants something else, such as less indentation than there is,
    spells them letter by letter and writes nonsense behind them.
    """

    rest: bytes = b""
    patience: int = LOOK_BACK + PATIENCE

    @property
    def hopeless(self) -> bool:
        return bool(self.rest) and self.patience < 1

    def pick(self, logits: Logits, vocabulary: Vocabulary) -> tuple[int, float]:
        """The most likely token that the constraint allows, and the natural log of its probability."""
        if self.rest:
            allowed = vocabulary.consistent_with(self.rest)
            token = int(allowed[np.argmax(logits[allowed])])
        else:
            token = int(np.argmax(logits))
        return token, log_probability(logits, token)

    def writes(self, spelling: bytes) -> bool:
        """Whether a token with this spelling writes the first new text that is no white space, or ends it all."""
        return bool(spelling[len(self.rest) :].strip()) or not (spelling or self.rest)

    def likely(self, logits: Logits, vocabulary: Vocabulary, count: int) -> list[int]:
        """The `count` most likely tokens that write new text, more than white space, the most likely one first."""
        allowed = vocabulary.consistent_with(self.rest) if self.rest else vocabulary.texts
        new = allowed[(vocabulary.lengths[allowed] > len(self.rest)) & ~vocabulary.blank[allowed]]
        return [int(token) for token in new[np.argsort(logits[new])[::-1][:count]]]

    def take(self, spelling: bytes) -> bytes:
        """Account for a picked token; returns the part of its spelling that is new text."""
        self.patience -= 1
        if len(spelling) < len(self.rest):
            self.rest = self.rest[len(spelling) :]
            return b""
        new = spelling[len(self.rest) :]
        self.rest = b""
        return new


def log_probability(logits: Logits, token: int) -> float:
    top = float(logits.max())
    return float(logits[token]) - top - float(np.log(np.exp(logits - top).sum()))
