"""llama.cpp: the only module that imports llama_cpp, and it does so when the first model is loaded."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from midfill.engine.base import CancelToken, ModelFile, Part
from midfill.engine.generate import Aborted
from midfill.engine.sampling import Logits, Vocabulary
from midfill.errors import EngineError, LoadError

log = logging.getLogger(__name__)

# Longer prompts are evaluated in batches of this many tokens; an edit lets a completion go first between two.
BATCH = 128

# Where another program keeps a core busy, threads that spin for long steal time from the one they wait for.
SPIN = "500"


def load(file: ModelFile, progress: Callable[[float], None], threads: int) -> LlamaModel:
    """Load a GGUF file with a KV cache for `file.info.context` tokens. Raises `LoadError`."""
    return LlamaModel(file, progress, threads)


def build_info() -> dict[str, str]:
    """The engine's build: its version and the CPU features that it uses."""
    llama = _library()
    import llama_cpp as package

    features = llama.llama_print_system_info().decode()
    return {"llama-cpp-python": package.__version__, "features": features.strip()}


class LlamaModel:
    """A model and a context of one sequence; the `NativeModel` of `engine/embedded.py`."""

    def __init__(self, file: ModelFile, progress: Callable[[float], None], threads: int) -> None:
        self._llama = llama = _library()
        self.pause: Callable[[], None] = lambda: None
        self.cached: list[int] = []
        self._context = self._memory = None

        parameters = llama.llama_model_default_params()

        def report(fraction: float, _: Any) -> bool:
            # The last part is the KV cache and the vocabulary.
            progress(0.9 * fraction)
            return True

        # The callback object must live as long as the load.
        callback = llama.llama_progress_callback(report)
        parameters.progress_callback = callback
        _complaints.clear()
        self._model = llama.llama_model_load_from_file(os.fsencode(file.path), parameters)
        if not self._model:
            reason = _complaints[0] if _complaints else "llama.cpp gives no reason"
            raise LoadError(
                f"{file.info.name} could not be loaded from {file.path}: {reason}. "
                f"Run `midfill models verify {file.info.name}`."
            )
        settings = llama.llama_context_default_params()
        self.context = min(file.info.context, llama.llama_model_n_ctx_train(self._model))
        settings.n_ctx = self.context
        settings.n_batch = settings.n_ubatch = BATCH
        settings.n_seq_max = 1
        settings.n_threads = settings.n_threads_batch = threads
        settings.no_perf = True
        self._context = llama.llama_init_from_model(self._model, settings)
        if not self._context:
            self.close()
            raise LoadError(
                f"There is not enough memory for {file.info.name} with {self.context} tokens of context. "
                "Close other programs, or choose a smaller model."
            )
        self._memory = llama.llama_get_memory(self._context)
        self._batch = llama.llama_batch_init(BATCH, 0, 1)
        self._vocab = llama.llama_model_get_vocab(self._model)
        self.vocabulary = Vocabulary(self._spellings())
        # The long parts of a prompt are the same from keystroke to keystroke.
        self.tokenize = lru_cache(maxsize=64)(self._tokenize)

    def evaluate(self, tokens: Sequence[int]) -> Logits:
        llama, batch = self._llama, self._batch
        for start in range(0, len(tokens), BATCH):
            self.pause()
            some = tokens[start : start + BATCH]
            batch.n_tokens = len(some)
            for i, token in enumerate(some):
                batch.token[i] = token
                batch.pos[i] = len(self.cached) + i
                batch.n_seq_id[i] = 1
                batch.seq_id[i][0] = 0
                batch.logits[i] = False
            batch.logits[len(some) - 1] = start + len(some) == len(tokens)
            status = llama.llama_decode(self._context, batch)
            if status != 0:
                # Part of the batch may be in the cache already; only what `cached` names may stay.
                llama.llama_memory_seq_rm(self._memory, 0, len(self.cached), -1)
                if status == 2:
                    raise Aborted
                raise EngineError(f"llama.cpp could not evaluate a batch (status {status}). Please report this.")
            self.cached.extend(some)
        logits = llama.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(logits, shape=(len(self.vocabulary.spelling),))

    def truncate(self, length: int) -> None:
        if length < len(self.cached):
            self._llama.llama_memory_seq_rm(self._memory, 0, length, -1)
            del self.cached[length:]

    @contextlib.contextmanager
    def abortable(self, cancel: CancelToken) -> Iterator[None]:
        # One flag a request: a late cancel of an earlier request must not stop this one.
        flag = ctypes.create_string_buffer(2)
        cancel.on_cancel(lambda: flag.__setitem__(0, b"!"))
        self._llama.llama_set_abort_callback(self._context, _strlen(self._llama), ctypes.addressof(flag))
        try:
            yield
        finally:
            self._llama.llama_set_abort_callback(self._context, self._llama.ggml_abort_callback(), None)

    def close(self) -> None:
        if self._context:
            self._llama.llama_batch_free(self._batch)
            self._llama.llama_free(self._context)
            self._context = None
        if self._model:
            self._llama.llama_model_free(self._model)
            self._model = None

    def _tokenize(self, part: Part) -> tuple[int, ...]:
        data = part.text.encode("utf-8", "surrogatepass")
        room = len(data) + 1
        tokens = (self._llama.llama_token * room)()
        count = self._llama.llama_tokenize(self._vocab, data, len(data), tokens, room, False, part.control)
        if count < 0:
            raise EngineError("llama.cpp could not tokenize the prompt. Please report this.")
        return tuple(tokens[:count])

    def _spellings(self) -> list[bytes]:
        llama, vocab = self._llama, self._vocab
        buffer = ctypes.create_string_buffer(256)
        ends = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN | llama.LLAMA_TOKEN_ATTR_UNUSED
        spellings = []
        for token in range(llama.llama_vocab_n_tokens(vocab)):
            if llama.llama_vocab_get_attr(vocab, token) & ends or llama.llama_vocab_is_eog(vocab, token):
                spellings.append(b"")
                continue
            length = llama.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, True)
            spellings.append(buffer.raw[: max(length, 0)])
        return spellings


# GGML_LOG_LEVEL_WARN and GGML_LOG_LEVEL_ERROR, for which the bindings have no names.
_WARNING, _ERROR = 2, 3

_complaints: deque[str] = deque(maxlen=20)
"""The last warnings and errors of llama.cpp, oldest first."""


@cache
def _library() -> Any:
    """llama_cpp's low-level module, with its messages sent to our log instead of standard error."""
    # libgomp reads this once, when it is loaded. It says how long a thread spins at a barrier for the others.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN)
    from llama_cpp import llama_cpp

    def listen(level: int, text: bytes, _: Any) -> None:
        message = text.decode("utf-8", "replace").strip()
        if level in (_WARNING, _ERROR):
            _complaints.append(message)
            log.info("llama.cpp: %s", message)

    # Kept on the module, since llama.cpp calls it for as long as the process lives.
    llama_cpp.midfill_listener = llama_cpp.llama_log_callback(listen)
    llama_cpp.llama_log_set(llama_cpp.midfill_listener, None)
    return llama_cpp


def _strlen(llama: Any) -> Any:
    """The C library's strlen as llama.cpp's abort callback: false for "", true for "!".

    llama.cpp asks several hundred times an evaluation. A Python function would need the interpreter's lock
    each time, and wait for it while the event loop works; this reads one byte.
    """
    library = ctypes.CDLL("msvcrt" if os.name == "nt" else None)
    return ctypes.cast(library.strlen, llama.ggml_abort_callback)
