"""Indicators by interval: the points that judges of time series compare, one for each interval and arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.errors import JudgeInputError
from harness.judge.indicators import indicator_of
from harness.judge.indicators.port import Interval
from harness.judge.port import Evidence
from harness.model.indicator import Source
from harness.model.objective import Objective
from harness.model.phase import Phase
from harness.model.samples import ARMS, Samples

_ROUNDING_S = 1e-9
MOST_SPANS = 10_000
"""A week has so many intervals of a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span of time in seconds since the first due request; the end is exclusive."""

    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """One arm's values in each span (shape (n,), NaN without data), and the number of requests or readings used."""

    values: NDArray[np.float64]
    requests: int


def check_samples(samples: Samples) -> None:
    """Raise JudgeInputError, naming the row, unless due times and latencies are finite and at least 0."""
    for name in ("due_s", "latency_s"):
        column = getattr(samples, name)
        wrong = ~(np.isfinite(column) & (column >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            found = float(column[row])
            raise JudgeInputError(
                f"samples: {name}: row {row + 1}: expected finite seconds of at least 0, found {found}"
            )


def judged_phases(objective: Objective, phases: Sequence[Phase]) -> tuple[Phase, ...]:
    """Return the judged phases that an objective applies to: all of them, or those that its label names."""
    wanted = objective.labels.get("phase")
    return tuple(phase for phase in phases if phase.kind.judged and wanted in {None, phase.name, phase.kind.value})


def spans_of(phase: Phase, length_s: float, *, until_s: float) -> tuple[Span, ...]:
    """Return the whole intervals of a phase that have ended by ``until_s``; a remainder is left out.

    The intervals of a phase that would have more than ``MOST_SPANS`` are longer than ``length_s``.
    """
    end_s = min(phase.end_s, until_s)
    length_s = max(length_s, phase.duration_s / MOST_SPANS)
    whole = int((end_s - phase.start_s) / length_s + _ROUNDING_S)
    return tuple(
        Span(start_s=phase.start_s + index * length_s, end_s=phase.start_s + (index + 1) * length_s)
        for index in range(max(0, whole))
    )


def points_of(evidence: Evidence, objective: Objective, arm: int, spans: Sequence[Span]) -> Points:
    """Return the indicator of one arm in each span, in its own unit (seconds, ratio, requests per second).

    An indicator that has no value of one arm in an interval gives NaN.
    """
    indicator = indicator_of(objective)
    if indicator.in_interval is None or not spans:
        return Points(values=np.full(len(spans), np.nan), requests=0)
    if indicator.spec.source is Source.SERIES:
        intervals = _readings(evidence, objective, arm, spans)
        seen = sum(one.readings.size for one in intervals)
    else:
        intervals = _requests(evidence.samples, objective, arm, spans)
        seen = sum(one.latency_s.size for one in intervals)
    return Points(values=np.array([indicator.in_interval(objective, one) for one in intervals]), requests=int(seen))


def _requests(samples: Samples, objective: Objective, arm: int, spans: Sequence[Span]) -> list[Interval]:
    """Return one arm's requests in each span."""
    failed = samples.failed
    used = _of_arm(samples, objective, arm) & (samples.due_s >= spans[0].start_s) & (samples.due_s < spans[-1].end_s)
    if indicator_of(objective).spec.answered_only:
        used &= ~failed
    rows = np.flatnonzero(used)
    rows = rows[np.argsort(samples.due_s[rows], kind="stable")]
    due_s = samples.due_s[rows]
    first = np.searchsorted(due_s, [span.start_s for span in spans])
    last = np.searchsorted(due_s, [span.end_s for span in spans])
    return [
        Interval(
            latency_s=samples.latency_s[rows[start:end]],
            failed=failed[rows[start:end]],
            readings=np.empty(0),
            seconds=span.end_s - span.start_s,
            status=samples.status[rows[start:end]],
        )
        for span, start, end in zip(spans, first, last, strict=True)
    ]


def reads_samples(evidence: Evidence) -> list[str]:
    """Return a warning if the requests came only as a reduced table, which has no points."""
    if evidence.table is None or len(evidence.samples) or not len(evidence.table.cells):
        return []
    return ["this judge reads single requests and was given none, only their reduced counts"]


def _of_arm(samples: Samples, objective: Objective, arm: int) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = samples.arm == arm
    endpoint = objective.labels.get("endpoint")
    if endpoint is not None:
        wanted = [index for index, operation in enumerate(samples.operations) if operation == endpoint]
        mask &= np.isin(samples.operation, wanted)
    return mask


def _readings(evidence: Evidence, objective: Objective, arm: int, spans: Sequence[Span]) -> list[Interval]:
    """Return one arm's readings in each span."""
    names = {objective.name, *indicator_of(objective).needs(objective).series}
    series = [one for one in evidence.series if one.name in names and one.arm == ARMS[arm]]
    at_s = np.array([at for one in series for at in one.at_s], dtype=np.float64)
    values = np.array([value for one in series for value in one.values], dtype=np.float64)
    known = np.isfinite(values)
    at_s, values = at_s[known], values[known]
    return [
        Interval(
            latency_s=np.empty(0),
            failed=np.empty(0, bool),
            readings=values[(at_s >= span.start_s) & (at_s < span.end_s)],
            seconds=span.end_s - span.start_s,
        )
        for span in spans
    ]
