"""The generation loop: what is evaluated, what comes out, where it stops."""

from __future__ import annotations

import pytest
from models_of_bytes import ByteModel

from midfill.engine.base import Chunk, Part, Request, Usage
from midfill.engine.generate import generate
from midfill.errors import EngineError


def run(model: ByteModel, prompt: str, **options: object) -> list[Chunk]:
    chunks: list[Chunk] = []
    request = Request("complete", (Part(prompt),), **{"max_tokens": 50, **options})  # type: ignore[arg-type]
    generate(model, request, Usage(), chunks.append)
    return chunks


def text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)


def test_writes_until_the_model_ends() -> None:
    chunks = run(ByteModel({b"print(": b"name)"}), "print(")
    assert text(chunks) == "name)"
    assert chunks[-1].finish == "end"
    assert chunks[-1].usage.generated == 5
    assert all(chunk.finish is None for chunk in chunks[:-1])


def test_stops_before_a_stop_string_that_comes_in_pieces() -> None:
    chunks = run(ByteModel({b"x": b"abc<|end|>def"}), "x", stop=("<|end|>",))
    assert text(chunks) == "abc"
    assert chunks[-1].finish == "stop"


def test_gives_out_text_that_only_began_like_a_stop_string() -> None:
    assert text(run(ByteModel({b"x": b"a<|e"}), "x", stop=("<|end|>",))) == "a<|e"


def test_gives_out_whole_characters_only() -> None:
    chunks = run(ByteModel({b"x": "é…🙂".encode()}), "x")
    assert [chunk.text for chunk in chunks if chunk.text] == ["é", "…", "🙂"]


def test_says_when_the_limit_cut_it_short() -> None:
    chunks = run(ByteModel({b"x": b"abcdef"}), "x", max_tokens=3)
    assert text(chunks) == "abc"
    assert chunks[-1].finish == "length"


def test_evaluates_only_what_the_cache_lacks() -> None:
    model = ByteModel({b"pri": b"nt", b"prin": b"t", b"prun": b"e"})
    run(model, "hello pri")
    assert run(model, "hello prin")[-1].usage.evaluated == 1
    # What the model wrote itself is cached too; a changed letter is all that differs.
    assert run(model, "hello prun")[-1].usage.evaluated == 2
    assert bytes(t - 1 for t in model.cached).startswith(b"hello prun")


def test_evaluates_one_token_of_a_prompt_it_knows_whole() -> None:
    model = ByteModel({b"x": b"y"})
    run(model, "abcx")
    assert run(model, "abcx")[-1].usage.evaluated == 1


def test_heals_and_gives_only_new_text() -> None:
    # Left alone after "x = ", the model would write "9"; healing holds it to what was typed.
    model = ByteModel({b"x = 12": b"3", b"x = ": b"9"})
    assert text(run(model, "x = 12", heal=True)) == "3"


def test_does_not_heal_into_a_control_part() -> None:
    model = ByteModel({b"a<mid>": b"b"})
    chunks: list[Chunk] = []
    request = Request("complete", (Part("a"), Part("<mid>", control=True), Part("")), 9, heal=True)
    generate(model, request, Usage(), chunks.append)
    assert text(chunks) == "b"


def test_refuses_a_prompt_beyond_the_context() -> None:
    with pytest.raises(EngineError, match="context"):
        run(ByteModel({}, context=4), "hello")


def test_refuses_an_empty_prompt() -> None:
    with pytest.raises(EngineError, match="empty"):
        run(ByteModel({}), "")
