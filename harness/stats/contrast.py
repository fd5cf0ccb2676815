"""The canary against the baseline, block by block: error rates and latency quantiles.

Both arms are compared inside each block of time and the blocks are added with the weights n_c n_b /
(n_c + n_b) of Mantel & Haenszel (1959). So whatever hits both arms at the same time - a ramp, a shared
fault, a slow dependency - cancels. A quantile is compared by counting requests above the *same*
place of both distributions, the baseline's being moved by the hypothesis; nothing is assumed about
their shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY
from harness.stats.histogram import latency_at, shift
from harness.stats.likelihood import Counts, root_of_difference, root_of_ratio, root_of_share
from harness.stats.tails import t_quantile
from harness.stats.variance import BANDWIDTHS, CAUTIOUS_BANDWIDTHS, Overdispersion, overdispersion
from harness.stats.weights import Weights, weights_of
from harness.stats.window import Window

Floats = NDArray[np.float64]


class Contrast(Protocol):
    """Two arms, one indicator. ``baseline`` and ``canary`` are its values, ``trials`` the requests behind them."""

    @property
    def noise(self) -> Overdispersion:
        """How much noisier the blocks are than independent requests."""
        ...

    @property
    def baseline(self) -> float:
        """The baseline's value."""
        ...

    @property
    def canary(self) -> float:
        """The canary's value."""
        ...

    def root(self, amount: float, *, relative: bool) -> float:
        """Standard normal, before overdispersion, if the canary differs from the baseline by ``amount``.

        ``amount`` is a share of the baseline when ``relative``. Falls as ``amount`` rises; positive
        when the canary is above the hypothesis.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RateContrast:
    """Shares of requests that are events, such as errors. ``weight_rate``: total weight of the blocks per second."""

    counts: Counts
    weight_rate: float
    noise: Overdispersion

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


def rate_contrast(events: Floats, trials: Floats, *, seconds: float = 1.0, excess: float = 0.0) -> RateContrast | None:
    """Contrast of ``events`` among ``trials``, both of shape (2, b); None when no block has both arms.

    ``seconds`` that the blocks span and ``excess`` give the least overdispersion: see ``least_factor``.
    """
    weights = weights_of(trials)
    if weights is None:
        return None
    shares = events / np.where(trials > 0, trials, 1)
    rates = shares @ weights.by_block / weights.total
    counts = Counts(
        canary=float(rates[CANARY]) * weights.canary_trials,
        canary_trials=weights.canary_trials,
        baseline=float(rates[BASELINE]) * weights.baseline_trials,
        baseline_trials=weights.baseline_trials,
    )
    least = weights.least_factor(excess, seconds)
    noise = _noise(shares, rates, trials, weights, floor=least, bandwidths=BANDWIDTHS)
    return RateContrast(counts=counts, weight_rate=weights.total / max(seconds, 1e-9), noise=noise)


def _noise(
    shares: Floats, rates: Floats, trials: Floats, weights: Weights, *, floor: float, bandwidths: tuple[float, ...]
) -> Overdispersion:
    """Overdispersion of the weighted differences between arms around their mean."""
    used = weights.by_block > 0
    by_block = weights.by_block[used]
    excess = by_block * ((shares[CANARY] - shares[BASELINE])[used] - (rates[CANARY] - rates[BASELINE]))
    spread = rates * (1 - rates)
    variance = by_block**2 * (spread[:, None] / trials[:, used]).sum(axis=0)
    return overdispersion(excess, variance, floor=floor, bandwidths=bandwidths)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileContrast:
    """A latency quantile. ``survival``: shape (2, k), weighted share of requests at or above each bin's lower edge.

    ``weight_rate``: total weight of the blocks per second.
    """

    quantile: float
    survival: Floats
    first_bin: int
    positions: tuple[float, float]
    trials: tuple[float, float]
    weight_rate: float
    noise: Overdispersion

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
        place = _crossing(share * self.survival[CANARY] + (1 - share) * baseline, 1 - self.quantile)
        counts = Counts(
            canary=_at(self.survival[CANARY], place) * canary_trials,
            canary_trials=canary_trials,
            baseline=_at(baseline, place) * baseline_trials,
            baseline_trials=baseline_trials,
        )
        return root_of_difference(counts, 0.0)

    def _moved(self, edges: Floats, amount: float, *, relative: bool) -> Floats:
        """Where the baseline has to be read so that it is compared as if it were ``amount`` slower."""
        if relative:
            return edges - shift(1 + amount)
        lowest = latency_at(0)
        seconds = np.maximum(lowest * np.exp((edges + self.first_bin) * shift_width()) - amount, lowest)
        return np.log(seconds / lowest) / shift_width() - self.first_bin


def shift_width() -> float:
    """Width of a bin as a difference of logarithms."""
    return 1 / shift(math.e)


def quantile_contrast(window: Window, quantile: float, *, excess: float = 0.0) -> QuantileContrast | None:
    """Contrast of a quantile in (0, 1) of the latencies in ``window``; None when no block has both arms.

    ``excess`` gives the least overdispersion: see ``Weights.least_factor``.
    """
    answered = window.above[:, :, 0]
    weights, survival = window.weights, window.survival
    if weights is None:
        return None
    places = tuple(_crossing(survival[arm], 1 - quantile) for arm in (BASELINE, CANARY))
    columns = np.stack([column_at(window.above[arm], places[arm]) for arm in (BASELINE, CANARY)])
    shares = columns / np.where(answered > 0, answered, 1)
    rates = shares @ weights.by_block / weights.total
    return QuantileContrast(
        quantile=quantile,
        survival=survival,
        first_bin=window.first_bin,
        positions=(places[0], places[1]),
        trials=(weights.baseline_trials, weights.canary_trials),
        weight_rate=weights.total / window.seconds,
        noise=_noise(
            shares,
            rates,
            answered,
            weights,
            floor=weights.least_factor(excess, window.seconds),
            bandwidths=CAUTIOUS_BANDWIDTHS,
        ),
    )


def _crossing(survival: Floats, level: float) -> float:
    """Position at which a falling curve crosses ``level``; one of its ends when it never does."""
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
    """Each row of falling ``curves`` (shape (b, k)) at a position; beyond its ends, the value there."""
    last = curves.shape[1] - 1
    place = min(max(place, 0.0), float(last))
    below = min(int(place), max(last - 1, 0))
    part = place - below
    column: Floats = curves[:, below] * (1 - part) + curves[:, min(below + 1, last)] * part
    return column


def estimate(contrast: Contrast, *, relative: bool) -> float | None:
    """Canary minus baseline; as a share of the baseline when ``relative``, None when that is zero."""
    if not relative:
        return contrast.canary - contrast.baseline
    return contrast.canary / contrast.baseline - 1 if contrast.baseline > 0 else None


def interval(contrast: Contrast, tail: float, *, relative: bool) -> tuple[float, float]:
    """The differences that a test with ``tail`` probability on either side does not reject."""
    if tail <= 0:
        return (-1.0 if relative else -math.inf), math.inf
    target = t_quantile(tail, contrast.noise.degrees) * math.sqrt(contrast.noise.factor)
    middle = estimate(contrast, relative=relative)
    if isinstance(contrast, RateContrast | ShareContrast):
        limit, step = (25.0, 0.1) if relative else (1.0, 1e-3)
    else:
        limit, step = (25.0, 0.02) if relative else (1e15, max(abs(contrast.baseline) * 0.02, 1e-6))

    def root(amount: float) -> float:
        return contrast.root(math.expm1(amount) if relative else amount, relative=relative)

    start = 0.0 if middle is None else math.log1p(max(middle, -1 + 1e-9)) if relative else middle
    low = _solve(root, start, -step, target, limit)
    high = _solve(root, start, step, -target, limit)
    return (math.expm1(low), math.expm1(high)) if relative else (low, high)


def _solve(root: Callable[[float], float], start: float, step: float, target: float, limit: float) -> float:
    """The amount on the side of ``step`` at which a falling ``root`` reaches ``target``; infinite beyond ``limit``.

    Doubling steps, then regula falsi with the Illinois rule (Dowell & Jarratt 1971).
    """
    side = math.copysign(1.0, step)
    near, near_gap = start, (root(start) - target) * side
    far = start
    far_gap = near_gap
    while far_gap > 0:
        near, near_gap = far, far_gap
        if abs(far) >= limit:
            return side * math.inf
        far = max(-limit, min(limit, far + step))
        step *= 2
        far_gap = (root(far) - target) * side
    for _ in range(30):
        if abs(far_gap) < 1e-3 or near == far or near_gap <= 0:
            return far
        middle = far - far_gap * (far - near) / (far_gap - near_gap) if math.isfinite(far_gap) else (far + near) / 2
        gap = (root(middle) - target) * side
        if gap > 0:
            near, near_gap, far_gap = middle, gap, far_gap / 2 if math.isfinite(far_gap) else far_gap
        else:
            far, far_gap, near_gap = middle, gap, near_gap / 2
    return far


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareContrast:
    """Requests that reached the canary against its planned ``share``; values are requests per second."""

    share: float
    counts: tuple[float, float]
    seconds: float
    noise: Overdispersion

    @property
    def baseline(self) -> float:
        """What the canary's share would be if the baseline's requests are right."""
        return self.counts[BASELINE] * self.share / (1 - self.share) / self.seconds

    @property
    def canary(self) -> float:
        """The canary's requests per second."""
        return self.counts[CANARY] / self.seconds

    @property
    def observed_share(self) -> float:
        """The canary's part of the requests."""
        return self.counts[CANARY] / sum(self.counts)

    def root(self, amount: float, *, relative: bool) -> float:
        """See ``Contrast``; not relative means a difference of the share itself."""
        share = self.share * (1 + amount) / (1 + self.share * amount) if relative else self.share + amount
        return root_of_share(self.counts[CANARY], sum(self.counts), share)


def share_contrast(window: Window, share: float, *, excess: float = 0.0) -> ShareContrast | None:
    """How the requests were split, against the canary's planned ``share`` in (0, 1); None without requests."""
    totals = window.requests.sum(axis=1)
    requests = window.requests.sum(axis=0)
    if totals.sum() <= 0 or not 0 < share < 1:
        return None
    observed = float(totals[CANARY] / totals.sum())
    variance = requests * share * (1 - share)
    least = 1 + excess * float(variance.sum()) / window.seconds
    noise = overdispersion(window.requests[CANARY] - observed * requests, variance, floor=least)
    counts = (float(totals[BASELINE]), float(totals[CANARY]))
    return ShareContrast(share=share, counts=counts, seconds=window.seconds, noise=noise)
