"""Signed roots of likelihood ratios that compare the canary's x events in n trials with the baseline's.

A positive root means that the canary's rate is above the hypothesis. Under the hypothesis all roots are approximately
standard normal, even for counts that are too small for a difference of rates to be normal. They include a continuity
correction that moves half an event towards the hypothesis (Yates 1934; compare Barndorff-Nielsen & Cox 1994, ch. 4).
They assume independent trials; callers divide by the overdispersion where trials are not independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of events and trials in each arm. They are real numbers, because blocks are weighted."""

    canary: float
    canary_trials: float
    baseline: float
    baseline_trials: float

    @property
    def canary_rate(self) -> float:
        """The share of the canary's trials that are events."""
        return self.canary / self.canary_trials

    @property
    def baseline_rate(self) -> float:
        """The share of the baseline's trials that are events."""
        return self.baseline / self.baseline_trials


def root_of_equality(counts: Counts) -> float:
    """Return the signed root against the hypothesis that both rates are equal."""
    pooled = (counts.canary + counts.baseline) / (counts.canary_trials + counts.baseline_trials)
    return _root(counts, pooled, pooled)


def root_of_difference(counts: Counts, difference: float) -> float:
    """Return the signed root against the hypothesis canary rate = baseline rate + ``difference``.

    difference: in (-1, 1). Source of the restricted rates: Farrington & Manning (1990), appendix.
    """
    if difference == 0:
        return root_of_equality(counts)
    n1, n2, x1, x2 = counts.canary_trials, counts.baseline_trials, counts.canary, counts.baseline
    a = n1 + n2
    b = (n1 + 2 * n2) * difference - a - x1 - x2
    c = (n2 * difference - a - 2 * x2) * difference + x1 + x2
    d = x2 * difference * (1 - difference)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = math.copysign(math.sqrt(max(b**2 / (9 * a**2) - c / (3 * a), 0.0)), v)
    angle = (math.pi + math.acos(max(-1.0, min(1.0, v / u**3)))) / 3 if u else 0.0
    baseline = 2 * u * math.cos(angle) - b / (3 * a)
    baseline = min(max(baseline, 0.0, -difference), 1.0, 1 - difference)
    return _root(counts, baseline + difference, baseline)


def root_of_ratio(counts: Counts, ratio: float) -> float:
    """Return the signed root against the hypothesis canary rate = baseline rate times ``ratio``.

    ratio: above 0. Source of the restricted rates, which solve a quadratic equation: Koopman (1984).
    """
    n1, n2, x1, x2 = counts.canary_trials, counts.baseline_trials, counts.canary, counts.baseline
    a = (n1 + n2) * ratio
    b = n1 * ratio + x1 + n2 + x2 * ratio
    baseline = (b - math.sqrt(max(b * b - 4 * a * (x1 + x2), 0.0))) / (2 * a)
    baseline = min(max(baseline, 0.0), 1.0, 1 / ratio)
    return _root(counts, baseline * ratio, baseline)


def _root(counts: Counts, canary: float, baseline: float) -> float:
    """Return the signed root of the deviance from the restricted rates ``canary`` and ``baseline``."""
    excess = counts.canary_rate - counts.baseline_rate - (canary - baseline)
    distance = counts.canary - canary * counts.canary_trials
    moved = math.copysign(min(0.5, abs(distance)), distance)
    deviance = _deviance(counts.canary - moved, counts.canary_trials, canary)
    distance = baseline * counts.baseline_trials - counts.baseline
    moved = math.copysign(min(0.5, abs(distance)), distance)
    deviance += _deviance(counts.baseline + moved, counts.baseline_trials, baseline)
    return math.copysign(math.sqrt(max(deviance, 0.0)), excess)


def _deviance(events: float, trials: float, rate: float) -> float:
    """Return twice the log likelihood ratio of the observed rate to ``rate``."""
    other = trials - events
    total = 0.0
    if events > 0:
        if rate <= 0:
            return math.inf
        total += events * math.log(events / (trials * rate))
    if other > 0:
        if rate >= 1:
            return math.inf
        total += other * math.log(other / (trials * (1 - rate)))
    return 2 * total


def root_of_share(events: float, trials: float, share: float) -> float:
    """Return the signed root of one binomial count (``events`` of ``trials``) against the hypothetical ``share``."""
    if share <= 0:
        return math.inf
    if share >= 1:
        return -math.inf
    distance = events - share * trials
    moved = events - math.copysign(min(0.5, abs(distance)), distance)
    return math.copysign(math.sqrt(max(_deviance(moved, trials, share), 0.0)), distance)
