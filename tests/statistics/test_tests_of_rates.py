"""Roots, tails and the long-run variance agree with independent sources."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from simulated import samples_of, window_of_samples

from harness.stats.contrast import quantile_contrast, rate_contrast
from harness.stats.intervals import interval
from harness.stats.likelihood import Counts, root_of_difference, root_of_ratio, root_of_share
from harness.stats.tails import anytime_tail, normal_quantile, normal_tail, t_quantile, t_tail
from harness.stats.variance import overdispersion

CASES = [(5, 100, 4, 900), (30, 1000, 20, 2000), (3, 3000, 1, 9000), (120, 400, 200, 800)]


@pytest.mark.parametrize("case", CASES)
def test_small_counts_agree_with_fishers_exact_test(case):
    """The tail of the root against equality is within a third of Fisher's exact test, or on the safe side of it."""
    x1, n1, x2, n2 = case
    counts = Counts(canary=x1, canary_trials=n1, baseline=x2, baseline_trials=n2)
    exact = stats.fisher_exact([[x1, n1 - x1], [x2, n2 - x2]], alternative="greater").pvalue
    assert normal_tail(root_of_difference(counts, 0.0)) == pytest.approx(exact, rel=0.5)


@pytest.mark.parametrize("case", CASES)
def test_restricted_rates_give_the_largest_likelihood(case):
    """No other pair of rates with the hypothesised difference or ratio is more likely than the ones used."""
    x1, n1, x2, n2 = case
    counts = Counts(canary=x1 + 0.0, canary_trials=n1, baseline=x2 + 0.0, baseline_trials=n2)
    free = x1 * math.log(x1 / n1) + (n1 - x1) * math.log(1 - x1 / n1)
    free += x2 * math.log(x2 / n2) + (n2 - x2) * math.log(1 - x2 / n2)
    rates = np.linspace(1e-7, 0.6, 200_001)
    for other, root in (
        (rates + 0.01, root_of_difference(counts, 0.01)),
        (rates * 1.5, root_of_ratio(counts, 1.5)),
    ):
        inside = (other > 0) & (other < 1)
        b, c = rates[inside], other[inside]
        best = (x1 * np.log(c) + (n1 - x1) * np.log(1 - c) + x2 * np.log(b) + (n2 - x2) * np.log(1 - b)).max()
        # half an event is moved towards the hypothesis, so the root is a little nearer to zero
        assert abs(root) <= math.sqrt(2 * (free - best)) + 1e-3
        assert abs(root) >= math.sqrt(2 * (free - best)) * 0.6 - 0.5


def test_no_events_are_bounded_like_the_rule_of_three():
    """No error in n requests shows an error rate below 3/n at about 95 %, as the exact binomial does."""
    tail = normal_tail(-root_of_share(0, 1000, 0.003))
    assert 0.02 < tail < 0.06


def test_tails_and_quantiles_are_inverse():
    """The tail of a quantile is the original tail."""
    assert [normal_tail(normal_quantile(0.003)), t_tail(t_quantile(0.003, 7), 7)] == pytest.approx([0.003, 0.003])


def test_limits_for_every_look_hold_at_every_look():
    """A sum of independent steps crosses its limit at any of 300 looks in about alpha of the runs, not more."""
    rng = np.random.default_rng(7)
    paths = np.cumsum(rng.standard_normal((20_000, 300)), axis=1)
    limits = np.array([normal_quantile(anytime_tail(0.05, look, 15.0)) * math.sqrt(look) for look in range(1, 301)])
    crossed = float((paths > limits).any(axis=1).mean())
    assert 0.015 < crossed <= 0.053


def test_independent_blocks_have_no_overdispersion():
    """Independent blocks give a factor near one; correlated ones the long-run variance of an AR(1)."""
    rng = np.random.default_rng(3)
    plain = np.mean([overdispersion(rng.standard_normal(300), np.ones(300)).factor for _ in range(200)])
    factors = []
    for _ in range(200):
        noise = rng.standard_normal(400)
        for at in range(1, 400):
            noise[at] += 0.7 * noise[at - 1]
        factors.append(overdispersion(noise[100:], np.ones(300)).factor)
    assert 1.0 <= plain < 1.2
    assert 0.6 * (1 / 0.3) ** 2 < np.mean(factors) < 1.4 * (1 / 0.3) ** 2


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.99])
def test_intervals_of_a_quantile_cover_the_true_ratio(quantile):
    """The 95 % interval of the ratio of two quantiles covers the truth in about 95 of 100 runs."""
    covered = 0
    for seed in range(150):
        window = window_of_samples(samples_of(seed, count=6000, canary_factor=1.2))
        low, high = interval(quantile_contrast(window, quantile), 0.025, relative=True)
        covered += low <= 0.2 <= high
    assert 0.9 <= covered / 150


def test_intervals_of_a_rate_agree_with_the_score_interval():
    """The interval of a difference of rates is that of Miettinen and Nurminen, up to the long-run variance."""
    window = window_of_samples(samples_of(5, count=40_000, errors=(0.01, 0.02)))
    low, high = interval(rate_contrast(window.failed, window.requests), 0.025, relative=False)
    x, n = window.failed.sum(axis=1), window.requests.sum(axis=1)
    middle = x[1] / n[1] - x[0] / n[0]
    wald = 1.96 * math.sqrt(sum(x[arm] / n[arm] * (1 - x[arm] / n[arm]) / n[arm] for arm in (0, 1)))
    assert [low, high] == pytest.approx([middle - wald, middle + wald], abs=0.35 * wald)
