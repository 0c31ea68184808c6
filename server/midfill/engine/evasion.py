"""Another answer than the text that was there: for an edit that would change nothing.

A small model that is told to mend code often copies it, token by token, though at the wrong place it was almost
about to write something else. So while the answer is a copy, the likeliest other token is noted; when the copy is
complete, decoding goes back to it and takes the other way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from midfill.engine.sampling import Logits, Vocabulary, log_probability

# How a comment or a string of documentation begins: what changes nothing is no other way.
_SILENT = (b"#", b"//", b"/*", b'"""', b"'''", b"--")

# What is so much less likely than the copy (natural log; one in a thousand) would be noise.
_FARTHEST = 6.9


class Way(NamedTuple):
    """Another token for the one at `place` of the answer, and how much less likely it is (natural log)."""

    place: int
    token: int
    logprob: float
    behind: float


class Evasion:
    """Holds an answer back while it repeats the text to avoid; an empty text avoids nothing."""

    def __init__(self, avoid: str, vocabulary: Vocabulary) -> None:
        self._avoid, self._vocabulary = avoid.rstrip(), vocabulary
        self._bytes = self._avoid.encode("utf-8", "surrogatepass")
        self._spelled = b""
        self._copied = ""
        self._best: Way | None = None
        self._way: Way | None = None

    def look(self, logits: Logits, chosen: int, place: int) -> None:
        """Note what else could be at this place of the answer."""
        if not self._avoid:
            return
        spelling = self._vocabulary.spelling
        others = np.where(self._vocabulary.blank, -np.inf, logits)
        others[chosen] = -np.inf
        token = int(np.argmax(others))
        behind = float(logits[chosen] - logits[token])
        other = self._spelled + spelling[token]
        # Two tokens may spell the same; and behind the copy there is nothing to change.
        same = self._bytes.startswith(other) or len(self._spelled) >= len(self._bytes)
        silent = spelling[token].lstrip().startswith(_SILENT)
        if not same and not silent and behind < (self._best.behind if self._best else _FARTHEST):
            self._best = Way(place, token, log_probability(logits, token), behind)
        self._spelled += spelling[chosen]

    def sent(self, text: str, ended: bool) -> tuple[str, bool]:
        """What of the answer may be sent, and whether it is a whole copy from which another way is taken."""
        if not self._avoid:
            return text, False
        self._copied += text
        copied = self._copied.rstrip()
        if ended and copied == self._avoid and self._best is not None:
            self._way, self._avoid, self._copied = self._best, "", ""
            return "", True
        if not ended and self._avoid.startswith(copied):
            return "", False
        self._avoid = ""
        return self._copied, False

    def taken(self) -> Way | None:
        """The way to go now, once."""
        way, self._way = self._way, None
        return way
