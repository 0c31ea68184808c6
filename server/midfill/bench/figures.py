"""What was measured, and the figures and bars that follow from it."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from midfill.bench.script import TYPED, Kind

# An answer of so many tokens tells how long one decode step takes.
_LONG = 8


@dataclass(frozen=True, slots=True)
class PeerSample:
    """What the peer did for one keystroke. Counts are tokens, `ms` is the time as the client sees it."""

    ms: float
    evaluated: int
    generated: int
    evaluate_ms: float
    generate_ms: float


@dataclass(frozen=True, slots=True)
class Sample:
    """What one keystroke cost. Counts are tokens, times are milliseconds.

    `ms` is the time to suggestion: from before the change is sent until the answer is there; None for a key whose
    answer was not waited for. The rest is what `midfill/explain` tells.
    """

    kind: Kind
    file: str
    line: int
    hurried: bool
    ms: float | None
    outcome: str
    reason: str | None
    source: str
    shown: int
    prompt: int
    evaluated: int
    generated: int
    drafted: int
    accepted: int
    queue_ms: float
    evaluate_ms: float
    generate_ms: float
    peer: PeerSample | None = None

    @property
    def asked(self) -> bool:
        """Whether the model was asked for the answer that came."""
        return self.ms is not None and self.source == "model" and self.prompt > 0

    @property
    def thrown_away(self) -> int:
        """Tokens generated of which nothing was shown."""
        return 0 if self.outcome == "shown" else self.generated


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `peak` is the largest resident size of each process; `second_window` what one more editor costs."""

    peak: dict[str, int]
    second_window: int


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one kind of keystroke; None where nothing was measured.

    `ms` and `peer_ms` are p50, p95 and p99. `evaluated` is p50 and p95 of the keys that asked the model, `ratio`
    p50 and p95 of ours through those of the peer's, over the keys for which both asked their model.
    """

    kind: str
    keys: int
    without_model: float | None
    ms: tuple[float | None, ...]
    evaluated: tuple[float | None, ...]
    generated: int
    drafted: int
    accepted: int
    thrown_away: int
    peer_ms: tuple[float | None, ...]
    peer_evaluated: tuple[float | None, ...]
    ratio: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise and what was measured; `of` is how many keystrokes the figure stands on."""

    name: str
    measured: float | None
    limit: float
    of: int

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return "not measured"
        return "PASS" if self.measured <= self.limit else "MISSED"


def percentile(values: Iterable[float], percent: float) -> float | None:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)), 1) - 1] if ordered else None


def rows(samples: Sequence[Sample]) -> list[Row]:
    """One row a kind, in the order of `Kind`, and one for all that somebody types in a warm file."""
    kinds: list[Kind] = ["cold", "jump", "cut", *TYPED]
    single = [_row(kind, [sample for sample in samples if sample.kind == kind]) for kind in kinds]
    return [row for row in (*single, _row("all typed", _typed(samples))) if row.keys]


def bars(samples: Sequence[Sample], memory: Memory | None) -> list[Bar]:
    """The bars of the benchmark. Those that compare with the peer need one."""
    asked = [sample for sample in _typed(samples) if sample.asked]
    # A switch costs the peer its whole cache: counted here, a few of them would make all the rest look good.
    both = [sample for sample in asked if sample.peer and sample.kind != "switch"]
    # What is suggested without the model is a suggestion too, if it is one.
    known = [sample for sample in _typed(samples) if not sample.asked and sample.ms is not None and sample.shown]
    answered = [*both, *(sample for sample in known if sample.peer and sample.kind != "switch")]
    newlines = [sample for sample in both if sample.kind == "newline"]
    switched = [sample for sample in asked if sample.kind == "switch"]
    stayed = [sample for sample in asked if sample.kind == "type"]
    step = decode_step(samples)
    floors = [_ms(sample) / (sample.generated * step) for sample in asked if sample.generated and step]
    own = [_ms(sample) - sample.queue_ms - sample.evaluate_ms - sample.generate_ms for sample in asked]
    evaluated = [sample.evaluated for sample in asked]
    second = memory.second_window / 1e6 if memory else None
    return [
        Bar("prompt tokens evaluated, p50", percentile(evaluated, 50), 2, len(evaluated)),
        Bar("prompt tokens evaluated, p95", percentile(evaluated, 95), 16, len(evaluated)),
        Bar("time to suggestion / peer's, p50", _ratio(answered, 50), 0.15, len(answered)),
        Bar("time to suggestion / peer's, p95", _ratio(answered, 95), 0.20, len(answered)),
        Bar("the same where the model was asked, p50", _ratio(both, 50), 0.15, len(both)),
        Bar("the same where the model was asked, p95", _ratio(both, 95), 0.20, len(both)),
        Bar("the same after a new line, p95", _ratio(newlines, 95), 0.25, len(newlines)),
        Bar("time to suggestion / decoding alone, p50", percentile(floors, 50), 1.3, len(floors)),
        Bar("ms beside the engine's own, p95", percentile(own, 95), 15, len(own)),
        Bar("switching to a warm file / staying, p50", _quotient(switched, stayed), 1.2, len(switched)),
        Bar("memory of a second window, MB", second, 80, 1),
    ]


def decode_step(samples: Sequence[Sample]) -> float | None:
    """Milliseconds that the model needs for one token: the median over the long answers of this run.

    Answers without drafts count, where there are any, since a draft makes several tokens in one step; else the
    accepted drafts are left out of the number of steps. The same machine under the same load gives the floor,
    so that other programs slow both down.
    """
    long = [sample for sample in samples if sample.asked and sample.generated - sample.accepted >= _LONG]
    plain = [sample for sample in long if not sample.drafted]
    steps = [sample.generate_ms / (sample.generated - sample.accepted) for sample in plain or long]
    return statistics.median(steps) if steps else None


def figures(samples: Sequence[Sample], memory: Memory | None) -> dict[str, Any]:
    """The summary as it goes into JSON, without the rows and bars."""
    return {
        "keys": len(samples),
        "decodeStepMs": decode_step(samples),
        "withoutModel": _without_model(_typed(samples)),
        "sources": dict(Counter(sample.source for sample in samples if sample.outcome == "shown")),
        "outcomes": dict(Counter(sample.reason or sample.outcome for sample in samples)),
        "generated": sum(sample.generated for sample in samples),
        "drafted": sum(sample.drafted for sample in samples),
        "acceptedDrafts": sum(sample.accepted for sample in samples),
        "thrownAway": sum(sample.thrown_away for sample in samples),
        "peakMemory": memory.peak if memory else {},
    }


def _row(kind: str, samples: Sequence[Sample]) -> Row:
    both = [sample for sample in samples if sample.asked and sample.peer]
    waited = [_ms(sample) for sample in samples if sample.ms is not None]
    peers = [sample.peer for sample in samples if sample.peer]
    return Row(
        kind=kind,
        keys=len(samples),
        without_model=_without_model(samples),
        ms=_percentiles(waited, 50, 95, 99),
        evaluated=_percentiles([sample.evaluated for sample in samples if sample.asked], 50, 95),
        generated=sum(sample.generated for sample in samples),
        drafted=sum(sample.drafted for sample in samples),
        accepted=sum(sample.accepted for sample in samples),
        thrown_away=sum(sample.thrown_away for sample in samples),
        peer_ms=_percentiles([peer.ms for peer in peers], 50, 95, 99),
        peer_evaluated=_percentiles([peer.evaluated for peer in peers], 50, 95),
        ratio=(_ratio(both, 50), _ratio(both, 95)),
    )


def _typed(samples: Sequence[Sample]) -> list[Sample]:
    return [sample for sample in samples if sample.kind in TYPED]


def _without_model(samples: Sequence[Sample]) -> float | None:
    """The share of answers that came without asking the model, of all that were waited for."""
    waited = [sample for sample in samples if sample.ms is not None]
    return sum(not sample.asked for sample in waited) / len(waited) if waited else None


def _ratio(both: Sequence[Sample], percent: float) -> float | None:
    ours = percentile(map(_ms, both), percent)
    peers = percentile([sample.peer.ms for sample in both if sample.peer], percent)
    return ours / peers if ours is not None and peers else None


def _quotient(some: Sequence[Sample], others: Sequence[Sample]) -> float | None:
    above, below = percentile(map(_ms, some), 50), percentile(map(_ms, others), 50)
    return above / below if above is not None and below else None


def _percentiles(values: Sequence[float], *percents: float) -> tuple[float | None, ...]:
    return tuple(percentile(values, percent) for percent in percents)


def _ms(sample: Sample) -> float:
    """The time to suggestion of a key that was waited for."""
    assert sample.ms is not None
    return sample.ms
