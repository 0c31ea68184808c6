"""What the rest of Midfill knows about inference: a request, a stream of chunks, a token to cancel it.

Nothing outside `engine/` may know which process or machine the model runs in.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Role = Literal["complete", "edit", "explain"]
Finish = Literal["end", "stop", "length", "deadline"]
When = Literal["now", "soon", "idle"]
"""Who waits: somebody does; somebody who types here will in a moment; nobody does, it is for a free moment."""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a prompt. Only a `control` part may produce control tokens.

    The user's text is never a control part, so that a file which contains `<|fim_middle|>` cannot steer
    the model. Parts are tokenized one by one: a change in one leaves the tokens of the others as they were.
    `opens`: the part is the beginning of a text, in front of which some tokenizers put a space.
    """

    text: str
    control: bool = False
    opens: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """The conversation that a prompt is made of, for a server that marks the turns itself.

    `turns` are speakers and what they say, `begun` is the beginning of the answer.
    """

    turns: tuple[tuple[str, str], ...]
    begun: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One generation, greedy, by the model that the catalogue calls `model`; `role` is what it is for.

    `max_tokens`: 0 evaluates the prompt and generates nothing, which warms the KV cache up.
    `heal` turns on token healing: the end of the prompt may be tokenized anew together with what follows,
    and the text that was already in the prompt is not part of the stream.
    `stop`: generation ends before the first of these strings, which is not part of the stream.
    `drafts` allows guesses at the next tokens, which make the answer faster; `draft` is text that it may repeat,
    such as the code that is being rewritten.
    `alternatives`: how many distinct answers to give.
    `when`: the more urgent interrupts the less: a completion now, one soon, an edit, what is for idle time.
    `deadline_ms`: after so many milliseconds nobody waits for the answer any more, and what there is of it is all;
    waiting in a queue counts too, and for the model to load does not. None: it may take as long as it takes.
    `said`: the same once more, where the prompt is a conversation.
    `avoid`: the answer should not be this text. When it is, it goes another way from where the model was least
    sure; nothing is sent before it differs.
    """

    role: Role
    model: str
    prompt: tuple[Part, ...]
    max_tokens: int
    heal: bool = False
    stop: tuple[str, ...] = ()
    draft: str = ""
    alternatives: int = 1
    when: When = "now"
    drafts: bool = True
    deadline_ms: float | None = None
    said: Said | None = None
    avoid: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request has cost so far. Counts are tokens, times are milliseconds."""

    prompt: int = 0
    evaluated: int = 0
    generated: int = 0
    drafted: int = 0
    accepted: int = 0
    queue_ms: float = 0.0
    evaluate_ms: float = 0.0
    generate_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """The next piece of text. The first chunk may be empty: it says that the prompt is evaluated.

    `index` counts the alternatives, of which 0 is the most likely one. `logprob` is the natural logarithm of the
    model's probability of this piece (0.0 when empty).
    `usage` counts from the start of the request. `finish` is set on the last chunk of each alternative; when the
    deadline has passed, on one last chunk for all that were not at their end.
    """

    text: str
    logprob: float
    usage: Usage
    finish: Finish | None = None
    index: int = 0


@dataclass(frozen=True, slots=True)
class Template:
    """The chat template in a model's file, and the texts of the tokens that begin and end a text."""

    source: str
    begin: str = ""
    end: str = ""


# The family of a model elsewhere whose prompts only its server knows.
ITS_SERVERS = "its server's"


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model bound to a role. `family` is a row of `completion/fim.py` or `edits/chat.py`, or `ITS_SERVERS`.

    `context` is how many tokens prompt and answer may have together. `doubt`: a sentence for the user, where the
    model does not seem to fit the role. `template` is the file's own, where it has one; `stops` are the texts of
    the tokens that end an answer besides those that the vocabulary names. `continues`: whether the model goes on
    with an answer that was begun for it; one behind a server that takes nothing but a conversation begins anew.
    """

    name: str
    family: str
    context: int
    doubt: str = ""
    template: Template | None = None
    stops: tuple[str, ...] = ()
    continues: bool = True


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A verified GGUF file and the model in it."""

    info: ModelInfo
    path: Path


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """Told to listeners while a model loads: `fraction` from 0 to 1, or an `error` that ended it.

    `warning`: with the last one, why the model seems to be of no use.
    """

    role: Role
    name: str
    fraction: float
    error: str | None = None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """Told to listeners when the process that runs the models has died. `reason` is a sentence for the user.

    `final`: it died so often that no other is started until the user acts; the reason says how.
    """

    reason: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """A loaded model: its speed in tokens a second as measured while it ran (0.0: not yet), and its KV cache."""

    name: str
    threads: int
    evaluate: float
    generate: float
    sessions: int
    cached: int
    context: int


Event = LoadProgress | Lost


class CancelToken:
    """One a request. `cancel()` may be called from any thread, any number of times."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: list[Callable[[], None]] = []
        self.cancelled = False

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, in the thread that cancels; at once if that has happened already."""
        with self._lock:
            if not self.cancelled:
                self._callbacks.append(callback)
                return
        callback()


class Engine(Protocol):
    """Runs models. Every method is called on the event loop and never blocks it."""

    def info(self, role: Role) -> ModelInfo:
        """The model bound to `role`. Raises `ModelError` when there is none; loads nothing."""

    def generate(self, request: Request, cancel: CancelToken) -> AsyncGenerator[Chunk, None]:
        """Stream the answer. Loads the model on first need; cancelling a request never cancels a load.

        After `cancel.cancel()` the stream ends without a `finish`. Closing the iterator cancels too.
        Raises `ModelError` or `EngineError`.
        """

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Call `listener` on the event loop as models load, and when the engine is lost."""

    async def status(self) -> list[ModelStatus]:
        """The models that are loaded now. Raises `EngineError`."""

    async def close(self) -> None:
        """Abort what this engine runs and let go of the models."""
