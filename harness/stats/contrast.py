"""Compare the canary with the baseline, block by block: error rates and latency quantiles.

The arms are compared inside each block of time, and the blocks are added with the weights n_c n_b / (n_c + n_b) of
Mantel & Haenszel (1959). Whatever affects both arms at the same time (a ramp, a shared fault, a slow dependency)
therefore cancels. A quantile is compared by counting the requests above the *same* position of both distributions,
after shifting the baseline's by the hypothesis. No assumption is made about the shape of the distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY
from harness.stats.histogram import latency_at, position_of, shift
from harness.stats.likelihood import Counts, root_of_difference, root_of_equality, root_of_ratio
from harness.stats.once import Once
from harness.stats.variance import CALM, WARY, Caution, Overdispersion, overdispersion
from harness.stats.weights import Weights, weights_of
from harness.stats.window import Window

Floats = NDArray[np.float64]
Curve = Callable[[int], float]
COMMON = (0.5, 0.9)
"""Quantiles that share their noise. Rarer ones do not: they vary by pauses, and hardly by a slow arm."""
MOST_SHARED = 3.0
"""Noise beyond this factor above independence is no slow arm but a disturbance, which may hit quantiles differently."""
MOST_PRECISE = 3.0
"""A quantile between two humps of latencies hardly shows a shift: its noise counts as if the other were at most so many
times as precise. Smooth distributions with one hump stay below that."""
_REACH = 5  # bins on both sides of a place that show how dense latencies are there
_TIED = 3.0  # a bin that exceeds its neighbours by more standard errors may hold ties


class Contrast(Protocol):
    """A comparison of both arms on one indicator."""

    @property
    def noise(self) -> Overdispersion:
        """How much noisier the blocks are than independent requests would be."""
        ...

    @property
    def baseline(self) -> float:
        """The indicator's value on the baseline."""
        ...

    @property
    def canary(self) -> float:
        """The indicator's value on the canary."""
        ...

    def root(self, amount: float, *, relative: bool) -> float:
        """Return the signed root of the test that the canary differs from the baseline by ``amount``.

        amount: in the indicator's unit, or a share of the baseline when ``relative``. The root is standard normal
        under the hypothesis, before overdispersion. It falls as ``amount`` rises, and is positive when the canary is
        above the hypothesis.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateContrast:
    """The shares of requests that are events, such as errors.

    weight_rate: the total weight of the blocks per second. noise_of: computes the noise on demand, because most
    stretches are shown to be harmless without it.
    """

    counts: Counts
    weight_rate: float
    noise_of: Callable[[], Overdispersion]

    @property
    def noise(self) -> Overdispersion:
        """See ``Contrast``."""
        return self.noise_of()

    @property
    def baseline(self) -> float:
        """The baseline's rate."""
        return self.counts.baseline_rate

    @property
    def canary(self) -> float:
        """The canary's rate."""
        return self.counts.canary_rate

    def root(self, amount: float, *, relative: bool) -> float:
        """See ``Contrast``."""
        return root_of_ratio(self.counts, 1 + amount) if relative else root_of_difference(self.counts, amount)


def rate_contrast(
    events: Floats, trials: Floats, *, seconds: float = 1.0, excess: float = 0.0, calm: float = 1.0
) -> RateContrast | None:
    """Compare the shares of ``events`` among ``trials``, both of shape (2, b); None when no block has both arms.

    seconds: how long the blocks span. excess: noise known beforehand; both give the least overdispersion, see
    ``Weights.least_factor``. calm: see ``Window``. Source of the weights: Mantel & Haenszel (1959).
    """
    weights = weights_of(trials)
    if weights is None:
        return None
    shares = events / np.where(trials > 0, trials, 1)
    rates = np.minimum(shares @ weights.by_block / weights.total, 1.0)
    counts = Counts(
        canary=float(rates[CANARY]) * weights.canary_trials,
        canary_trials=weights.canary_trials,
        baseline=float(rates[BASELINE]) * weights.baseline_trials,
        baseline_trials=weights.baseline_trials,
    )
    least = weights.least_factor(excess, seconds)

    @Once
    def noise() -> Overdispersion:
        return _noise(shares, rates, trials, weights, floor=least, caution=CALM, calm=calm)

    return RateContrast(counts=counts, weight_rate=weights.total / max(seconds, 1e-9), noise_of=noise)


def _noise(
    shares: Floats,
    rates: Floats,
    trials: Floats,
    weights: Weights,
    *,
    floor: float,
    caution: Caution,
    calm: float,
) -> Overdispersion:
    """Return the overdispersion of the weighted differences between the arms around their mean.

    calm: the variance of independent requests inside their endpoints as a share of all. The noise is estimated
    relative to the former and returned relative to the latter, so it may be below 1.
    """
    used = weights.by_block > 0
    by_block = weights.by_block[used]
    excess = by_block * ((shares[CANARY] - shares[BASELINE])[used] - (rates[CANARY] - rates[BASELINE]))
    spread = rates * (1 - rates)
    variance = by_block**2 * (spread[:, None] / trials[:, used]).sum(axis=0)
    found = overdispersion(excess, variance * calm, floor=1 + (floor - 1) / calm, caution=caution)
    return Overdispersion(factor=found.factor * calm, degrees=found.degrees, calm=calm)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileContrast:
    """A comparison of a latency quantile.

    quantile: in (0, 1). survival: shape (2, k), the weighted share of requests at or above each bin's lower edge.
    first_bin: the number of the first of these bins. positions: the quantile of baseline and canary, counted from
    ``first_bin``. trials: the equivalent number of requests of baseline and canary.
    weight_rate: the total weight of the blocks per second. noise_of: as in ``RateContrast``.
    """

    quantile: float
    survival: Floats
    first_bin: int
    positions: tuple[float, float]
    trials: tuple[float, float]
    weight_rate: float
    noise_of: Callable[[], Overdispersion]

    @property
    def noise(self) -> Overdispersion:
        """See ``Contrast``."""
        return self.noise_of()

    @property
    def blur(self) -> float:
        """How far ties may move the difference, as a share of a latency; at most the width of a bin."""
        return math.expm1(max(map(_ties, self.survival, self.positions, self.trials)) * shift_width())

    @property
    def baseline(self) -> float:
        """The baseline's quantile in seconds."""
        return latency_at(self.first_bin + self.positions[BASELINE])

    @property
    def canary(self) -> float:
        """The canary's quantile in seconds."""
        return latency_at(self.first_bin + self.positions[CANARY])

    def root(self, amount: float, *, relative: bool) -> float:
        """See ``Contrast``."""
        level, last = 1 - self.quantile, self.survival.shape[1] - 1
        baseline_trials, canary_trials = self.trials
        share = canary_trials / (canary_trials + baseline_trials)
        canary: Curve = self.survival[CANARY].item
        baseline = self._slower(amount, relative=relative)

        def at(edge: int) -> tuple[float, float, float]:
            """Return the curves of the baseline and of the canary at an edge, and of both together."""
            low, high = baseline(edge), canary(edge)
            return low, high, share * high + (1 - share) * low

        after = min(max(math.ceil(self._near(amount, share, relative=relative)), 1), last)
        left, right = at(after - 1), at(after)
        while after < last and right[2] > level:
            after, left, right = after + 1, right, at(after + 1)
        while after > 1 and left[2] <= level:
            after, left, right = after - 1, at(after - 2), left
        part = _part(left[2], right[2], level)
        counts = Counts(
            canary=(left[1] * (1 - part) + right[1] * part) * canary_trials,
            canary_trials=canary_trials,
            baseline=(left[0] * (1 - part) + right[0] * part) * baseline_trials,
            baseline_trials=baseline_trials,
        )
        return root_of_equality(counts)

    def _near(self, amount: float, share: float, *, relative: bool) -> float:
        """Return about where the pooled quantile is if the baseline is made to appear ``amount`` slower."""
        place = self.positions[BASELINE]
        if relative:
            slower = place + shift(1 + amount)
        else:
            slower = position_of(latency_at(self.first_bin + place) + amount) - self.first_bin
        return share * self.positions[CANARY] + (1 - share) * slower

    def _slower(self, amount: float, *, relative: bool) -> Curve:
        """Return the baseline's curve, at each edge, as if its latencies were ``amount`` slower."""
        curve: Curve = self.survival[BASELINE].item
        last, first = self.survival.shape[1] - 1, self.first_bin
        distance = shift(1 + amount) if relative else 0.0

        def at(edge: int) -> float:
            place = edge - distance if relative else position_of(latency_at(edge + first) - amount) - first
            if place <= 0:
                return curve(0)
            below = int(place)
            if below >= last:
                return curve(last)
            start = curve(below)
            return start + (curve(below + 1) - start) * (place - below)

        return at


def shift_width() -> float:
    """Return the width of a bin as a difference of logarithms."""
    return 1 / shift(math.e)


def quantile_contrast(
    window: Window, quantile: float, *, excess: float = 0.0, caution: Caution = WARY
) -> QuantileContrast | None:
    """Compare a ``quantile`` in (0, 1) of the latencies in ``window``; None when no block has both arms.

    excess: noise known beforehand, which gives the least overdispersion: see ``Weights.least_factor``. caution: about
    noise that is not.
    """
    window = window.standard
    weights = window.weights
    if weights is None:
        return None
    places = _places(window, quantile)
    return QuantileContrast(
        quantile=quantile,
        survival=window.survival,
        first_bin=window.latencies.first_bin,
        positions=places,
        trials=(weights.baseline_trials, weights.canary_trials),
        weight_rate=weights.total / window.seconds,
        noise_of=Once(partial(_noise_at, window, weights, quantile, excess, caution)),
    )


def _places(window: Window, quantile: float) -> tuple[float, float]:
    """Return where a quantile of baseline and canary is, counted from the window's first bin."""
    survival = window.survival
    return crossing(survival[BASELINE], 1 - quantile), crossing(survival[CANARY], 1 - quantile)


def _noise_at(window: Window, weights: Weights, quantile: float, excess: float, caution: Caution) -> Overdispersion:
    """Return the noise of a quantile; if it is common, at least that of an arm as slow as ``COMMON`` quantiles show.

    An arm that is slow for a while shifts all quantiles, but one of them may hide it by chance. A noise of shifts adds
    to the factor in proportion to how precise a quantile is (``precision``).
    """
    own = _own_noise(window, weights, quantile, excess, caution)
    if quantile > max(COMMON):
        return own
    mine, factor = precision(window, quantile), own.factor
    for other in COMMON:
        theirs = precision(window, other)
        if other != quantile and theirs > 0:
            noise = _own_noise(window, weights, other, 0.0, caution)
            factor = max(factor, own.calm + shared_noise(noise.factor - noise.calm, mine, theirs))
    return replace(own, factor=factor)


def shared_noise(excess: float, own: float, other: float) -> float:
    """Return how far a quantile's factor is above independence at least, if that of another quantile is by ``excess``.

    own, other: how precise both are (``precision``).
    """
    return min(excess, MOST_SHARED) * min(own / other, MOST_PRECISE)


def _own_noise(window: Window, weights: Weights, quantile: float, excess: float, caution: Caution) -> Overdispersion:
    """Return the noise of the counts above a quantile, which several quantiles of a window need."""
    key = quantile, excess, caution
    if key not in window.noises:
        window.noises[key] = _estimated_noise(window, weights, quantile, excess, caution)
    return window.noises[key]


def _estimated_noise(
    window: Window, weights: Weights, quantile: float, excess: float, caution: Caution
) -> Overdispersion:
    latencies, places = window.latencies, _places(window, quantile)
    answered = latencies.answered
    columns = np.stack([latencies.above(arm, places[arm]) for arm in (BASELINE, CANARY)])
    shares = columns / np.where(answered > 0, answered, 1)
    rates = shares @ weights.by_block / weights.total
    floor = weights.least_factor(excess, window.seconds)
    calm = calm_at(window, quantile)
    return _noise(shares, rates, answered, weights, floor=floor, caution=caution, calm=calm)


def calm_at(window: Window, quantile: float) -> float:
    """Return the noise of independent requests for a quantile, which is below 1 if endpoints are told apart."""
    if window.calm_of is None:
        return 1.0
    return float(window.calm_of()[_at_edge(_places(window, quantile), window.latencies.width)])


def precision(window: Window, quantile: float) -> float:
    """Return how much one request says about a shift of all latencies if it is counted above this quantile.

    That is the square of the density of logarithms over the variance of the count; only ratios are used.
    """
    curve = window.survival[BASELINE]
    place = crossing(curve, 1 - quantile)
    low, high = max(math.floor(place) - _REACH, 0), min(math.ceil(place) + _REACH, len(curve) - 1)
    slope: float = (curve.item(low) - curve.item(high)) / max(high - low, 1)
    return slope * slope / (quantile * (1 - quantile))


def _at_edge(places: tuple[float, ...], width: int) -> int:
    return min(max(round(sum(places) / len(places)), 0), width - 1)


def _ties(survival: Floats, place: float, trials: float) -> float:
    """Return what share of the bin at a position may consist of equal latencies, anywhere in it.

    Latencies are assumed to be spread evenly inside a bin. A bin that has more of the ``trials`` than its neighbours
    and chance explain may hold ties.
    """
    curve = survival[max(math.floor(place) - 2, 0) : math.ceil(place) + 3].tolist()
    masses = [0.0, *(high - low for high, low in pairwise(curve)), 0.0, 0.0, 0.0, 0.0]
    first = min(math.floor(place), 2) + 1
    extra = 0.0
    for own in {first, first + math.ceil(place) - math.floor(place) - 1}:
        around = max(masses[own - 1], masses[own + 1])
        if masses[own] - around > _TIED * math.sqrt(max(masses[own] + around, 0.0) / trials):
            extra = max(extra, 1 - around / masses[own])
    return extra


def crossing(survival: Floats, level: float) -> float:
    """Return the position at which a falling curve crosses ``level``, or one of its ends if it never does."""
    after = len(survival) - int(survival[::-1].searchsorted(level, side="right"))
    if after == 0:
        return 0.0
    if after == len(survival):
        return float(after - 1)
    return after - 1 + _part(survival.item(after - 1), survival.item(after), level)


def _part(high: float, low: float, level: float) -> float:
    """Return where between two edges a curve that falls from ``high`` to ``low`` crosses ``level``, in [0, 1]."""
    if high <= level:
        return 0.0
    return (high - level) / (high - low) if low <= level else 1.0
