"""Prometheus counters and histograms reduced to tables: totals, restarts, gaps, and verdicts no finer than buckets."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import JudgeInputError
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY, no_samples
from harness.model.verdict import Verdict
from harness.stats.contrast import quantile_contrast, rate_contrast
from harness.stats.scrapes import Scrapes, coarseness, reduce_scrapes
from harness.stats.window import window_of

EDGES_S = np.array([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, np.inf])
STEADY = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=300.0)


def scraped(arm, *, factor=1.0, errors=0.01, rate=100, every_s=5.0, seed=1):
    """Running totals of a simulated arm."""
    rng = np.random.default_rng([seed, arm])
    at_s = np.arange(0.0, 301.0, every_s)
    requests, failures, buckets = [0], [0], [np.zeros(len(EDGES_S))]
    for _ in at_s[1:]:
        count = rng.poisson(rate * every_s)
        latency = 0.04 * factor * np.exp(0.5 * rng.standard_normal(count))
        requests.append(requests[-1] + count)
        failures.append(failures[-1] + rng.binomial(count, errors))
        buckets.append(buckets[-1] + (latency[:, None] <= EDGES_S).sum(axis=0))
    totals = [np.array(column, float) for column in (requests, failures, buckets)]
    return Scrapes(arm=arm, at_s=at_s, requests=totals[0], errors=totals[1], edges_s=EDGES_S, buckets=totals[2])


def window(*scrapes):
    """The steady phase of some arms."""
    return window_of(reduce_scrapes(scrapes, [STEADY], block_s=5.0), "steady")


def test_totals_between_scrapes_add_up():
    """The table holds the increase of the counters, for errors and latencies."""
    arms = scraped(BASELINE), scraped(CANARY)
    found = window(*arms)
    assert found.requests.sum(axis=1).tolist() == [arm.requests[-1] for arm in arms]
    assert found.failed.sum(axis=1).tolist() == [arm.errors[-1] for arm in arms]
    assert found.above[:, :, 0].sum(axis=1).tolist() == [arm.buckets[-1, -1] for arm in arms]


def test_more_requests_above_an_edge_are_detected():
    """A slower canary has more requests above the edge nearest the quantile; equal arms do not."""
    equal = quantile_contrast(window(scraped(BASELINE), scraped(CANARY)), 0.9)
    slower = quantile_contrast(window(scraped(BASELINE), scraped(CANARY, factor=1.3)), 0.9)
    assert abs(equal.root(0.0, relative=True)) < 3
    assert slower.root(0.0, relative=True) > 6


def verdict(*scrapes, objectives):
    """Return the default judge's verdict on scrapes alone."""
    plan = Plan(
        scenario="",
        service="",
        target="",
        phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=300.0),),
        objectives=tuple(parse_objective(text) for text in objectives),
        canary_share=0.5,
        rate_rps=200.0,
        seed=0,
    )
    table = reduce_scrapes(scrapes, [STEADY], block_s=5.0)
    evidence = Evidence(samples=no_samples(), phases=(STEADY,), table=table)
    return SequentialJudge().judge(evidence, plan, now_s=300.0, final=True)


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(1.0, Verdict.INCONCLUSIVE), (1.3, Verdict.MARGINAL), (5.0, Verdict.FAIL), (0.3, Verdict.PASS)],
)
def test_a_verdict_is_no_finer_than_the_buckets(factor, expected):
    """Buckets of a factor of two show no tolerance of 10 %: only harm, great harm, or a clearly faster canary."""
    arms = scraped(BASELINE), scraped(CANARY, factor=factor)
    assert verdict(*arms, objectives=["latency_p90 < +10%"]).verdict is expected


def test_errors_from_counters_are_judged_as_from_requests():
    """Error rates need no buckets: equal ones pass, and three points more fail."""
    arms = scraped(BASELINE), scraped(CANARY), scraped(CANARY, errors=0.04)
    assert verdict(arms[0], arms[1], objectives=["error_rate < +1pp"]).verdict is Verdict.PASS
    assert verdict(arms[0], arms[2], objectives=["error_rate < +1pp"]).verdict is Verdict.FAIL


def test_more_errors_are_detected():
    """Error counters are compared as errors of requests are."""
    contrast = rate_contrast(*_events(window(scraped(BASELINE), scraped(CANARY, errors=0.03))))
    assert contrast.canary == pytest.approx(0.03, abs=0.005)
    assert contrast.root(0.0, relative=False) > 6


def _events(found):
    return found.failed, found.requests


def test_a_restarted_counter_and_a_failed_scrape_lose_only_their_own_interval():
    """After a restart the new total counts from zero; a gap drops the two adjacent intervals."""
    arm = scraped(BASELINE)
    whole = arm.requests.copy()
    arm.requests[30:] -= whole[30] - 7
    arm.errors[30:] -= arm.errors[30]
    arm.buckets[30:] -= arm.buckets[30]
    arm.requests[10] = np.nan
    found = window(arm).requests[BASELINE].sum()
    assert found == whole[-1] - (whole[30] - whole[29]) + 7 - (whole[11] - whole[9])


def test_intervals_across_the_edge_of_a_phase_belong_to_none():
    """Counts that may belong to two phases are evidence for neither."""
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=7.0, end_s=23.0)
    table = reduce_scrapes([scraped(BASELINE)], [phase], block_s=5.0)
    assert table.cells[:, 1].tolist() == [2, 3]


@pytest.mark.parametrize(
    ("latency_s", "expected"), [(0.07, 1.0), (0.05, 1.0), (0.3, 1.0), (0.004, np.inf), (2.0, np.inf)]
)
def test_the_width_of_a_bucket_is_known(latency_s, expected):
    """A bucket from 50 to 100 ms resolves a factor of two; the first and the last bucket resolve nothing."""
    assert coarseness(EDGES_S, latency_s) == pytest.approx(expected)


def test_shapes_that_do_not_fit_are_refused():
    """Totals, buckets and edges must match, and times must increase."""
    arm = scraped(BASELINE)
    for wrong in ({"requests": arm.requests[1:]}, {"edges_s": EDGES_S[1:]}, {"at_s": arm.at_s[::-1]}):
        columns = {name: getattr(arm, name) for name in ("at_s", "requests", "errors", "edges_s", "buckets")} | wrong
        with pytest.raises(JudgeInputError, match="scrapes"):
            Scrapes(arm=BASELINE, **columns)
