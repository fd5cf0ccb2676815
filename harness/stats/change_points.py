"""Find where the level of a nightly series changed: a sequential rank test, so that noise of any shape is allowed.

At each night, the newest m nights are compared with up to 100 nights before them by the Mann-Whitney statistic, for
several m. Under an unchanged level the nights are exchangeable, so the ranks have the same distribution whatever the
noise is, and the threshold can be calibrated once: ``LEVEL`` bounds the tail probability of a single comparison so that
a flat history of 200 nights alarms with a probability of less than 1 %. After an alarm the test starts again at the
change.

Assumes independent nights; a series that drifts or has seasons is not flat. Ties count as half, which is conservative.
Source of the exact null distribution: Mann & Whitney (1947), by counting partitions; of the idea to restart at each
change: Ross & Adams (2012), Two nonparametric control charts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from math import comb

import numpy as np
from numpy.typing import NDArray

LEVEL = 2e-5
"""Two-sided tail probability at which one comparison alarms."""
WINDOWS = (4, 5, 8)
"""Numbers of newest nights that are compared."""
REFERENCE = 100
"""The most nights before them that they are compared with."""

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePoint:
    """A change of level. start: index of the first value of the new level. found: index at which it was noticed.

    before, after: the medians of both sides at that moment.
    """

    start: int
    found: int
    before: float
    after: float

    @property
    def shift(self) -> float:
        """How much the level changed."""
        return self.after - self.before


def change_points(values: Column, *, smallest: float = 0.0) -> tuple[ChangePoint, ...]:
    """Return the changes in ``values``, shape (n,), which must be finite, oldest first.

    smallest: a smaller shift, in the unit of the values, is not reported.
    """
    return tuple(_changes(np.asarray(values, dtype=np.float64), smallest))


def _changes(values: Column, smallest: float) -> Iterator[ChangePoint]:
    start = 0
    while start < len(values):
        segment = values[start:]
        found = _first(segment, smallest)
        if found is None:
            return
        first, at = found
        before = segment[max(first - REFERENCE, 0) : first]
        yield ChangePoint(
            start=start + first, found=start + at,
            before=float(np.median(before)), after=float(np.median(segment[first : at + 1])),
        )  # fmt: skip
        start += first


def _first(segment: Column, smallest: float) -> tuple[int, int] | None:
    """Return the start of the first change of a segment and the index at which it is noticed."""
    wins = _wins(segment)
    alarms: list[tuple[int, int]] = []
    for window in WINDOWS:
        alarms += ((at, window) for at in _alarms(segment, wins, window, smallest))
    if not alarms:
        return None
    at, window = min(alarms)
    return at - window + 1, at


def _wins(segment: Column) -> Column:
    """Return cumulative wins: [t, d] counts how many of the d values before t are lower; ties count as half."""
    most = REFERENCE + max(WINDOWS)
    n = len(segment)
    wins = np.zeros((n, most + 1))
    for distance in range(1, min(most, n - 1) + 1):
        wins[distance:, distance] = 0.5 + 0.5 * np.sign(segment[distance:] - segment[:-distance])
    return np.cumsum(wins, axis=1)


def _alarms(segment: Column, wins: Column, window: int, smallest: float) -> list[int]:
    """Return the first index at which the newest ``window`` values differ from those before; a list of one or none."""
    n = len(segment)
    ends = np.arange(2 * window - 1, n)
    if not len(ends):
        return []
    references = np.minimum(ends - window + 1, REFERENCE)
    total = np.zeros(len(ends))
    for back in range(window):
        near = window - back - 1
        total += wins[ends - back, near + references] - wins[ends - back, near]
    deficit = np.minimum(total, window * references - total)
    limits = np.array([_largest_deficit(window, size) for size in range(REFERENCE + 1)])
    for index in np.flatnonzero(deficit <= limits[references]):
        at = int(ends[index])
        first = at - window + 1
        old = segment[first - int(references[index]) : first]
        if abs(float(np.median(segment[first : at + 1]) - np.median(old))) >= smallest:
            return [at]
    return []


@cache
def _largest_deficit(new: int, old: int) -> float:
    """Return the largest statistic that alarms for these sample sizes; -1 if none is rare enough."""
    allowed = LEVEL / 2 * comb(new + old, new)
    if allowed < 1:
        return -1.0
    counted, deficit = 0, -1
    while True:
        counted += _partitions(deficit + 1, new, old)
        if counted > allowed or deficit + 1 > new * old // 2:
            return float(deficit)
        deficit += 1


@cache
def _partitions(total: int, parts: int, largest: int) -> int:
    """Return in how many ways ``total`` is a sum of at most ``parts`` numbers, each at most ``largest``."""
    if total == 0:
        return 1
    if total < 0 or parts == 0 or largest == 0:
        return 0
    return _partitions(total - largest, parts - 1, largest) + _partitions(total, parts, largest - 1)
