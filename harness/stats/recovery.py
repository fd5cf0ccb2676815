"""Estimate how long after a fault each arm takes to recover, by a change point per arm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.samples import BASELINE, CANARY
from harness.stats.variance import Overdispersion
from harness.stats.window import Window

Floats = NDArray[np.float64]
_NORMAL_QUANTILE = 0.99
_DROP = 1.92  # half the 95 % point of chi-squared with one degree of freedom
_SIGMAS = 1.96
_WORSE = 0.1
"""The least increase in the share of bad requests of an arm that has not recovered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryTime:
    """Seconds from the start of the recovery phase, with a 95 % interval; ``high_s`` is infinite without recovery."""

    value_s: float
    low_s: float
    high_s: float


def recovery_time(recovery: Window, steady: Window, arm: int) -> RecoveryTime | None:
    """Return when the requests of ``arm`` were as good as in its steady phase again.

    A request is bad when it fails or is slower than 99 % of the arm's requests in the steady phase. The recovery time
    is the change point of a binomial rate: before it, the share of bad requests is at least ``_WORSE`` above the
    steady share; after it, it equals the steady share. The time is zero where no such stretch is significantly more
    likely than none. The interval holds the points whose profile likelihood, tempered by the overdispersion of the
    steady phase, is not significantly lower. Returns None when a phase has no requests of the arm.
    Source: Hinkley & Hinkley (1970).
    """
    answered = steady.latencies.answered[arm]
    total = float(steady.requests[arm].sum())
    trials = recovery.requests[arm]
    if total <= 0 or trials.sum() <= 0 or answered.sum() <= 0:
        return None
    place = _quantile_place(steady.latencies.counts[arm].sum(axis=0)[::-1].cumsum()[::-1])
    before = steady.failed[arm] + steady.latencies.above(arm, place)
    usual = min((float(before.sum()) + 1) / total, 0.5)
    expected = steady.requests[arm] * usual * (1 - usual)
    factor = max(1.0, float(((before - steady.requests[arm] * usual) ** 2).sum() / expected.sum()))
    bad = recovery.failed[arm] + recovery.latencies.above(
        arm, place + steady.latencies.first_bin - recovery.latencies.first_bin
    )
    gains = _profile(bad, trials, usual) / factor
    best = int(np.argmax(gains)) if gains.max() > _DROP else 0
    likely = np.flatnonzero(gains >= gains.max() - _DROP)
    seconds = np.append(recovery.blocks - recovery.blocks[0], recovery.blocks[-1] - recovery.blocks[0] + 1)
    seconds = seconds * recovery.block_s
    high = math.inf if likely[-1] == len(trials) else float(seconds[likely[-1]])
    return RecoveryTime(value_s=float(seconds[best]), low_s=float(seconds[likely[0]]), high_s=high)


def _quantile_place(above: Floats) -> float:
    level = above[0] * (1 - _NORMAL_QUANTILE)
    return float(np.searchsorted(-above, -level))


def _profile(bad: Floats, trials: Floats, usual: float) -> Floats:
    """Return how much log likelihood a worse rate in the first k blocks gains, for k = 0 ... b, shape (b + 1,)."""
    events, counts = np.cumsum(bad), np.cumsum(trials)
    rate = np.clip(events / np.maximum(counts, 1e-9), usual + _WORSE, 1 - 1e-12)
    gains = events * np.log(rate / usual) + (counts - events) * np.log((1 - rate) / (1 - usual))
    return np.concatenate([[0.0], gains])


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryContrast:
    """The recovery times of both arms, and the width of a block in seconds."""

    times: tuple[RecoveryTime, RecoveryTime]
    block_s: float

    @property
    def noise(self) -> Overdispersion:
        """Factor 1, because the intervals of the times include the overdispersion."""
        return Overdispersion(factor=1.0, degrees=1e6)

    @property
    def baseline(self) -> float:
        """The baseline's recovery time in seconds."""
        return self.times[BASELINE].value_s

    @property
    def canary(self) -> float:
        """The canary's recovery time in seconds."""
        return self.times[CANARY].value_s

    def root(self, amount: float, *, relative: bool) -> float:
        """See ``Contrast``."""
        seconds = amount * self.baseline if relative else amount
        distance = self.canary - self.baseline - seconds
        return distance / self._error(distance, both=True)

    def root_of_limit(self, limit_s: float) -> float:
        """Return the signed root that tests the canary's recovery time against ``limit_s`` seconds."""
        return (self.canary - limit_s) / self._error(self.canary - limit_s, both=False)

    def _error(self, distance: float, *, both: bool) -> float:
        baseline, canary = self.times
        if distance > 0:
            sides = (canary.value_s - canary.low_s, baseline.high_s - baseline.value_s)
        else:
            sides = (canary.high_s - canary.value_s, baseline.value_s - baseline.low_s)
        used = sides if both else sides[:1]
        return math.hypot(*(max(side, self.block_s) / _SIGMAS for side in used))


def recovery_contrast(recovery: Window, steady: Window) -> RecoveryContrast | None:
    """Compare the recovery times of both arms; None when one of them cannot be estimated."""
    baseline, canary = (recovery_time(recovery, steady, arm) for arm in (BASELINE, CANARY))
    if baseline is None or canary is None:
        return None
    return RecoveryContrast(times=(baseline, canary), block_s=recovery.block_s)
