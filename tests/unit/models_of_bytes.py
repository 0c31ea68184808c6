"""A language model whose tokens are bytes and whose answers are written down, for tests of the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from midfill.engine.base import CancelToken, Part
from midfill.engine.generate import Aborted
from midfill.engine.sampling import Logits, Vocabulary

END = 0


class ByteModel:
    """After a prompt that ends with a key of `script`, it goes on with the value, and then ends.

    Token 0 is the end; the token of byte b is b + 1. `evaluated` lists the sizes of all evaluations.
    """

    def __init__(self, script: dict[bytes, bytes], context: int = 4096) -> None:
        self.script, self.context = script, context
        self.vocabulary = Vocabulary([b"", *(bytes([b]) for b in range(256))])
        self.cached: list[int] = []
        self.evaluated: list[int] = []
        self.pause: Callable[[], None] = lambda: None
        self.closed = False
        self.abort_after: int | None = None
        self._cancel = CancelToken()

    def tokenize(self, part: Part) -> Sequence[int]:
        return tuple(b + 1 for b in part.text.encode("utf-8"))

    def evaluate(self, tokens: Sequence[int]) -> Logits:
        for token in tokens:
            self.pause()
            if self._cancel.cancelled:
                raise Aborted
            self.cached.append(token)
        self.evaluated.append(len(tokens))
        logits = np.zeros(len(self.vocabulary.spelling), dtype=np.float32)
        logits[self._next()] = 10
        return logits

    def truncate(self, length: int) -> None:
        del self.cached[length:]

    @contextlib.contextmanager
    def abortable(self, cancel: CancelToken) -> Iterator[None]:
        self._cancel = cancel
        yield

    def close(self) -> None:
        self.closed = True

    def _next(self) -> int:
        text = bytes(token - 1 for token in self.cached)
        for prompt, answer in self.script.items():
            for done in range(len(answer) + 1):
                if text.endswith(prompt + answer[:done]):
                    return answer[done] + 1 if done < len(answer) else END
        return END
