"""An arm that is slow for a while is no worse build: what quantiles share, and how the margin falls."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import SECONDS, samples_of, window_of_samples

from harness.judge import prediction
from harness.judge.indicators import indicator_of
from harness.judge.indicators.port import Scene
from harness.judge.objectives import parse_objective
from harness.judge.prediction import Expected, quantile_prediction
from harness.model.samples import CANARY
from harness.stats import contrast
from harness.stats.variance import WARY, wary_after
from harness.stats.window import Window, window_of_histograms


def window_with_slow_body() -> Window:
    """A minute in which the canary's faster half is slow for ten seconds and fast for the next ten, in turns."""
    samples = samples_of(3, count=60_000)
    turn = np.where(samples.due_s // 10 % 2 == 0, 1.06, 1 / 1.06)
    body = (samples.arm == CANARY) & (samples.latency_s < 0.035)
    samples.latency_s[body] *= turn[body]
    return window_of_samples(samples)


def test_a_common_quantile_has_the_noise_that_another_one_shows(monkeypatch):
    """The 90th percentile hides a slow arm here, but the median shows it; the 99th percentile keeps its own noise."""
    window = window_with_slow_body()
    shared = {quantile: contrast.quantile_contrast(window, quantile).noise.factor for quantile in (0.5, 0.9, 0.99)}
    monkeypatch.setattr(contrast, "COMMON", (0.0,))
    own = {quantile: contrast.quantile_contrast(window, quantile).noise.factor for quantile in (0.5, 0.9, 0.99)}
    assert own[0.9] < 1.3
    assert own[0.5] > 3
    assert shared[0.9] > 1.5 * own[0.9]
    assert [shared[0.5], shared[0.99]] == pytest.approx([own[0.5], own[0.99]])


def test_a_quantile_between_two_humps_says_little_about_the_noise_of_the_median():
    """A tenth of the requests miss a cache: hardly any latency is near the 90th percentile, which then shows no shift."""
    for seed in range(6):
        samples = samples_of(seed, count=12_000)
        samples.latency_s[:] **= 0.2
        samples.latency_s[np.random.default_rng(seed + 100).random(len(samples)) < 0.1] *= 20
        assert contrast.quantile_contrast(window_of_samples(samples), 0.5).noise.factor < 4


def test_a_stretch_knows_more_of_its_noise_after_a_longer_time():
    """The time before a stretch counts as degrees of freedom, and the slowest noise is looked for in that time only."""
    assert wary_after(12).degrees == WARY.degrees + 12
    assert wary_after(12).bandwidths == WARY.bandwidths[:-1]


def margin(seconds: int, *, is_calibrated: bool = False) -> float:
    """Return what the judge takes for no harm in a stretch of so many seconds."""
    objective = parse_objective("latency_p50 < +10%")
    window = window_of_histograms(np.ones((2, seconds, 4)), first_bin=1000, block_s=1.0)
    evidence = indicator_of(objective).contrast(objective, Scene(window=window, share=0.5, is_calibrated=is_calibrated))
    return evidence.resolution


def test_the_margin_of_harm_falls_in_long_stretches():
    """Three percent in a short stretch, less in one that shows slow noise itself, nothing where the noise was learned."""
    assert margin(int(SECONDS)) == 0.03
    assert margin(300) == pytest.approx(0.0075)
    assert margin(3600) == 0.0025
    assert margin(300, is_calibrated=True) == 0.0


def test_a_plan_knows_that_noise_is_shared(monkeypatch):
    """Chance shows more noise in two quantiles than in one, so a plan promises to see a larger difference of the median."""
    expected = Expected(weight=2000.0, blocks=60.0, seconds=60.0)

    def seen(quantile: float) -> float:
        found = quantile_prediction(expected, quantile=quantile, resolution=0.02, caution=WARY)
        return found.fails_from(1e-4, power=0.95)

    shared = seen(0.5), seen(0.99)
    monkeypatch.setattr(prediction, "COMMON", (0.5,))
    own = seen(0.5), seen(0.99)
    assert own[0] * 1.02 < shared[0] < own[0] * 1.3
    assert own[1] == shared[1]
