"""Latencies of a stretch of blocks as histograms, which are counted when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.stats.once import Once

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Latencies of requests without an error, by arm, block and bin.

    first_bin: the number of the first bin. width: the number of bins, with one more for what is slower than all of
    them. answered: how many there are, by arm and block, shape (2, b). counts_of: returns how many are in each bin,
    shape (2, b, width).
    """

    first_bin: int
    width: int
    answered: Floats
    counts_of: Callable[[], Floats]

    @property
    def counts(self) -> Floats:
        """How many latencies are in each bin, shape (2, b, width)."""
        return self.counts_of()

    def above(self, arm: int, place: float) -> Floats:
        """Return how many of an arm's latencies are above a position in each block, shape (b,).

        place: counted from ``first_bin``; outside the bins, their nearest end counts.
        """
        last = self.width - 1
        place = min(max(place, 0.0), float(last))
        below = min(int(place), max(last - 1, 0))
        part = np.ones(self.width - below)
        part[0] = 1 - (place - below)
        found: Floats = self.counts[arm, :, below:] @ part
        return found

    def between(self, first: int, last: int) -> Latencies:
        """Return only the blocks from index ``first`` to ``last`` (exclusive)."""
        return Latencies(
            first_bin=self.first_bin,
            width=self.width,
            answered=self.answered[:, first:last],
            counts_of=lambda: self.counts[:, first:last],
        )

    def ranked(self, failed: Floats) -> Latencies:
        """Return the latencies with the ``failed`` requests, shape (2, b), counted as slower than any of them."""

        @Once
        def counts() -> Floats:
            found = self.counts.copy()
            found[:, :, -1] += failed
            return found

        return Latencies(first_bin=self.first_bin, width=self.width, answered=self.answered + failed, counts_of=counts)

    def joined(self, other: Latencies) -> Latencies:
        """Return these blocks and then those of ``other``."""
        low = min(self.first_bin, other.first_bin)
        high = max(each.first_bin + each.width for each in (self, other))

        @Once
        def counts() -> Floats:
            return np.concatenate([each.spread(low, high) for each in (self, other)], axis=1)

        answered = np.concatenate([self.answered, other.answered], axis=1)
        return Latencies(first_bin=low, width=high - low, answered=answered, counts_of=counts)

    def spread(self, low: int, high: int) -> Floats:
        """Return the counts on a wider axis, from bin ``low`` to ``high``; what was slower than all bins stays so."""
        counts = np.zeros((*self.answered.shape, high - low))
        start = self.first_bin - low
        counts[:, :, start : start + self.width - 1] = self.counts[:, :, :-1]
        counts[:, :, -1] += self.counts[:, :, -1]
        return counts
