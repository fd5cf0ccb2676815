"""Compare two recorded scenarios: versions, configuration, objectives and latencies. No verdict is changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.model import formatting
from harness.model.phase import Phase
from harness.model.record import Record
from harness.model.samples import ARMS, BASELINE, CANARY, Samples, concatenated
from harness.model.units import format_duration
from harness.model.verdict import WATCHED, Analysis
from harness.report.environment import environment_rows
from harness.report.facts import facts
from harness.report.quantiles import Quantiles, quantiles
from harness.summary import Judged, Summary, summarise

_SHARES = (0.5, 0.9, 0.99)
_NOT_COMPARED = ("started", "run", "argv", "load_average", "bundle", "approve")
"""Facts of the manifest that differ between any two runs and explain nothing."""
_MOST_ROWS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two scenarios. label: A or B."""

    label: str
    name: str
    record: Record
    analysis: Analysis
    summary: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One value of both sides; a text is empty where a side has none."""

    name: str
    left: str
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectivePair:
    """One objective in one phase on both sides; None where a side did not judge it."""

    key: str
    left: Judged | None
    right: Judged | None

    @property
    def changed(self) -> bool:
        """Whether the verdicts differ."""
        return (self.left and self.left.verdict) != (self.right and self.right.verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPair:
    """Quantiles of one arm in one phase: both sides as text, and the difference in percent."""

    phase: str
    arm: str
    quantile: str
    left: str
    right: str
    difference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """All that differs between two scenarios. left_out: configuration rows that are not shown."""

    sides: tuple[Side, Side]
    versions: tuple[Pair, ...]
    configuration: tuple[Pair, ...]
    objectives: tuple[ObjectivePair, ...]
    latencies: tuple[LatencyPair, ...]
    distributions: tuple[Quantiles, ...]
    left_out: int = 0

    @property
    def title(self) -> str:
        """The name of the scenario, or both names where they differ."""
        return " and ".join(dict.fromkeys(side.summary.test for side in self.sides))


def side(label: str, name: str, record: Record, analysis: Analysis) -> Side:
    """Return one side of a comparison."""
    summary = summarise(record, analysis, run="", folder=name)
    return Side(label=label, name=name, record=record, analysis=analysis, summary=summary)


def difference(left: Side, right: Side) -> Difference:
    """Return what differs. Latencies are compared where both sides have samples of a phase of the same name."""
    configuration = _pairs(_configuration(left.record), _configuration(right.record))
    return Difference(
        sides=(left, right),
        versions=_pairs(_versions(left), _versions(right)),
        configuration=configuration[:_MOST_ROWS],
        objectives=_objectives(left.summary.objectives, right.summary.objectives),
        latencies=tuple(_latencies(left.record, right.record)),
        distributions=tuple(_distributions(left.record, right.record)),
        left_out=max(len(configuration) - _MOST_ROWS, 0),
    )


def _pairs(left: Mapping[str, str], right: Mapping[str, str]) -> tuple[Pair, ...]:
    names = dict.fromkeys([*left, *right])
    pairs = [Pair(name=name, left=left.get(name, ""), right=right.get(name, "")) for name in names]
    return tuple(pair for pair in pairs if pair.left != pair.right)


def _versions(one: Side) -> dict[str, str]:
    manifest = {name: value for name, value in one.record.manifest.items() if name not in _NOT_COMPARED}
    arms = dict(facts(one.record).arms)
    return {**arms, **dict(environment_rows(manifest)), "judged by": one.analysis.judged_by}


def _configuration(record: Record) -> dict[str, str]:
    plan = record.plan
    phases = ", ".join(f"{phase.name} {format_duration(phase.duration_s)}" for phase in plan.phases)
    planned = {
        "seed": str(plan.seed), "target": plan.target, "rate": f"{formatting.number(plan.rate_rps)} req/s",
        "share of the canary": formatting.number(plan.canary_share), "phases": phases,
        "faults": "; ".join(dict.fromkeys(fault for phase in plan.phases for fault in phase.faults)),
        "objectives": "; ".join(objective.text for objective in plan.objectives),
    }  # fmt: skip
    return {**planned, **{f"harness.yaml: {name}": text for name, text in environment_rows(record.config)}}


def _objectives(left: Sequence[Judged], right: Sequence[Judged]) -> tuple[ObjectivePair, ...]:
    """Return the objectives of both sides, those whose verdict changed to the worst first."""
    repeated = _repeated(left, right)
    sides = [_keyed(left, repeated), _keyed(right, repeated)]
    keys = dict.fromkeys([*sides[1], *sides[0]])
    pairs = [ObjectivePair(key=key, left=sides[0].get(key), right=sides[1].get(key)) for key in keys]
    return tuple(sorted(pairs, key=_rank))


def _rank(pair: ObjectivePair) -> tuple[bool, bool, int]:
    """Return the place of an objective in the order: changed verdicts first, of those the worst of B."""
    order = [*map(str, formatting.WORST_FIRST), WATCHED]
    return (
        not pair.changed,
        pair.left is None or pair.right is None,
        order.index(pair.right.verdict) if pair.right else 9,
    )


def _keyed(judged: Sequence[Judged], repeated: Collection[str]) -> dict[str, Judged]:
    """Return the objectives by their name; those that a side has several times get their tolerance added."""
    return {one.key if one.key not in repeated else f"{one.key}, {one.tolerance}": one for one in judged}


def _repeated(*sides: Sequence[Judged]) -> set[str]:
    counts = [Counter(one.key for one in side) for side in sides]
    return {key for count in counts for key, number in count.items() if number > 1}


def _latencies(left: Record, right: Record) -> list[LatencyPair]:
    rows = []
    for first, second in _phases(left, right):
        for arm, name in enumerate(ARMS):
            columns = [_latencies_of(record.samples, phase, arm) for record, phase in ((left, first), (right, second))]
            if min(column.size for column in columns) == 0:
                continue
            rows += [_latency_pair(first.name, name, share, columns) for share in _SHARES]
    return rows


def _latency_pair(
    phase: str, arm: str, share: float, columns: Sequence[np.ndarray[tuple[int], np.dtype[np.float64]]]
) -> LatencyPair:
    left, right = (float(np.quantile(column, share)) for column in columns)
    change = f"{round((right / left - 1) * 100, 1) + 0.0:+.1f} %" if left > 0 else formatting.NO_VALUE
    return LatencyPair(
        phase=phase, arm=arm, quantile=f"p{formatting.number(share * 100)}", left=format_duration(left),
        right=format_duration(right), difference=change,
    )  # fmt: skip


def _latencies_of(samples: Samples, phase: Phase, arm: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    inside = (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s) & (samples.arm == arm)
    own: np.ndarray[tuple[int], np.dtype[np.float64]] = samples.latency_s[inside & np.isfinite(samples.latency_s)]
    return own


def _distributions(left: Record, right: Record) -> list[Quantiles]:
    """Return the canaries' quantiles of both sides, as if they were two arms of one run."""
    found = []
    for first, second in _phases(left, right):
        parts = [
            _as_arm(record.samples, phase, arm)
            for record, phase, arm in ((left, first, BASELINE), (right, second, CANARY))
        ]
        together = concatenated(parts)
        if min(int((together.arm == arm).sum()) for arm in (BASELINE, CANARY)) >= 20:
            phase = Phase(name=first.name, kind=first.kind, start_s=0.0, end_s=float("inf"))
            found.append(quantiles(together, phase))
    return found


def _as_arm(samples: Samples, phase: Phase, arm: int) -> Samples:
    inside = (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s) & (samples.arm == CANARY)
    own = samples.where(inside)
    columns = {name: getattr(own, name) for name in ("latency_s", "late_s", "status", "operation", "error", "size")}
    return Samples(
        **columns, due_s=own.due_s - phase.start_s, arm=np.full(len(own), arm, np.int8),
        operations=own.operations, errors=own.errors,
    )  # fmt: skip


def _phases(left: Record, right: Record) -> list[tuple[Phase, Phase]]:
    """Return the judged phases that both runs had, with samples."""
    others = {phase.name: phase for phase in right.phases}
    if not len(left.samples) or not len(right.samples):
        return []
    return [(phase, others[phase.name]) for phase in left.phases if phase.kind.judged and phase.name in others]
