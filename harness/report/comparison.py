"""Compare the arms over time by the objective that decided, for a chart, never for a verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.model import formatting
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.record import Record
from harness.model.samples import BASELINE, CANARY, Samples
from harness.model.verdict import Analysis, Finding, Verdict
from harness.report.buckets import Buckets, Column

_FEWEST = 12
_TAIL = 5
"""Requests of the smaller arm that a stretch of time needs beyond the quantile which is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Canary minus baseline in stretches of time: shape (stretches,), in percent or percentage points; NaN is a gap.

    name: the indicator. how: in which way the arms are compared. phase: that of the finding it follows; empty for the
    whole run. tolerance: the limit in the same unit, signed into the bad direction; None without one. higher_is_worse:
    which side is bad.
    """

    name: str
    how: str
    unit: str
    at_s: Column
    values: Column
    width_s: float
    phase: str = ""
    tolerance: float | None = None
    higher_is_worse: bool = True

    @property
    def title(self) -> str:
        """What is compared, in which way and in which unit."""
        return f"{self.name}, {self.how}, {self.unit}"

    @property
    def short_title(self) -> str:
        """The title where there is little room."""
        return f"{self.name} against baseline, {self.unit}"


def deciding(analysis: Analysis) -> Finding | None:
    """Return the finding that the verdict rests on: the farthest beyond its tolerance of those with this verdict."""
    ordered = [finding for finding in formatting.worst_first(analysis.findings) if not finding.objective.muted]
    same = [finding for finding in ordered if finding.verdict is analysis.verdict]
    if analysis.verdict is Verdict.FAIL and same:
        return max(same, key=formatting.severity)
    ranked = same or ordered
    return ranked[0] if ranked else None


def comparison(record: Record, analysis: Analysis, seen: Buckets) -> Comparison:
    """Return the comparison by the objective that decided, or of p50 if that one cannot be drawn over time."""
    finding = deciding(analysis)
    found = None if finding is None else _followed(record, finding, seen)
    return found or _quantile(record.samples, 0.5, "p50", seen)


def _followed(record: Record, finding: Finding, seen: Buckets) -> Comparison | None:
    objective, samples = finding.objective, _of_endpoint(record.samples, finding.objective)
    name = formatting.indicator(objective)
    match objective.kind:
        case "latency" if objective.quantile is not None:
            found = _quantile(samples, objective.quantile, name, seen)
            factor = 100.0 if finding.relative else None
        case "error_rate":
            found, factor = _share(samples, samples.failed, name, seen), 100.0
        case "status":
            found, factor = _share(samples, _with_status(samples, objective.name), name, seen), 100.0
        case _:
            return None
    return _with_limit(found, finding, factor)


def _with_limit(found: Comparison, finding: Finding, factor: float | None) -> Comparison:
    margin = finding.margin
    upwards = finding.objective.direction is not Direction.DECREASE
    limit = None if margin is None or factor is None else abs(margin) * factor * (1 if upwards else -1)
    return replace(found, phase=finding.phase, tolerance=limit, higher_is_worse=upwards)


def _quantile(samples: Samples, share: float, name: str, seen: Buckets) -> Comparison:
    own = samples.where(np.isfinite(samples.latency_s) & np.isfinite(samples.due_s))
    edges = _edges(own, seen, wanted=_TAIL / max(1 - share, 1e-3))
    arms = [_quantiles_in(own.where(own.arm == arm), edges, share) for arm in (BASELINE, CANARY)]
    with np.errstate(divide="ignore", invalid="ignore"):
        values = (arms[1] / np.where(arms[0] > 0, arms[0], np.nan) - 1) * 100
    return _made(name, "canary compared with baseline", "%", edges, values)


def _share(samples: Samples, having: NDArray[np.bool_], name: str, seen: Buckets) -> Comparison:
    finite = np.isfinite(samples.due_s)
    own, having = samples.where(finite), having[finite]
    edges = _edges(own, seen, wanted=50)
    rates = []
    for arm in (BASELINE, CANARY):
        due_s, own_having = own.due_s[own.arm == arm], having[own.arm == arm]
        with np.errstate(invalid="ignore"):
            rates.append(np.histogram(due_s[own_having], edges)[0] / np.histogram(due_s, edges)[0])
    return _made(name, "canary minus baseline", "pp", edges, (rates[1] - rates[0]) * 100)


def _made(name: str, how: str, unit: str, edges: Column, values: Column) -> Comparison:
    middles, width_s = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    return Comparison(name=name, how=how, unit=unit, at_s=middles, values=values, width_s=width_s)


def _quantiles_in(samples: Samples, edges: Column, share: float) -> Column:
    """Return the nearest-rank quantile of each stretch; NaN without requests."""
    place = np.searchsorted(edges, samples.due_s, side="right") - 1
    number = len(edges) - 1
    inside = (place >= 0) & (place < number)
    place, latency_s = place[inside], samples.latency_s[inside]
    ordered = latency_s[np.lexsort((latency_s, place))]
    n = np.bincount(place, minlength=number)
    first = np.concatenate([[0], np.cumsum(n)[:-1]])
    rank = np.maximum(np.ceil(share * n).astype(np.int64) - 1, 0)
    found = np.full(number, np.nan)
    found[n > 0] = ordered[(first + rank)[n > 0]]
    return found


def _edges(samples: Samples, seen: Buckets, *, wanted: float) -> Column:
    """Return the ends of equal stretches that give the smaller arm ``wanted`` requests each, while there are any."""
    counts = [int((samples.arm == arm).sum()) for arm in (BASELINE, CANARY)]
    number = int(min(max(min(counts) / wanted, _FEWEST), len(seen.at_s)))
    edges: Column = np.linspace(seen.start_s, seen.end_s, max(number, 1) + 1)
    return edges


def _of_endpoint(samples: Samples, objective: Objective) -> Samples:
    endpoint = objective.labels.get("endpoint")
    if endpoint is None or endpoint not in samples.operations:
        return samples
    return samples.where(samples.operation == samples.operations.index(endpoint))


def _with_status(samples: Samples, name: str) -> NDArray[np.bool_]:
    digits = name.removeprefix("interaction(").removeprefix("status_").removesuffix(")")
    having: NDArray[np.bool_] = (
        samples.status // 100 == int(digits[0]) if digits.endswith("xx") else samples.status == int(digits)
    )
    return having
