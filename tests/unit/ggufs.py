"""GGUF files for tests: llama.cpp's own vocabularies, and models with made vocabularies and random weights."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFWriter

sys.path.append(str(Path(__file__).parents[1] / "bench"))

from with_llama_server import fetched

NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6


@cache
def vocabulary(name: str) -> Path:
    """A vocabulary-only file out of llama.cpp's source, which is fetched once and kept in `build/`."""
    return fetched() / "vendor" / "llama.cpp" / "models" / f"ggml-vocab-{name}.gguf"


def write(
    path: Path,
    architecture: str,
    name: str,
    control: Sequence[str],
    sentencepiece: bool = False,
    tensors: dict[str, np.ndarray[Any, Any]] | None = None,
    **metadata: Any,
) -> Path:
    """A GGUF file whose vocabulary is all bytes, "def" and the tokens `control`.

    In the keys of `metadata`, `__` stands for a dot and `ARCH` for the architecture.
    """
    writer = GGUFWriter(str(path), architecture)
    writer.add_name(name)
    tokens, kinds = _pieces() if sentencepiece else _bytes()
    tokens, kinds = [*tokens, *control], [*kinds, *[CONTROL] * len(control)]
    writer.add_tokenizer_model("llama" if sentencepiece else "gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if sentencepiece:
        writer.add_token_scores([-float(n) for n in range(len(tokens))])
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
    else:
        writer.add_tokenizer_pre("default")
        writer.add_token_merges(["d e", "de f"])
        writer.add_eos_token_id(len(tokens) - len(control))
    for key, value in metadata.items():
        key = key.replace("__", ".").replace("ARCH", architecture)
        add = {bool: writer.add_bool, str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}
        add[type(value)](key, value)
    for tensor, data in (tensors or {}).items():
        writer.add_tensor(tensor, data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _bytes() -> tuple[list[str], list[int]]:
    """GPT-2's spelling of the bytes, and "def" by two merges."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = iter(range(256, 1000))
    letters = [chr(byte) if byte in plain else chr(next(extra)) for byte in range(256)]
    tokens = [*letters, "de", "def"]
    return tokens, [NORMAL] * len(tokens)


def _pieces() -> tuple[list[str], list[int]]:
    """SentencePiece's: the bytes, a few letters, and "def" with and without its leading space."""
    pieces = ["▁", "d", "e", "f", "(", "p", "a", "s", "de", "def", "▁d", "▁de", "▁def"]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    return tokens, [UNKNOWN, CONTROL, CONTROL, *[BYTE] * 256, *[NORMAL] * len(pieces)]
