"""One objective in one stretch of time: estimates, interval, and the chances behind every possible answer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.model.objective import Direction, Objective, SliKind
from harness.model.record import Series
from harness.model.samples import ARMS, BASELINE, CANARY
from harness.model.verdict import Estimate
from harness.stats.contrast import (
    Contrast,
    QuantileContrast,
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
from harness.stats.tails import normal_tail, t_quantile, t_tail
from harness.stats.variance import Overdispersion
from harness.stats.window import Window

Floats = NDArray[np.float64]
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
        low, high = interval(self.contrast, tail, relative=self.relative, estimated=self.difference)
        blur = blur_of(self.contrast)
        return blur.below(low, relative=self.relative), blur.above(high, relative=self.relative)

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
    parts, relative = [], objective.kind is SliKind.LATENCY
    if _tolerated(objective):
        chances, relative = _against_baseline(objective, contrast)
        parts.append(chances)
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
        margin=margin_of(objective, relative=relative),
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
    baseline, canary = readings(objective, scene)
    return gauge_contrast(baseline, canary, start_s=scene.start_s, end_s=scene.end_s)


def readings(objective: Objective, scene: Scene) -> list[tuple[Floats, Floats]]:
    """Times in seconds inside the scene, and values, of a gauge's series; the baseline's and the canary's."""
    names = {objective.name, objective.name.removeprefix("gauge:")}
    arms = []
    for arm in ARMS:
        found = [series for series in scene.series if series.arm == arm and series.name in names]
        times = np.array([at for series in found for at in series.at_s], np.float64)
        values = np.array([value for series in found for value in series.values], np.float64)
        inside = (times >= scene.start_s) & (times < scene.end_s)
        arms.append((times[inside], values[inside]))
    return arms


@dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    """How far a difference may really be from where it is seen: as a share, and in the indicator's unit."""

    share: float = 0.0
    size: float = 0.0

    def above(self, amount: float, *, relative: bool) -> float:
        """The largest difference that may be seen as ``amount``."""
        return (1 + amount) * (1 + self.share) - 1 if relative else amount + self.size

    def below(self, amount: float, *, relative: bool) -> float:
        """The smallest one."""
        return (1 + amount) / (1 + self.share) - 1 if relative else amount - self.size


def blur_of(contrast: Contrast) -> Blur:
    """Of latencies: see ``QuantileContrast.blur``; nothing else is rounded."""
    if isinstance(contrast, QuantileContrast):
        return Blur(share=contrast.blur, size=contrast.blur * max(contrast.baseline, contrast.canary))
    if isinstance(contrast, InteractionContrast):
        fault, steady = blur_of(contrast.fault), blur_of(contrast.steady)
        return Blur(share=(1 + fault.share) * (1 + steady.share) - 1, size=fault.size + steady.size)
    return Blur()


def _against_baseline(objective: Objective, contrast: Contrast) -> tuple[Chances, bool]:
    """Chances of the tolerance, and whether it is a relative one; of two the wider one decides."""
    sides = [
        (*_within_and_beyond(objective.direction, contrast, amount, relative=is_relative), -size, is_relative)
        for amount, size, is_relative in (
            (objective.relative, (objective.relative or 0.0) * abs(contrast.baseline), True),
            (objective.absolute, objective.absolute or 0.0, False),
        )
        if amount is not None
    ]
    decided_by = min(sides, key=lambda side: (round(side[0], 6), side[2]))[3]
    within, beyond = min(side[0] for side in sides), max(side[1] for side in sides)
    return Chances(harm=_harm(objective, contrast), beyond=beyond, within=within), decided_by


def _harm(objective: Objective, contrast: Contrast) -> float:
    """The chance that the canary is no worse than the baseline, up to what latencies can be told apart by."""
    least = max(RESOLUTION, blur_of(contrast).share) if objective.kind is SliKind.LATENCY else 0.0
    if isinstance(contrast, QuantileContrast) and contrast.coarse:
        least = 0.0  # above one edge of coarse buckets both arms are counted exactly
    relative = objective.relative is not None or objective.kind is SliKind.LATENCY
    if objective.direction is Direction.INCREASE:
        return _tail(contrast, least, relative=relative)[0]
    if objective.direction is Direction.DECREASE:
        return _tail(contrast, -least, relative=relative)[1]
    up, down = _tail(contrast, least, relative=relative)[0], _tail(contrast, -least, relative=relative)[1]
    return min(1.0, 2 * min(up, down))


def harmless(objective: Objective, scene: Scene, tail: float) -> bool:
    """Whether a look at the harm alone shows that nothing in the scene is proven with probability ``tail``."""
    if objective.limit is not None or not _tolerated(objective):
        return False
    contrast = _contrast(objective, scene)
    return contrast is None or _least_harm(objective, contrast) > tail or _harm(objective, contrast) > tail


def _least_harm(objective: Objective, contrast: Contrast) -> float:
    """What ``_harm`` is never below: the chance if requests were independent, which needs no estimate of the noise."""
    least = RESOLUTION if objective.kind is SliKind.LATENCY else 0.0
    if isinstance(contrast, QuantileContrast) and contrast.coarse:
        least = 0.0
    relative = objective.relative is not None or objective.kind is SliKind.LATENCY
    up = 1.0 if objective.direction is Direction.DECREASE else normal_tail(contrast.root(least, relative=relative))
    down = 1.0 if objective.direction is Direction.INCREASE else normal_tail(-contrast.root(-least, relative=relative))
    return min(1.0, 2 * min(up, down)) if objective.direction is Direction.EITHER else min(up, down)


def _within_and_beyond(
    direction: Direction, contrast: Contrast, amount: float, *, relative: bool
) -> tuple[float, float]:
    """Tail probabilities of not being within, and of not being beyond, a tolerance of this size."""
    blur = blur_of(contrast)

    def above(limit: float) -> float:
        return _tail(contrast, blur.above(limit, relative=relative), relative=relative)[0]

    def below(limit: float) -> float:
        return _tail(contrast, blur.below(limit, relative=relative), relative=relative)[1]

    if direction is Direction.INCREASE:
        return below(amount), above(amount)
    if direction is Direction.DECREASE:
        return above(-amount), below(-amount)
    return max(below(amount), above(-amount)), min(1.0, 2 * min(above(amount), below(-amount)))


def _tail(contrast: Contrast, amount: float, *, relative: bool) -> tuple[float, float]:
    """Probabilities of as much above, and as much below, if the difference is ``amount``.

    Nothing falls by its whole self: a fall of 100 % or more is never seen, and never exceeded.
    """
    if relative and amount <= -1:
        return 0.0, 1.0
    root = contrast.root(amount, relative=relative) / math.sqrt(contrast.noise.factor)
    return t_tail(root, contrast.noise.degrees), t_tail(-root, contrast.noise.degrees)


def _against_limit(objective: Objective, contrast: Contrast, window: Window, limit: float) -> Chances:
    def root(limit: float) -> Root:
        if isinstance(contrast, (RecoveryContrast, GaugeContrast)):
            return Root(value=contrast.root_of_limit(limit), degrees=contrast.noise.degrees)
        if objective.kind is SliKind.LATENCY and objective.quantile is not None:
            return latency_limit_root(window, objective.quantile, limit)
        return rate_limit_root(window, limit, errors=objective.kind is SliKind.ERROR_RATE)

    share = 1 + blur_of(contrast).share
    high, low = root(limit * share), root(limit / share)
    up, down = t_tail(high.value, high.degrees), t_tail(-low.value, low.degrees)
    if objective.direction is Direction.DECREASE:
        up, down = down, up
    return Chances(harm=up if not _tolerated(objective) else 1.0, beyond=up, within=down)


def _estimates(objective: Objective, contrast: Contrast, window: Window) -> tuple[Estimate, Estimate]:
    requests = window.above[:, :, 0] if objective.kind is SliKind.LATENCY else window.requests
    counts = [int(requests[arm].sum()) for arm in (BASELINE, CANARY)]
    if isinstance(contrast, GaugeContrast):
        counts = [contrast.pairs.shape[1]] * 2
    return Estimate(value=contrast.baseline, n=counts[0]), Estimate(value=contrast.canary, n=counts[1])


def margin_of(objective: Objective, *, relative: bool) -> float | None:
    """The tolerance in the unit of the difference, signed towards worse (plus for either way); None without one."""
    size = objective.relative if relative else objective.absolute
    return -size if size is not None and objective.direction is Direction.DECREASE else size


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
