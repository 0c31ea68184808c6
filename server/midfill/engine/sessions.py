"""KV reuse: which tokens of a new prompt need not be evaluated again."""

from __future__ import annotations

from collections.abc import Sequence


def reusable(cached: Sequence[int], prompt: Sequence[int]) -> int:
    """How many leading tokens of `prompt` the KV cache already holds.

    At least the last prompt token is left to evaluate, because only an evaluation yields the logits after it.
    """
    most = min(len(cached), len(prompt) - 1)
    for i in range(most):
        if cached[i] != prompt[i]:
            return i
    return max(most, 0)
