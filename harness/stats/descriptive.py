"""Moments, percentiles, effect sizes and outlier fences of one small sample.

Sums run from first to last and means are corrected once, as Apache Commons Math does it: Kayenta's
thresholds compare such means with ``>=``, so even the last bit can decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Statistics of one sample in its own unit; all 0 for an empty one. ``std`` divides by n - 1."""

    min: float
    max: float
    mean: float
    std: float
    count: int


def mean(values: NDArray[np.float64]) -> float:
    """The mean of ``values``, shape (n,), in two passes; NaN for none."""
    if values.size == 0:
        return math.nan
    with np.errstate(all="ignore"):
        first = _sum(values) / values.size
        return first + _sum(values - first) / values.size


def variance(values: NDArray[np.float64]) -> float:
    """The variance with n - 1, corrected for the mean's rounding (Chan, Golub, LeVeque 1983); 0 for one value."""
    if values.size == 0:
        return math.nan
    if values.size == 1:
        return 0.0
    with np.errstate(all="ignore"):
        deviations = values - mean(values)
        rest = _sum(deviations)
        return (_sum(deviations * deviations) - rest * rest / values.size) / (values.size - 1)


def summary(values: NDArray[np.float64]) -> Summary:
    """Minimum, maximum, mean, standard deviation and count of ``values``, shape (n,), without NaN."""
    if values.size == 0:
        return Summary(min=0.0, max=0.0, mean=0.0, std=0.0, count=0)
    spread = variance(values)
    return Summary(
        min=float(values.min()),
        max=float(values.max()),
        mean=mean(values),
        std=math.sqrt(spread) if spread >= 0 else math.nan,
        count=values.size,
    )


def percentile(values: NDArray[np.float64], percent: float) -> float:
    """The percentile by linear interpolation (type 7 of Hyndman and Fan 1996); NaN for no values."""
    if values.size == 0:
        return math.nan
    ordered = np.sort(values)
    position = 1 + (values.size - 1) * (percent / 100)
    below = int(position)
    if below >= values.size:
        return float(ordered[-1])
    lower, upper = float(ordered[below - 1]), float(ordered[below])
    return lower + (position - below) * (upper - lower)


def mean_ratio(control: NDArray[np.float64], experiment: NDArray[np.float64]) -> float:
    """Mean of ``experiment`` over mean of ``control``; NaN where either mean is 0."""
    below, above = mean(control), mean(experiment)
    return math.nan if below == 0 or above == 0 else above / below


def cohen_d(control: NDArray[np.float64], experiment: NDArray[np.float64]) -> float:
    """The difference of means in pooled standard deviations, without its sign (Cohen 1988, eq. 2.5.2)."""
    a, b = summary(experiment), summary(control)
    squares = (a.count - 1) * a.std * a.std + (b.count - 1) * b.std * b.std
    pooled = math.sqrt(squares / (a.count + b.count - 2))
    return abs(a.mean - b.mean) / pooled


def iqr_outliers(values: NDArray[np.float64], factor: float, *, reduced: bool = False) -> NDArray[np.bool_]:
    """Which values lie beyond ``factor`` interquartile ranges from the quartiles (Tukey 1977), shape (n,).

    ``reduced`` moves the fences out to the 1st and 99th percentile at least, so that in up to 101
    values at most one on each side is an outlier.
    """
    first, third = percentile(values, 25), percentile(values, 75)
    low, high = first - factor * (third - first), third + factor * (third - first)
    if reduced:
        low = _least(percentile(values, 1), low)
        high = -_least(-percentile(values, 99), -high)
    outside: NDArray[np.bool_] = (values < low) | (values > high)
    return outside


def sigma_outliers(values: NDArray[np.float64], factor: float) -> NDArray[np.bool_]:
    """Which values are more than ``factor`` population standard deviations from the mean, shape (n,)."""
    if values.size == 0:
        return np.zeros(0, dtype=np.bool_)
    centre = mean(values)
    with np.errstate(all="ignore"):
        deviation = math.sqrt(variance(values) * (values.size - 1) / values.size)
        outside: NDArray[np.bool_] = np.abs(values - centre) > deviation * factor
    return outside


def _least(a: float, b: float) -> float:
    return math.nan if math.isnan(a) or math.isnan(b) else min(a, b)


def _sum(values: NDArray[np.float64]) -> float:
    """The sum from first to last; ``numpy.sum`` adds pairwise and rounds differently."""
    return float(np.cumsum(values)[-1])
