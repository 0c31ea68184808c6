"""The table of actions: what each is called, on what it works, and what the model is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["refactor.rewrite", "quickfix"]
Target = Literal["definition", "code", "diagnostic"]

DEFAULT_INSTRUCTION = "Refactor this code: make it simpler and clearer without changing what it does."


@dataclass(frozen=True)
class Action:
    """`id` names it in `data` and on the command line. `on`: what must be there for it to be offered."""

    id: str
    title: str
    kind: Kind
    on: Target


ACTIONS = {
    action.id: action
    for action in (
        Action("docstring", "Midfill: Add docstring", "refactor.rewrite", "definition"),
        Action("refactor", "Midfill: Refactor with AI...", "refactor.rewrite", "code"),
        Action("fix", "Midfill: Fix this", "quickfix", "diagnostic"),
    )
}
