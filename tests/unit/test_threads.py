"""The number of threads follows what is fastest."""

from __future__ import annotations

from midfill.engine.threads import Threads


def decode(threads: Threads, tokens: int, milliseconds: dict[int, float]) -> list[int]:
    used = []
    for _ in range(tokens):
        number = threads.next()
        threads.saw(number, milliseconds[number])
        used.append(number)
    return used


def test_uses_the_fastest_number_nearly_always() -> None:
    threads = Threads(8)
    used = decode(threads, 1000, {8: 20.0, 6: 15.0, 4: 25.0})
    assert threads.best == 6
    assert used.count(6) > 960


def test_follows_a_machine_that_becomes_busy_and_quiet_again() -> None:
    threads = Threads(2)
    decode(threads, 100, {2: 16.0, 1: 19.0})
    assert threads.best == 2
    decode(threads, 400, {2: 30.0, 1: 20.0})
    assert threads.best == 1
    decode(threads, 1000, {2: 16.0, 1: 19.0})
    assert threads.best == 2


def test_uses_what_the_user_says() -> None:
    threads = Threads(6, measured=False)
    assert set(decode(threads, 200, {6: 50.0})) == {6}


def test_one_core() -> None:
    assert set(decode(Threads(1), 100, {1: 50.0})) == {1}
