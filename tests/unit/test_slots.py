"""Which slot of a llama-server has a prompt, and when it is named."""

from __future__ import annotations

import pytest

from midfill.engine.slots import NOTICED, Slots, common

CODE = "def area(width, height):\n    return width * height\n" * 10
OTHER = "class Shape:\n    pass\n" * 20


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def asked(slots: Slots, prompt: str, told: int | None, heard: bool = True, slot: int | None = None) -> int | None:
    """A request that ends in a slot, or is hung up; the slot that was named to the server."""
    with slots.visit(prompt, slot) as visit:
        visit.heard, visit.told = heard, told
    return visit.named


def test_a_server_that_has_answered_chooses_itself() -> None:
    slots = Slots()
    assert asked(slots, CODE, 2) is None
    assert asked(slots, CODE + "x", 2) is None


def test_whoever_hangs_up_names_the_slot_until_the_server_has_noticed() -> None:
    clock = Clock()
    slots = Slots(clock=clock)
    asked(slots, CODE, 2)
    assert asked(slots, CODE + "x", None) is None
    assert asked(slots, CODE + "xy", None) == 2
    # Nothing of it is there, so another slot will do.
    assert asked(slots, OTHER, 1) is None
    clock.now += NOTICED + 0.1
    assert asked(slots, CODE + "xyz", 2) is None


def test_a_slot_at_work_for_us_is_named() -> None:
    slots = Slots()
    asked(slots, CODE, 3)
    with slots.visit(CODE + "x"):
        assert asked(slots, CODE + "xy", 3) == 3


def test_where_a_request_was_hung_up_before_it_began_is_not_known() -> None:
    """It may have waited behind somebody else."""
    slots = Slots(4)
    asked(slots, CODE, None, heard=False, slot=1)
    assert slots.known(CODE, 1) == 0
    assert asked(slots, CODE, 2) is None
    # What was there before still is.
    asked(slots, CODE + OTHER, None, heard=False)
    assert slots.known(CODE + OTHER, 2) == len(CODE)
    asked(slots, CODE + OTHER, None, heard=True)
    assert slots.known(CODE + OTHER, 2) == len(CODE + OTHER)


def test_no_slot_is_named_while_something_of_ours_is_at_work_nobody_knows_where() -> None:
    """An edit takes a minute, and whoever is sent to its slot waits for that."""
    slots = Slots(4)
    asked(slots, CODE, 2)
    with slots.visit(OTHER) as edit:
        asked(slots, CODE + "x", None)
        assert asked(slots, CODE + "xy", None) is None
        assert slots.place(CODE) is None
        edit.told = 1
    assert asked(slots, CODE + "xyz", 2) == 2
    assert slots.place(OTHER) == 1


def test_what_is_read_ahead_takes_nothing_away_that_is_needed() -> None:
    slots = Slots(3)
    for slot, prompt in ((0, CODE), (1, OTHER)):
        asked(slots, prompt, slot)
    assert slots.place(CODE + "x") == 0
    # It would take the second half away.
    half = CODE[: len(CODE) // 2]
    assert slots.place(half + OTHER) == 2
    asked(slots, half + OTHER, 2, slot=2)
    # There is no other, and the first has not been used for longest.
    assert slots.place("# something new\n" * 9) == 0


def test_a_server_whose_slots_are_not_known_chooses() -> None:
    slots = Slots()
    asked(slots, CODE, 0)
    assert slots.place(CODE) is None


def test_where_the_server_says_it_was_is_believed() -> None:
    slots = Slots(4)
    asked(slots, CODE, 2)
    asked(slots, CODE + "x", 3)
    assert (slots.known(CODE, 2), slots.known(CODE + "x", 3)) == (len(CODE), len(CODE) + 1)


@pytest.mark.parametrize(
    ("one", "other", "length"),
    [("", "", 0), ("abc", "", 0), ("abc", "abd", 2), ("abc", "abc", 3), ("ab", "abc", 2)],
)
def test_what_two_texts_have_in_common(one: str, other: str, length: int) -> None:
    assert common(one, other) == common(other, one) == length
