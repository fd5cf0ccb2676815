"""Latencies of requests that succeeded are no comparison when the canary fails more requests than its baseline.

A canary that fails its slowest requests looks faster. So when its failure rate exceeds the baseline's beyond chance,
failed requests also rank as slower than every success (a worst-rank comparison: Lachin 1999), and an objective about
latency passes only if it passes that way too. A canary that fails fewer requests has nothing to hide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from harness.judge.indicators import indicator_of
from harness.judge.indicators.port import Scene
from harness.model.objective import Objective
from harness.model.samples import CANARY
from harness.model.units import format_percent
from harness.stats.contrast import rate_contrast
from harness.stats.tails import normal_tail, t_tail

ALPHA = 1e-3
"""The chance that arms with equal failure rates are ranked in one phase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRates:
    """The shares of requests that failed, in [0, 1]."""

    baseline: float
    canary: float

    def __str__(self) -> str:
        return (
            f"these are only the requests that succeeded: the canary fails {format_percent(self.canary)} of its "
            f"requests, the baseline {format_percent(self.baseline)}, and with every failure ranked as slower than "
            "any success it is not shown to be within tolerance"
        )


def more_failures(objective: Objective, scene: Scene) -> FailureRates | None:
    """Return the arms' failure rates if the canary's is higher beyond chance and the objective leaves failures out."""
    if not indicator_of(objective).spec.answered_only:
        return None
    window = scene.window
    if not window.failed[CANARY].any():
        return None
    same = window.standard
    contrast = rate_contrast(same.failed, same.requests, seconds=window.seconds, calm=same.calm_failed)
    if contrast is None or contrast.canary <= contrast.baseline:
        return None
    root = contrast.root(0.0, relative=False)
    if normal_tail(root) > ALPHA:
        return None  # noise only weakens the evidence, and its estimate takes most of the time
    if t_tail(root / math.sqrt(contrast.noise.factor), contrast.noise.degrees) > ALPHA:
        return None
    return FailureRates(baseline=contrast.baseline, canary=contrast.canary)


def ranked(scene: Scene) -> Scene:
    """Return the scene with every failed request ranked as slower than any success."""
    steady = None if scene.steady is None else scene.steady.ranked()
    return replace(scene, window=scene.window.ranked(), steady=steady)
