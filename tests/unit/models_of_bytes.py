"""A language model whose tokens are bytes and whose answers are written down, for tests of the engine."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from midfill.engine.base import CancelToken, Part
from midfill.engine.drafts import Payoff
from midfill.engine.generate import Aborted, Piece
from midfill.engine.sampling import Logits, Vocabulary
from midfill.engine.sessions import Sessions

END = 0


class ByteModel:
    """After a prompt that ends with a key of `script`, it goes on with the value, and then ends.

    Token 0 is the end; the token of byte b is b + 1. `evaluated` lists the sizes of all evaluations, and `cells`
    what a KV cache would hold: evaluating checks that the sessions agree with it.
    """

    def __init__(self, script: dict[bytes, bytes], context: int = 4096, sequences: int = 4) -> None:
        self.script, self.context = script, context
        self.vocabulary = Vocabulary([b"", *(bytes([b]) for b in range(256))])
        self.sessions = Sessions(self, sequences)
        self.payoff = Payoff()
        self.begin: tuple[int, ...] = ()
        self.warning: str | None = None
        self.threads = 1
        self.cells: dict[int, list[int]] = {}
        self.evaluated: list[int] = []
        self.pause: Callable[[], None] = lambda: None
        self.closed = False
        self.interrupted = 0
        self._cancel = CancelToken()

    def tokenize(self, part: Part) -> tuple[int, ...]:
        return tuple(b + 1 for b in part.text.encode("utf-8"))

    def evaluate(self, pieces: Sequence[Piece]) -> list[Logits]:
        rows = []
        for piece in pieces:
            cells = self.cells.setdefault(piece.session.id, [])
            wanted = []
            for i, token in enumerate(piece.tokens):
                self.pause()
                if self._cancel.cancelled:
                    raise Aborted
                assert cells == piece.session.tokens
                cells.append(token)
                piece.session.tokens.append(token)
                if i >= len(piece.tokens) - piece.rows:
                    wanted.append(self.logits(cells))
            rows.append(np.stack(wanted))
        self.evaluated.append(sum(len(piece.tokens) for piece in pieces))
        return rows

    def remove(self, sequence: int, start: int) -> None:
        del self.cells.setdefault(sequence, [])[start:]

    def share(self, source: int, target: int, length: int) -> None:
        assert not self.cells.get(target)
        self.cells[target] = self.cells[source][:length]

    @contextlib.contextmanager
    def abortable(self, cancel: CancelToken) -> Iterator[None]:
        outer, self._cancel = self._cancel, cancel
        try:
            yield
        finally:
            self._cancel = outer

    def interrupt(self) -> None:
        self.interrupted += 1

    def close(self) -> None:
        self.closed = True

    def logits(self, tokens: Sequence[int]) -> Logits:
        logits = np.zeros(len(self.vocabulary.spelling), dtype=np.float32)
        logits[self._next(tokens)] = 10
        return logits

    def _next(self, tokens: Sequence[int]) -> int:
        text = bytes(token - 1 for token in tokens)
        for prompt, answer in self.script.items():
            for done in range(len(answer) + 1):
                if text.endswith(prompt + answer[:done]):
                    return answer[done] + 1 if done < len(answer) else END
        return END


class Babbler(ByteModel):
    """Goes on for ever with letters that depend on the last two tokens only, so that it repeats itself."""

    def __init__(self, seed: int) -> None:
        super().__init__({})
        self.seed = seed

    def logits(self, tokens: Sequence[int]) -> Logits:
        digest = hashlib.sha256(f"{self.seed} {list(tokens[-2:])}".encode()).digest()
        logits = np.zeros(len(self.vocabulary.spelling), dtype=np.float32)
        for rank, byte in enumerate(digest[:6]):
            logits[ord("a") + 1 + byte % 8] += 6 - rank
        return logits
