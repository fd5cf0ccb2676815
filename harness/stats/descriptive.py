"""Moments, percentiles, effect sizes and outlier limits of one small sample.

Sums run from first to last and means are corrected once, as in Apache Commons Math: Kayenta's thresholds compare such
means with ``>=``, so even the last bit can decide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Statistics of one sample, in the sample's unit; all are 0 for an empty one. ``std`` divides by n - 1."""

    min: float
    max: float
    mean: float
    std: float
    count: int


def mean(values: NDArray[np.float64]) -> float:
    """Return the mean of ``values``, shape (n,), computed in two passes; NaN for no values."""
    if values.size == 0:
        return math.nan
    with np.errstate(all="ignore"):
        first = _sum(values) / values.size
        return first + _sum(values - first) / values.size


def variance(values: NDArray[np.float64]) -> float:
    """Return the variance of ``values``, shape (n,), divided by n - 1; 0 for one value, NaN for none.

    It is corrected for the rounding of the mean. Source: Chan, Golub & LeVeque (1983).
    """
    if values.size == 0:
        return math.nan
    if values.size == 1:
        return 0.0
    with np.errstate(all="ignore"):
        deviations = values - mean(values)
        rest = _sum(deviations)
        return (_sum(deviations * deviations) - rest * rest / values.size) / (values.size - 1)


def summary(values: NDArray[np.float64]) -> Summary:
    """Return minimum, maximum, mean, standard deviation and count of ``values``, shape (n,), which hold no NaN."""
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
    """Return a percentile of ``values``, shape (n,), by linear interpolation; NaN for no values.

    percent: from 0 to 100. Source: Hyndman & Fan (1996), type 7.
    """
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
    """Return the mean of ``experiment`` divided by the mean of ``control``; NaN if either mean is 0.

    Shapes (m,) and (n,).
    """
    below, above = mean(control), mean(experiment)
    return math.nan if below == 0 or above == 0 else above / below


def cohen_d(control: NDArray[np.float64], experiment: NDArray[np.float64]) -> float:
    """Return the absolute difference of means in pooled standard deviations, for shapes (m,) and (n,).

    Source: Cohen (1988), eq. 2.5.2.
    """
    a, b = summary(experiment), summary(control)
    squares = (a.count - 1) * a.std * a.std + (b.count - 1) * b.std * b.std
    pooled = math.sqrt(squares / (a.count + b.count - 2))
    return abs(a.mean - b.mean) / pooled


def iqr_outliers(values: NDArray[np.float64], factor: float, *, reduced: bool = False) -> NDArray[np.bool_]:
    """Return which values lie more than ``factor`` interquartile ranges outside the quartiles, shape (n,).

    ``reduced`` moves the limits out to at least the 1st and the 99th percentile, so that in up to 101 values at most
    one on each side is an outlier. Source: Tukey (1977).
    """
    first, third = percentile(values, 25), percentile(values, 75)
    low, high = first - factor * (third - first), third + factor * (third - first)
    if reduced:
        low = _least(percentile(values, 1), low)
        high = -_least(-percentile(values, 99), -high)
    outside: NDArray[np.bool_] = (values < low) | (values > high)
    return outside


def sigma_outliers(values: NDArray[np.float64], factor: float) -> NDArray[np.bool_]:
    """Return which values are more than ``factor`` population standard deviations from the mean, shape (n,)."""
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
    """Return the sum from first to last; ``numpy.sum`` adds pairwise and rounds differently."""
    return float(np.cumsum(values)[-1])
