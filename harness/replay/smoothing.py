"""Divide the wide buckets of a classic histogram, so that values spread in them as smoothly as in the whole histogram.

Each bucket keeps its count. Inside it, the counts follow a monotone cubic curve through the cumulative counts at the
bounds of all buckets (Fritsch and Carlson, SIAM J. Numer. Anal. 17, 1980), over the logarithm of the values: latencies
are skewed, and a bucket with all values in it has most of them in its middle, not at its bounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import expm1, isclose, log1p

Bins = Sequence[tuple[float, float, float]]
"""The lower bound, the width and the number of values of each bin, which need not be whole."""
PARTS = 12
"""Into so many parts a wide bucket is divided."""


def is_wide(low: float, width: float, most: float) -> bool:
    """Return whether a bin is wider than a share of its lower bound.

    Bins of a millisecond or less are not, because no proxy is more precise.
    """
    return width > 1.0 and width > most * low


def smoothed(bins: Bins, most: float) -> Bins:
    """Return the bins with those divided that are wider than the share ``most`` of their lower bound.

    bins: that hold a value, in order and without overlaps.
    """
    if not any(is_wide(low, width, most) for low, width, _ in bins):
        return bins
    return [part for one, slopes in zip(bins, _slopes(bins), strict=True) for part in _parts(one, slopes, most)]


def _parts(
    one: tuple[float, float, float], slopes: tuple[float, float], most: float
) -> Iterator[tuple[float, float, float]]:
    low, width, count = one
    if not is_wide(low, width, most):
        yield one
        return
    start, end = log1p(low), log1p(low + width)
    edges = [low, *(expm1(start + (end - start) * part / PARTS) for part in range(1, PARTS)), low + width]
    rises = [_risen(part / PARTS, slopes) for part in range(PARTS + 1)]
    for (left, right), (before, after) in zip(pairwise(edges), pairwise(rises), strict=True):
        yield left, right - left, count * max(after - before, 0.0)


def _risen(share: float, slopes: tuple[float, float]) -> float:
    """Return how far a cubic from 0 to 1 with these slopes at its ends has risen at a share of its way."""
    first, last = slopes
    rest = 1 - share
    return share * rest * rest * first - share * share * rest * last + share * share * (3 - 2 * share)


def _slopes(bins: Bins) -> Iterator[tuple[float, float]]:
    """Yield for each bin the slopes at its bounds, as multiples of its own mean slope.

    The slope at a bound is the harmonic mean of those of the bins next to it, which keeps the curve monotone; it is 0
    where nothing lies next to the bin.
    """
    steep = [count / (log1p(low + width) - log1p(low)) if width else 0.0 for low, width, count in bins]
    touching = [isclose(low + width, after) for (low, width, _), (after, _, _) in pairwise(bins)]
    means = [
        2 * one * two / (one + two) if touches and one and two else 0.0
        for (one, two), touches in zip(pairwise(steep), touching, strict=True)
    ]
    for own, left, right in zip(steep, [0.0, *means], [*means, 0.0], strict=True):
        yield (left / own, right / own) if own else (0.0, 0.0)
