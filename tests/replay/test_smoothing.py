"""Values in the wide buckets of a classic histogram spread as smoothly as in the whole histogram."""

from itertools import pairwise
from random import Random

import pytest

from harness.replay.sampling import BinSampler, quantile
from harness.replay.smoothing import PARTS, smoothed

EDGES_MS = (0.0, 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000)
"""The first buckets of Istio's ``istio_request_duration_milliseconds``."""


def bucketed(values):
    """The buckets that hold these values."""
    pairs = ((low, high - low, sum(low <= value < high for value in values)) for low, high in pairwise(EDGES_MS))
    return [one for one in pairs if one[2]]


def evenly(bins, share):
    """The quantile if all values of a bucket were equally likely."""
    place = share * sum(count for _, _, count in bins)
    for low, width, count in bins:
        if place <= count:
            return low + width * place / count
        place -= count
    raise AssertionError(share)


@pytest.mark.parametrize(("median_ms", "spread"), [(16, 0.15), (30, 0.3), (60, 0.5), (120, 0.7), (8, 0.2), (300, 0.4)])
def test_quantiles_come_closer_than_with_even_buckets(median_ms, spread):
    """Latencies of services are skewed and have one peak; the worst of five quantiles is off by a fifth less at least."""
    random = Random(3)
    values = sorted(random.lognormvariate(0, spread) * median_ms for _ in range(20_000))
    bins = bucketed(values)
    true = {share: values[int(share * len(values))] for share in (0.1, 0.25, 0.5, 0.75, 0.9)}
    even, smooth = (
        max(abs(found(bins, share) / value - 1) for share, value in true.items()) for found in (evenly, quantile)
    )
    assert smooth < 0.8 * even, (smooth, even)


def test_each_bucket_keeps_its_count():
    """The stand-in stays exact to the bucket, also next to empty buckets and in the one from zero."""
    bins = [(0.0, 5.0, 7), (5.0, 5.0, 100), (25.0, 25.0, 1), (50.0, 50.0, 60)]
    parts = smoothed(bins, 0.15)
    assert len(parts) == len(bins) * PARTS
    assert all(count >= 0 for _, _, count in parts)
    for low, width, count in bins:
        inside = [part for part in parts if low <= part[0] and part[0] + part[1] <= low + width + 1e-9]
        assert sum(part[2] for part in inside) == pytest.approx(count)
    drawn = [BinSampler(bins, Random(1)).at(share / 1000) for share in range(1000)]
    assert drawn == sorted(drawn)
    assert not any(10 < value < 25 for value in drawn)


def test_fine_bins_stay_as_they_are():
    """What proxies count finely needs no curve, and durations of whole milliseconds have none."""
    bins = [(0.0, 1.0, 3), (1.0, 1.0, 9), (2.0, 0.2, 5), (100.0, 10.0, 2)]
    assert smoothed(bins, 0.15) is bins
