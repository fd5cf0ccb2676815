"""Tail probabilities and quantiles of the normal and Student distributions, and the limit for repeated looks."""

from __future__ import annotations

import math
from functools import cache
from types import ModuleType
from typing import cast

import numpy as np
from numpy.typing import NDArray

_FARTHEST_Z = 37.0  # the tail beyond is no longer a number above zero


@cache
def special() -> ModuleType:
    """Return scipy.special, loaded with the first number: objectives can be read without it."""
    from scipy import special as loaded  # noqa: PLC0415 - takes half a second

    return cast(ModuleType, loaded)


def t_tail(z: float, degrees: float) -> float:
    """Return P(T > z) for Student's t distribution with ``degrees`` of freedom, which must be positive."""
    return float(special().stdtr(degrees, -z))


def t_quantile(tail: float, degrees: float) -> float:
    """Return the z for which P(T > z) = ``tail``, for Student's t distribution with ``degrees`` of freedom."""
    return float(-special().stdtrit(degrees, tail))


def normal_tail(z: float) -> float:
    """Return P(Z > z) for the standard normal distribution."""
    return float(special().ndtr(-z))


def normal_quantile(tail: float) -> float:
    """Return the z for which P(Z > z) = ``tail``, for the standard normal distribution."""
    return float(-special().ndtri(tail))


def normal_density(z: float) -> float:
    """Return the density of the standard normal distribution at ``z``."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def poisson_quantiles(shares: NDArray[np.float64], mean: float) -> NDArray[np.float64]:
    """Return the quantiles of a Poisson count with this mean at ``shares`` in (0, 1), interpolated between integers."""
    if mean <= 0:
        return np.zeros(len(shares))
    found = np.nan_to_num(special().pdtrik(shares, mean)) + 0.5
    found[shares <= math.exp(-mean)] = 0.0
    return np.asarray(found, np.float64)


def anytime_tail(alpha: float, seen: float, tuned_at: float) -> float:
    """Return the tail probability that a test may use at *every* look.

    With it, the probability that any of the looks is wrong is at most ``alpha``.

    Args:
        alpha: the total probability of a wrong decision, one-sided.
        seen: the variance v of the sum so far, in any unit, such as seconds of equal traffic.
        tuned_at: the r of the mixture in the same unit: where the limit is tightest.

    Assumes a sum of normal variables; for sums that are only asymptotically normal this is an asymptotic
    confidence sequence (Waudby-Smith et al. 2024).
    Source: the one-sided normal mixture (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021, eq. 14). A sum with
    variance v stays below sqrt(2 (v + r) log(sqrt((v + r) / r) / (2 alpha) + 1)) forever with probability
    1 - alpha.
    """
    ratio = seen / tuned_at
    if ratio < 1e-9:
        return 0.0
    inside = math.sqrt(1 + ratio) / (2 * alpha) + 1
    return normal_tail(math.sqrt(2 * (1 + 1 / ratio) * math.log(inside)))


@cache
def bounded_tail(alpha: float, ratio: float) -> float:
    """Return the tail probability that a test may use at *every* look between two times.

    With it, the probability that any of the looks is wrong is at most ``alpha``, approximately. It is constant, so a
    test whose end is known detects large effects far sooner than with ``anytime_tail``, which reserves for all times.

    Args:
        alpha: the total probability of a wrong decision, one-sided, in (0, 0.5).
        ratio: the last time over the first one, at least 1, where time is the variance of the sum.

    Assumes a sum of normal variables. For Brownian motion W, the probability that W(t) / sqrt(t) exceeds z at some t
    between the first and the last time is about density(z) * ((z - 1 / z) log(ratio) / 2 + 1 / z).
    Source: Miller & Siegmund (1982), eq. 8, for one side; Siegmund (1985), ch. 4.
    """
    low, high = 1.0, _FARTHEST_Z
    for _ in range(60):
        z = (low + high) / 2
        chance = normal_density(z) * ((z - 1 / z) * math.log(max(ratio, 1.0)) / 2 + 1 / z)
        low, high = (z, high) if chance > alpha else (low, z)
    return min(normal_tail(high), alpha)
