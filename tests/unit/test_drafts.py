"""Guesses at the next tokens, and when it pays to verify them."""

from __future__ import annotations

import pytest

from midfill.engine.drafts import HEALED, LENGTHS, Ground, Payoff, Repetition

# Milliseconds for a batch of so many tokens, as a CPU has them.
COSTS = {1: 20, 2: 46, 4: 61, 8: 85, 12: 101, 16: 117}


@pytest.fixture
def payoff() -> Payoff:
    payoff = Payoff()
    for tokens, cost in COSTS.items():
        payoff.saw(tokens, cost)
    return payoff


def test_a_guess_goes_on_from_where_the_last_tokens_were() -> None:
    repetition = Repetition([(1, 2, 3, 4, 5)], (9, 2, 3))
    assert repetition.guess(2) == ([4, 5], Ground(2))
    repetition.append(7)
    assert repetition.guess(2) == ([], HEALED)


def test_the_text_that_is_rewritten_counts_more_than_others() -> None:
    repetition = Repetition([(1, 2, 3, 4)], (1, 2), old=(1, 2, 8, 8))
    assert repetition.guess(2) == ([8, 8], Ground(2, rewriting=True))


def test_what_is_rewritten_is_drafted_at_once_and_what_is_written_is_not(payoff: Payoff) -> None:
    assert payoff.length(Ground(4, rewriting=True)) == LENGTHS[-1]
    assert payoff.length(Ground(4)) == 0
    assert payoff.length(HEALED) == 0


def test_guesses_that_hold_are_drafted_and_those_that_fail_are_not(payoff: Payoff) -> None:
    for _ in range(20):
        payoff.judged(Ground(4), 7, 7)
    assert payoff.length(Ground(4)) >= 7
    assert payoff.length(Ground(3)) == 0
    rewriting = Ground(4, rewriting=True)
    for _ in range(20):
        payoff.judged(rewriting, 0, 15)
    assert payoff.length(rewriting) == 0


def test_a_draft_is_tried_again_after_a_while(payoff: Payoff) -> None:
    rewriting = Ground(4, rewriting=True)
    for _ in range(20):
        payoff.judged(rewriting, 0, 15)
    assert any(payoff.length(rewriting) for _ in range(300))


def test_what_one_rewrite_did_not_repeat_the_next_may(payoff: Payoff) -> None:
    rewriting = Ground(4, rewriting=True)
    for _ in range(20):
        payoff.judged(rewriting, 0, 15)
        payoff.judged(Ground(4), 7, 7)
    learned = payoff.length(Ground(4))
    payoff.starts()
    assert payoff.length(rewriting) == LENGTHS[-1]
    assert payoff.length(Ground(4)) == learned


def test_no_draft_pays_where_a_batch_costs_as_much_as_its_tokens_one_by_one() -> None:
    payoff = Payoff()
    for tokens in range(1, LENGTHS[-1] + 2):
        payoff.saw(tokens, 20 * tokens)
    assert payoff.length(Ground(4, rewriting=True)) == 0
