"""Draw latencies and statuses that are distributed like the recorded ones, repeatably and without drift.

Values are drawn in blocks: each block has one value from each of ``BLOCK`` equally likely parts of the distribution, in
random order, and the values in each part are spread over it from block to block. So the quantiles of a thousand draws
are those of the record, where independent draws would scatter.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random

from harness.replay.smoothing import Bins, is_wide, smoothed

BLOCK = 100
_GOLDEN = (5**0.5 - 1) / 2
"""Multiples of it, modulo 1, are as evenly spread as possible for every number of them."""
_FINE = 0.15
"""The largest share of its lower bound by which a bin may be wide and still count as fine."""


def uniforms(random: Random) -> Iterator[float]:
    """Yield numbers from 0 to 1, evenly distributed in every block and over all blocks."""
    within = [random.random() for _ in range(BLOCK)]
    order = list(range(BLOCK))
    while True:
        random.shuffle(order)
        for part in order:
            yield (part + within[part]) / BLOCK
            within[part] = (within[part] + _GOLDEN) % 1.0


class BinSampler:
    """Draws values of a histogram. Within a fine bin, all values are equally likely; wide ones are smoothed."""

    def __init__(self, bins: Bins, random: Random) -> None:
        """bins: at least one with a value."""
        self._bins = _used(bins)
        self._ends = list(accumulate(count for _, _, count in self._bins))
        self._uniforms = uniforms(random)

    def draw(self) -> float:
        """Return the next value."""
        return self.at(next(self._uniforms))

    def at(self, share: float) -> float:
        """Return the value below which this share of all values is, in [0, 1)."""
        return _at(self._bins, self._ends, share)


def quantile(bins: Bins, share: float) -> float:
    """Return a quantile of a histogram, by interpolation within its bin, as ``BinSampler`` draws values."""
    kept = _used(bins)
    return _at(kept, list(accumulate(count for _, _, count in kept)), share)


def _used(bins: Bins) -> Bins:
    return smoothed([one for one in sorted(bins) if one[2] > 0], _FINE)


def _at(bins: Bins, ends: Sequence[float], share: float) -> float:
    place = share * ends[-1]
    index = min(bisect_right(ends, place), len(bins) - 1)
    low, width, count = bins[index]
    before = ends[index] - count
    return low + width * min(max((place - before) / count, 0.0), 1.0)


class StatusSampler:
    """Draws statuses by their recorded counts."""

    def __init__(self, statuses: Sequence[tuple[int, int]], random: Random) -> None:
        """statuses: each with its count, at least one above zero."""
        self._statuses = [status for status, count in statuses if count > 0]
        self._ends = list(accumulate(count for _, count in statuses if count > 0))
        self._uniforms = uniforms(random)

    def draw(self) -> int:
        """Return the next status."""
        if len(self._statuses) == 1:
            return self._statuses[0]
        return self._statuses[min(bisect_right(self._ends, next(self._uniforms) * self._ends[-1]), len(self._ends) - 1)]


def is_fine(bins: Bins) -> bool:
    """Return whether values between the bounds of a bin hardly differ."""
    return not any(is_wide(low, width, _FINE) for low, width, count in bins if count)
