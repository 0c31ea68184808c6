"""The evaluation's own parts: cases from data, scores, and the sandbox for generated code. No model runs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "eval"))

import report
import sandbox
from data import DONE, Case, Check, load, parse
from mutants import Mutant, mutants
from score import Answer, filling, mcnemar, passes, score
from systems import Answers, perfect, without_indentation

from midfill.config import Config

EOL = Case("1", "eol", "a.py", "x = print(", "1 + 2)", "\ny = 3\n")


def answer(case: Case, text: str, replaces: int = 0, **others: Any) -> Answer:
    cursor = len(case.prefix)
    return Answer(case.buffer, text, cursor, cursor + replaces, **others)


# Data


def test_a_hole_of_whole_lines_is_an_empty_line_in_an_editor() -> None:
    row = {
        "task_id": "one",
        "entry_point": "f",
        "prompt": "def f():\n",
        "canonical_solution": "    return 1\n",
        "suffix": "\n\ny = 2\n",
        "test": "def check(f):\n    assert f() == 1\n",
    }
    case = parse("HE single line", row)
    assert case.buffer == "def f():\n\n\n\ny = 2\n"
    assert score(case, answer(case, "    return 1")).right
    assert not score(case, answer(case, "    return 2")).right
    inside = parse("HE random span", {**row, "prompt": "def f(): return ", "canonical_solution": "1"})
    assert inside.buffer == "def f(): return \n\ny = 2\n"


def test_a_case_of_safim_is_split_at_its_mark_and_knows_its_tests() -> None:
    row = {
        "task_id": "two",
        "eval_prompt": "n = int(input())\r\nif {{completion}}\r\n    print(n)\r\n",
        "ground_truth": "n > 1:",
        "unit_tests": [{"input": "2", "output": ["2", "two"]}, {"input": "1", "output": [""]}],
    }
    case = parse("SAFIM control", row)
    assert (case.prefix, case.suffix) == ("n = int(input())\nif ", "\n    print(n)\n")
    assert case.checks == (Check("", "2", ("2", "two")), Check("", "1", ("",)))
    assert score(case, answer(case, "n >= 2:")).right
    assert not score(case, answer(case, "n >= 1:")).right
    assert parse("SAFIM api", {**row, "unit_tests": []}).checks == ()


def test_kinds_take_turns_and_a_sample_is_the_same_each_time(tmp_path: Path) -> None:
    rows = [
        {"id": str(number), "kind": kind, "path": "src/a.rs", "prefix": "", "middle": "", "suffix": ""}
        for number in range(5)
        for kind in ("eol", "span")
    ]
    (tmp_path / "real_code_fim.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    cases = load(tmp_path, ["eol", "span"], limit=2, seed=3)
    assert [case.kind for case in cases] == ["eol", "span", "eol", "span"]
    assert {case.path for case in cases} == {"a.rs"}
    assert cases == load(tmp_path, ["eol", "span"], limit=2, seed=3)
    assert set(cases) <= set(load(tmp_path, ["eol", "span"], seed=3))


# Scores


def test_exact_but_for_white_space_at_the_end() -> None:
    assert score(EOL, answer(EOL, "1 + 2)  ")).exact
    found = score(EOL, answer(EOL, "1 + 3)"))
    assert (found.exact, found.right, found.parses, found.shown) == (False, False, True, True)
    assert 0.5 < found.similar < 1
    assert not score(EOL, answer(EOL, "")).shown


def test_a_suggestion_may_replace_the_closers_that_it_brings() -> None:
    case = Case("1", "span", "a.py", "print(", "f(x)[0]", ")\n")
    replacing = answer(case, "f(x)[0])", replaces=1)
    assert replacing.final == "print(f(x)[0])\n"
    assert filling(case, replacing) == "f(x)[0]"
    assert score(case, replacing).exact
    assert not score(case, answer(case, "f(x)[0])")).parses


def test_a_file_that_was_broken_before_may_stay_so() -> None:
    case = Case("1", "eol", "a.py", "y = 1 1\nx = f", "(1)", "\n")
    assert score(case, answer(case, "(1)")).parses
    assert not score(case, answer(case, "((1)")).parses


def test_leaving_early_or_printing_the_word_is_not_passing() -> None:
    case = Case("1", "HE multi line", "a.py", "def f(): ", "pass", "\n", "", (Check(f"\nf()\nprint({DONE!r})\n"),))
    assert passes(case, "def f(): pass\n")
    assert not passes(case, "def f(): raise SystemExit(0)\n")
    assert not passes(case, "def f(): assert False\n")


def test_a_pair_of_counts_may_be_chance() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(3, 3) == 1.0
    assert mcnemar(10, 0) == pytest.approx(2 / 2**10)
    assert mcnemar(2, 9) == mcnemar(9, 2) < 0.1


def test_on_a_blank_line_the_indentation_that_is_there_counts_once() -> None:
    assert without_indentation("        return 1", "    ") == "    return 1"
    assert without_indentation("return 1\n    x", "    ") == "return 1\n    x"
    assert without_indentation("  + 1", "x") == "  + 1"


async def test_a_perfect_model_shows_what_the_pipeline_takes_away() -> None:
    assert score(EOL, await perfect(EOL)).right


def test_answers_outlive_the_run(tmp_path: Path) -> None:
    Answers(tmp_path, "midfill", "key").add(EOL, answer(EOL, "1", confidence=0.5))
    again = Answers(tmp_path, "midfill", "key")
    assert EOL in again
    assert again[EOL].text == "1"
    assert EOL not in Answers(tmp_path, "midfill", "other")


# The report


def results() -> list[report.Result]:
    """Ten lines: Midfill is right in seven and sure of them; /infill in five."""
    found = []
    for number in range(10):
        case = Case(str(number), "eol", "a.py", "x = ", "1", "\n")
        answers = {
            "midfill": answer(
                case, "1" if number < 7 else "2", confidence=0.9 if number < 7 else 0.3, raw="1 # one"
            ),
            "infill": answer(case, "1" if number < 5 else "3"),
        }
        found.append(report.result(case, answers))
    return found


def test_the_raw_answer_is_cut_to_the_lines_of_the_truth() -> None:
    case = Case("1", "HE single line", "a.py", "x = (\n", "    1", ")\n", "\n")
    raw = Answer(case.prefix + case.suffix, "    1\n)\nx = 2\n", len(case.prefix), len(case.prefix))
    assert report.cut(raw, case).final == "x = (\n    1\n)\n"


def test_bars_compare_the_cases_that_both_have_answered() -> None:
    lonely = Case("11", "eol", "a.py", "x = ", "1", "\n")
    bars = report.bars([*results(), report.result(lonely, {"midfill": answer(lonely, "2")})])
    verdicts = {bar.name: bar for bar in bars}
    ratio = verdicts["eol: exact match / that of /infill"]
    assert (ratio.measured, ratio.of, ratio.verdict) == (pytest.approx(1.4), 10, "PASS")
    assert verdicts["midword: exact match / that of /infill"].measured is None
    assert verdicts["HE multi line: pass@1 above the raw prompt"].verdict == "not measured"


def test_what_tells_right_from_wrong() -> None:
    found = []
    for number, (text, confidence, weakest) in enumerate([("1", 0.9, 0.2), ("2", 0.5, 0.3), ("2", 0.6, 0.1)]):
        case = Case(str(number), "eol", "a.py", "x = ", "1", "\n")
        found.append(report.result(case, {"midfill": answer(case, text, confidence=confidence, weakest=weakest)}))
    assert report.told_apart(found) == {"real code, one line": {"confidence": 1.0, "weakest": 0.5}}
    assert report.told_apart(results()) == {}


def test_of_the_ways_to_ask_the_peer_the_better_one_counts() -> None:
    case = EOL
    given = {"midfill": answer(case, "1 + 2)", confidence=0.9), "infill": answer(case, "")}
    better = {**given, "infill indented": answer(case, "1 + 2)")}
    found = [report.bars([report.result(case, each)])[1].measured for each in (given, better)]
    assert found == [1.0, 1.0]
    wrong = [report.result(case, {**better, "midfill": answer(case, "", confidence=0.9)})]
    assert report.bars(wrong)[1].measured == 0.0


def test_the_gate_is_put_on_what_nobody_has_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "Config", lambda: Config(min_confidence=50))
    unsure = answer(EOL, "1 + 2)", confidence=0.4)
    scores = report.result(EOL, {"midfill": unsure}).scores
    assert (scores["midfill"].shown, scores["no gate"].right) == (False, True)
    asked = Case("1", "block", "a.py", "x = print(", "1 + 2)", "\ny = 3\n")
    assert report.result(asked, {"midfill": unsure}).scores["midfill"].right
    assert report.result(EOL, {"midfill": answer(EOL, "1 + 2)", confidence=0.5)}).scores["midfill"].right


def test_the_curve_is_a_small_picture(tmp_path: Path) -> None:
    report.plot_curves(tmp_path / "confidence.svg", results())
    drawn = (tmp_path / "confidence.svg").read_text("utf-8")
    assert "midfill.minConfidence" in drawn
    assert len(drawn) < 60_000


def test_a_threshold_parts_the_sure_from_the_unsure() -> None:
    (points,) = report.curves(results()).values()
    assert points[0]["precision"] == 0.7
    best = report.recommended(points)
    assert (best["precision"], best["coverage"]) == (1.0, 0.7)
    assert 0.3 < best["threshold"] <= 0.9


def test_the_report_is_printed_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    columns = ["infill", "midfill", "untrimmed"]
    report.show(results(), columns)
    printed = capsys.readouterr().out
    assert "PASS" in printed
    assert "2 : 0, 0.50" in printed
    content = json.loads(json.dumps(report.as_json(results(), columns, {"seed": 1})))
    assert content["kinds"]["eol"]["untrimmed"]["right"] == 0.0
    assert content["cases"][0]["answers"]["infill"]["text"] == "1"


# The sandbox


def test_a_program_runs_to_its_end_without_anything_of_ours() -> None:
    found = sandbox.run(
        "import os, sys\nprint(input(), os.listdir('.'), sorted(os.environ), sys.flags.isolated)", "given"
    )
    assert found.ended == "ok"
    assert found.output.startswith("given [] [")
    assert "HOME" not in found.output and "PATH'" not in found.output
    assert sandbox.run("raise ValueError('no')").ended == "failed"
    assert "no" in sandbox.run("raise ValueError('no')").errors


def test_what_does_not_end_is_ended() -> None:
    started = time.perf_counter()
    assert sandbox.run("while True: pass", seconds=0.5).ended == "timeout"
    assert sandbox.run("import time; time.sleep(60)", seconds=0.5).ended == "timeout"
    assert time.perf_counter() - started < 10


def test_memory_has_a_limit() -> None:
    found = sandbox.run("x = bytearray(1 << 30)\nprint(len(x))", megabytes=256)
    assert (found.ended, found.output) == ("failed", "")
    assert "MemoryError" in found.errors


NAUGHTY = (
    "import socket; socket.create_connection(('127.0.0.1', 1))",
    "import subprocess; subprocess.run(['true'])",
    "import os; os.system('true')",
    "import os; os.fork()",
    "open('here', 'w')",
    "import pathlib; pathlib.Path('here').touch()",
    "import os; os.remove('/tmp/nothing')",
)


@pytest.mark.parametrize("namespaces", [True, False])
@pytest.mark.parametrize("program", NAUGHTY)
def test_no_network_no_processes_no_files(program: str, namespaces: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not namespaces:
        monkeypatch.setattr(sandbox, "_unshare", lambda: ())
    found = sandbox.run(program)
    assert found.ended == "failed"
    assert "generated code may not do" in found.errors


def test_a_fault_is_put_into_a_function_where_its_tests_find_it() -> None:
    row = {
        "entry_point": "larger",
        "prompt": 'def larger(a, b):\n    """The larger one."""\n',
        "canonical_solution": "    if a > b:\n        return a\n",
        "suffix": "    return b\n",
        "test": "def check(candidate):\n    assert candidate(2, 1) == 2\n    assert candidate(1, 2) == 2\n",
    }

    def fails(mutant: Mutant) -> bool:
        names: dict[str, Any] = {}
        exec(f"{mutant.code}\n{mutant.tests}", names)
        try:
            names["check"](names[mutant.entry])
        except AssertionError:
            return True
        return False

    # `>=` for `>` is no fault that a test could find.
    (mutant,) = mutants([row, row], fails)
    assert mutant.code == "def larger(a, b):\n    if True:\n        return a\n    return b\n"
    assert list(mutants([row], lambda _: False)) == []


def test_the_report_can_say_what_isolates() -> None:
    assert sandbox.isolation() in ("namespaces of its own", "Python's audit hook alone")
