"""The generation loop: evaluate what the KV cache lacks, then decode as bytes come out.

One request may decode several alternatives together, each a stream with a session of its own; all of them begin
with the one evaluated prompt. A stream decodes its next token together with a draft of those that may follow.
"""

from __future__ import annotations

import codecs
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from midfill.engine.base import Chunk, Finish, Part, Request, Usage
from midfill.engine.drafts import BLANKS, HEALED, LENGTHS, Payoff, Repetition
from midfill.engine.evasion import Evasion, Way
from midfill.engine.sampling import Healing, Logits, Vocabulary, heal, log_probability
from midfill.engine.sessions import Session, Sessions
from midfill.errors import EngineError


class Aborted(Exception):
    """An evaluation was given up because its request was cancelled."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens to append to a session; logits are wanted after each of the last `rows` of them."""

    session: Session
    tokens: Sequence[int]
    rows: int = 1


class LanguageModel(Protocol):
    """One model with its KV cache. `payoff` and `sessions` live as long as the model."""

    sessions: Sessions
    payoff: Payoff
    begin: tuple[int, ...]
    """The tokens that every prompt begins with."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def context(self) -> int:
        """How many tokens one session can hold."""

    def tokenize(self, part: Part) -> tuple[int, ...]: ...

    def evaluate(self, pieces: Sequence[Piece]) -> list[Logits]:
        """Append tokens to sessions; for each piece logits of shape (rows, vocabulary size).

        The arrays hold until the next evaluation. Raises `Aborted`, with the sessions' `tokens` still true.
        """


def generate(model: LanguageModel, request: Request, usage: Usage, emit: Callable[[Chunk], None]) -> None:
    """Run `request` to its end, calling `emit` with every chunk. Raises `Aborted` or `EngineError`.

    `usage` carries what the request cost before it came here (its time in the queue).
    """
    parts, dropped, healing = _tokens(model, request)
    prompt = [token for part in parts for token in part]
    room = model.context - len(prompt)
    if room < 1:
        raise EngineError(
            f"The prompt has {len(prompt)} tokens, the model's context only {model.context}. "
            "Select less code, or set a larger context."
        )
    run = _Run(model, request, replace(usage, prompt=len(prompt)), emit, min(request.max_tokens, room))
    # Only the evaluation of the prompt's last token yields the logits after it, so that one is never reused.
    reused = prompt[:-1] if request.max_tokens else prompt
    with model.sessions.hold(reused) as (session, taken):
        if not request.max_tokens:
            run.evaluate_prompt(session, prompt, [])
            run.send(0, "", 0.0, "length")
            return
        if request.draft:
            model.payoff.starts()
        repetition = Repetition((tuple(taken), *parts[:-1]), parts[-1], model.tokenize(Part(request.draft)))
        run.decode(_Stream(run, 0, session, healing, repetition), prompt, dropped)


class _Run:
    """One request at work: its streams, and what it has cost."""

    def __init__(
        self, model: LanguageModel, request: Request, usage: Usage, emit: Callable[[Chunk], None], most: int
    ) -> None:
        self.model, self.request, self.usage, self.most = model, request, usage, most
        self._emit = emit
        # What each stream that is not at its end evaluates next.
        self._work: dict[_Stream, list[int]] = {}
        self._forked: list[Session] = []
        self._decoding = 0.0

    def evaluate_prompt(self, session: Session, prompt: list[int], draft: list[int]) -> Logits | None:
        """Evaluate what `session` lacks of the prompt, and a draft of what follows."""
        started = time.perf_counter()
        kept = len(session.tokens)
        missing = prompt[kept:]
        try:
            if not missing:
                return None
            return self.model.evaluate([Piece(session, [*missing, *draft], len(draft) + 1)])[0]
        finally:
            # Also an evaluation that is aborted has its cost.
            self._decoding = time.perf_counter()
            self.usage = replace(
                self.usage,
                evaluated=min(len(session.tokens) - kept, len(missing)),
                evaluate_ms=(self._decoding - started) * 1000,
            )
            self.send(0, "", 0.0)

    def decode(self, stream: _Stream, prompt: list[int], dropped: Sequence[int]) -> None:
        """Decode `stream`, and the alternatives that branch off from it, to their ends."""
        rows = self.evaluate_prompt(stream.session, prompt, stream.propose(dropped))
        assert rows is not None
        try:
            self._advance(stream, rows)
            while self._work:
                self._step()
        finally:
            for session in self._forked:
                session.held = False

    def _step(self) -> None:
        streams = list(self._work)
        pieces = [Piece(stream.session, self._work[stream], len(stream.draft) + 1) for stream in streams]
        started = time.perf_counter()
        logits = self.model.evaluate(pieces)
        tokens = sum(len(piece.tokens) for piece in pieces)
        self.model.payoff.saw(tokens, (time.perf_counter() - started) * 1000)
        for stream, rows in zip(streams, logits, strict=True):
            self._advance(stream, rows)

    def _advance(self, stream: _Stream, rows: Logits) -> None:
        tokens = stream.advance(rows)
        self._work.pop(stream, None)
        if tokens is not None:
            self._work[stream] = tokens

    def branch(self, stream: _Stream, logits: Logits, chosen: int) -> None:
        """Let alternatives go their own ways where `stream` writes its first new word."""
        vocabulary = self.model.vocabulary
        likely = stream.healing.likely(logits, vocabulary, self.request.alternatives + 1)
        others = [token for token in likely if token != chosen][: self.request.alternatives - 1]
        for index, token in enumerate(others, 1):
            session = self.model.sessions.fork(stream.session, len(stream.session.tokens))
            session.held, session.prompt = True, len(session.tokens)
            self._forked.append(session)
            other = _Stream(self, index, session, replace(stream.healed), Repetition([], []))
            other.branched = True
            for known, logprob in stream.taken:
                other.take(known, logprob)
            self.count(generated=1)
            if not other.take(token, log_probability(logits, token)):
                self._work[other] = [token]

    def count(self, generated: int = 0, drafted: int = 0, accepted: int = 0) -> None:
        usage = self.usage
        self.usage = replace(
            usage,
            generated=usage.generated + generated,
            drafted=usage.drafted + drafted,
            accepted=usage.accepted + accepted,
            generate_ms=(time.perf_counter() - self._decoding) * 1000,
        )

    def send(self, index: int, text: str, logprob: float, finish: Finish | None = None) -> None:
        self._emit(Chunk(text, logprob, self.usage, finish, index))


class _Stream:
    """One answer on its way. `draft` is what was evaluated beyond the last token that is certain."""

    def __init__(self, run: _Run, index: int, session: Session, healing: Healing, repetition: Repetition) -> None:
        self.index, self.session, self.healing, self.draft = index, session, healing, list[int]()
        self.healed = replace(healing)
        self.branched = run.request.alternatives == 1
        # All tokens of the answer with the logarithms of their probabilities.
        self.taken: list[tuple[int, float]] = []
        self._run, self._model, self._repetition = run, run.model, repetition
        self._output = _Output(run.request.stop)
        self._generated = 0
        self._ground = HEALED
        self._evasion = Evasion(run.request.avoid, run.model.vocabulary)

    def propose(self, dropped: Sequence[int] = ()) -> list[int]:
        """A new draft: the tokens that healing dropped, which likely come again, and what repetition suggests."""
        self.draft = []
        if self._run.request.drafts and self._run.request.alternatives == 1:
            most = LENGTHS[-1] - len(dropped)
            guess, ground = self._repetition.guess(most, dropped)
            guess = [*dropped, *self._sensible(guess)]
            self._ground = HEALED if dropped else ground
            if guess:
                self.draft = guess[: min(self._model.payoff.length(self._ground), self._room - 1)]
        return self.draft

    def _sensible(self, guess: Sequence[int]) -> Iterator[int]:
        """The guess up to the end of the answer, or to a run of blanks.

        A model that is lost in white space repeats it; drafts would only make more of it in less time.
        """
        vocabulary = self._model.vocabulary
        known = itertools.takewhile(
            lambda token: vocabulary.blank[token], (token for token, _ in reversed(self.taken))
        )
        blanks = sum(1 for _ in known)
        for token in guess:
            blanks = blanks + 1 if vocabulary.blank[token] else 0
            if blanks > BLANKS or not vocabulary.spelling[token]:
                return
            yield token

    def advance(self, rows: Logits) -> list[int] | None:
        """Choose from the logits after the last certain token and after each token of the draft.

        Returns the tokens to evaluate next, the first of which is certain; None at the end.
        """
        base = len(self.session.tokens) - len(self.draft)
        first = base - len(self.taken)
        self._run.count(drafted=len(self.draft))
        held = 0
        while True:
            token, logprob = self.healing.pick(rows[held], self._model.vocabulary)
            self._evasion.look(rows[held], token, len(self.taken))
            spelling = self._model.vocabulary.spelling[token]
            if not self.branched and self.healing.writes(spelling):
                self.branched = True
                self._run.branch(self, rows[held], token)
            self.taken.append((token, logprob))
            right = held < len(self.draft) and token == self.draft[held]
            self._run.count(generated=bool(spelling), accepted=right)
            ended = self.take(token, logprob)
            held += right
            if ended or not right:
                break
        self._model.payoff.judged(self._ground, held, len(self.draft))
        if way := self._evasion.taken():
            base, held = first, way.place
            token, ended = way.token, self._turn(way)
        self._model.sessions.truncate(self.session, base + held)
        return None if ended else [token, *self.propose()]

    def _turn(self, way: Way) -> bool:
        """Go another way, from a token that was taken before."""
        known, self.taken = self.taken[: way.place], []
        # What was written beyond that place is not part of the answer, and takes no room in it.
        self._output, self._generated = _Output(self._run.request.stop), 0
        for token, logprob in known:
            self.taken.append((token, logprob))
            self.take(token, logprob)
        self.taken.append((way.token, way.logprob))
        self._run.count(generated=1)
        return self.take(way.token, way.logprob)

    def take(self, token: int, logprob: float) -> bool:
        """Let `token` be the next of the answer; True when it is the last."""
        spelling = self._model.vocabulary.spelling[token]
        text = self._output.feed(self.healing.take(spelling))
        self._generated += bool(spelling)
        self._repetition.append(token)
        finish: Finish | None = None
        if not spelling or self.healing.hopeless:
            finish = "end"
        elif self._output.stopped:
            finish = "stop"
        elif self._room < 1:
            finish = "length"
        if finish in ("end", "length"):
            text += self._output.flush()
        text, evaded = self._evasion.sent(text, finish is not None)
        if evaded:
            return True
        if text or finish:
            self._run.send(self.index, text, logprob if spelling else 0.0, finish)
        return finish is not None

    @property
    def _room(self) -> int:
        return self._run.most - self._generated


def _tokens(model: LanguageModel, request: Request) -> tuple[list[tuple[int, ...]], tuple[int, ...], Healing]:
    """The prompt's tokens part by part, those that healing dropped from its end, and the healing to do."""
    parts = [model.tokenize(part) for part in request.prompt]
    dropped: tuple[int, ...] = ()
    healing = Healing()
    if request.heal and not request.prompt[-1].control:
        whole = parts[-1]
        parts[-1], healing = heal(whole, model.vocabulary)
        dropped = whole[len(parts[-1]) :]
    if not any(parts):
        raise EngineError("The prompt is empty.")
    # A chat template may have written it already.
    if model.begin and next((part[:1] for part in parts if part), ()) != model.begin:
        parts.insert(0, model.begin)
    return parts, dropped, healing


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
