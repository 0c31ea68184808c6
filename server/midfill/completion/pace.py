"""How fast the model is on this machine, as its answers show, and how much code it can read in time."""

from __future__ import annotations

import math

from midfill.completion.window import Budget
from midfill.engine.base import Usage

# Evaluations of fewer tokens say little about the rate of long ones.
_LONG = 32
_BYTES_A_TOKEN = 3.3
# The window must not change with every measurement, so budgets move in steps of this factor.
_STEP = math.sqrt(2)


class Pace:
    """Tokens a second that the model evaluates; what the machine of the design measured, until more is known."""

    def __init__(self) -> None:
        self.evaluate = 200.0

    def saw(self, usage: Usage) -> None:
        if usage.evaluated >= _LONG and usage.evaluate_ms > 0:
            rate = usage.evaluated / usage.evaluate_ms * 1000
            self.evaluate += 0.3 * (rate - self.evaluate)

    def budget(self, target_ms: int) -> Budget:
        """How much code to show so that an answer at a new place of a warm file takes about `target_ms` to read.

        There the text behind the cursor has to be read. The text before the anchor is read while the user is, and
        may take eight times as long.
        """
        tokens = self.evaluate * target_ms / 1000
        reached = _STEP ** round(math.log(max(tokens, 1.0), _STEP))
        after = min(max(int(reached * _BYTES_A_TOKEN), 300), 3000)
        return Budget(before=min(max(8 * after, 3000), 12_000), after=after)
