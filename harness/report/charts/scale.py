"""Scales: convert values to positions in a drawing, and choose round values as ticks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Maps values from ``low`` to ``high`` to positions from ``start`` to ``end``, linearly after ``warp``."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]
    warp: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def many(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return the positions of many values, clamped to the scale; NaN stays NaN."""
        clipped = np.clip(np.asarray(values, dtype=np.float64), self.low, self.high)
        low, high = self.warp(np.array([self.low, self.high]))
        share: NDArray[np.float64] = (self.warp(clipped) - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def __call__(self, value: float) -> float:
        """Return the position of one value."""
        return float(self.many([value])[0])


def linear(low: float, high: float, start: float, end: float, *, ticks: int = 5) -> Scale:
    """Return a linear scale with about ``ticks`` round values; equal ends are moved apart."""
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return Scale(low=low, high=high, start=start, end=end, ticks=_round_values(low, high, ticks), warp=_same)


def from_zero(values: Iterable[ArrayLike], start: float, end: float, *, at_least: float, ticks: int = 3) -> Scale:
    """Return a linear scale from zero to a round value above all finite values."""
    top = max([at_least, *(float(v) for v in _finite(values))]) * 1.05
    step = _step(top, ticks)
    return linear(0.0, math.ceil(top / step) * step, start, end, ticks=ticks)


def logarithmic(values: Iterable[ArrayLike], start: float, end: float) -> Scale:
    """Return a logarithmic scale over all positive finite values, at least a factor of four wide."""
    positive = [v for v in _finite(values) if v > 0] or [1e-3, 1.0]
    low, high = min(positive), max(positive)
    middle = math.sqrt(low * high)
    low, high = min(low * 0.9, middle / 2), max(high * 1.1, middle * 2)
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        marks = tuple(d * 10.0**e for e in exponents for d in digits if low <= d * 10.0**e <= high)
        if len(marks) <= 9:
            break
    return Scale(low=low, high=high, start=start, end=end, ticks=marks, warp=np.log10)


def nines(start: float, end: float, *, highest: float) -> Scale:
    """Return a scale of shares that stretches towards one: 0, 50 %, 90 %, 95 %, 99 %, ... up to ``highest``."""
    marks = tuple(share for share in (0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 0.9999) if share <= highest)
    return Scale(low=0.0, high=highest, start=start, end=end, ticks=marks, warp=_nines)


def _same(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values


def _nines(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    warped: NDArray[np.float64] = -np.log10(1 - np.minimum(shares, 1 - 1e-9))
    return warped


def _finite(values: Iterable[ArrayLike]) -> NDArray[np.float64]:
    arrays = [np.asarray(v, dtype=np.float64).ravel() for v in values]
    together = np.concatenate(arrays) if arrays else np.empty(0)
    finite: NDArray[np.float64] = together[np.isfinite(together)]
    return finite


def _step(span: float, ticks: int) -> float:
    rough = span / max(ticks, 1)
    power = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)


def _round_values(low: float, high: float, ticks: int) -> tuple[float, ...]:
    step = _step(high - low, ticks)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(index * step for index in range(first, last + 1))
