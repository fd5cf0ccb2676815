"""The score of a run that failed says how bad the canary is."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from harness.judge import compare
from harness.judge.objectives import parse_objective
from harness.judge.scoring import failed_score, times_beyond
from harness.model.judge import JudgeSettings
from harness.model.verdict import Estimate, Finding, Verdict

OBJECTIVES = ("latency_p50 < +10%", "latency_p99 < +25%", "error_rate < +0.5pp")


def analysis(*, scale=1.0, errors=0.0, seed=3, **arguments):
    """Judge a minute of requests to arms of which the canary is slower by a factor, and has more errors."""
    rng = np.random.default_rng(seed)
    arms = []
    for factor, extra in ((1.0, 0.0), (scale, errors)):
        latency_s = 0.02 * factor * rng.lognormal(0, 0.3, 12_000)
        failed = rng.random(12_000) < 0.002 + extra
        status = np.where(failed, 503, 200)
        arms.append({"time_s": np.linspace(0, 59.99, 12_000), "latency_s": latency_s, "status": status})
    return compare(*arms, arguments.pop("objectives", OBJECTIVES), **arguments)


def finding(text, difference, *, relative=True, baseline=0.02, canary=0.03, margin=0.1):
    """A failed finding with these numbers."""
    return Finding(
        objective=parse_objective(text), phase="steady", baseline=Estimate(value=baseline, n=9),
        canary=Estimate(value=canary, n=9), difference=difference, low=None, high=None, relative=relative,
        confidence=0.95, margin=margin, verdict=Verdict.FAIL, reason="",
    )  # fmt: skip


@pytest.mark.parametrize("harms", [
    [{"scale": scale} for scale in (1.3, 1.6, 2.5, 5.0, 30.0)],
    [{"errors": errors} for errors in (0.015, 0.05, 0.27, 0.8)],
    [{"errors": 0.27, "scale": scale} for scale in (1.0, 1.5, 3.0)],
])  # fmt: skip
def test_a_worse_canary_scores_less(harms):
    """Among failed runs the score falls with latency, with errors, and with the number of objectives that fail."""
    found = [analysis(**harm) for harm in harms]
    assert {Verdict.FAIL} == {one.verdict for one in found}
    assert all(before.score > after.score + 0.5 for before, after in pairwise(found))
    assert 49 >= found[0].score > 0


def test_every_lost_point_of_a_failed_run_is_a_findings():
    """The points that findings lost are all that the run lost."""
    found = analysis(scale=1.5, errors=0.05)
    assert sum(one.points_lost for one in found.findings) == pytest.approx(100 - found.score)
    assert min(one.points_lost for one in found.findings) >= 0


def test_a_failed_critical_objective_takes_every_point():
    """Severity does not matter where nothing can make up for the objective."""
    critical = replace(parse_objective("error_rate < +0.5pp"), critical=True)
    assert 0.0 == analysis(errors=0.05, objectives=(critical, "latency_p50 < +10%")).score


@pytest.mark.parametrize(("line", "highest"), [(75.0, 49.0), (30.0, 29.9)])
def test_a_failed_run_scores_below_the_marginal_line(line, highest):
    """However slight the harm, the score does not contradict the verdict."""
    found = analysis(scale=1.2, marginal_score=line)
    assert Verdict.FAIL is found.verdict
    assert found.score <= highest


def test_a_marginal_run_scores_between_the_lines():
    """A marginal run lies in its own zone, and an inconclusive one does not reach the pass line."""
    found = analysis(scale=1.07, objectives=("latency_p50 < +8%", "error_rate < +0.5pp"))
    assert (Verdict.MARGINAL, True) == (found.verdict, 75 <= found.score < 95)
    found = analysis(objectives=("latency_p50 < +10%", "error_rate < +0.001pp"))
    assert (Verdict.INCONCLUSIVE, True) == (found.verdict, 0 < found.score < 75)


@pytest.mark.parametrize(("one", "times"), [
    (finding("latency_p50 < +10%", 0.1), 1.0),
    (finding("latency_p50 < +10%", 0.05), 1.0),
    (finding("latency_p50 < +10%", 0.21), 2.0),
    (finding("latency_p50 < +0%", np.expm1(0.15), margin=0.0), 4.0),
    (finding("error_rate < +0.5pp", 0.02, relative=False, margin=0.005), 4.0),
    (finding("throughput > -10%", 1 / 1.21 - 1, margin=-0.1), 2.0),
    (finding("throughput > -10%", -1.0, margin=-0.1), np.inf),
    (finding("latency_p99 < 10ms", None, margin=None), 3.0),
    (finding("error_rate < +0pp", 0.02, relative=False, margin=0.0, baseline=0.0), np.inf),
])  # fmt: skip
def test_severity_is_counted_in_tolerances(one, times):
    """The difference is measured in multiples of what is tolerated, and four times as far halves the score."""
    assert times_beyond(one) == pytest.approx(times)
    assert failed_score(one, JudgeSettings()) == pytest.approx(49 / np.sqrt(times))
