"""Hold what a prediction assumes of requests before they are sent: as usual, or as an earlier run recorded them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.model.phase import Phase
from harness.model.samples import BASELINE, Samples
from harness.stats.strata import LEAST_CALM, LEAST_KEPT
from harness.stats.tails import normal_quantile, normal_tail

Floats = NDArray[np.float64]
_LEVELS: Floats = np.concatenate([np.linspace(0, 0.98, 981), 1 - np.geomspace(0.019, 1e-6, 400), [1.0]])
_BLOCKS = 400
FEWEST = 100
"""Fewer requests, as of a run that was ended at once, tell too little of the next run."""


class Shape(Protocol):
    """The distribution of the logarithm of a latency."""

    @property
    def scaled(self) -> bool:
        """Whether places are logarithms of seconds, and not of an unknown unit."""
        ...

    def above(self, place: float) -> float:
        """Return the share of latencies whose logarithm is above ``place``."""
        ...

    def place(self, level: float) -> float:
        """Return the logarithm that a share ``level`` of latencies is above."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogNormal:
    """Log-normal latencies. spread: the standard deviation of the logarithm."""

    spread: float
    scaled: bool = False

    def above(self, place: float) -> float:
        """See ``Shape``."""
        return normal_tail(place / self.spread)

    def place(self, level: float) -> float:
        """See ``Shape``."""
        return normal_quantile(level) * self.spread


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recorded:
    """Latencies of an earlier run: the logarithms at ``_LEVELS`` of their distribution, shape (k,)."""

    logs: Floats
    scaled: bool = True

    @classmethod
    def of(cls, latency_s: Floats) -> Recorded | None:
        """Return the shape of latencies in seconds, or None without any that are above zero."""
        known = latency_s[latency_s > 0]
        if not len(known):
            return None
        logs = np.quantile(np.log(known), _LEVELS)
        return cls(logs=np.maximum.accumulate(logs) + np.arange(len(logs)) * 1e-12)

    def above(self, place: float) -> float:
        """See ``Shape``."""
        return 1 - float(np.interp(place, self.logs, _LEVELS))

    def place(self, level: float) -> float:
        """See ``Shape``."""
        return float(np.interp(1 - level, _LEVELS, self.logs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """The assumptions about what is not known before a run.

    error_rate: of the baseline. spread: standard deviation of the logarithm of its latencies. latencies: their shape,
    if an earlier run recorded them. overdispersion: how much noisier than independent requests the arms are; 1 is not
    at all. part: the share of all requests that this is about. endpoints: what is assumed of each of them.
    """

    error_rate: float = 0.005
    spread: float = 0.5
    overdispersion: float = 1.0
    latencies: Recorded | None = None
    part: float = 1.0
    endpoints: Mapping[str, Assumed] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """The distribution of latencies."""
        return LogNormal(spread=self.spread) if self.latencies is None else self.latencies

    def calm(self, quantile: float | None, *, requests: tuple[float, float]) -> float:
        """Return the variance inside endpoints as a share of all, as the judge finds it (``harness.stats.strata``).

        quantile: of latencies; None asks for errors. requests: of baseline and canary in a block.
        """
        ends = list(self.endpoints.values())
        parts = np.array([end.part for end in ends])
        if len(ends) < 2 or not _told_apart(parts, requests):
            return 1.0
        if quantile is None:
            shares = np.array([end.error_rate for end in ends])
        else:
            place = self.shape.place(1 - quantile)
            shares = np.array([end.shape.above(place) for end in ends])
        mean = float(parts @ shares / parts.sum())
        inside = float(parts @ (shares * (1 - shares)) / parts.sum())
        whole = mean * (1 - mean)
        return min(max(inside / whole, LEAST_CALM), 1.0) if whole > 0 else 1.0


def _told_apart(parts: Floats, requests: tuple[float, float]) -> bool:
    """Whether blocks have enough requests of each endpoint, by simulated blocks."""
    rng = np.random.default_rng(1)
    counts = np.array([rng.poisson(parts * arm, (_BLOCKS, len(parts))) for arm in requests], np.float64)
    apart, whole = _weight(counts), _weight(counts.sum(axis=2, keepdims=True))
    return apart > LEAST_KEPT * whole > 0


def _weight(counts: Floats) -> float:
    total = counts.sum(axis=0)
    return float((counts.prod(axis=0) / np.where(total > 0, total, 1)).sum())


def recorded(runs: Sequence[tuple[Samples, Sequence[Phase]]]) -> Mapping[str, Assumed]:
    """Return what earlier runs show of each of their judged phases with enough requests, by its name."""
    names = dict.fromkeys(phase.name for _, phases in runs for phase in phases if phase.kind.judged)
    made = {name: [_inside(samples, phases, name) for samples, phases in runs] for name in names}
    return {name: _assumed(parts) for name, parts in made.items() if sum(map(len, parts)) >= FEWEST}


def _inside(samples: Samples, phases: Sequence[Phase], name: str) -> Samples:
    """Return the baseline's requests of a phase."""
    found = np.zeros(len(samples), bool)
    for phase in phases:
        if phase.name == name:
            found |= (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
    return samples.where(found & (samples.arm == BASELINE))


def _assumed(runs: Sequence[Samples]) -> Assumed:
    whole = _part(runs)
    names = dict.fromkeys(name for run in runs for name in run.operations)
    counts = {name: sum(int(_is(run, name).sum()) for run in runs) for name in names}
    total = sum(counts.values())
    parts = {name: [run.where(_is(run, name)) for run in runs] for name, count in counts.items() if count}
    endpoints = {name: replace(_part(own, like=whole), part=counts[name] / total) for name, own in parts.items()}
    return replace(whole, endpoints=endpoints)


def _is(run: Samples, name: str) -> NDArray[np.bool_]:
    if name not in run.operations:
        return np.zeros(len(run), bool)
    found: NDArray[np.bool_] = run.operation == run.operations.index(name)
    return found


def _part(runs: Sequence[Samples], like: Assumed | None = None) -> Assumed:
    """Return what the runs show of some requests. like: what is assumed where they are too few."""
    usual = like or Assumed()
    failed = np.concatenate([run.failed for run in runs])
    latency_s = np.concatenate([run.latency_s for run in runs])[~failed]
    found = usual if len(failed) < FEWEST else replace(usual, error_rate=max(float(failed.mean()), 1 / len(failed)))
    positive = latency_s[latency_s > 0]
    if len(positive) < FEWEST:
        return found
    spread = float(np.log(positive).std())
    return replace(found, spread=spread if spread > 0 else usual.spread, latencies=Recorded.of(positive))
