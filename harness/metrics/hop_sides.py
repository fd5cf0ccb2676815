"""Sum the hops of a phase up: what each arm answered, and what it called."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.model.hops import Hop
from harness.model.samples import ARMS

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Requests of one kind.

    low_s, width_s, counts: the bins of their latencies, each of shape (n,), in order. attempts: None where the proxies
    do not count them.
    """

    calls: int = 0
    errors: int = 0
    attempts: int | None = None
    low_s: Floats = field(default_factory=lambda: np.empty(0))
    width_s: Floats = field(default_factory=lambda: np.empty(0))
    counts: Floats = field(default_factory=lambda: np.empty(0))

    @property
    def measured(self) -> float:
        """The number of latencies."""
        return float(self.counts.sum())

    @property
    def mean_s(self) -> float:
        """The mean latency; 0 without any."""
        return self.moments()[0]

    def moments(self, most_s: float = math.inf) -> tuple[float, float]:
        """Return the mean and the variance of the latencies in seconds, with longer ones as ``most_s``; 0 without."""
        if not self.measured:
            return 0.0, 0.0
        middle = np.minimum(self.low_s + self.width_s / 2, most_s)
        mean = float(self.counts @ middle / self.measured)
        return mean, float(self.counts @ (middle - mean) ** 2 / self.measured)

    def quantile_s(self, quantile: float) -> float:
        """Return a quantile of the latencies, interpolated inside its bin; 0 without any."""
        if not self.measured:
            return 0.0
        below = np.cumsum(self.counts)
        index = min(int(np.searchsorted(below, quantile * below[-1])), len(below) - 1)
        part = (quantile * below[-1] - (below[index] - self.counts[index])) / max(self.counts[index], 1.0)
        return float(self.low_s[index] + self.width_s[index] * min(max(part, 0.0), 1.0))

    def above(self, latency_s: float) -> float:
        """Return how many calls took longer, with a part of the bin that the latency is in."""
        upper = np.divide(
            self.low_s + self.width_s - latency_s,
            self.width_s,
            out=(self.low_s > latency_s).astype(np.float64),
            where=self.width_s > 0,
        )
        return float(self.counts @ upper.clip(0.0, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One arm in one phase: the requests that it answered, by instance too, and its calls by destination."""

    name: str
    answered: Flow
    instances: Mapping[str, Flow]
    calls: Mapping[str, Flow]


def sides(hops: Sequence[Hop], service: str, phase: str) -> tuple[Side, Side] | None:
    """Return both arms in a phase; None if one of them answered nothing. service: the short name of that under test."""
    found = []
    for arm in ARMS:
        own = [hop for hop in hops if hop.phase == phase and hop.arm == arm]
        answered = [hop for hop in own if short(hop.destination) == service]
        called = [hop for hop in own if short(hop.destination) != service]
        if not answered:
            return None
        found.append(
            Side(
                name=next((hop.caller for hop in called), f"{service}-{answered[0].version}"),
                answered=_flow(answered),
                instances=_instances(answered),
                calls={
                    name: _flow(hop for hop in called if short(hop.destination) == name)
                    for name in sorted({short(hop.destination) for hop in called})
                },
            )
        )
    return found[0], found[1]


def _instances(answered: Sequence[Hop]) -> dict[str, Flow]:
    """Return what each instance answered: hops that are of one instance, and the instances of the other ones."""
    rows: dict[str, list[Hop]] = {}
    for hop in answered:
        if hop.instance:
            rows.setdefault(hop.instance, []).append(hop)
        for name, bins in hop.instances:
            calls = sum(count for _, _, count in bins)
            rows.setdefault(name, []).append(replace(hop, calls=calls, errors=0, attempts=None, latency_ms=bins))
    return {name: _flow(rows[name]) for name in sorted(rows)}


def short(host: str) -> str:
    """Return the short name of a service, as ``ratings`` of ``ratings.shop.svc.cluster.local``."""
    return host.split(".", maxsplit=1)[0].split(":", maxsplit=1)[0]


def _flow(hops: Iterable[Hop]) -> Flow:
    rows = list(hops)
    bins: dict[tuple[float, float], int] = {}
    for hop in rows:
        for low, width, count in hop.latency_ms:
            bins[low, width] = bins.get((low, width), 0) + count
    ordered = sorted(bins)
    attempts = [hop.attempts for hop in rows]
    return Flow(
        calls=sum(hop.calls for hop in rows),
        errors=sum(hop.errors for hop in rows),
        attempts=None if None in attempts else sum(one or 0 for one in attempts),
        low_s=np.array([low / 1000 for low, _ in ordered]),
        width_s=np.array([width / 1000 for _, width in ordered]),
        counts=np.array([float(bins[key]) for key in ordered]),
    )
