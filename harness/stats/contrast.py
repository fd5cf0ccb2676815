"""Compare the canary with the baseline, block by block: error rates and latency quantiles.

The arms are compared inside each block of time, and the blocks are added with the weights n_c n_b / (n_c + n_b) of
Mantel & Haenszel (1959). Whatever affects both arms at the same time (a ramp, a shared fault, a slow dependency)
therefore cancels. A quantile is compared by counting the requests above the *same* position of both distributions,
after shifting the baseline's by the hypothesis. No assumption is made about the shape of the distributions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY
from harness.stats.histogram import latency_at, shift
from harness.stats.likelihood import Counts, root_of_difference, root_of_ratio
from harness.stats.split import SplitContrast
from harness.stats.tails import t_quantile
from harness.stats.variance import CALM, WARY, Caution, Overdispersion, overdispersion
from harness.stats.weights import Weights, weights_of
from harness.stats.window import Window

Floats = NDArray[np.float64]
_WIDEST = 25.0  # logarithm of the largest ratio that is distinguished from infinity
_FARTHEST = 1e15
_TIED = 3.0  # a bin that exceeds its neighbours by more standard errors may hold ties
_RELATIVE_STEP, _SHARE_STEP = 0.02, 1e-3


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

    @cache
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
    blur: how far ties may move the difference, as a share of a latency; at most the width of a bin.
    """

    quantile: float
    survival: Floats
    first_bin: int
    positions: tuple[float, float]
    trials: tuple[float, float]
    weight_rate: float
    noise_of: Callable[[], Overdispersion]
    blur: float

    @property
    def noise(self) -> Overdispersion:
        """See ``Contrast``."""
        return self.noise_of()

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
        edges = np.arange(self.survival.shape[1], dtype=np.float64)
        moved = self._moved(edges, amount, relative=relative)
        baseline = np.interp(moved, edges, self.survival[BASELINE])
        baseline_trials, canary_trials = self.trials
        share = canary_trials / (canary_trials + baseline_trials)
        place = crossing(share * self.survival[CANARY] + (1 - share) * baseline, 1 - self.quantile)
        counts = Counts(
            canary=_at(self.survival[CANARY], place) * canary_trials,
            canary_trials=canary_trials,
            baseline=_at(baseline, place) * baseline_trials,
            baseline_trials=baseline_trials,
        )
        return root_of_difference(counts, 0.0)

    def _moved(self, edges: Floats, amount: float, *, relative: bool) -> Floats:
        """Return the positions at which to read the baseline to make it appear ``amount`` slower."""
        if relative:
            return edges - shift(1 + amount)
        lowest = latency_at(0)
        seconds = np.maximum(lowest * np.exp((edges + self.first_bin) * shift_width()) - amount, lowest)
        return np.log(seconds / lowest) / shift_width() - self.first_bin


_CLOSE_ENOUGH = 5e-3  # of a standard error; the limits of intervals are not printed more finely
_STEPS, _NARROW = 60, 1e-4


def shift_width() -> float:
    """Return the width of a bin as a difference of logarithms."""
    return 1 / shift(math.e)


def quantile_contrast(window: Window, quantile: float, *, excess: float = 0.0) -> QuantileContrast | None:
    """Compare a ``quantile`` in (0, 1) of the latencies in ``window``; None when no block has both arms.

    excess: noise known beforehand, which gives the least overdispersion: see ``Weights.least_factor``.
    """
    window = window.standard
    answered = window.above[:, :, 0]
    weights, survival = window.weights, window.survival
    if weights is None:
        return None
    places = tuple(crossing(survival[arm], 1 - quantile) for arm in (BASELINE, CANARY))
    trials = weights.baseline_trials, weights.canary_trials

    @cache
    def noise() -> Overdispersion:
        columns = np.stack([column_at(window.above[arm], places[arm]) for arm in (BASELINE, CANARY)])
        shares = columns / np.where(answered > 0, answered, 1)
        rates = shares @ weights.by_block / weights.total
        floor = weights.least_factor(excess, window.seconds)
        calm = 1.0 if window.calm_above is None else float(window.calm_above[_at_edge(places, window)])
        return _noise(shares, rates, answered, weights, floor=floor, caution=WARY, calm=calm)

    return QuantileContrast(
        quantile=quantile,
        survival=survival,
        first_bin=window.first_bin,
        positions=(places[0], places[1]),
        trials=trials,
        weight_rate=weights.total / window.seconds,
        blur=math.expm1(max(map(_ties, survival, places, trials)) * shift_width()),
        noise_of=noise,
    )


def _at_edge(places: tuple[float, ...], window: Window) -> int:
    return min(max(round(sum(places) / len(places)), 0), int(window.above.shape[2]) - 1)


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
    after = int(np.searchsorted(-survival, -level))
    if after == 0:
        return 0.0
    if after == len(survival):
        return float(after - 1)
    high, low = survival[after - 1], survival[after]
    return after - 1 + float((high - level) / (high - low)) if high > low else float(after)


def _at(curve: Floats, place: float) -> float:
    below = min(int(place), len(curve) - 2) if len(curve) > 1 else 0
    if len(curve) == 1:
        return float(curve[0])
    part = place - below
    return float(curve[below] * (1 - part) + curve[below + 1] * part)


def column_at(curves: Floats, place: float) -> Floats:
    """Return each row of falling ``curves`` (shape (b, k)) at a position, shape (b,); clamp positions to the ends."""
    last = curves.shape[1] - 1
    place = min(max(place, 0.0), float(last))
    below = min(int(place), max(last - 1, 0))
    part = place - below
    column: Floats = curves[:, below] * (1 - part) + curves[:, min(below + 1, last)] * part
    return column


def estimate(contrast: Contrast, *, relative: bool) -> float | None:
    """Return canary minus baseline.

    When ``relative``, return it as a share of the baseline's absolute value, or None when the baseline is zero.
    """
    difference = contrast.canary - contrast.baseline
    if not relative:
        return difference
    return difference / abs(contrast.baseline) if contrast.baseline != 0 else None


def interval(contrast: Contrast, tail: float, *, relative: bool, estimated: float | None = None) -> tuple[float, float]:
    """Return the interval of differences that a test with probability ``tail`` on either side does not reject.

    tail: in [0, 0.5); 0 gives the unbounded interval. estimated: the estimated difference, where it is not the plain
    difference of the two values. The limits have the indicator's unit, or are shares when ``relative``.
    """
    if tail <= 0:
        return (-1.0 if relative else -math.inf), math.inf
    target = t_quantile(tail, contrast.noise.degrees) * math.sqrt(contrast.noise.factor)
    middle = estimate(contrast, relative=relative) if estimated is None else estimated
    middle = 0.0 if middle is None else middle
    logarithmic = relative and middle >= -1  # only a value that can be negative can fall by more than 100 %
    least, most = (-_WIDEST, _WIDEST) if logarithmic else _range(contrast)
    if relative:
        step = _RELATIVE_STEP
    else:
        step = _SHARE_STEP if most <= 1 else max(abs(contrast.baseline) * _RELATIVE_STEP, 1e-6)

    def root(amount: float) -> float:
        return contrast.root(math.expm1(amount) if logarithmic else amount, relative=relative)

    start = math.log1p(max(middle, -1 + 1e-9)) if logarithmic else middle
    low, high = (_solve(root, start, step, wanted, (least, most)) for wanted in (target, -target))
    if logarithmic:
        return (math.expm1(low) if low > least else -1.0), (math.expm1(high) if high < most else math.inf)
    return (low if low > -_FARTHEST else -math.inf), (high if high < _FARTHEST else math.inf)


def _range(contrast: Contrast) -> tuple[float, float]:
    """Return the least and the largest possible difference."""
    if isinstance(contrast, RateContrast):
        return -1.0, 1.0
    if isinstance(contrast, SplitContrast):
        return -contrast.share, 1 - contrast.share
    return -_FARTHEST, _FARTHEST


def _solve(
    root: Callable[[float], float], start: float, step: float, target: float, ends: tuple[float, float]
) -> float:
    """Return the amount at which a falling ``root`` reaches ``target``, or one of ``ends`` if it never does.

    Searches outwards from ``start`` in steps that double, then applies regula falsi with the Illinois rule.
    Source: Dowell & Jarratt (1971).
    """
    far, far_gap = start, root(start) - target
    side = math.copysign(1.0, far_gap)
    end = ends[side > 0]
    near, near_gap = far, far_gap
    while far_gap * side > 0:
        near, near_gap = far, far_gap
        if far == end:
            return end
        far = min(far + step, end) if side > 0 else max(far - step, end)
        step *= 2
        far_gap = root(far) - target
    if abs(far_gap) < _CLOSE_ENOUGH:
        return far
    kept = 0.0
    for _ in range(_STEPS):
        if abs(far - near) <= _NARROW * max(abs(far), abs(near), _SHARE_STEP):
            break
        bounded = math.isfinite(far_gap) and math.isfinite(near_gap)
        middle = far - far_gap * (far - near) / (far_gap - near_gap) if bounded else (far + near) / 2
        gap = root(middle) - target
        if abs(gap) < _CLOSE_ENOUGH:
            return middle
        if gap * side > 0:
            near, near_gap = middle, gap
            far_gap = far_gap / 2 if kept > 0 else far_gap
        else:
            far, far_gap = middle, gap
            near_gap = near_gap / 2 if kept < 0 else near_gap
        kept = gap * side
    return far
