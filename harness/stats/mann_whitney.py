"""The Mann-Whitney confidence interval of a location shift, as R's ``wilcox.test`` and Kayenta compute it.

The interval inverts the rank-sum test: its limits are the shifts at which the standardised rank sum reaches the
normal quantile. The root finder and its absolute tolerance of 1e-4 are part of the definition. Kayenta's labels
depend on where the search stops, so a more exact root would give a different result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.tails import special

ROOT_TOLERANCE = 1e-4
_MACHINE_EPSILON = 2.220446049250313e-16
_SMALLEST_DOUBLE = 5e-324
_MAX_STEPS = 1001


class TiedError(ArithmeticError):
    """Raised when all observations are tied after the shift, so that the rank sum has no variance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShiftInterval:
    """The shift of x against y, in their unit: a two-sided interval and the Hodges-Lehmann estimate."""

    low: float
    high: float
    estimate: float


def normal_quantile(probability: float) -> float:
    """Return the standard normal quantile of ``probability`` in (0, 1)."""
    return float(special().ndtri(probability))


def average_ranks(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return ranks from 1 with ties averaged, shape (n,), and the sizes of the groups of equal values.

    NaN, which arises when an infinite value is shifted by an infinite amount, ranks as plus infinity.
    """
    filled = np.where(np.isnan(values), np.inf, values)
    _, group, sizes = np.unique(filled, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    return (last - (sizes - 1) / 2)[group], sizes


def standardised_rank_sum(mu: float, quantile: float, x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the standardised rank sum of ``x - mu`` against ``y``, minus ``quantile``.

    x, y: shapes (m,) and (n,), both at least 1. Raises TiedError where the variance is 0.
    Assumes independent observations of two distributions that differ only by a shift. The variance has the correction
    for ties, the rank sum a continuity correction of half a rank.
    Source: Lehmann (1975), section 1.3; ``wilcoxdiff`` in R.
    """
    m, n = float(x.size), float(y.size)
    with np.errstate(invalid="ignore", over="ignore"):
        ranks, sizes = average_ranks(np.concatenate((x - mu, y)))
    excess = float(ranks[: x.size].sum()) - m * (m + 1) / 2 - m * n / 2
    ties = float(np.sum(sizes.astype(np.float64) ** 3 - sizes))
    variance = (m * n / 12) * ((m + n + 1) - ties / ((m + n) * (m + n - 1)))
    if variance == 0:
        raise TiedError("no interval: all observations are tied")
    sigma = math.sqrt(variance) if variance > 0 else math.nan
    return (excess - math.copysign(0.5, excess) * (excess != 0)) / sigma - quantile


def zero_in(low: float, high: float, at_low: float, at_high: float, function: Callable[[float], float]) -> float:
    """Return a zero of ``function`` between ``low`` and ``high``, found by the method of Brent and Dekker.

    at_low, at_high: the function's values at the ends, which should differ in sign. The routine is netlib's zeroin as
    R uses it, with R's absolute tolerance for ``wilcox.test`` (1e-4).
    Source: Brent (1973), Algorithms for Minimization Without Derivatives, chapter 4.
    """
    if _is_zero(at_low):
        return low
    if _is_zero(at_high):
        return high
    a, b, c = low, high, low
    fa, fb, fc = at_low, at_high, at_low
    for _ in range(_MAX_STEPS):
        previous = b - a
        if abs(fc) < abs(fb):
            a, b, c = b, c, b
            fa, fb, fc = fb, fc, fb
        tolerance = 2 * _MACHINE_EPSILON * abs(b) + ROOT_TOLERANCE / 2
        step = (c - b) / 2
        if abs(step) <= tolerance or _is_zero(fb):
            return b
        if abs(previous) >= tolerance and abs(fa) > abs(fb):
            faster = _interpolated_step((a, fa), (b, fb), (c, fc), previous, tolerance)
            step = step if faster is None else faster
        if abs(step) < tolerance:
            step = tolerance if step > 0 else -tolerance
        a, fa = b, fb
        b += step
        fb = function(b)
        if (fb > 0 and fc > 0) or (fb < 0 and fc < 0):
            c, fc = a, fa
    return b


def _interpolated_step(
    before: tuple[float, float],
    best: tuple[float, float],
    across: tuple[float, float],
    previous: float,
    tolerance: float,
) -> float | None:
    """Return the secant or inverse quadratic step from three (position, value) points, or None if it is not safe."""
    (a, fa), (b, fb), (c, fc) = before, best, across
    width = c - b
    if a == c:
        ratio = fb / fa
        p, q = width * ratio, 1.0 - ratio
    else:
        q, t1, t2 = fa / fc, fb / fc, fb / fa
        p = t2 * (width * q * (q - t1) - (b - a) * (t1 - 1.0))
        q = (q - 1.0) * (t1 - 1.0) * (t2 - 1.0)
    if p > 0:
        q = -q
    else:
        p = -p
    safe = p < (0.75 * width * q - abs(tolerance * q) / 2) and p < abs(previous * q / 2)
    return p / q if safe else None


def shift_interval(x: NDArray[np.float64], y: NDArray[np.float64], confidence: float) -> ShiftInterval:
    """Return the shift of ``x`` (shape (m,)) against ``y`` (shape (n,)) with its two-sided confidence interval.

    confidence: in (0, 1). x and y hold no NaN. Raises TiedError like ``standardised_rank_sum``.
    As in Kayenta, this always uses the normal approximation, never the exact distribution, and keeps the continuity
    correction for the estimate.
    """
    least, most = float(x.min()) - float(y.max()), float(x.max()) - float(y.min())

    def root(quantile: float, *, check_ends: bool) -> float:
        at_least = standardised_rank_sum(least, quantile, x, y)
        at_most = standardised_rank_sum(most, quantile, x, y)
        if check_ends and at_least <= 0:
            return least
        if check_ends and at_most >= 0:
            return most
        return zero_in(least, most, at_least, at_most, lambda mu: standardised_rank_sum(mu, quantile, x, y))

    z = normal_quantile((1.0 - confidence) / 2)
    return ShiftInterval(
        low=root(-z, check_ends=True), high=root(z, check_ends=True), estimate=root(0.0, check_ends=False)
    )


def common_language_effect(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return the share of pairs in which x is above y; ties count half. Shapes (m,) and (n,).

    Source: Vargha & Delaney (2000), eq. 14.
    """
    m, n = x.size, y.size
    ranks, _ = average_ranks(np.concatenate((x, y)))
    return float((2 * ranks[:m].sum() - m * (m + 1)) / (2 * n * m))


def _is_zero(value: float) -> bool:
    return abs(value) <= _SMALLEST_DOUBLE
