"""One objective in one stretch of time: estimates, interval, and the chances behind every possible answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from harness.model.objective import Direction, Objective, SliKind
from harness.model.record import Series
from harness.model.samples import ARMS, BASELINE, CANARY
from harness.model.verdict import Estimate
from harness.stats.contrast import (
    Contrast,
    estimate,
    interval,
    quantile_contrast,
    rate_contrast,
)
from harness.stats.gauge import GaugeContrast, gauge_contrast
from harness.stats.interaction import InteractionContrast
from harness.stats.limit import Root, latency_limit_root, rate_limit_root
from harness.stats.recovery import RecoveryContrast, recovery_contrast
from harness.stats.split import split_contrast, throughput_contrast
from harness.stats.tails import t_quantile, t_tail
from harness.stats.variance import Overdispersion
from harness.stats.window import Window

RESOLUTION = 0.01
"""Differences of latency up to the width of a histogram's bin are never called harm."""
_WIDEST = 25.0  # a factor of exp(25) between two latencies is no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """Tail probabilities of three hypotheses; the smaller, the stronger the evidence.

    harm: that the canary is no worse than the baseline (or, without a tolerance, than its limit).
    beyond: that the canary is within its tolerance and limit. within: that it is not.
    """

    harm: float
    beyond: float
    within: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """What was seen of one objective. Units as in ``Finding``; ``requests`` are the canary's."""

    baseline: Estimate | None
    canary: Estimate
    relative: bool
    difference: float | None
    margin: float | None
    chances: Chances
    noise: Overdispersion
    contrast: Contrast | None

    def interval(self, tail: float) -> tuple[float, float] | None:
        """The differences that are not rejected with probability ``tail`` on either side."""
        if self.contrast is None:
            return None
        return interval(self.contrast, tail, relative=self.relative, estimated=self.difference)

    def error(self, limits: tuple[float, float] | None, tail: float) -> float | None:
        """Standard error of the difference (of its logarithm when relative), from its interval with ``tail``."""
        if limits is None or tail <= 0 or not all(math.isfinite(limit) for limit in limits):
            return None
        if self.relative and limits[0] <= -1:
            return None
        low, high = (math.log1p(limit) for limit in limits) if self.relative else limits
        return (high - low) / 2 / t_quantile(tail, self.noise.degrees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What an objective is measured on.

    window: the requests of the phase. share: the canary's planned share of requests. steady: the
    requests of the steady phase, if there was one. series: gauges. start_s, end_s: the phase's time.
    excess: noise learned from equal builds, see ``harness.judge.calibration``.
    """

    window: Window
    share: float
    steady: Window | None = None
    series: tuple[Series, ...] = ()
    start_s: float = 0.0
    end_s: float = math.inf
    excess: float = 0.0


def measure(objective: Objective, scene: Scene) -> Measurement | None:
    """The objective in one scene; None when an arm has nothing that counts."""
    contrast = _contrast(objective, scene)
    if contrast is None:
        return None
    window = scene.window
    relative = objective.relative is not None or (not _tolerated(objective) and objective.kind is SliKind.LATENCY)
    parts = [_against_baseline(objective, contrast)] if _tolerated(objective) else []
    if objective.limit is not None:
        parts.append(_against_limit(objective, contrast, window, objective.limit))
    baseline, canary = _estimates(objective, contrast, window)
    return Measurement(
        baseline=baseline,
        canary=canary,
        relative=relative,
        difference=(
            contrast.difference()
            if isinstance(contrast, InteractionContrast)
            else estimate(contrast, relative=relative)
        ),
        margin=margin_of(objective, contrast.baseline, relative=relative),
        chances=Chances(
            harm=min(part.harm for part in parts),
            beyond=min(part.beyond for part in parts),
            within=max(part.within for part in parts),
        ),
        noise=contrast.noise,
        contrast=contrast,
    )


def _tolerated(objective: Objective) -> bool:
    return objective.relative is not None or objective.absolute is not None


def _contrast(objective: Objective, scene: Scene) -> Contrast | None:
    if objective.interaction:
        return _interaction(objective, scene)
    if objective.kind is SliKind.RECOVERY:
        return None if scene.steady is None else recovery_contrast(scene.window, scene.steady)
    if objective.kind is SliKind.GAUGE:
        return _gauge(objective, scene)
    return _of_requests(objective, scene.window, scene)


def _of_requests(objective: Objective, window: Window, scene: Scene) -> Contrast | None:
    if objective.kind is SliKind.LATENCY and objective.quantile is not None:
        return quantile_contrast(window, objective.quantile, excess=scene.excess)
    if objective.kind is SliKind.ERROR_RATE:
        return rate_contrast(window.failed, window.requests, seconds=window.seconds, excess=scene.excess)
    divided = split_contrast if objective.kind is SliKind.SPLIT else throughput_contrast
    return divided(window, scene.share, excess=scene.excess)


def _interaction(objective: Objective, scene: Scene) -> Contrast | None:
    if scene.steady is None:
        return None
    fault, steady = (_of_requests(objective, window, scene) for window in (scene.window, scene.steady))
    if fault is None or steady is None:
        return None
    return InteractionContrast(fault=fault, steady=steady, relative=objective.relative is not None)


def _gauge(objective: Objective, scene: Scene) -> Contrast | None:
    name = objective.name.removeprefix("gauge:")
    arms = []
    for arm in ARMS:
        found = [series for series in scene.series if series.arm == arm and series.name in {name, objective.name}]
        if not found:
            return None
        times = np.concatenate([np.asarray(series.at_s, np.float64) for series in found])
        arms.append((times, np.concatenate([np.asarray(series.values, np.float64) for series in found])))
    return gauge_contrast(arms[BASELINE], arms[CANARY], start_s=scene.start_s, end_s=scene.end_s)


def _against_baseline(objective: Objective, contrast: Contrast) -> Chances:
    """Chances of the tolerance; with two of them the wider one counts."""
    tolerances = [
        (amount, relative)
        for amount, relative in ((objective.relative, True), (objective.absolute, False))
        if amount is not None
    ]
    relative = tolerances[0][1] or objective.kind is SliKind.LATENCY
    least = RESOLUTION if objective.kind is SliKind.LATENCY else 0.0
    ups = [_tail(contrast, amount, relative=is_relative) for amount, is_relative in tolerances]
    downs = [_tail(contrast, -amount, relative=is_relative) for amount, is_relative in tolerances]
    harm_up, harm_down = _tail(contrast, least, relative=relative)[0], _tail(contrast, -least, relative=relative)[1]
    worse_up = Chances(harm=harm_up, beyond=max(up for up, _ in ups), within=min(down for _, down in ups))
    worse_down = Chances(harm=harm_down, beyond=max(down for _, down in downs), within=min(up for up, _ in downs))
    if objective.direction is Direction.INCREASE:
        return worse_up
    if objective.direction is Direction.DECREASE:
        return worse_down
    return Chances(
        harm=min(1.0, 2 * min(harm_up, harm_down)),
        beyond=min(1.0, 2 * min(worse_up.beyond, worse_down.beyond)),
        within=max(worse_up.within, worse_down.within),
    )


def _tail(contrast: Contrast, amount: float, *, relative: bool) -> tuple[float, float]:
    """Probabilities of as much above, and as much below, if the difference is ``amount``.

    Nothing falls by its whole self: a fall of 100 % or more is never seen, and never exceeded.
    """
    if relative and amount <= -1:
        return 0.0, 1.0
    root = contrast.root(amount, relative=relative) / math.sqrt(contrast.noise.factor)
    return t_tail(root, contrast.noise.degrees), t_tail(-root, contrast.noise.degrees)


def _against_limit(objective: Objective, contrast: Contrast, window: Window, limit: float) -> Chances:
    if isinstance(contrast, (RecoveryContrast, GaugeContrast)):
        root = Root(value=contrast.root_of_limit(limit), degrees=contrast.noise.degrees)
    elif objective.kind is SliKind.LATENCY and objective.quantile is not None:
        root = latency_limit_root(window, objective.quantile, limit)
    else:
        root = rate_limit_root(window, limit, errors=objective.kind is SliKind.ERROR_RATE)
    up, down = t_tail(root.value, root.degrees), t_tail(-root.value, root.degrees)
    if objective.direction is Direction.DECREASE:
        up, down = down, up
    return Chances(harm=up if not _tolerated(objective) else 1.0, beyond=up, within=down)


def _estimates(objective: Objective, contrast: Contrast, window: Window) -> tuple[Estimate, Estimate]:
    requests = window.above[:, :, 0] if objective.kind is SliKind.LATENCY else window.requests
    counts = [int(requests[arm].sum()) for arm in (BASELINE, CANARY)]
    if isinstance(contrast, GaugeContrast):
        counts = [contrast.pairs.shape[1]] * 2
    return Estimate(value=contrast.baseline, n=counts[0]), Estimate(value=contrast.canary, n=counts[1])


def margin_of(objective: Objective, baseline: float, *, relative: bool) -> float | None:
    """The tolerance in the unit of the difference, signed towards worse (plus for either way); None without one."""
    if not _tolerated(objective):
        return None
    if relative:
        absolute = objective.absolute / baseline if objective.absolute is not None and baseline > 0 else 0.0
        size = max(objective.relative or 0.0, absolute)
    else:
        size = max(objective.absolute or 0.0, (objective.relative or 0.0) * baseline)
    return -size if objective.direction is Direction.DECREASE else size


def smallest_visible(measurement: Measurement, error: float | None, tail: float) -> float | None:
    """The smallest difference that a test with probability ``tail`` shows in 95 of 100 runs like this one.

    ``error`` is the standard error of the difference.
    """
    if error is None or tail <= 0:
        return None
    size = error * (t_quantile(tail, measurement.noise.degrees) + t_quantile(0.05, measurement.noise.degrees))
    if not measurement.relative:
        return size
    return math.expm1(size) if size < _WIDEST else None
