"""The judge with fixed limits checks the canary alone, window by window, like Flagger and Argo Rollouts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from kayenta_builders import evidence, plan, samples

from harness.errors import JudgeInputError
from harness.judge.limits import LimitsJudge
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.model.samples import CANARY, Samples
from harness.model.verdict import Analysis, Verdict


def decided(
    seen: Evidence,
    *objectives: str,
    now_s: float = 120.0,
    final: bool = True,
    window_s: float = 10.0,
    failed_checks: int = 5,
) -> Analysis:
    """The analysis of the usual run: ten checks of ten seconds."""
    return LimitsJudge(window_s=window_s, failed_checks=failed_checks).judge(
        seen, plan(*objectives), now_s=now_s, final=final
    )


def slow_between(start_s: float, end_s: float) -> Samples:
    """A canary that is ten times as slow for a while."""
    whole = samples()
    slow = (whole.due_s >= start_s) & (whole.due_s < end_s) & (whole.arm == CANARY)
    return dataclasses.replace(whole, latency_s=np.where(slow, whole.latency_s * 10, whole.latency_s))


def test_limits_that_hold_pass() -> None:
    """Every check within its limit: pass, 100 points, also for a limit downwards."""
    found = decided(evidence(), "latency_p99 < 500ms", "error_rate < 2%", "throughput > 50rps")
    assert (Verdict.PASS, 100.0, "limits") == (found.verdict, found.score, found.judge)
    assert found.findings[0].reason.startswith("0 of 5 checks beyond 500 ms (worst ")


@pytest.mark.parametrize("objective", ["latency_p50 < 20ms", "error_rate < 0.01%", "throughput > 1000rps"])
def test_a_limit_that_is_always_broken_fails(objective: str) -> None:
    """Every check beyond the limit fails in either direction, and takes every point."""
    found = decided(evidence(), objective)
    assert (Verdict.FAIL, 0.0) == (found.verdict, found.score)
    assert sum(finding.points_lost for finding in found.findings) == pytest.approx(100)


@pytest.mark.parametrize(
    ("failed_s", "expected"),
    [(20, Verdict.PASS), (40, Verdict.PASS), (50, Verdict.FAIL)],
)
def test_failed_checks_add_up(failed_s: int, expected: Verdict) -> None:
    """Fewer than five failed checks that are over by the last window pass; the fifth fails the run."""
    found = decided(evidence(slow_between(10, 10 + failed_s)), "latency_p50 < 100ms")
    assert expected is found.verdict
    assert f"{failed_s // 10} of 5 checks beyond 100 ms" in found.findings[0].reason


def test_a_failed_last_window_is_marginal() -> None:
    """A limit that is broken at the end, too rarely to fail, is for a person to decide."""
    found = decided(evidence(slow_between(95, 120)), "latency_p50 < 100ms")
    assert found.verdict is Verdict.MARGINAL
    assert found.reason.endswith("the last one too")
    assert found.score <= 75


def test_all_of_few_checks_failed_is_a_failure() -> None:
    """A run shorter than the tolerated number of failed checks fails when none held."""
    found = decided(evidence(), "latency_p50 < 20ms", window_s=40.0)
    assert [1, 1] == [finding.reason.count("1 of 1 checks") for finding in found.findings]
    assert found.verdict is Verdict.FAIL


def test_a_failing_canary_fails_before_the_end_and_a_good_one_waits() -> None:
    """The fifth failed check decides at once; until the end nothing passes."""
    bad = [decided(evidence(), "latency_p50 < 20ms", now_s=now_s, final=False).verdict for now_s in (50, 60, 90)]
    assert bad == [Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.FAIL]
    good = decided(evidence(), "latency_p50 < 500ms", now_s=110, final=False)
    assert (Verdict.INCONCLUSIVE, "limits hold so far") == (good.verdict, good.reason)


def test_no_data_never_passes() -> None:
    """Without requests of the canary, in a phase or in the last window, the run is inconclusive."""
    whole = samples()
    for missing in (whole.arm == CANARY, (whole.arm == CANARY) & (whole.due_s > 104), (whole.due_s < 65)):
        found = decided(evidence(whole.where(~missing)), "latency_p50 < 500ms")
        assert found.verdict is Verdict.INCONCLUSIVE
        assert found.score <= 75
    assert decided(evidence(), "latency_p50 < 500ms", window_s=100.0).verdict is Verdict.INCONCLUSIVE


def test_objectives_without_a_limit_keep_the_run_from_passing() -> None:
    """A tolerance alone is not judged here: inconclusive with a remedy; muted it does not matter."""
    found = decided(evidence(), "latency_p50 < +10%", "error_rate < 2%")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "latency_p50 < +10%: it has no absolute limit" in found.reason
    muted = dataclasses.replace(parse_objective("latency_p50 < +10%"), muted=True)
    spared = LimitsJudge().judge(evidence(), plan(muted, "error_rate < 2%"), now_s=120, final=True)
    assert (Verdict.PASS, 100.0) == (spared.verdict, spared.score)
    assert LimitsJudge().judge(evidence(), plan(muted), now_s=120, final=True).reason == "every objective is muted"


def test_a_critical_limit_sets_the_score_to_0() -> None:
    """A broken critical limit takes every point; an ordinary one leaves at most 49."""
    ordinary = decided(evidence(), "latency_p50 < 20ms", "error_rate < 2%", "latency_p99 < 1s", "throughput > 10rps")
    assert (Verdict.FAIL, 49.0) == (ordinary.verdict, ordinary.score)
    critical = LimitsJudge().judge(
        evidence(),
        plan(parse_objective("latency_p50 < 20ms", critical=True), "error_rate < 2%"),
        now_s=120,
        final=True,
    )
    assert (Verdict.FAIL, 0.0) == (critical.verdict, critical.score)
    for found in (ordinary, critical):
        assert sum(finding.points_lost for finding in found.findings) == pytest.approx(100 - found.score)


def test_a_difference_next_to_a_limit_is_warned_about() -> None:
    """Only the limit is judged."""
    found = decided(evidence(), "latency_p50 < +10% and < 500ms")
    assert found.verdict is Verdict.PASS
    assert found.warnings == (
        "latency_p50 < +10% and < 500ms: only its limit is judged, not the difference to the baseline",
    )


def test_invalid_times_are_refused() -> None:
    """A negative latency names its row."""
    broken = samples(requests=10)
    broken.latency_s[3] = -1
    with pytest.raises(JudgeInputError, match="latency_s: row 4"):
        decided(evidence(broken), "latency_p50 < 1s")
