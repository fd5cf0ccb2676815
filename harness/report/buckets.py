"""Reduce samples to at most 300 buckets of time, with gaps where no request was sent."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.record import Record
from harness.model.samples import ARMS, Samples

MOST_BUCKETS = 300
_FEWEST_BUCKETS = 30
_WANTED_SAMPLES = 20
_WIDTHS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmColumns:
    """One arm by bucket, shape (buckets,): number of requests, p50 and p99 in seconds, error rate; NaN is a gap."""

    name: str
    n: Column
    p50_s: Column
    p99_s: Column
    errors: Column


@dataclass(frozen=True, slots=True, kw_only=True)
class Buckets:
    """All buckets of a run.

    at_s: the middle of each bucket. sent_rps: the requests per second that were sent, by the time of sending.
    """

    start_s: float
    end_s: float
    width_s: float
    at_s: Column
    sent_rps: Column
    arms: tuple[ArmColumns, ...]

    @property
    def typical_n(self) -> int:
        """The number of requests of the smaller arm in a typical bucket."""
        counts = [float(np.median(arm.n[arm.n > 0])) for arm in self.arms if (arm.n > 0).any()]
        return int(min(counts, default=0))


def buckets(record: Record, *, end_s: float) -> Buckets:
    """Reduce the record's samples from 0 to ``end_s`` seconds, by due time; skip those without a finite due time."""
    samples = record.samples.where(np.isfinite(record.samples.due_s))
    start_s = min(0.0, float(samples.due_s.min())) if len(samples) else 0.0
    last = float(samples.due_s.max()) if len(samples) else 0.0
    end_s = max(end_s, last, start_s + 1e-3)
    width_s = _width_s(samples, end_s - start_s)
    number = max(round((end_s - start_s) / width_s), 1)  # the last bucket takes up the remainder, so its width differs
    edges = np.append(start_s + width_s * np.arange(number), end_s)
    sent = samples.due_s + np.where(np.isfinite(samples.late_s), samples.late_s, 0.0)
    sent_rps = np.histogram(sent, edges)[0] / np.diff(edges)
    return Buckets(
        start_s=start_s, end_s=end_s, width_s=width_s, at_s=(edges[:-1] + edges[1:]) / 2,
        sent_rps=sent_rps if len(samples) else np.full(number, np.nan),
        arms=tuple(_arm(samples, arm, name, edges, width_s) for arm, name in enumerate(ARMS)),
    )  # fmt: skip


def _arm(samples: Samples, arm: int, name: str, edges: Column, width_s: float) -> ArmColumns:
    own = samples.where(samples.arm == arm)
    number = len(edges) - 1
    place = np.minimum(((own.due_s - edges[0]) / width_s).astype(np.int64), number - 1)
    n = np.bincount(place, minlength=number).astype(np.float64)
    failed = np.bincount(place, weights=own.failed, minlength=number)
    with np.errstate(invalid="ignore"):
        errors = failed / n
    finite = np.isfinite(own.latency_s)
    p50_s, p99_s = _quantiles(place[finite], own.latency_s[finite], number, (0.5, 0.99))
    return ArmColumns(name=name, n=n, p50_s=p50_s, p99_s=p99_s, errors=errors)


def _quantiles(place: NDArray[np.int64], latency_s: Column, number: int, shares: tuple[float, ...]) -> list[Column]:
    """Return the nearest-rank quantiles of each bucket, one column per share."""
    ordered = latency_s[np.lexsort((latency_s, place))]
    n = np.bincount(place, minlength=number)
    first = np.concatenate([[0], np.cumsum(n)[:-1]])
    columns = []
    for share in shares:
        column = np.full(number, np.nan)
        rank = np.maximum(np.ceil(share * n).astype(np.int64) - 1, 0)
        column[n > 0] = ordered[(first + rank)[n > 0]]
        columns.append(column)
    return columns


def _width_s(samples: Samples, span_s: float) -> float:
    """Return the smallest round width in seconds that gives the smaller arm 20 requests a bucket.

    The number of buckets stays between 30 and 300.
    """
    narrowest, widest = span_s / MOST_BUCKETS, span_s / _FEWEST_BUCKETS
    counts = [int((samples.arm == arm).sum()) for arm in range(len(ARMS))]
    wanted = _WANTED_SAMPLES * span_s / max(min((c for c in counts if c), default=1), 1)
    target = max(narrowest, min(wanted, widest))
    return next((float(width) for width in _WIDTHS_S if width >= target), narrowest)
