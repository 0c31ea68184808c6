"""Explanations and reviews: what the model writes is given, what the user reads is asserted."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from edited import selected
from scripted import ScriptedEngine

from midfill.config import Config
from midfill.document import Document
from midfill.edits import Problem, Reading, Wish, read
from midfill.engine.base import CancelToken

CODE = "x = 1\n\n\ndef f(a):\n    if a:\n        return a / 0\n\n    return x\n"


def reading(
    marked: str, action: str, answer: str, problems: tuple[str, ...] = ()
) -> tuple[Reading, Document, ScriptedEngine]:
    document, start, end = selected(marked, "a.py")
    engine = ScriptedEngine([answer])
    told = tuple(Problem(start, end, message) for message in problems)
    result = asyncio.run(read(document, Wish(action, start, end, problems=told), Config(), engine, CancelToken()))
    return result, document, engine


def test_explains_the_definition_around_the_cursor() -> None:
    result, _, engine = reading(CODE.replace("if a", "if ‸a"), "explain", "\nIt divides.\n", ("division by zero",))
    assert (result.text, result.reason) == ("## `f`\n\nIt divides.\n", None)
    (request,) = engine.requests
    assert request.role == "explain"
    prompt = "".join(part.text for part in request.prompt)
    assert "def f(a):" in prompt
    assert "- division by zero\n" in prompt
    assert "x = 1" not in prompt


def test_explains_a_selection_by_its_lines() -> None:
    result, _, _ = reading("«x = 1\ny = 2\n»z = 3\n", "explain", "Two numbers.")
    assert result.text == "## Lines 1 to 2\n\nTwo numbers.\n"


def test_an_explanation_without_end_is_cut_and_says_so() -> None:
    result, _, _ = reading("«x = 1\n»", "explain", "word " * 1000)
    assert result.reason is None
    assert result.text.endswith(" …\n")


def test_the_explanation_is_heard_while_it_grows() -> None:
    heard: list[str] = []
    document, start, end = selected("«x = 1\n»", "a.py")
    wish = Wish("explain", start, end)
    engine = ScriptedEngine(["One number."])
    asyncio.run(read(document, wish, Config(), engine, CancelToken(), hear=heard.append))
    assert heard[-1] == "## Line 1\n\nOne number."
    assert len(set(heard)) > 2
    assert all(later.startswith(earlier) for earlier, later in pairwise(heard))


def test_there_is_nothing_to_explain_on_a_blank_line() -> None:
    result, _, engine = reading("x = 1\n‸\n", "explain", "Nothing.")
    assert result.reason == "There is no code at this place; select some."
    assert engine.requests == []


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("3: divides by zero", [(5, "divides by zero")]),
        (
            "- line 3: divides by zero\n- Line 2: `a` may be None\n",
            [(4, "`a` may be None"), (5, "divides by zero")],
        ),
        ("`3`: divides by zero.\n3: divides by zero.", [(5, "divides by zero.")]),
        ("2-3: one\n99: no such line\n0: none\n4: blank", [(4, "one")]),
        ("none", []),
        ("The code looks good to me!\nIt has 3 lines.", []),
        ("1: def f(a):\n2: if a:\n3: return a / 0", []),
    ],
)
def test_findings_are_those_at_lines_that_there_are(answer: str, found: list[tuple[int, str]]) -> None:
    marked = CODE.replace("def f", "«def f").replace("return x\n", "return x\n»")
    result, document, engine = reading(marked, "review", answer)
    text = document.text
    assert [(text.line_of(each.start), each.message) for each in result.findings] == found
    for each in result.findings:
        assert text.slice(each.start, each.end) == text.line(text.line_of(each.start)).strip()
    assert "1: def f(a):\n2:     if a:\n" in "".join(part.text for part in engine.requests[0].prompt)


def test_findings_are_few() -> None:
    marked = "«" + "y = 2\n" * 30 + "»"
    result, _, _ = reading(marked, "review", "\n".join(f"{n}: finding {n}" for n in range(1, 30)))
    assert len(result.findings) == 8
