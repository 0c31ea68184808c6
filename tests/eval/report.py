"""What was measured, as a table, against the bars, as JSON and as a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from data import KINDS, Case, Kind
from score import Answer, Score, mcnemar, score

from midfill.bench.report import machine, paper, table
from midfill.config import Config

THRESHOLDS = [percent / 100 for percent in range(0, 100, 2)]
# A gate is worth having if it loses few of the right suggestions.
KEPT = 0.95
# The ways to ask a llama-server; the better one counts.
PEERS = ("infill", "infill indented")


@dataclass(frozen=True)
class Result:
    """A case and what each system made of it."""

    case: Case
    answers: dict[str, Answer]
    scores: dict[str, Score]

    @property
    def kind(self) -> Kind:
        return KINDS[self.case.kind]


@dataclass(frozen=True)
class Bar:
    name: str
    measured: float | None
    limit: float
    unit: str
    of: int

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        return "PASS" if self.measured >= self.limit - 1e-9 else "MISSED"


def result(case: Case, answers: dict[str, Answer]) -> Result:
    """Score all answers, and what Midfill's would be without its gate of confidence and its cleaning up."""
    named = dict(answers)
    if "midfill" in answers:
        named["no gate"] = answers["midfill"]
        named["midfill"] = gated(answers["midfill"], case)
        named["untrimmed"] = untrimmed(answers["midfill"])
    if "raw" in answers:
        named["raw, cut"] = cut(answers["raw"], case)
    return Result(case, named, {name: score(case, answer) for name, answer in named.items()})


def gated(answer: Answer, case: Case) -> Answer:
    """What is left with the default `minConfidence`, which holds for suggestions that nobody has asked for."""
    if KINDS[case.kind].invoked or (answer.confidence or 0.0) * 100 >= Config().min_confidence:
        return answer
    return replace(untrimmed(answer), text="", reason="unlikely")


def untrimmed(answer: Answer) -> Answer:
    """What the model wrote until it was stopped, inserted as it is."""
    start = len(answer.buffer) - len(answer.buffer[answer.start :])
    return replace(answer, text=answer.raw or "", end=start, reason=None)


def cut(answer: Answer, case: Case) -> Answer:
    """As many lines as the truth has: what the raw model knows, apart from where it should have stopped."""
    lines = answer.text.splitlines(keepends=True)[: max(1, len(case.middle.splitlines()))]
    ends = "" if case.gap or not case.middle.endswith("\n") else "\n"
    text = "".join(lines).removesuffix("\n") + (case.gap or ends)
    return replace(answer, text=text)


def bars(results: Sequence[Result]) -> list[Bar]:
    """The promises of the project, as far as this data measures them."""
    found = []
    for kinds in (("eol", "midword", "line"), ("eol",), ("midword",), ("line",)):
        both = _both(results, kinds, "infill")
        ours = _right(both, "midfill")
        theirs = max((share for name in PEERS if (share := _right(both, name)) is not None), default=None)
        # A peer that is never right counts as if it was once.
        ratio = ours / max(theirs, 1 / len(both)) if ours is not None and theirs is not None else None
        found.append(Bar(f"{', '.join(kinds)}: exact match / that of /infill", ratio, 1.4, "x", len(both)))
    shown = [each.scores["midfill"] for each in _of(results, ("span", "block"), "midfill")]
    shown = [each for each in shown if each.shown]
    parse = fmean(each.parses for each in shown) * 100 if shown else None
    found.append(Bar("span, block: of what is shown, parses", parse, 98, "%", len(shown)))
    for name in ("HE single line", "HE multi line", "HE random span", "SAFIM block", "SAFIM control"):
        both = _both(results, (name,), "raw")
        ours, theirs = _right(both, "midfill"), _right(both, "raw")
        gain = (ours - theirs) * 100 if ours is not None and theirs is not None else None
        found.append(Bar(f"{name}: pass@1 above the raw prompt", gain, 10, "points", len(both)))
    return found


def show(results: Sequence[Result], columns: Sequence[str]) -> None:
    """Print the table, the comparisons case by case, and the bars. `columns`: the systems."""
    console = paper()
    kinds = [kind for kind in KINDS if any(each.case.kind == kind for each in results)]
    right = table("right, %", "cases", *columns)
    detail = table("Midfill", "shown", "similar", "parses", "raw: similar", "parses", "confidence")
    pairs = table("won : lost, p", *(name for name in columns if name != "midfill"))
    for kind in kinds:
        mine = [each for each in results if each.case.kind == kind]
        right.add_row(kind, str(len(mine)), *(_right_of(mine, name) for name in columns))
        plain = [_share(mine, "raw", key) for key in ("similar", "parses")]
        ours = [_share(mine, "midfill", key) for key in ("shown", "similar", "parses")]
        sure = [each.answers["midfill"].confidence for each in mine if "midfill" in each.answers]
        known = [each for each in sure if each is not None]
        detail.add_row(kind, *map(_percent, [*ours, *plain, fmean(known) if known else None]))
        pairs.add_row(kind, *(_versus(mine, name) for name in columns if name != "midfill"))
    for each in (right, detail, pairs):
        console.print(each)
    verdicts = table("bar", "measured", "at least", "cases", "")
    colours = {"PASS": "green", "MISSED": "red"}
    for bar in bars(results):
        figure = "-" if bar.measured is None else f"{bar.measured:.1f} {bar.unit}"
        colour = colours.get(bar.verdict, "default")
        verdicts.add_row(bar.name, figure, f"{bar.limit:g} {bar.unit}", str(bar.of), f"[{colour}]{bar.verdict}[/]")
    console.print(verdicts)
    for name, points in curves(results).items():
        console.print(f"Confidence, {name}: {_advice(points)}")
    for name, shares in told_apart(results).items():
        mean, weakest = shares["confidence"], shares["weakest"]
        console.print(f"Right above wrong, {name}: {mean:.0%} by confidence, {weakest:.0%} by the weakest token.")


def typed(results: Sequence[Result]) -> dict[str, list[tuple[Answer, bool]]]:
    """The suggestions made while typing, by what is typed."""
    groups: dict[str, Callable[[Result], bool]] = {
        "real code, one line": lambda each: each.case.kind in ("eol", "midword", "line", "span"),
        "tested code, one line": lambda each: each.kind.tested and not each.kind.invoked,
        "blocks": lambda each: each.kind.invoked,
    }
    return {name: mine for name, belongs in groups.items() if (mine := _while_typing(filter(belongs, results)))}


def _while_typing(results: Iterable[Result]) -> list[tuple[Answer, bool]]:
    """What is suggested while typing, were there no gate, and whether it is right; nothing if none of it is."""
    found = []
    for each in results:
        system = "other trigger" if each.kind.invoked else "no gate"
        if system in each.scores and each.scores[system].shown:
            found.append((each.answers[system], each.scores[system].right))
    return found if any(right for _, right in found) else []


def curves(results: Sequence[Result]) -> dict[str, list[dict[str, float]]]:
    """For suggestions made while typing: how many are right, and how many are left, beyond each threshold."""
    found: dict[str, list[dict[str, float]]] = {}
    for name, mine in typed(results).items():
        sure = [(answer.confidence or 0.0, right) for answer, right in mine]
        found[name] = [point for threshold in THRESHOLDS if (point := _point(sure, threshold))["shown"]]
    return found


def told_apart(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """How often a right suggestion has the higher value of a right and a wrong one, by mean and weakest token."""
    found: dict[str, dict[str, float]] = {}
    for name, mine in typed(results).items():
        known = [(answer, right) for answer, right in mine if answer.weakest is not None]
        right = [answer for answer, right in known if right]
        wrong = [answer for answer, right in known if not right]
        if right and wrong:
            found[name] = {
                key: fmean(
                    (getattr(good, key) > getattr(bad, key)) + (getattr(good, key) == getattr(bad, key)) / 2
                    for good in right
                    for bad in wrong
                )
                for key in ("confidence", "weakest")
            }
    return found


def recommended(points: Sequence[dict[str, float]]) -> dict[str, float]:
    """The highest threshold that keeps nearly all of the right suggestions."""
    return [point for point in points if point["right"] >= KEPT * points[0]["right"]][-1]


def as_json(results: Sequence[Result], columns: Sequence[str], about: dict[str, Any]) -> dict[str, Any]:
    """Everything but the files themselves: the texts, the scores, and what follows from them."""
    kinds = {
        kind: {
            name: {key: _share(mine, name, key) for key in ("right", "exact", "similar", "parses", "shown")}
            for name in columns
        }
        for kind, mine in _by_kind(results).items()
    }
    return {
        "about": {**about, **machine()},
        "bars": [{**asdict(bar), "verdict": bar.verdict} for bar in bars(results)],
        "kinds": kinds,
        "confidence": {
            name: {"recommended": recommended(points)["threshold"], "points": points}
            for name, points in curves(results).items()
        },
        "told apart": told_apart(results),
        "cases": [
            {
                "id": each.case.id,
                "kind": each.case.kind,
                "middle": each.case.middle,
                "answers": {
                    name: {**_texts(answer), **asdict(each.scores[name])} for name, answer in each.answers.items()
                },
            }
            for each in results
        ],
    }


def plot(path: Path, results: Sequence[Result], columns: Sequence[str]) -> None:
    """Left the shares of what is right, kind by kind; right how sure the model is of it."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    by_kind = _by_kind(results)
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(13, 5), layout="constrained")
    width = 0.8 / len(columns)
    for number, name in enumerate(columns):
        places = [index + (number - (len(columns) - 1) / 2) * width for index in range(len(by_kind))]
        left.bar(
            places, [(_share(mine, name, "right") or 0) * 100 for mine in by_kind.values()], width, label=name
        )
    left.set_xticks(range(len(by_kind)), list(by_kind), rotation=30, ha="right")
    left.set_ylabel("right, %")
    left.legend(ncols=len(columns), loc="lower center", bbox_to_anchor=(0.5, 1), fontsize="small")
    _draw_curves(right, results)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=150)
    pyplot.close(figure)


def plot_curves(path: Path, results: Sequence[Result]) -> None:
    """How sure the model is of what is right, alone and small."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "midfill"}):
        figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
        _draw_curves(axes, results)
        axes.grid(alpha=0.3)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
        pyplot.close(figure)


def _draw_curves(axes: Any, results: Sequence[Result]) -> None:
    """Precision against coverage; a dot marks the recommended threshold, a ring the default."""
    default = Config().min_confidence / 100
    for name, points in curves(results).items():
        line = [(point["coverage"] * 100, point["precision"] * 100) for point in points]
        (drawn,) = axes.plot(*zip(*line, strict=True), label=f"{name} (n = {points[0]['shown']:.0f})")
        best = recommended(points)
        at = best["coverage"] * 100, best["precision"] * 100
        axes.plot(*at, "o", color=drawn.get_color())
        axes.annotate(f" {best['threshold']:.0%}", at)
        for coverage, precision in [
            pair for pair, point in zip(line, points, strict=True) if abs(point["threshold"] - default) < 0.001
        ]:
            axes.plot(coverage, precision, "o", markersize=11, fillstyle="none", color=drawn.get_color())
    axes.set_xlabel("shown, % of all suggestions")
    axes.set_ylabel("right, % of those shown")
    axes.set_title("raising midfill.minConfidence, from right to left")
    if axes.lines:
        axes.legend()


def _by_kind(results: Sequence[Result]) -> dict[str, list[Result]]:
    found: defaultdict[str, list[Result]] = defaultdict(list)
    for each in sorted(results, key=lambda each: list(KINDS).index(each.case.kind)):
        found[each.case.kind].append(each)
    return found


def _of(results: Sequence[Result], kinds: Sequence[str], system: str) -> list[Result]:
    return [each for each in results if each.case.kind in kinds and system in each.scores]


def _both(results: Sequence[Result], kinds: Sequence[str], other: str) -> list[Result]:
    """The cases that Midfill and another system have answered."""
    return [each for each in _of(results, kinds, other) if "midfill" in each.scores]


def _right(results: Sequence[Result], system: str) -> float | None:
    return _share(results, system, "right")


def _right_of(results: Sequence[Result], system: str) -> str:
    """In percent; with the number of cases where a system has not answered all of them."""
    answered = sum(system in each.scores for each in results)
    share = _percent(_share(results, system, "right"))
    return share if answered in (0, len(results)) else f"{share} (n {answered})"


def _share(results: Sequence[Result], system: str, key: str) -> float | None:
    values = [float(getattr(each.scores[system], key)) for each in results if system in each.scores]
    return fmean(values) if values else None


def _versus(results: Sequence[Result], other: str) -> str:
    pairs = [
        (each.scores["midfill"].right, each.scores[other].right)
        for each in results
        if "midfill" in each.scores and other in each.scores
    ]
    won, lost = sum(ours > theirs for ours, theirs in pairs), sum(ours < theirs for ours, theirs in pairs)
    return f"{won} : {lost}, {mcnemar(won, lost):.2f}" if pairs else "-"


def _point(sure: Sequence[tuple[float, bool]], threshold: float) -> dict[str, float]:
    kept = [right for confidence, right in sure if confidence >= threshold]
    return {
        "threshold": threshold,
        "shown": len(kept),
        "right": sum(kept),
        "coverage": len(kept) / len(sure) if sure else 0.0,
        "precision": fmean(kept) if kept else 0.0,
    }


def _advice(points: Sequence[dict[str, float]]) -> str:
    first, best = points[0], recommended(points)
    return (
        f"at {best['threshold']:.0%}, {best['coverage']:.0%} are still shown and {best['precision']:.0%} of them "
        f"right (without a threshold {first['precision']:.0%} of {first['shown']:.0f})."
    )


def _texts(answer: Answer) -> dict[str, Any]:
    return {key: value for key, value in asdict(answer).items() if key not in ("buffer", "start", "end")}


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f}"
