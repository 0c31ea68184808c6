"""The generation loop: what is evaluated, what comes out, where it stops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from models_of_bytes import Babbler, ByteModel

from midfill.engine.base import Chunk, Part, Request, Usage
from midfill.engine.generate import generate
from midfill.engine.sampling import Logits, Vocabulary
from midfill.errors import EngineError


def run(model: ByteModel, prompt: str, **options: object) -> list[Chunk]:
    chunks: list[Chunk] = []
    request = Request("complete", "bytes", (Part(prompt),), **{"max_tokens": 50, **options})  # type: ignore[arg-type]
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
    assert len(model.sessions) == 1


def test_evaluates_one_token_of_a_prompt_it_knows_whole() -> None:
    model = ByteModel({b"x": b"y"})
    run(model, "abcx")
    assert run(model, "abcx")[-1].usage.evaluated == 1


def test_heals_and_gives_only_new_text() -> None:
    # Left alone after "x = ", the model would write "9"; healing holds it to what was typed.
    model = ByteModel({b"x = 12": b"3", b"x = ": b"9"})
    assert text(run(model, "x = 12", heal=True)) == "3"


def test_ends_at_once_where_the_model_wants_other_code_than_there_is() -> None:
    class Spaces(ByteModel):
        """It tokenizes indentation as one token, and wants single spaces."""

        def tokenize(self, part: Part) -> tuple[int, ...]:
            return (*(b + 1 for b in part.text.rstrip(" ").encode()), 257)

    model = Spaces({})
    model.vocabulary = Vocabulary([*model.vocabulary.spelling, b" " * 12])
    model.logits = lambda tokens: np.eye(258, dtype=np.float32)[ord(" ") + 1] * 9  # type: ignore[method-assign]
    chunks = run(model, "x:" + " " * 12, heal=True)
    assert (text(chunks), chunks[-1].finish, chunks[-1].usage.generated) == ("", "end", 3)


def test_does_not_heal_into_a_control_part() -> None:
    model = ByteModel({b"a<mid>": b"b"})
    chunks: list[Chunk] = []
    request = Request("complete", "bytes", (Part("a"), Part("<mid>", control=True), Part("")), 9, heal=True)
    generate(model, request, Usage(), chunks.append)
    assert text(chunks) == "b"


def test_refuses_a_prompt_beyond_the_context() -> None:
    with pytest.raises(EngineError, match="context"):
        run(ByteModel({}, context=4), "hello")


def test_refuses_an_empty_prompt() -> None:
    with pytest.raises(EngineError, match="empty"):
        run(ByteModel({}), "")


def test_evaluates_a_prompt_ahead_and_writes_nothing() -> None:
    model = ByteModel({b"print(": b"name)"})
    chunks = run(model, "print(", max_tokens=0)
    assert (text(chunks), chunks[-1].finish, chunks[-1].usage.evaluated) == ("", "length", 6)
    assert run(model, "print(", max_tokens=0)[-1].usage.evaluated == 0
    assert run(model, "print(")[-1].usage.evaluated == 1


def test_another_file_does_not_evict_the_first() -> None:
    model = ByteModel({b"x": b"y"})
    one, two = "a" * 100 + "x", "b" * 100 + "x"
    run(model, one)
    run(model, two)
    assert [run(model, one)[-1].usage.evaluated, run(model, two)[-1].usage.evaluated] == [1, 1]


def test_a_new_window_shares_the_beginning_and_keeps_the_old_one() -> None:
    model = ByteModel({b"x": b"y"})
    old, new = "a" * 100 + "b" * 100 + "x", "a" * 100 + "c" * 100 + "x"
    run(model, old)
    assert run(model, new)[-1].usage.evaluated == 101
    assert run(model, old)[-1].usage.evaluated == 1


def test_the_session_used_longest_ago_goes_first() -> None:
    model = ByteModel({b"x": b"y"}, sequences=2)
    first, second, third = (letter * 100 + "x" for letter in "abc")
    for prompt in (first, second, first, third):
        run(model, prompt)
    assert run(model, first)[-1].usage.evaluated == 1
    assert run(model, second)[-1].usage.evaluated == 101


@pytest.mark.parametrize("seed", range(30))
def test_drafts_change_the_cost_and_never_the_answer(seed: int) -> None:
    prompt = "abcdefgh" * 3 + "ab"
    plain = Babbler(seed)
    plain.payoff.length = lambda ground: 0  # type: ignore[method-assign]
    eager = Babbler(seed)
    eager.payoff.length = lambda ground: 5  # type: ignore[method-assign]
    expected, got = run(plain, prompt, heal=True), run(eager, prompt, heal=True, draft="abcdefg" * 5)
    assert text(got) == text(expected)
    assert [chunk.logprob for chunk in got] == [chunk.logprob for chunk in expected]
    usage = got[-1].usage
    assert usage.generated == expected[-1].usage.generated == 50
    assert 0 < usage.accepted <= usage.drafted
    assert len(eager.evaluated) < len(plain.evaluated)
    # What was drafted and wrong is not in the cache: going on from the answer costs one token.
    assert run(eager, prompt + text(got))[-1].usage.evaluated == 1


def test_the_old_text_is_the_draft_of_a_rewrite() -> None:
    old = "".join(chr(ord("a") + i * 7 % 26) for i in range(26)) * 2
    model = ByteModel({b"go": old.encode()})
    model.payoff.length = lambda ground: 15  # type: ignore[method-assign]
    chunks = run(model, "go", draft="go" + old, max_tokens=100)
    assert text(chunks) == old
    assert len(model.evaluated) < 8


def test_alternatives_differ_from_the_first_new_character() -> None:
    model = Babbler(3)
    chunks = run(model, "so ab", alternatives=3, max_tokens=8, heal=True)
    answers = ["".join(chunk.text for chunk in chunks if chunk.index == index) for index in range(3)]
    assert answers[0] == text(run(Babbler(3), "so ab", max_tokens=8, heal=True))
    assert len({answer[0] for answer in answers}) == 3
    assert sum(chunk.finish is not None for chunk in chunks) == 3
    # The prompt is evaluated once, and the answers are decoded together.
    assert chunks[-1].usage.evaluated == chunks[-1].usage.prompt == 3
    assert max(model.evaluated[1:]) == 3


def test_alternatives_share_the_white_space_before_them() -> None:
    class Indents(ByteModel):
        def logits(self, tokens: Sequence[int]) -> Logits:
            logits = super().logits(tokens)
            logits[ord("p") + 1] = 5
            return logits

    model = Indents({b"x": b"    y", b"p": b"ass"})
    chunks = run(model, "x", alternatives=2)
    answers = ["".join(chunk.text for chunk in chunks if chunk.index == index) for index in range(2)]
    assert answers == ["    y", "    pass"]


def test_a_model_lost_in_white_space_gets_no_long_drafts() -> None:
    model = ByteModel({b"x": b" " * 60})
    model.payoff.length = lambda ground: 15  # type: ignore[method-assign]
    chunks = run(model, "x", draft=" " * 50)
    assert text(chunks) == " " * 50
    assert max(model.evaluated[1:]) <= 3


class Doubter(ByteModel):
    """It would write `script`, but nearly another letter behind some text: {text: (letter, logit)}."""

    def __init__(self, script: dict[bytes, bytes], doubts: dict[bytes, tuple[bytes, float]]) -> None:
        super().__init__(script)
        self.doubts = doubts

    def logits(self, tokens: Sequence[int]) -> Logits:
        logits = super().logits(tokens)
        text = bytes(token - 1 for token in tokens)
        for before, (letter, logit) in self.doubts.items():
            if text.endswith(before):
                logits[letter[0] + 1] = logit
        return logits


BUGGY = {b"fix: ": b"a = b + c\n``", b"a = b -": b" c\n``", b"x": b" = b + c\n``"}


@pytest.mark.parametrize("drafts", [True, False])
@pytest.mark.parametrize("old", ["", "a = b + c\n"])
def test_a_copy_goes_the_other_way_from_where_the_model_was_least_sure(drafts: bool, old: str) -> None:
    model = Doubter(BUGGY, {b"fix: ": (b"x", 7), b"a = b ": (b"-", 8)})
    for _ in range(2):
        chunks = run(model, "fix: ", stop=("\n``",), avoid="a = b + c\n", drafts=drafts, draft=old)
        assert text(chunks) == "a = b - c"
        assert chunks[-1].finish == "stop"
    model.doubts[b"fix: "] = (b"x", 9)
    assert text(run(model, "fix: ", stop=("\n``",), avoid="a = b + c\n", drafts=drafts, draft=old)) == "x = b + c"


def test_the_other_way_has_as_much_room_as_the_first() -> None:
    model = Doubter(BUGGY, {b"a = b ": (b"-", 8)})
    most = len("a = b - c\n``")
    chunks = run(model, "fix: ", stop=("\n``",), avoid="a = b + c\n", max_tokens=most)
    assert (text(chunks), chunks[-1].finish) == ("a = b - c", "stop")


def test_nothing_of_a_copy_is_sent_before_it_differs() -> None:
    model = Doubter(BUGGY, {b"a = b ": (b"-", 8)})
    chunks = run(model, "fix: ", stop=("\n``",), avoid="a = b + c\n")
    assert next(chunk for chunk in chunks if chunk.text).usage.generated > len("a = b + c")
    assert text(chunks) == "a = b - c"
    other = run(model, "fix: ", stop=("\n``",), avoid="a = bcd")
    assert text(other) == "a = b + c"
    assert next(chunk.text for chunk in other if chunk.text) == "a = b +"


@pytest.mark.parametrize(
    "doubt",
    [
        pytest.param({}, id="none"),
        pytest.param({b"a = b": (b"#", 9)}, id="a comment"),
        pytest.param({b"a = b": (b"\t", 9)}, id="white space"),
        pytest.param({b"a = b + c": (b"d", 9)}, id="behind the copy"),
    ],
)
def test_a_copy_stays_one_where_there_is_no_other_way(doubt: dict[bytes, tuple[bytes, float]]) -> None:
    chunks = run(Doubter(BUGGY, doubt), "fix: ", stop=("\n``",), avoid="a = b + c\n")
    assert text(chunks) == "a = b + c"
    assert chunks[-1].finish == "stop"
