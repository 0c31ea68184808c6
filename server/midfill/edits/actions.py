"""The table of actions: what each is called, on what it works, what the model is asked, and what must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["refactor.rewrite", "refactor.extract", "quickfix", "source"]
Target = Literal["documentable", "annotatable", "definition", "testable", "code", "selection", "diagnostic", "gap"]
Form = Literal["documentation", "annotations", "rewrite", "tests", "explanation", "review"]
Check = Literal["signature", "comments", "names", "adds", "annotations", "parses"]

DEFAULT_INSTRUCTION = "Refactor this code: make it simpler and clearer without changing what it does."


@dataclass(frozen=True)
class Action:
    """`id` names it in `data` and on the command line.

    `on`: what must be there for it to be offered. `form`: how the answer is asked for and what comes of it.
    `instruction`: what the model is told; empty where the user tells it. `checks`: what must hold besides what
    holds for every edit. `languages`: ids; empty means all. `own`: it is of a `.midfill.toml`, and its instruction
    is a template (`edits/custom.py`).
    """

    id: str
    title: str
    kind: Kind
    on: Target
    form: Form = "rewrite"
    instruction: str = ""
    checks: tuple[Check, ...] = ()
    languages: tuple[str, ...] = ()
    own: bool = False

    @property
    def command(self) -> str | None:
        """The command of an action from which no edit comes, but something to read."""
        return {"explanation": "midfill.explainCode", "review": "midfill.review"}.get(self.form)


ACTIONS = {
    action.id: action
    for action in (
        Action("docstring", "Add docstring", "refactor.rewrite", "documentable", "documentation"),
        Action("refactor", "Refactor with AI...", "refactor.rewrite", "code"),
        Action(
            "implement",
            "Implement",
            "refactor.rewrite",
            "gap",
            instruction="Implement what is missing in this code, as its signature, documentation and comments "
            "say. Leave nothing to do, and take out the comments that said what was to do.",
            checks=("signature",),
        ),
        Action(
            "extract",
            "Extract function",
            "refactor.extract",
            "selection",
            instruction="Move the marked lines into a new function with a name that says what it does, next to "
            "this code, and call it in their place.",
            checks=("signature", "adds"),
        ),
        Action(
            "simplify",
            "Simplify",
            "refactor.rewrite",
            "selection",
            instruction="Make this code shorter and simpler without changing what it does.",
            checks=("signature",),
        ),
        Action(
            "rename",
            "Rename for clarity",
            "refactor.rewrite",
            "selection",
            instruction="Give the local variables of this code names that say what they hold. Change nothing "
            "else: no parameter, no function, no attribute.",
            checks=("signature", "names"),
        ),
        Action(
            "modernize",
            "Modernize",
            "refactor.rewrite",
            "selection",
            instruction="Write this code with the current idioms and the standard library of its language, "
            "without changing what it does.",
            checks=("signature",),
        ),
        Action(
            "annotate",
            "Add type annotations",
            "refactor.rewrite",
            "annotatable",
            "annotations",
            languages=("python", "javascript"),
        ),
        Action(
            "errors",
            "Handle errors",
            "refactor.rewrite",
            "definition",
            instruction="Handle the errors that can occur in this code, where and as its language does it: catch "
            "what can be dealt with here, with the narrowest types, and hide nothing.",
            checks=("signature",),
        ),
        Action(
            "logging",
            "Add logging",
            "refactor.rewrite",
            "definition",
            instruction="Add logging to this code with the logger that the file has, or else the standard one of "
            "the language: one message for what matters, and no secrets in it. Change nothing else.",
            checks=("signature",),
        ),
        Action("fix", "Fix", "quickfix", "diagnostic"),
        Action("tests", "Generate tests", "source", "testable", "tests"),
        Action("explain", "Explain", "source", "code", "explanation"),
        Action("review", "Review selection", "source", "selection", "review"),
    )
}
