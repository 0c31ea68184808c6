"""What llama.cpp offers on a CPU, side by side: `python tests/bench/kernels.py [ROLE]`.

For each setting: prompt tokens evaluated a second, and milliseconds for batches of 1 to 16 tokens behind a prompt
of 1,024, as drafts need them, with logits for every token. The settings take turns twice; the better of two
counts.
"""

from __future__ import annotations

import ctypes
import random
import sys
import time
from collections.abc import Callable
from functools import cache
from statistics import median
from typing import Any

from midfill.engine import llama
from midfill.models import catalog

PROMPT, CELLS, SEQUENCES = 1024, 16384, 8
SIZES = (1, 2, 4, 8, 16)
SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "without flash attention": {"flash_attn_type": 0},
    "5 other sessions": {"others": 5},
    "5 others, without flash attention": {"others": 5, "flash_attn_type": 0},
    "keys and values of 8 bits": {"type_k": 8, "type_v": 8},
    "batches of 32": {"batch": 32},
    "batches of 128": {"batch": 128},
    "batches of 256": {"batch": 256},
    "1 thread": {"threads": 1},
    "weights not repacked": {"model": ("use_extra_bufts", False)},
    "weights not mapped into memory": {"model": ("use_mmap", False)},
}


def main(role: str = "complete") -> None:
    library = llama._library()
    entry = catalog.find(role)
    catalog.present(entry)

    @cache
    def loaded(setting: tuple[str, bool] | None) -> Any:
        parameters = library.llama_model_default_params()
        if setting:
            setattr(parameters, *setting)
        return library.llama_model_load_from_file(str(catalog.path(entry)).encode(), parameters)

    best: dict[str, tuple[float, list[float]]] = {}
    for _ in range(2):
        for name, setting in SETTINGS.items():
            setting = dict(setting)
            rate, times = measure(library, loaded(setting.pop("model", None)), setting)
            known_rate, known_times = best.get(name, (0.0, [float("inf")] * len(SIZES)))
            best[name] = max(rate, known_rate), [min(pair) for pair in zip(times, known_times, strict=True)]
    print(f"{entry.name:36} tokens/s   ms for a batch of {'  '.join(map(str, SIZES))}")
    for name, (rate, times) in best.items():
        print(f"{name:36} {rate:8.0f}   {'  '.join(f'{ms:.0f}' for ms in times)}")


def measure(library: Any, model: Any, setting: dict[str, Any]) -> tuple[float, list[float]]:
    parameters = library.llama_context_default_params()
    threads, size = setting.pop("threads", 2), setting.pop("batch", llama.BATCH)
    others = setting.pop("others", 0)
    parameters.n_ctx, parameters.n_seq_max, parameters.kv_unified = CELLS, SEQUENCES, True
    parameters.n_batch = parameters.n_ubatch = size
    parameters.n_threads = parameters.n_threads_batch = threads
    parameters.flash_attn_type = 1
    for name, value in setting.items():
        setattr(parameters, name, value)
    context = library.llama_init_from_model(model, parameters)
    batch = library.llama_batch_init(size, 0, 1)
    chance = random.Random(1)
    tokens = [chance.randrange(1000, 50000) for _ in range(PROMPT)]
    decode = decoder(library, context, batch)
    for sequence in range(1, others + 1):
        prompt(decode, tokens, sequence, size)
    started = time.perf_counter()
    prompt(decode, tokens, 0, size)
    rate = PROMPT / (time.perf_counter() - started)
    times = []
    for count in SIZES:
        taken = []
        for _ in range(7):
            library.llama_memory_seq_rm(library.llama_get_memory(context), 0, PROMPT, -1)
            started = time.perf_counter()
            decode(tokens[:count], PROMPT, 0, True)
            taken.append((time.perf_counter() - started) * 1000)
        times.append(median(taken))
    library.llama_batch_free(batch)
    library.llama_free(context)
    return rate, times


def prompt(
    decode: Callable[[list[int], int, int, bool], None], tokens: list[int], sequence: int, size: int
) -> None:
    for start in range(0, len(tokens), size):
        decode(tokens[start : start + size], start, sequence, False)


def decoder(library: Any, context: ctypes.c_void_p, batch: Any) -> Callable[[list[int], int, int, bool], None]:
    def decode(tokens: list[int], position: int, sequence: int, logits: bool) -> None:
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i] = token, position + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
            batch.logits[i] = logits or i == len(tokens) - 1
        assert library.llama_decode(context, batch) == 0

    return decode


if __name__ == "__main__":
    main(*sys.argv[1:])
