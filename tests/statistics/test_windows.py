"""Windows of a phase: parts of it, and what is computed on demand."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import samples_of, window_of_samples

from harness.model.samples import CANARY
from harness.stats.contrast import quantile_contrast
from harness.stats.once import Once


def test_later_parts_together_are_the_parts_one_by_one():
    """Parts that share their sums have the weights, curves and latencies that each of them has alone."""
    window = window_of_samples(samples_of(1, count=6000, errors=(0.02, 0.05), share=0.2))
    for start, part_of in zip((20, 31, 45), window.since_each((20, 31, 45)), strict=True):
        part = part_of()
        alone = window.since(start)
        assert part.weights is not None
        assert alone.weights is not None
        assert part.weights.total == pytest.approx(alone.weights.total)
        assert part.weights.share == pytest.approx(alone.weights.share)
        np.testing.assert_allclose(part.survival, alone.survival, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal(part.latencies.counts, alone.latencies.counts)
        assert (part.counts, part.answered, part.seconds) == (alone.counts, alone.answered, alone.seconds)


def test_the_root_of_a_quantile_falls_and_is_zero_at_its_estimate():
    """Whatever the size of the hypothesis, as a share or in seconds, and also beyond the ends of the histogram."""
    window = window_of_samples(samples_of(2, count=8000, canary_factor=1.1))
    found = quantile_contrast(window, 0.9)
    assert found is not None
    for relative, far in ((True, 50.0), (False, 2.0)):
        estimate = found.canary / found.baseline - 1 if relative else found.canary - found.baseline
        amounts = np.concatenate([np.linspace(-0.02, 0.02, 9) * far + estimate, [far, 10 * far]])
        roots = [found.root(float(amount), relative=relative) for amount in amounts if not relative or amount > -1]
        assert roots == sorted(roots, reverse=True)
        assert abs(found.root(estimate, relative=relative)) < 0.2


def test_latencies_above_a_position_are_interpolated_inside_its_bin():
    """Half of a bin counts half of its latencies; outside the histogram, all or none of them count."""
    latencies = window_of_samples(samples_of(3, count=500)).latencies
    above = latencies.counts[CANARY, :, ::-1].cumsum(axis=1)[:, ::-1]
    np.testing.assert_allclose(latencies.above(CANARY, 40.5), (above[:, 40] + above[:, 41]) / 2)
    np.testing.assert_array_equal(latencies.above(CANARY, -3.0), latencies.answered[CANARY])
    np.testing.assert_array_equal(latencies.above(CANARY, 1e6), np.zeros(len(above)))


def test_a_value_is_computed_once_and_only_if_it_is_asked_for():
    """Also if it is None."""
    calls = []
    once = Once(lambda: calls.append(1))
    assert calls == []
    assert once() is None
    assert once() is None
    assert calls == [1]
