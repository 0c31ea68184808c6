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

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


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
    kind: int = CONTROL,
    **metadata: Any,
) -> Path:
    """A GGUF file whose vocabulary is all bytes, "def" and the tokens `control`, which are of the `kind`.

    In the keys of `metadata`, `__` stands for a dot and `ARCH` for the architecture.
    """
    writer = GGUFWriter(str(path), architecture)
    writer.add_name(name)
    tokens, kinds = _pieces() if sentencepiece else _bytes()
    tokens, kinds = [*tokens, *control], [*kinds, *[kind] * len(control)]
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


# Two layers, 32 wide, in 4 heads.
WIDE, HEADS, LAYERS, HIDDEN, CONTEXT = 32, 4, 2, 64, 512


def tiny(
    path: Path,
    architecture: str,
    name: str,
    control: Sequence[str],
    sentencepiece: bool = False,
    heads: int = HEADS,
) -> Path:
    """A whole model of random weights, small enough to be made and loaded in a moment."""
    tokens = len((_pieces() if sentencepiece else _bytes())[0]) + len(control)
    metadata: dict[str, Any] = {
        "ARCH__context_length": CONTEXT,
        "ARCH__embedding_length": WIDE,
        "ARCH__block_count": LAYERS,
        "ARCH__feed_forward_length": HIDDEN,
        "ARCH__attention__head_count": heads,
        "ARCH__attention__head_count_kv": heads,
        "ARCH__attention__layer_norm_epsilon": 1e-5,
        "ARCH__attention__layer_norm_rms_epsilon": 1e-5,
        "ARCH__vocab_size": tokens,
    }
    if architecture == "gemma":
        metadata |= {"ARCH__attention__key_length": 8, "ARCH__attention__value_length": 8}
        metadata |= {"tokenizer__ggml__add_space_prefix": False}
    if architecture == "deepseek2":
        metadata |= {f"ARCH__{key}": value for key, value in _DEEPSEEK2.items()}
    random = np.random.default_rng(1)
    shapes = _shapes(architecture, tokens)
    tensors = {
        tensor: np.ones(shape, np.float32)
        if "norm" in tensor and tensor.endswith("weight")
        else random.normal(0, 0.1, shape).astype(np.float32)
        for tensor, shape in shapes.items()
    }
    return write(path, architecture, name, control, sentencepiece, tensors, **metadata)


_DEEPSEEK2: dict[str, Any] = {
    "attention__q_lora_rank": 16,
    "attention__kv_lora_rank": 16,
    "attention__key_length": 12,
    "attention__value_length": 8,
    "rope__dimension_count": 4,
    "leading_dense_block_count": 1,
    "expert_count": 2,
    "expert_used_count": 1,
    "expert_shared_count": 1,
    "expert_feed_forward_length": HIDDEN,
    "expert_weights_scale": 1.0,
}


def _shapes(architecture: str, tokens: int) -> dict[str, tuple[int, ...]]:
    """What llama.cpp's src/models/*.cpp asks for; numpy's order of the dimensions is the reverse of its order."""
    square = (WIDE, WIDE)
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (tokens, WIDE), "output_norm.weight": (WIDE,)}
    biased = architecture.startswith("starcoder")
    if biased:
        shapes["output_norm.bias"] = (WIDE,)
    if architecture == "starcoder":
        shapes["position_embd.weight"] = (CONTEXT, WIDE)
    for n in range(LAYERS):
        layer: dict[str, tuple[int, ...]] = {
            "attn_norm.weight": (WIDE,),
            "ffn_norm.weight": (WIDE,),
            "attn_output.weight": square,
            "ffn_up.weight": (HIDDEN, WIDE),
            "ffn_down.weight": (WIDE, HIDDEN),
        }
        if architecture == "starcoder":
            layer |= {"attn_qkv.weight": (3 * WIDE, WIDE), "attn_qkv.bias": (3 * WIDE,)}
        elif architecture == "deepseek2":
            layer |= {
                "attn_q_a_norm.weight": (16,),
                "attn_kv_a_norm.weight": (16,),
                "attn_q_a.weight": (16, WIDE),
                "attn_q_b.weight": (HEADS * 12, 16),
                "attn_kv_a_mqa.weight": (16 + 4, WIDE),
                "attn_kv_b.weight": (HEADS * 16, 16),
            }
        else:
            layer |= {f"attn_{each}.weight": square for each in "qkv"}
        if architecture == "deepseek2" and n > 0:
            del layer["ffn_up.weight"], layer["ffn_down.weight"]
            layer |= {
                "ffn_gate_inp.weight": (2, WIDE),
                "ffn_gate_exps.weight": (2, HIDDEN, WIDE),
                "ffn_up_exps.weight": (2, HIDDEN, WIDE),
                "ffn_down_exps.weight": (2, WIDE, HIDDEN),
                "ffn_gate_shexp.weight": (HIDDEN, WIDE),
                "ffn_up_shexp.weight": (HIDDEN, WIDE),
                "ffn_down_shexp.weight": (WIDE, HIDDEN),
            }
        elif not biased:
            layer["ffn_gate.weight"] = (HIDDEN, WIDE)
        if architecture == "qwen2":
            layer |= {f"attn_{each}.bias": (WIDE,) for each in "qkv"}
        if biased:
            layer |= {
                key.replace("weight", "bias"): (shape[0],)
                for key, shape in layer.items()
                if key.endswith("weight")
            }
        shapes |= {f"blk.{n}.{key}": shape for key, shape in layer.items()}
    return shapes
