"""Tail probabilities and quantiles of the normal and Student distributions, and the limits for repeated looks."""

from __future__ import annotations

import math

from scipy import special


def t_tail(z: float, degrees: float) -> float:
    """P(T > z) for Student's t; ``degrees`` of freedom above zero."""
    return float(special.stdtr(degrees, -z))


def t_quantile(tail: float, degrees: float) -> float:
    """The z with P(T > z) = ``tail``."""
    return float(-special.stdtrit(degrees, tail))


def normal_tail(z: float) -> float:
    """P(Z > z) for the standard normal."""
    return float(special.ndtr(-z))


def normal_quantile(tail: float) -> float:
    """The z with P(Z > z) = ``tail``."""
    return float(-special.ndtri(tail))


def normal_density(z: float) -> float:
    """Density of the standard normal at z."""
    return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def anytime_tail(alpha: float, seen: float, tuned_at: float) -> float:
    """The tail probability a test may use at *every* look so that all looks together err with probability ``alpha``.

    One-sided normal mixture (Robbins 1970; Howard, Ramdas, McAuliffe & Sekhon 2021, eq. 14): a sum
    with variance v stays below sqrt(2 (v + r) log(sqrt((v + r) / r) / (2 alpha) + 1)) for ever with
    probability 1 - alpha. ``seen`` and ``tuned_at`` measure v and r in any common unit, such as
    seconds of equal traffic. For sums that are only asymptotically normal this is an asymptotic
    confidence sequence (Waudby-Smith et al. 2024).
    """
    ratio = seen / tuned_at
    if ratio < 1e-9:
        return 0.0
    inside = math.sqrt(1 + ratio) / (2 * alpha) + 1
    return normal_tail(math.sqrt(2 * (1 + 1 / ratio) * math.log(inside)))
