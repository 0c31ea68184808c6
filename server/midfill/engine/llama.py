"""llama.cpp: the only module that imports llama_cpp, and it does so when the first model is loaded."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import logging
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from midfill.engine.base import CancelToken, ModelFile, Part
from midfill.engine.drafts import Payoff
from midfill.engine.generate import Aborted, Piece
from midfill.engine.sampling import Logits, Vocabulary
from midfill.engine.sessions import Session, Sessions
from midfill.engine.threads import Threads
from midfill.errors import EngineError, LoadError

log = logging.getLogger(__name__)

# Longer prompts are evaluated in batches of this many tokens. Larger ones are no faster on a CPU, and an abort
# throws away the batch that it meets.
BATCH = 64

# How many sequences the KV cache may have. They share its cells, so that many short ones cost no more than few.
SEQUENCES = 64
# The cells of a KV cache may take this many bytes, or what one session of the model's context needs.
CACHE_BYTES = 200_000_000

# Where another program keeps a core busy, threads that spin for long steal time from the one they wait for.
SPIN = "500"


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is loaded; the settings of the same names say what they mean."""

    gpu_layers: int = -1
    flash_attention: str = "auto"
    cache_type: str = "f16"
    split_mode: str = "layer"


_AS_DEFAULT = Options()


def load(
    file: ModelFile, progress: Callable[[float], None], threads: Threads, options: Options = _AS_DEFAULT
) -> LlamaModel:
    """Load a GGUF file with a KV cache for `file.info.context` tokens at least. Raises `LoadError`."""
    return LlamaModel(file, progress, threads, options)


def build_info() -> dict[str, str]:
    """The engine's build: its version and the CPU features that it uses."""
    llama = _library()
    import llama_cpp as package

    features = llama.llama_print_system_info().decode()
    return {"llama-cpp-python": package.__version__, "features": features.strip()}


def has_tiles() -> bool:
    """Whether llama.cpp would use the processor's matrix unit (Intel's AMX).

    It must not: its tiles' configuration is optimized away by some compilers, and the first evaluation ends the
    process (llama.cpp, pull request 26954). What else it repacks the weights for makes reading faster
    by a fifth at most, and writing not at all.
    """
    return "AMX_INT8 = 1" in _library().llama_print_system_info().decode()


class LlamaModel:
    """A model and a context of several sequences; the `NativeModel` of `engine/embedded.py`."""

    def __init__(
        self, file: ModelFile, progress: Callable[[float], None], threads: Threads, options: Options
    ) -> None:
        self._llama = llama = _library()
        self.pause: Callable[[], None] = lambda: None
        self.warning: str | None = None
        self.payoff = Payoff()
        self._threads = threads
        self._context = self._memory = None
        self._flag = ctypes.create_string_buffer(2)
        self._cancel = CancelToken()

        parameters = llama.llama_model_default_params()

        def report(fraction: float, _: Any) -> bool:
            # The last part is the KV cache and the vocabulary.
            progress(0.9 * fraction)
            return True

        parameters.n_gpu_layers = options.gpu_layers
        parameters.split_mode = getattr(llama, f"LLAMA_SPLIT_MODE_{options.split_mode.upper()}")
        parameters.use_extra_bufts = not has_tiles()
        # The callback object must live as long as the load.
        callback = llama.llama_progress_callback(report)
        parameters.progress_callback = callback
        _errors.clear()
        self._model = llama.llama_model_load_from_file(os.fsencode(file.path), parameters)
        if not self._model:
            raise LoadError(
                f"{file.info.name} could not be loaded from {file.path}: {_reason()}. "
                f"Run `midfill models verify {file.info.name}`."
            )
        settings = llama.llama_context_default_params()
        self.context = min(file.info.context, llama.llama_model_n_ctx_train(self._model))
        settings.flash_attn_type = _FLASH_ATTENTION[options.flash_attention]
        settings.type_k = settings.type_v = getattr(llama, f"GGML_TYPE_{options.cache_type.upper()}")
        settings.n_ctx = max(self.context, CACHE_BYTES // self._bytes_a_token())
        settings.n_batch = settings.n_ubatch = BATCH
        settings.n_seq_max = SEQUENCES
        settings.kv_unified = True
        settings.n_threads = settings.n_threads_batch = threads.most
        settings.no_perf = True
        self._context = llama.llama_init_from_model(self._model, settings)
        if not self._context:
            self.close()
            if options.cache_type != "f16":
                raise LoadError(
                    f"{file.info.name} cannot keep its cache as {options.cache_type}, or memory is short. "
                    "Set midfill.cacheType to f16."
                )
            raise LoadError(
                f"There is not enough memory for {file.info.name} with {self.context} tokens of context. "
                "Close other programs, or choose a smaller model."
            )
        self._memory = llama.llama_get_memory(self._context)
        self.sessions = Sessions(self, SEQUENCES)
        self._batch = llama.llama_batch_init(BATCH, 0, 1)
        tokenizer = Tokenizer(llama.llama_model_get_vocab(self._model), file.info.stops)
        self.vocabulary = Vocabulary(tokenizer.spellings())
        self.begin = tokenizer.begin
        # The long parts of a prompt are the same from keystroke to keystroke.
        self.tokenize = lru_cache(maxsize=64)(tokenizer.tokenize)

    @property
    def threads(self) -> int:
        return self._threads.best

    def evaluate(self, pieces: Sequence[Piece]) -> list[Logits]:
        work = [
            (piece.session, token, len(piece.session.tokens) + i, i >= len(piece.tokens) - piece.rows)
            for piece in pieces
            for i, token in enumerate(piece.tokens)
        ]
        # The rows that are wanted must all be in the last batch, so the one that is not full comes first.
        first = len(work) % BATCH or BATCH
        for start, end in itertools.pairwise([0, *range(first, len(work) + 1, BATCH)]):
            self._decode(work[start:end])
        rows = sum(piece.rows for piece in pieces)
        logits = self._llama.llama_get_logits(self._context)
        table = np.ctypeslib.as_array(logits, shape=(rows, len(self.vocabulary.spelling)))
        ends = itertools.accumulate(piece.rows for piece in pieces)
        return [table[end - piece.rows : end] for piece, end in zip(pieces, ends, strict=True)]

    def remove(self, sequence: int, start: int) -> None:
        self._llama.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def share(self, source: int, target: int, length: int) -> None:
        self._llama.llama_memory_seq_cp(self._memory, source, target, 0, length)

    @contextlib.contextmanager
    def abortable(self, cancel: CancelToken) -> Iterator[None]:
        # One flag a request: a late cancel of an earlier request must not stop this one. Requests nest, where one
        # goes first while another pauses.
        outer = self._flag, self._cancel
        self._flag, self._cancel = ctypes.create_string_buffer(2), cancel
        flag = self._flag
        cancel.on_cancel(lambda: flag.__setitem__(0, b"!"))
        self._watch(flag)
        try:
            yield
        finally:
            self._flag, self._cancel = outer
            self._watch(self._flag)

    def interrupt(self) -> None:
        """Make the evaluation that runs now, if any, pause and begin anew. Any thread may call this."""
        self._flag[0] = b"!"

    def _decode(self, work: Sequence[tuple[Session, int, int, bool]]) -> None:
        """Evaluate one batch of (session, token, position, whether its logits are wanted)."""
        batch = self._batch
        while True:
            # In this order, an interruption is either waited for here or ends the evaluation.
            self._flag[0] = b"\0"
            self.pause()
            if self._cancel.cancelled:
                raise Aborted
            batch.n_tokens = len(work)
            for i, (session, token, position, wanted) in enumerate(work):
                batch.token[i] = token
                batch.pos[i] = position
                batch.n_seq_id[i] = 1
                batch.seq_id[i][0] = session.id
                batch.logits[i] = wanted
            status = self._run(batch)
            if status == 0:
                break
            # Part of the batch may be in the cache already; only what the sessions name may stay.
            for session in {each[0] for each in work}:
                self.remove(session.id, len(session.tokens))
            if status == _FULL and not self.sessions.drop_oldest():
                raise EngineError("The code is too long for the model's memory. Select less code.")
            if status not in (_FULL, _ABORTED):
                raise EngineError(f"llama.cpp could not evaluate a batch (status {status}). Please report this.")
        for session, token, _, _ in work:
            session.tokens.append(token)

    def _run(self, batch: Any) -> int:
        threads = self._threads
        if batch.n_tokens > 1:
            self._llama.llama_set_n_threads(self._context, threads.most, threads.most)
            return int(self._llama.llama_decode(self._context, batch))
        number = threads.next()
        self._llama.llama_set_n_threads(self._context, number, number)
        started = time.perf_counter()
        status = int(self._llama.llama_decode(self._context, batch))
        if status == 0:
            threads.saw(number, (time.perf_counter() - started) * 1000)
        return status

    def _watch(self, flag: ctypes.Array[ctypes.c_char]) -> None:
        self._llama.llama_set_abort_callback(self._context, _strlen(self._llama), ctypes.addressof(flag))

    def _bytes_a_token(self) -> int:
        """What one token takes in the KV cache at most: keys and values of 16 bits in every layer."""
        llama, model = self._llama, self._model
        width = llama.llama_model_n_embd(model) // llama.llama_model_n_head(model)
        return int(2 * 2 * width * llama.llama_model_n_head_kv(model) * llama.llama_model_n_layer(model))

    def close(self) -> None:
        if self._context:
            self._llama.llama_batch_free(self._batch)
            self._llama.llama_free(self._context)
            self._context = None
        if self._model:
            self._llama.llama_model_free(self._model)
            self._model = None


_MARK = re.compile(r"<[|｜\[].{1,40}[|｜\]]>")
"""What spells a control token in many families."""


class Tokenizer:
    """The vocabulary of a model: `spellings` are the bytes of each token, empty where the token ends an answer.

    `begin` are the tokens that every prompt begins with. `stops`: texts of tokens that end an answer although the
    vocabulary does not say so.
    """

    def __init__(self, vocab: Any, stops: Sequence[str] = ()) -> None:
        self._llama, self._vocab = _library(), vocab
        llama = self._llama
        self.ids = {}
        for token in range(llama.llama_vocab_n_tokens(vocab)):
            self.ids[(llama.llama_vocab_get_text(vocab, token) or b"").decode("utf-8", "replace")] = token
        adds = llama.llama_vocab_get_add_bos(vocab)
        self.begin: tuple[int, ...] = (llama.llama_vocab_bos(vocab),) if adds else ()
        self.stops = frozenset(self.ids[text] for text in stops if text in self.ids)
        # Some files have marks among the tokens that llama.cpp reads in any text.
        marks = [text for text, token in self.ids.items() if token in self.stops or _MARK.fullmatch(text)]
        marks = [re.escape(text) for text in marks if not self._is_control(self.ids[text])]
        self._marks = re.compile("|".join(marks)) if marks else None
        # SentencePiece puts a space in front of a text. A line end in front of ours takes it, and is cut off.
        line = self._raw(b"\n", False)
        spaced = line and self._spelling(line[0]) == b" "
        self._line = line if spaced else ()

    @property
    def ends(self) -> list[int]:
        """The tokens that end an answer, by the vocabulary and by `stops`."""
        count = self._llama.llama_vocab_n_tokens(self._vocab)
        return [t for t in range(count) if t in self.stops or self._llama.llama_vocab_is_eog(self._vocab, t)]

    def tokenize(self, part: Part) -> tuple[int, ...]:
        if part.control and part.text in self.ids:
            return (self.ids[part.text],)
        if part.control or not self._marks:
            return self._whole(part)
        # Cut in two, what spells a mark is text.
        cuts = [0, *(mark.start() + 1 for mark in self._marks.finditer(part.text)), len(part.text)]
        pieces = (
            Part(part.text[start:end], opens=part.opens and not start) for start, end in itertools.pairwise(cuts)
        )
        return tuple(token for piece in pieces for token in self._whole(piece))

    def _whole(self, part: Part) -> tuple[int, ...]:
        data = part.text.encode("utf-8", "surrogatepass")
        if self._line and not part.opens:
            tokens = self._raw(b"\n" + data, part.control)
            if tokens[: len(self._line)] == self._line:
                return tokens[len(self._line) :]
        return self._raw(data, part.control)

    def prompt(self, parts: Sequence[Part]) -> list[int]:
        """The tokens of a whole prompt."""
        tokens = [token for part in parts for token in self.tokenize(part)]
        return tokens if tuple(tokens[:1]) == self.begin else [*self.begin, *tokens]

    def spellings(self) -> list[bytes]:
        llama, vocab = self._llama, self._vocab
        ends = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN | llama.LLAMA_TOKEN_ATTR_UNUSED
        spellings = []
        for token in range(llama.llama_vocab_n_tokens(vocab)):
            silent = llama.llama_vocab_get_attr(vocab, token) & ends or llama.llama_vocab_is_eog(vocab, token)
            spellings.append(b"" if silent or token in self.stops else self._spelling(token))
        return spellings

    def _is_control(self, token: int) -> bool:
        return bool(self._llama.llama_vocab_get_attr(self._vocab, token) & self._llama.LLAMA_TOKEN_ATTR_CONTROL)

    def _spelling(self, token: int) -> bytes:
        room = 256
        buffer = ctypes.create_string_buffer(room)
        length = self._llama.llama_token_to_piece(self._vocab, token, buffer, room, 0, True)
        return buffer.raw[: max(length, 0)]

    def _raw(self, data: bytes, control: bool) -> tuple[int, ...]:
        room = len(data) + 2
        tokens = (self._llama.llama_token * room)()
        count = self._llama.llama_tokenize(self._vocab, data, len(data), tokens, room, False, control)
        if count < 0:
            raise EngineError("llama.cpp could not tokenize the prompt. Please report this.")
        return tuple(tokens[:count])


@contextlib.contextmanager
def vocabulary(path: Path, stops: Sequence[str] = ()) -> Iterator[Tokenizer]:
    """The vocabulary of a GGUF file, without its weights. Raises `LoadError`."""
    llama = _library()
    parameters = llama.llama_model_default_params()
    parameters.vocab_only = True
    _errors.clear()
    model = llama.llama_model_load_from_file(os.fsencode(path), parameters)
    if not model:
        raise LoadError(_reason())
    try:
        yield Tokenizer(llama.llama_model_get_vocab(model), stops)
    finally:
        llama.llama_model_free(model)


# LLAMA_FLASH_ATTN_TYPE_AUTO, _DISABLED and _ENABLED.
_FLASH_ATTENTION = {"auto": -1, "off": 0, "on": 1}

# What llama_decode returns when no cells are free, and when the abort callback said so.
_FULL, _ABORTED = 1, 2

# GGML_LOG_LEVEL_WARN and GGML_LOG_LEVEL_ERROR, for which the bindings have no names.
_WARNING, _ERROR = 3, 4

_errors: deque[str] = deque(maxlen=20)
"""The last errors that llama.cpp told, oldest first."""


def _reason() -> str:
    """Why llama.cpp could not load a model, in its own words."""
    if not _errors:
        return "llama.cpp gives no reason"
    # The first is the cause; it may name the functions that pass it on.
    return _errors[0].rpartition("error loading model: ")[2].rstrip(".")


def _library() -> Any:
    """llama_cpp's low-level module, with its messages sent to our log instead of standard error."""
    # Two models may be loaded at once, each by its thread, and a listener made twice would be freed once.
    with _preparing:
        return _prepared()


_preparing = threading.Lock()


@cache
def _prepared() -> Any:
    # libgomp reads this once, when it is loaded. It says how long a thread spins at a barrier for the others.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN)
    from llama_cpp import llama_cpp

    def listen(level: int, text: bytes, _: Any) -> None:
        message = text.decode("utf-8", "replace").strip()
        if level in (_WARNING, _ERROR):
            log.info("llama.cpp: %s", message)
        if level == _ERROR:
            _errors.append(message)

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


@dataclass(frozen=True, slots=True)
class Device:
    """What llama.cpp's build can compute on besides the processor. `memory` is in bytes.

    `shared`: it is inside the processor, and its memory is the machine's.
    """

    name: str
    memory: int
    shared: bool = False


def devices() -> list[Device]:
    """The graphics cards that this build offers."""
    library = _library()._lib
    get, name, kind, memory = (
        library.ggml_backend_dev_get,
        library.ggml_backend_dev_description,
        library.ggml_backend_dev_type,
        library.ggml_backend_dev_memory,
    )
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    kind.restype, kind.argtypes = ctypes.c_int, [ctypes.c_void_p]
    memory.restype, memory.argtypes = None, [ctypes.c_void_p, *[ctypes.POINTER(ctypes.c_size_t)] * 2]
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    found = []
    for number in range(library.ggml_backend_dev_count()):
        device = get(number)
        if kind(device) in (_GPU, _INTEGRATED):
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            memory(device, ctypes.byref(free), ctypes.byref(total))
            called = (name(device) or b"").decode("utf-8", "replace")
            found.append(Device(called, total.value, kind(device) == _INTEGRATED))
    return found


def backends() -> list[str]:
    """What this build can compute with, as llama.cpp calls it: CPU, CUDA, ROCm, Vulkan, MTL (Metal) and others."""
    library = _library()._lib
    get, name = library.ggml_backend_reg_get, library.ggml_backend_reg_name
    get.restype, get.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    library.ggml_backend_reg_count.restype = ctypes.c_size_t
    return [(name(get(n)) or b"").decode("utf-8", "replace") for n in range(library.ggml_backend_reg_count())]


# GGML_BACKEND_DEVICE_TYPE_GPU and _IGPU of ggml-backend.h.
_GPU, _INTEGRATED = 1, 2
