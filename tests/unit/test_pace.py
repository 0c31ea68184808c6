"""The amount of context follows the measured speed, in steps."""

from __future__ import annotations

from midfill.completion.pace import Pace
from midfill.engine.base import Usage


def measured(rate: float) -> Pace:
    pace = Pace()
    for _ in range(40):
        pace.saw(Usage(evaluated=500, evaluate_ms=500 / rate * 1000))
    return pace


def test_a_faster_machine_reads_more() -> None:
    budgets = [measured(rate).budget(500) for rate in (50, 400, 1600)]
    assert [budget.after for budget in budgets] == sorted({budget.after for budget in budgets})
    assert [budget.before for budget in budgets] == sorted(budget.before for budget in budgets)


def test_a_tighter_target_reads_less() -> None:
    assert measured(400).budget(250).after < measured(400).budget(1000).after


def test_small_changes_of_speed_change_nothing() -> None:
    assert len({measured(rate).budget(500) for rate in (245, 250, 255, 260)}) == 1


def test_short_evaluations_say_nothing() -> None:
    pace = Pace()
    pace.saw(Usage(evaluated=1, evaluate_ms=1000))
    assert pace.budget(500) == Pace().budget(500)
