"""Estimates and intervals of the difference between the arms, from the roots of a contrast."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.stats.contrast import Contrast, RateContrast
from harness.stats.split import SplitContrast
from harness.stats.tails import t_quantile

_WIDEST = 25.0  # logarithm of the largest ratio that is distinguished from infinity
_FARTHEST = 1e15
_RELATIVE_STEP, _SHARE_STEP = 0.02, 1e-3
_CLOSE_ENOUGH = 5e-3  # of a standard error; the limits of intervals are not printed more finely
_STEPS, _NARROW = 60, 1e-4


def estimate(contrast: Contrast, *, relative: bool) -> float | None:
    """Return canary minus baseline.

    When ``relative``, return it as a share of the baseline's absolute value, or None when the baseline is zero.
    """
    difference = contrast.canary - contrast.baseline
    if not relative:
        return difference
    return difference / abs(contrast.baseline) if contrast.baseline != 0 else None


def interval(contrast: Contrast, tail: float, *, relative: bool, estimated: float | None = None) -> tuple[float, float]:
    """Return the interval of differences that a test with probability ``tail`` on either side does not reject.

    tail: in [0, 0.5); 0 gives the unbounded interval. estimated: the estimated difference, where it is not the plain
    difference of the two values. The limits have the indicator's unit, or are shares when ``relative``.
    """
    if tail <= 0:
        return (-1.0 if relative else -math.inf), math.inf
    target = t_quantile(tail, contrast.noise.degrees) * math.sqrt(contrast.noise.factor)
    middle = estimate(contrast, relative=relative) if estimated is None else estimated
    middle = 0.0 if middle is None else middle
    logarithmic = relative and middle >= -1  # only a value that can be negative can fall by more than 100 %
    least, most = (-_WIDEST, _WIDEST) if logarithmic else _range(contrast)
    if relative:
        step = _RELATIVE_STEP
    else:
        step = _SHARE_STEP if most <= 1 else max(abs(contrast.baseline) * _RELATIVE_STEP, 1e-6)

    def root(amount: float) -> float:
        return contrast.root(math.expm1(amount) if logarithmic else amount, relative=relative)

    start = math.log1p(max(middle, -1 + 1e-9)) if logarithmic else middle
    first = root(start)
    low, high = (_solve(root, (start, first), step, wanted, (least, most)) for wanted in (target, -target))
    if logarithmic:
        return (math.expm1(low) if low > least else -1.0), (math.expm1(high) if high < most else math.inf)
    return (low if low > -_FARTHEST else -math.inf), (high if high < _FARTHEST else math.inf)


def _range(contrast: Contrast) -> tuple[float, float]:
    """Return the least and the largest possible difference."""
    if isinstance(contrast, RateContrast):
        return -1.0, 1.0
    if isinstance(contrast, SplitContrast):
        return -contrast.share, 1 - contrast.share
    return -_FARTHEST, _FARTHEST


def _solve(
    root: Callable[[float], float], start: tuple[float, float], step: float, target: float, ends: tuple[float, float]
) -> float:
    """Return the amount at which a falling ``root`` reaches ``target``, or one of ``ends`` if it never does.

    Searches outwards from ``start``, an amount with its root, in steps that double, then applies regula falsi with the
    Illinois rule.
    Source: Dowell & Jarratt (1971).
    """
    far, far_gap = start[0], start[1] - target
    side = math.copysign(1.0, far_gap)
    end = ends[side > 0]
    near, near_gap = far, far_gap
    while far_gap * side > 0:
        near, near_gap = far, far_gap
        if far == end:
            return end
        far = min(far + step, end) if side > 0 else max(far - step, end)
        step *= 2
        far_gap = root(far) - target
    if abs(far_gap) < _CLOSE_ENOUGH:
        return far
    kept = 0.0
    for _ in range(_STEPS):
        if abs(far - near) <= _NARROW * max(abs(far), abs(near), _SHARE_STEP):
            break
        bounded = math.isfinite(far_gap) and math.isfinite(near_gap)
        middle = far - far_gap * (far - near) / (far_gap - near_gap) if bounded else (far + near) / 2
        gap = root(middle) - target
        if abs(gap) < _CLOSE_ENOUGH:
            return middle
        if gap * side > 0:
            near, near_gap = middle, gap
            far_gap = far_gap / 2 if kept > 0 else far_gap
        else:
            far, far_gap = middle, gap
            near_gap = near_gap / 2 if kept < 0 else near_gap
        kept = gap * side
    return far
