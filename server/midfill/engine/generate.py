"""The generation loop: evaluate what the KV cache lacks, then decode token by token as bytes come out."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from midfill.engine.base import Chunk, Finish, Part, Request, Usage
from midfill.engine.sampling import Healing, Logits, Vocabulary, heal
from midfill.engine.sessions import reusable
from midfill.errors import EngineError


class Aborted(Exception):
    """An evaluation was given up because its request was cancelled."""


class LanguageModel(Protocol):
    """One model with one KV cache. `cached` are the tokens that the cache holds."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def cached(self) -> Sequence[int]: ...

    @property
    def context(self) -> int:
        """How many tokens the cache can hold."""

    def tokenize(self, part: Part) -> Sequence[int]: ...

    def evaluate(self, tokens: Sequence[int]) -> Logits:
        """Append tokens to the cache; logits after the last. Raises `Aborted` with `cached` still true."""

    def truncate(self, length: int) -> None:
        """Forget all cached tokens from position `length` on."""


def generate(model: LanguageModel, request: Request, usage: Usage, emit: Callable[[Chunk], None]) -> None:
    """Run `request` to its end, calling `emit` with every chunk. Raises `Aborted` or `EngineError`.

    `usage` carries what the request cost before it came here (its time in the queue).
    """
    prompt, healing = _tokens(model, request)
    room = model.context - len(prompt)
    if room < 1:
        raise EngineError(
            f"The prompt has {len(prompt)} tokens, the model's context only {model.context}. "
            "Select less code, or set a larger context."
        )
    keep = reusable(model.cached, prompt)
    model.truncate(keep)
    started = time.perf_counter()
    try:
        logits = model.evaluate(prompt[keep:])
    finally:
        # Also an evaluation that is aborted has its cost.
        evaluated = time.perf_counter()
        usage = replace(
            usage,
            prompt=len(prompt),
            evaluated=len(model.cached) - keep,
            evaluate_ms=(evaluated - started) * 1000,
        )
        emit(Chunk("", 0.0, usage))

    output = _Output(request.stop)
    finish: Finish | None = None
    most = min(request.max_tokens, room)
    while finish is None:
        token, logprob = healing.pick(logits, model.vocabulary)
        spelling = model.vocabulary.spelling[token]
        text = output.feed(healing.take(spelling))
        if not spelling:
            finish = "end"
        elif output.stopped:
            finish = "stop"
        elif usage.generated + 1 >= most:
            finish = "length"
        if finish in ("end", "length"):
            text += output.flush()
        usage = replace(
            usage,
            generated=usage.generated + bool(spelling),
            generate_ms=(time.perf_counter() - evaluated) * 1000,
        )
        if text or finish:
            emit(Chunk(text, logprob if spelling else 0.0, usage, finish))
        if finish is None:
            logits = model.evaluate([token])


def _tokens(model: LanguageModel, request: Request) -> tuple[list[int], Healing]:
    parts = [model.tokenize(part) for part in request.prompt]
    healing = Healing()
    if request.heal and not request.prompt[-1].control:
        parts[-1], healing = heal(parts[-1], model.vocabulary)
    prompt = [token for part in parts for token in part]
    if not prompt:
        raise EngineError("The prompt is empty.")
    return prompt, healing


class _Output:
    """Bytes in, text out: whole characters only, and nothing from the first stop string on."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def feed(self, data: bytes) -> str:
        text = self._held + self._decoder.decode(data)
        cut = min((at for s in self._stop if (at := text.find(s)) >= 0), default=-1)
        if cut >= 0:
            self.stopped, self._held = True, ""
            return text[:cut]
        held = max((_overlap(text, s) for s in self._stop), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def flush(self) -> str:
        text, self._held = self._held + self._decoder.decode(b"", final=True), ""
        return text


def _overlap(text: str, stop: str) -> int:
    """The length of the longest proper beginning of `stop` that `text` ends with."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
