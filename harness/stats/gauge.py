"""Compare gauges, such as CPU, memory or queue length, by paired readings of both arms."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.variance import Overdispersion, overdispersion

Floats = NDArray[np.float64]
_LEAST_PAIRS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeContrast:
    """Readings of both arms at the same times.

    pairs: shape (2, n), in the gauge's unit; row 0 is the baseline, row 1 the canary.
    """

    pairs: Floats

    @property
    def noise(self) -> Overdispersion:
        """Degrees of freedom of the pairs; the factor is 1 because the roots include the overdispersion."""
        return Overdispersion(factor=1.0, degrees=_mean(self.pairs[1] - self.pairs[0])[2])

    @property
    def baseline(self) -> float:
        """The mean reading of the baseline."""
        return float(self.pairs[0].mean())

    @property
    def canary(self) -> float:
        """The mean reading of the canary."""
        return float(self.pairs[1].mean())

    def root(self, amount: float, *, relative: bool) -> float:
        """Test the mean difference of the pairs: see ``Contrast``.

        A relative ``amount`` is a share of the baseline's absolute value, so its sign holds for negative gauges too.
        """
        share = math.copysign(amount, amount * self.baseline) if relative else 0.0
        distances = self.pairs[1] - (1 + share) * self.pairs[0] - (0.0 if relative else amount)
        mean, error, _ = _mean(distances)
        if error <= 0:
            return math.copysign(math.inf, mean) if mean else 0.0
        return mean / error

    def root_of_limit(self, limit: float) -> float:
        """Return the signed root that tests the canary's mean against ``limit``, in the gauge's unit."""
        mean, error, _ = _mean(self.pairs[1] - limit)
        if error <= 0:
            return math.copysign(math.inf, mean) if mean else 0.0
        return mean / error


def _mean(values: Floats) -> tuple[float, float, float]:
    """Return the mean, its standard error from the long-run variance, and the degrees of freedom."""
    count = len(values)
    mean, variance = float(values.mean()), float(values.var(ddof=1))
    noise = overdispersion(values - mean, np.full(count, max(variance, 1e-300)))
    return mean, math.sqrt(variance * noise.factor / count), float(min(noise.degrees, count - 1))


def gauge_contrast(
    baseline: tuple[Floats, Floats], canary: tuple[Floats, Floats], *, start_s: float, end_s: float
) -> GaugeContrast | None:
    """Pair the readings of both arms between ``start_s`` and ``end_s``, in seconds.

    baseline, canary: times in seconds and values, both of shape (n,); NaN marks a gap. Each reading of the canary is
    paired with the nearest one of the baseline that is at most half a step away. Returns None for fewer than four
    pairs.
    """
    (base_at, base), (canary_at, values) = _inside(baseline, start_s, end_s), _inside(canary, start_s, end_s)
    if len(base_at) < _LEAST_PAIRS or len(canary_at) < _LEAST_PAIRS:
        return None
    after = np.clip(np.searchsorted(base_at, canary_at), 1, len(base_at) - 1)
    nearest = np.where(canary_at - base_at[after - 1] <= base_at[after] - canary_at, after - 1, after)
    close = np.abs(base_at[nearest] - canary_at) <= 0.5 * float(np.median(np.diff(base_at))) + 1e-9
    if close.sum() < _LEAST_PAIRS:
        return None
    return GaugeContrast(pairs=np.stack([base[nearest[close]], values[close]]))


def _inside(series: tuple[Floats, Floats], start_s: float, end_s: float) -> tuple[Floats, Floats]:
    at, values = (np.asarray(part, np.float64) for part in series)
    used = np.isfinite(values) & (at >= start_s) & (at < end_s)
    order = np.argsort(at[used], kind="stable")
    return at[used][order], values[used][order]
