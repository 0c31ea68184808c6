"""Token healing, against an oracle that looks at every token."""

from __future__ import annotations

import random

import numpy as np
import pytest

from midfill.engine.sampling import Healing, Vocabulary, heal, log_probability

SPELLINGS = [
    b"",
    b"r",
    b"re",
    b"ret",
    b"return",
    b"returns",
    b"u",
    b"rn",
    b"urn",
    b" ",
    b" return",
    b"\n",
    b"\xc3",
    b"\xa9",
    b"\xc3\xa9",
]
VOCABULARY = Vocabulary(SPELLINGS)


@pytest.mark.parametrize("rest", [b"r", b"ret", b"retu", b"\xc3", b"\xc3\xa9", b" re", b"x"])
def test_allows_exactly_the_tokens_that_spell_the_rest_or_a_beginning_of_it(rest: bytes) -> None:
    oracle = {i for i, s in enumerate(SPELLINGS) if s and (s.startswith(rest) or rest.startswith(s))}
    assert set(VOCABULARY.consistent_with(rest).tolist()) == oracle


def test_agrees_with_the_oracle_on_random_vocabularies() -> None:
    chance = random.Random(1)
    for _ in range(200):
        spellings = [bytes(chance.choices(b"ab\xc3", k=chance.randint(0, 4))) for _ in range(40)]
        vocabulary = Vocabulary(spellings)
        rest = bytes(chance.choices(b"ab\xc3", k=chance.randint(1, 4)))
        oracle = [i for i, s in enumerate(spellings) if s and (s.startswith(rest) or rest.startswith(s))]
        assert sorted(vocabulary.consistent_with(rest).tolist()) == oracle


def test_drops_the_tokens_of_the_word_before_the_cursor() -> None:
    tokens = tuple(SPELLINGS.index(s) for s in (b" ", b"ret", b"u"))
    kept, healing = heal(tokens, VOCABULARY)
    assert list(kept) == [SPELLINGS.index(b" ")]
    assert healing.rest == b"retu"


def test_drops_one_token_that_is_no_word() -> None:
    kept, healing = heal((SPELLINGS.index(b"return"), SPELLINGS.index(b" ")), VOCABULARY)
    assert len(kept) == 1
    assert healing.rest == b" "


def test_picks_the_likeliest_consistent_token_and_gives_only_the_new_bytes() -> None:
    logits = np.zeros(len(SPELLINGS), dtype=np.float32)
    logits[SPELLINGS.index(b"\n")] = 9
    logits[SPELLINGS.index(b"return")] = 5
    healing = Healing(b"retu")
    token, _ = healing.pick(logits, VOCABULARY)
    assert SPELLINGS[token] == b"return"
    assert healing.take(SPELLINGS[token]) == b"rn"
    assert healing.pick(logits, VOCABULARY)[0] == SPELLINGS.index(b"\n")


def test_spells_the_rest_with_several_tokens_if_it_must() -> None:
    healing = Healing(b"re\xc3\xa9")
    assert healing.take(b"re") == b""
    assert healing.take(b"\xc3\xa9") == b""
    assert healing.rest == b""


def test_gives_up_on_a_model_that_spells_the_rest_letter_by_letter() -> None:
    _, healing = heal((SPELLINGS.index(b"return"), SPELLINGS.index(b"returns")), VOCABULARY)
    for letter in (b"r", b"e", b"t", b"u"):
        assert not healing.hopeless
        healing.take(letter)
    assert healing.hopeless
    assert not Healing(b"ret", 1).hopeless
    last = Healing(b"ret", 1)
    last.take(b"return")
    assert not last.hopeless


def test_log_probabilities_sum_to_one() -> None:
    logits = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    assert sum(np.exp(log_probability(logits, i)) for i in range(3)) == pytest.approx(1.0)
