"""Stretches of a phase are screened at once, and none is ruled out that could prove harm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import samples_of, window_of_samples

from harness.judge.indicators.port import Scene
from harness.judge.measure import measure
from harness.judge.objectives import parse_objective
from harness.judge.screening import screened
from harness.model.samples import BASELINE, CANARY
from harness.stats.contrast import crossing
from harness.stats.stretches import stretches_of

FIRSTS = (5, 12, 20, 31, 45)


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_all_stretches_at_once_have_the_quantiles_of_each_of_them(quantile):
    """The differences of the quantiles are those of the curves one by one."""
    window = window_of_samples(samples_of(4, count=3000, canary_factor=1.2, share=0.2))
    later = stretches_of(window, FIRSTS)
    windows = [each() for each in later.windows]
    places = [[crossing(each.survival[arm], 1 - quantile) for arm in (BASELINE, CANARY)] for each in windows]
    np.testing.assert_allclose(later.slower_by(quantile), [canary - baseline for baseline, canary in places])


@pytest.mark.parametrize("factor", [1.0, 1.06, 1.1, 1.3])
@pytest.mark.parametrize(
    "text",
    ["latency_p50 < +10%", "latency_p99 < +25%", "latency_p90 < +5ms", "error_rate < +1pp", "error_rate < +50%",
     "throughput > -5%", "throughput > -3rps"],
)  # fmt: skip
def test_what_is_ruled_out_proves_nothing(text, factor):
    """A stretch without harm, or without harm beyond the tolerance, has a chance of one half for that at least."""
    objective, ruled_out = parse_objective(text), []
    for seed in range(4):
        samples = samples_of(seed, count=4000, canary_factor=factor, errors=(0.02, 0.02 * factor**3), share=0.2)
        scene = Scene(window=window_of_samples(samples), share=0.2 * factor)
        later = stretches_of(scene.window, FIRSTS)
        known = screened(objective, scene, later)
        ruled_out += [*known.harm, *known.beyond]
        for number, window in enumerate(later.windows):
            measured = measure(objective, replace(scene, window=window()))
            assert measured is not None
            assert not known.harm[number] or measured.chances.harm > 0.49
            assert not known.beyond[number] or max(measured.chances.harm, measured.chances.beyond) > 0.49
    assert any(ruled_out) or factor > 1.05


def test_objectives_with_a_limit_are_not_screened():
    """A limit can be broken by a canary that is no worse than the baseline."""
    window = window_of_samples(samples_of(1, count=2000))
    known = screened(
        parse_objective("latency_p50 < +10% and < 1ms"), Scene(window=window, share=0.5), stretches_of(window, FIRSTS)
    )
    assert not any([*known.harm, *known.beyond])
