"""Compute the quantiles of both arms and their difference, for charts only, never for a verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.phase import Phase
from harness.model.samples import BASELINE, CANARY, Samples

_POINTS = 120
_Z95 = 1.959964
Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantiles:
    """The latency quantiles of both arms in one phase, in seconds, shape (points,); NaN where an arm has no data.

    shares: the quantiles, in (0, 1). difference, low, high: canary divided by baseline, minus one, with a pointwise
    95 % band.
    """

    phase: Phase
    n: tuple[int, int]
    shares: Column
    baseline_s: Column
    canary_s: Column
    difference: Column
    low: Column
    high: Column


def quantiles(samples: Samples, phase: Phase) -> Quantiles:
    """Return the quantiles of a phase, up to the last one that ten requests of the smaller arm lie above.

    The bands assume independent requests, so they are for orientation only. They are order statistics of each arm at
    a normal approximation of the binomial (Woodruff 1952), combined for ratios on the logarithmic scale (Donner & Zou
    2012, eq. 3).
    """
    inside = (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s) & np.isfinite(samples.latency_s)
    arms = [np.sort(samples.latency_s[inside & (samples.arm == arm)]) for arm in (BASELINE, CANARY)]
    smaller = min(arm.size for arm in arms)
    highest = 1 - min(max(10 / max(smaller, 1), 1e-4), 0.5)
    shares = 1 - 10 ** np.linspace(0, np.log10(1 - highest), _POINTS + 1)[1:]
    (base, base_low, base_high), (canary, canary_low, canary_high) = (_with_band(arm, shares) for arm in arms)
    with np.errstate(divide="ignore", invalid="ignore"):
        log = np.log(canary / base)
        low = log - np.hypot(np.log(canary / canary_low), np.log(base_high / base))
        high = log + np.hypot(np.log(canary_high / canary), np.log(base / base_low))
    return Quantiles(
        phase=phase, n=(arms[0].size, arms[1].size), shares=shares, baseline_s=base, canary_s=canary,
        difference=np.expm1(log), low=np.expm1(low), high=np.expm1(high),
    )  # fmt: skip


def _with_band(ordered: Column, shares: Column) -> tuple[Column, Column, Column]:
    if not ordered.size:
        nothing = np.full(shares.shape, np.nan)
        return nothing, nothing, nothing
    half = _Z95 * np.sqrt(shares * (1 - shares) / ordered.size)
    ranks = (shares, shares - half, shares + half)
    value, low, high = (ordered[np.clip(np.ceil(r * ordered.size).astype(int) - 1, 0, ordered.size - 1)] for r in ranks)
    return value, low, high
