"""Predict how precisely a planned run will see one indicator, before a request is sent.

A prediction applies the judge's own test to the counts that are expected under a true difference. The test divides by
an estimate of the noise, which varies from run to run even when requests are independent; its distribution is found
by simulation, once for each number of blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.judge.assumed import Assumed, Shape
from harness.stats.contrast import COMMON, shared_noise
from harness.stats.likelihood import Counts, root_of_difference, root_of_ratio
from harness.stats.tails import normal_quantile, poisson_quantiles, t_quantile
from harness.stats.variance import Caution, Overdispersion, overdispersion

Floats = NDArray[np.float64]
_LARGEST = 20.0  # a factor of exp(20) between the arms is no answer
_DRAWS = 160
_STEPS = 30
_NEAR = 0.05  # around a place, in logarithms
_CLOSE = 1e-3
_FEWEST_BLOCKS, _MOST_BLOCKS = 3, 2000
_POINTS = 233
_FIRST: Floats = (np.arange(_POINTS) + 0.5) / _POINTS
_SECOND: Floats = (np.arange(_POINTS) * 144 % _POINTS + 0.5) / _POINTS
"""Two dimensions of a Fibonacci lattice, which covers the unit square evenly (Korobov 1963)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A phase of a planned run.

    weight: n_c n_b / (n_c + n_b) of the planned requests of canary and baseline. blocks: blocks of time in the phase.
    share: the canary's share of the requests, in (0, 1). seconds: the length of the phase.
    """

    weight: float
    blocks: float
    seconds: float = 0.0
    share: float = 0.5
    assumed: Assumed = field(default_factory=Assumed)

    @property
    def trials(self) -> tuple[float, float]:
        """The requests of baseline and canary."""
        return self.weight / self.share, self.weight / (1 - self.share)


class Prediction(Protocol):
    """Differences that a run can tell apart, in the unit of ``Finding.difference``."""

    @property
    def relative(self) -> bool:
        """Whether differences are shares of the baseline."""
        ...

    @property
    def resolution(self) -> float:
        """The difference that no number of requests makes visible, on the scale that shrinks with their root."""
        ...

    def fails_from(self, tail: float, *, power: float, margin: float = 0.0) -> float:
        """Return the smallest difference that a test with probability ``tail`` proves, with probability ``power``.

        margin: the tolerance that the difference must be proven to exceed, at least 0.
        """
        ...

    def passes_from(self, tail: float, *, power: float) -> float:
        """Return the smallest tolerance that equal arms are shown to be within, with the same probabilities."""
        ...

    def fails(self, difference: float, tail: float, *, power: float) -> bool:
        """Whether ``difference`` is at least ``fails_from`` without a margin, found without a search where possible."""
        ...

    def passes(self, tolerance: float, tail: float, *, power: float) -> bool:
        """Whether ``tolerance`` is at least ``passes_from``, found without a search where possible."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RootPrediction:
    """For tests by signed roots: ``roots`` gives them for a true difference and a hypothetical one.

    roots: takes both as ``Finding.difference`` has them, towards worse; returns equally likely roots of independent
    requests, shape (k,). They rise with the first and fall with the second. noise: how noisy the blocks are, and how
    that is estimated. largest: the largest difference that is possible. resolution: the smallest margin of harm, in the
    same unit.
    """

    roots: Callable[[float, float], Floats]
    noise: EstimatedNoise
    relative: bool
    largest: float
    resolution: float = 0.0

    def fails_from(self, tail: float, *, power: float, margin: float = 0.0) -> float:
        """See ``Prediction``."""
        least = max(margin, self.resolution)
        return _first(lambda true: self.noise.power(self.roots(true, least), tail) >= power, least, self.largest)

    def passes_from(self, tail: float, *, power: float) -> float:
        """See ``Prediction``."""
        return _first(lambda margin: self.noise.power(-self.roots(0.0, margin), tail) >= power, 0.0, self.largest)

    def fails(self, difference: float, tail: float, *, power: float) -> bool:
        """See ``Prediction``."""
        true = min(difference * (1 - _CLOSE), self.largest)
        return true > self.resolution and self.noise.power(self.roots(true, self.resolution), tail) >= power

    def passes(self, tolerance: float, tail: float, *, power: float) -> bool:
        """See ``Prediction``."""
        margin = min(tolerance * (1 - _CLOSE), self.largest)
        return margin > 0 and self.noise.power(-self.roots(0.0, margin), tail) >= power


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another quantile. correlation: of the counts above both. precision: the own one's over that of the other."""

    correlation: float
    precision: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimatedNoise:
    """How a test's noise is estimated from ``blocks`` of equal variance, of which ``overdispersion`` is the truth.

    others: the quantiles whose noise counts too (``harness.stats.contrast``).
    """

    blocks: float
    caution: Caution
    overdispersion: float = 1.0
    others: tuple[Other, ...] = ()

    def power(self, roots: Floats, tail: float) -> float:
        """Return the chance that a test with probability ``tail`` rejects.

        roots: equally likely signed roots if the requests were independent. They are taken as independent of the
        estimate of the noise.
        """
        mean = float(roots.mean())
        seen = np.sort(roots - mean * (1 - 1 / math.sqrt(self.overdispersion)))
        needed = _needed(self._simulated_blocks, self.caution, tail, self.others)
        return float(1 - np.searchsorted(seen, needed).mean() / len(seen))

    @property
    def _simulated_blocks(self) -> int:
        steps = round(math.log2(max(self.blocks, _FEWEST_BLOCKS)) * 2)  # a grid of factors of the root of two
        return min(max(round(2 ** (steps / 2)), _FEWEST_BLOCKS), _MOST_BLOCKS)


@lru_cache(maxsize=64)  # a search asks many times for the same tail
def _needed(blocks: int, caution: Caution, tail: float, others: tuple[Other, ...]) -> Floats:
    """Return how large a root has to be for a rejection, for each simulated estimate of the noise."""
    found = _estimates(blocks, caution, others)
    return np.array([math.sqrt(one.factor) * t_quantile(tail, one.degrees) for one in found])


@cache
def _estimates(blocks: int, caution: Caution, others: tuple[Other, ...]) -> tuple[Overdispersion, ...]:
    """Return estimates of the noise of independent blocks, of simulated runs with a fixed seed."""
    rng = np.random.default_rng(blocks)
    variance = np.ones(blocks)
    found = []
    for _ in range(_DRAWS):
        excess = rng.standard_normal(blocks)
        own = overdispersion(excess - excess.mean(), variance, caution=caution)
        factor = own.factor
        for other in others:
            rest = math.sqrt(1 - other.correlation**2) * rng.standard_normal(blocks)
            theirs = other.correlation * excess + rest
            noise = overdispersion(theirs - theirs.mean(), variance, caution=caution)
            factor = max(factor, 1 + shared_noise(noise.factor - 1, other.precision, 1.0))
        found.append(replace(own, factor=factor))
    return tuple(found)


def _others(shape: Shape, quantile: float) -> tuple[Other, ...]:
    """Return the quantiles whose noise counts for this one."""
    if quantile > max(COMMON):
        return ()
    found = []
    for other in COMMON:
        low, high = sorted((quantile, other))
        correlation = math.sqrt(low * (1 - high) / ((1 - low) * high))
        theirs = _precision(shape, other)
        if other != quantile and theirs > 0:
            found.append(
                Other(correlation=round(correlation, 2), precision=round(_precision(shape, quantile) / theirs, 2))
            )
    return tuple(found)


def _precision(shape: Shape, quantile: float) -> float:
    """Return how much one request says about a shift if it is counted above this quantile; only ratios are used."""
    place = shape.place(1 - quantile)
    slope = shape.above(place - _NEAR) - shape.above(place + _NEAR)
    return slope * slope / (quantile * (1 - quantile))


def rate_prediction(expected: Expected, *, rate: float, relative: bool, caution: Caution) -> RootPrediction | None:
    """Return the prediction for the difference of two shares of requests, of which the baseline's is ``rate``.

    None without requests.
    """
    if expected.weight <= 0:
        return None
    baseline_trials, canary_trials = expected.trials

    def roots(true: float, hypothesis: float) -> Floats:
        canary = min(rate * (1 + true) if relative else rate + true, 1.0)
        draws = zip(_events(_FIRST, canary, canary_trials), _events(_SECOND, rate, baseline_trials), strict=True)
        return np.array([_root(own, other, hypothesis) for own, other in draws])

    def _root(canary: float, baseline: float, hypothesis: float) -> float:
        counts = Counts(canary=canary, canary_trials=canary_trials, baseline=baseline, baseline_trials=baseline_trials)
        return root_of_ratio(counts, 1 + hypothesis) if relative else root_of_difference(counts, hypothesis)

    return RootPrediction(
        roots=roots,
        noise=_noise(expected, caution),
        relative=relative,
        largest=math.expm1(_LARGEST) if relative else 1 - rate,
    )


def quantile_prediction(
    expected: Expected, *, quantile: float, resolution: float, caution: Caution
) -> RootPrediction | None:
    """Return the prediction for the ratio of a quantile in (0, 1) of latencies; None without requests.

    resolution: the smallest share that is harm.
    """
    if expected.weight <= 0:
        return None
    baseline_trials, canary_trials = expected.trials
    shape = expected.assumed.shape

    def roots(true: float, hypothesis: float) -> Floats:
        slower, moved = math.log1p(true), math.log1p(hypothesis)
        place = _pooled_place(shape, slower, moved, share=expected.share, level=1 - quantile)
        canary, baseline = shape.above(place - slower) * canary_trials, shape.above(place - moved) * baseline_trials
        parts = _parts(canary, baseline, canary_trials + baseline_trials)
        return np.array([_root(own, canary + baseline) for own in parts])

    def _root(canary: float, total: float) -> float:
        counts = Counts(
            canary=min(canary, canary_trials),
            canary_trials=canary_trials,
            baseline=min(total - canary, baseline_trials),
            baseline_trials=baseline_trials,
        )
        return root_of_difference(counts, 0.0)

    return RootPrediction(
        roots=roots,
        noise=replace(_noise(expected, caution), others=_others(shape, quantile)),
        relative=True,
        largest=math.expm1(_LARGEST),
        resolution=resolution,
    )


def _noise(expected: Expected, caution: Caution) -> EstimatedNoise:
    return EstimatedNoise(blocks=expected.blocks, caution=caution, overdispersion=expected.assumed.overdispersion)


def _events(shares: Floats, rate: float, trials: float) -> Floats:
    """Return quantiles of the number of events in independent trials."""
    return np.minimum(_binomial(shares, rate * trials, rate).round(), trials)


def _parts(own: float, other: float, trials: float) -> Floats:
    """Return equally likely numbers of events of one arm, if ``own`` are expected and both arms have a fixed total.

    The place at which latencies are counted is chosen so that a fixed share of all ``trials`` is above it, so the
    count is hypergeometric.
    """
    total = own + other
    left = 1 - total / trials
    if own <= other:
        return _binomial(_FIRST, own, own / total, left=left)
    return total - _binomial(_FIRST, other, other / total, left=left)


def _binomial(shares: Floats, mean: float, probability: float, *, left: float = 1.0) -> Floats:
    """Return quantiles of a binomial count, as a Poisson count whose spread is reduced to that of the binomial.

    left: the share of trials that are not drawn, for a hypergeometric count.
    """
    spread = math.sqrt(max((1 - probability) * left, 0.0))
    found: Floats = np.maximum(mean + spread * (poisson_quantiles(shares, mean) - mean), 0.0)
    return found


def _pooled_place(shape: Shape, first: float, second: float, *, share: float, level: float) -> float:
    """Return where a mixture of two distributions, moved by ``first`` and ``second``, has ``level`` above it."""
    start = shape.place(level)
    low, high = start + min(first, second), start + max(first, second)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        above = share * shape.above(middle - first) + (1 - share) * shape.above(middle - second)
        low, high = (middle, high) if above > level else (low, middle)
    return (low + high) / 2


def _first(holds: Callable[[float], bool], least: float, largest: float) -> float:
    """Return the smallest number above ``least`` for which ``holds``, to a thousandth; infinite above ``largest``."""
    step = max(least, 0.01)
    low, high = least, min(least + step, largest)
    while not holds(high):
        if high >= largest:
            return math.inf
        step *= 2
        low, high = high, min(high + step, largest)
    while high - low > _CLOSE * high:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalPrediction:
    """For differences (logarithms of ratios when relative) that are nearly normal.

    error: standard error of the difference if the noise is known.
    """

    error: float
    noise: EstimatedNoise
    relative: bool
    resolution: float = 0.0

    def fails_from(self, tail: float, *, power: float, margin: float = 0.0) -> float:
        """See ``Prediction``."""
        least = max(math.log1p(margin) if self.relative else margin, self.resolution)
        return self._difference(least + self.error * self._sigmas(tail, power))

    def passes_from(self, tail: float, *, power: float) -> float:
        """See ``Prediction``."""
        return self._difference(self.error * self._sigmas(tail, power))

    def fails(self, difference: float, tail: float, *, power: float) -> bool:
        """See ``Prediction``."""
        return self.fails_from(tail, power=power) <= difference

    def passes(self, tolerance: float, tail: float, *, power: float) -> bool:
        """See ``Prediction``."""
        return self.passes_from(tail, power=power) <= tolerance

    def _sigmas(self, tail: float, power: float) -> float:
        normal = np.array([normal_quantile(1 - share) for share in _FIRST])
        return _first(lambda sigmas: self.noise.power(normal + sigmas, tail) >= power, 0.0, 1e6)

    def _difference(self, size: float) -> float:
        return math.expm1(min(size, _LARGEST)) if self.relative else size


def predicted(
    sigma: float, expected: Expected, *, relative: bool, caution: Caution, resolution: float = 0.0
) -> NormalPrediction | None:
    """Return the prediction for a difference of variance ``sigma`` squared over the weight, for independent requests.

    caution: how the noise is going to be estimated. resolution: a logarithm if ``relative``. None without requests.
    """
    if expected.weight <= 0:
        return None
    return NormalPrediction(
        error=sigma / math.sqrt(expected.weight),
        noise=_noise(expected, caution),
        relative=relative,
        resolution=resolution,
    )
