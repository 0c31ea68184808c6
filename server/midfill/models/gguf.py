"""The header of a GGUF file, which says what kind of model it holds and has its vocabulary."""

from __future__ import annotations

import os
import struct
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from midfill.errors import UsageError

_SCALARS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
_STRING, _ARRAY = 8, 9

_TOKENS = "tokenizer.ggml.tokens"
TEMPLATE = "tokenizer.chat_template"


def header(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """A GGUF file's metadata, and the ids of its tokens by their texts. Raises `UsageError`."""
    try:
        with path.open("rb") as stream:
            found = metadata(stream, (_TOKENS,))
    except OSError as error:
        raise UsageError(f"Cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UsageError(f"{path} is not a usable GGUF model: {error}.") from None
    return found, {text: token for token, text in enumerate(found.pop(_TOKENS, ()))}


def template(metadata: Mapping[str, Any], vocabulary: Mapping[str, int]) -> tuple[str, str, str]:
    """The chat template in the file, "" without one, and the texts of the tokens that begin and end a text."""
    texts = {token: text for text, token in vocabulary.items()}
    begin, end = (texts.get(metadata.get(f"tokenizer.ggml.{key}_token_id", -1), "") for key in ("bos", "eos"))
    source = metadata.get(TEMPLATE)
    return (source, begin, end) if isinstance(source, str) and source.strip() else ("", begin, end)


def context(metadata: dict[str, Any]) -> int | None:
    """How many tokens the model was made for; None where the file does not tell."""
    found = metadata.get(f"{metadata.get('general.architecture', '')}.context_length")
    return found if isinstance(found, int) and found > 0 else None


def licence(metadata: dict[str, Any]) -> str:
    """The file's own word on its licence, in one line; empty without one."""
    told = str(metadata.get("general.license", ""))
    told = str(metadata.get("general.license.name", "")) if told in ("", "other") else told
    return "".join(letter for letter in " ".join(told.split()) if letter.isprintable())[:100]


def metadata(stream: BinaryIO, lists: Container[str] = ()) -> dict[str, Any]:
    """The strings, numbers and booleans of a GGUF header (version 2 or 3); of the arrays, those named by `lists`.

    The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Raises `ValueError`.
    """
    end = stream.seek(0, os.SEEK_END)
    stream.seek(0)

    def skip(count: int) -> None:
        # Checked here, so that no length in a damaged file makes us allocate or seek without bounds.
        if count > end - stream.tell():
            raise ValueError("its header is cut off")
        stream.seek(count, os.SEEK_CUR)

    def scalar(layout: str) -> Any:
        data = stream.read(struct.calcsize(layout))
        if len(data) < struct.calcsize(layout):
            raise ValueError("its header is cut off")
        return struct.unpack(layout, data)[0]

    def string() -> str:
        size = scalar("<Q")
        if size > end - stream.tell():
            raise ValueError("its header is cut off")
        return stream.read(size).decode("utf-8", "replace")

    def array(wanted: bool) -> list[str] | None:
        element, count = scalar("<I"), scalar("<Q")
        if element in _SCALARS:
            skip(count * struct.calcsize(_SCALARS[element]))
        elif element != _STRING:
            raise ValueError(f"its header has an array of unknown type {element}")
        elif wanted:
            return [string() for _ in range(count)]
        else:
            for _ in range(count):
                skip(scalar("<Q"))
        return None

    def value(kind: int, wanted: bool) -> Any:
        if kind in _SCALARS:
            return scalar(_SCALARS[kind])
        if kind == _STRING:
            return string()
        if kind == _ARRAY:
            return array(wanted)
        raise ValueError(f"its header has a value of unknown type {kind}")

    if stream.read(4) != b"GGUF":
        raise ValueError("it does not begin with the letters GGUF")
    version = scalar("<I")
    if version in (2 << 24, 3 << 24):
        raise ValueError(
            "it is big-endian, made for other machines; `gguf-convert-endian` of the package gguf turns it around"
        )
    if version not in (2, 3):
        raise ValueError(f"its GGUF version {version} is not supported")
    skip(8)  # The number of tensors.
    pairs = ((key := string(), value(scalar("<I"), key in lists)) for _ in range(scalar("<Q")))
    return {key: found for key, found in pairs if found is not None}
