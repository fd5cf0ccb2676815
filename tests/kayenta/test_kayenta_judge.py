"""Kayenta's judge behind the harness's port for judges, on recorded requests."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from kayenta_builders import PHASES, evidence, plan, samples

from harness.errors import JudgeInputError
from harness.judge.kayenta.judge import KayentaJudge
from harness.judge.limits import LimitsJudge
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence, Judge
from harness.model.record import Series
from harness.model.verdict import Analysis, Verdict
from harness.stats.table import reduce_samples

OBJECTIVES = ("latency_p50 < +10%", "error_rate < +0.5pp", "throughput > -10%")


def decided(seen: Evidence, *objectives: str, final: bool = True, now_s: float = 120.0, **settings: float) -> Analysis:
    """The judge's analysis at the end of the usual run."""
    return KayentaJudge(**settings).judge(seen, plan(*(objectives or OBJECTIVES)), now_s=now_s, final=final)


def test_equal_arms_pass() -> None:
    """A canary that is no worse passes with 100 and has one finding per objective and judged phase."""
    found = decided(evidence())
    assert (Verdict.PASS, 100.0, "kayenta", True) == (found.verdict, found.score, found.judge, found.final)
    assert len(found.findings) == 6
    assert {finding.phase for finding in found.findings} == {"steady", "fault"}
    assert sum(finding.weight for finding in found.findings) == pytest.approx(1.0)


def test_unequal_shares_pass_and_are_warned_about() -> None:
    """Throughput is compared by planned share, and a warning names the bias of percentiles."""
    found = KayentaJudge().judge(
        evidence(samples(canary_share=0.2)), plan(*OBJECTIVES, canary_share=0.2), now_s=120, final=True
    )
    assert found.verdict is Verdict.PASS
    assert any("unequal arms: 4" in warning for warning in found.warnings)


def test_a_slower_canary_fails_with_its_numbers() -> None:
    """+30 % at the median beyond +10 % is High in both phases; the interval is in seconds."""
    found = decided(evidence(samples(slower=1.3)), "latency_p50 < +10%")
    assert (Verdict.FAIL, 0.0) == (found.verdict, found.score)
    assert found.reason.startswith("Kayenta says Fail, score 0.00: latency_p50 < +10% [steady] High")
    finding = found.findings[0]
    assert finding.difference is not None
    assert finding.low is not None
    assert finding.high is not None
    assert 0.012 < finding.low < finding.difference < finding.high < 0.018
    assert finding.margin == pytest.approx(0.005, rel=0.05)
    assert finding.reason.startswith("High: shift 14.3 ms (")
    assert sum(one.points_lost for one in found.findings) == pytest.approx(100)


def test_a_change_within_tolerance_passes() -> None:
    """+5 % at the median within +10 % passes, although the shift is proven."""
    assert decided(evidence(samples(slower=1.05)), "latency_p50 < +10%").verdict is Verdict.PASS


def test_absolute_tolerances_are_taken_relative_to_the_baseline() -> None:
    """+5 points of errors fail +0.5pp and pass +10pp."""
    worse = evidence(samples(more_errors=0.05))
    verdicts = [decided(worse, f"error_rate < +{points}pp").verdict for points in ("0.5", "10")]
    assert verdicts == [Verdict.FAIL, Verdict.PASS]


def test_points_lost_add_up_with_groups_and_weights() -> None:
    """Groups weigh as the sum of their objectives; a marginal score is marginal."""
    objectives = (
        parse_objective("latency_p50 < +10%", weight=1, group="latency"),
        parse_objective("error_rate < +0.5pp", weight=4, group="errors"),
    )
    found = KayentaJudge().judge(evidence(samples(slower=1.3)), plan(*objectives), now_s=120, final=True)
    assert (Verdict.MARGINAL, 80.0) == (found.verdict, found.score)
    assert sum(finding.points_lost for finding in found.findings) == pytest.approx(20)


def test_a_critical_objective_sets_the_score_to_0() -> None:
    """A critical High fails the run alone and takes every point."""
    objectives = (parse_objective("latency_p50 < +10%", critical=True), parse_objective("throughput > -10%", weight=9))
    found = KayentaJudge().judge(evidence(samples(slower=1.3)), plan(*objectives), now_s=120, final=True)
    assert (Verdict.FAIL, 0.0) == (found.verdict, found.score)
    lost = {finding.objective.name: finding.points_lost for finding in found.findings}
    assert lost["throughput"] == 0
    assert sum(finding.points_lost for finding in found.findings) == pytest.approx(100)


@pytest.mark.parametrize("arm", [0, 1])
def test_a_missing_arm_is_inconclusive(arm: int) -> None:
    """Nodata neither passes nor fails, and the finding names what is missing."""
    whole = samples()
    found = decided(evidence(whole.where(whole.arm == arm)), "latency_p50 < +10%")
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "Missing data" in found.reason
    assert found.findings[0].missing == f"points of {('canary', 'baseline')[arm]}"
    assert found.score <= 75


def test_one_point_is_inconclusive_when_the_test_fails() -> None:
    """An Error, which counts nowhere in Kayenta, keeps the run from passing."""
    found = decided(evidence(samples(slower=1.4)), "latency_p50 < +10%", point_s=50.0)
    labels = {finding.reason.split(":")[0] for finding in found.findings}
    assert "Error" in labels or found.verdict is Verdict.FAIL
    assert found.verdict is not Verdict.PASS


@pytest.mark.parametrize(
    ("objective", "why"),
    [
        ("split within 2pp", "has none for split"),
        ("recovery_time < +2s", "has none for recovery_time"),
        ("interaction(latency_p99) < +10%", "effects of a fault"),
        ("latency_p99 < 500ms", "no absolute limits"),
    ],
)
def test_objectives_that_kayenta_cannot_judge_keep_the_run_from_passing(objective: str, why: str) -> None:
    """An objective without a counterpart is inconclusive with a reason; the others are judged."""
    found = decided(evidence(), objective, "throughput > -10%")
    assert found.verdict is Verdict.INCONCLUSIVE
    unjudged = [finding for finding in found.findings if finding.verdict is Verdict.INCONCLUSIVE]
    assert [objective] == [finding.objective.text for finding in unjudged]
    assert why in unjudged[0].reason
    muted = dataclasses.replace(parse_objective(objective), muted=True)
    spared = KayentaJudge().judge(evidence(), plan(muted, parse_objective("throughput > -10%")), now_s=120, final=True)
    assert spared.verdict is Verdict.PASS


def test_a_limit_next_to_a_tolerance_is_warned_about() -> None:
    """The difference is judged, the limit is not."""
    found = decided(evidence(), "latency_p50 < +10% and < 1ms")
    assert found.verdict is Verdict.PASS
    assert "latency_p50 < +10% and < 1ms: its limit is not judged, Kayenta has no absolute limits" in found.warnings


def test_before_the_end_nothing_passes() -> None:
    """Kayenta judges once, at the end: every earlier look is inconclusive, even for a bad canary."""
    for seen in (evidence(), evidence(samples(slower=3))):
        found = decided(seen, final=False, now_s=100)
        assert (Verdict.INCONCLUSIVE, False) == (found.verdict, found.final)
        assert "at the end of the run" in found.reason


def test_growing_windows_can_fail_before_the_end() -> None:
    """With an analysis interval the first window at or below marginal fails, and so does every later look."""
    seen, wanted = evidence(samples(slower=1.5)), plan("latency_p50 < +10%")
    judge = KayentaJudge(look_every_s=30)
    looks = [judge.judge(seen, wanted, now_s=now_s, final=now_s == 120) for now_s in (20, 30, 60, 120)]
    assert [look.verdict for look in looks] == [Verdict.INCONCLUSIVE, *[Verdict.FAIL] * 3]
    assert [look.decided_at_s for look in looks] == [20, 30, 30, 30]
    assert KayentaJudge(look_every_s=30).judge(evidence(), wanted, now_s=120, final=True).verdict is Verdict.PASS


def test_labels_restrict_phase_and_endpoint() -> None:
    """A phase label judges that phase only; an unknown endpoint has no data."""
    fault = decided(evidence(), "latency_p50{phase=fault} < +10%")
    assert [finding.phase for finding in fault.findings] == ["fault"]
    assert decided(evidence(), "latency_p50{endpoint=/checkout} < +10%").verdict is Verdict.PASS
    assert decided(evidence(), "latency_p50{endpoint=/nowhere} < +10%").verdict is Verdict.INCONCLUSIVE


def test_gauges_are_compared_from_series() -> None:
    """A gauge that is 50 % higher in the canary is High; without series there is no verdict."""
    at_s = tuple(float(second) for second in range(120))
    noise = np.random.default_rng(4).normal(1, 0.05, (2, 120))
    series = tuple(
        Series(
            name="memory",
            arm=arm,
            unit="bytes",
            source="prometheus",
            at_s=at_s,
            values=tuple(100 * factor * row),
        )
        for arm, factor, row in zip(("baseline", "canary"), (1.0, 1.5), noise, strict=True)
    )
    assert decided(evidence(series=series), "gauge:memory < +10%").verdict is Verdict.FAIL
    assert decided(evidence(series=series), "gauge:memory < +80%").verdict is Verdict.PASS
    assert decided(evidence(), "gauge:memory < +10%").verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("judge", [KayentaJudge(), LimitsJudge()], ids=lambda judge: judge.name)
def test_reduced_counts_alone_are_not_enough(judge: Judge) -> None:
    """A table without samples is inconclusive, and a warning names what is needed."""
    whole = samples(requests=2_000)
    reduced = Evidence(
        samples=whole.where(whole.arm > 1),
        phases=PHASES,
        table=reduce_samples(whole, PHASES, block_s=1.0),
    )
    found = judge.judge(reduced, plan("latency_p50 < +10% and < 1s"), now_s=120, final=True)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("reads single requests" in warning for warning in found.warnings)


@pytest.mark.parametrize(("column", "value"), [("latency_s", np.nan), ("latency_s", -1.0), ("due_s", np.inf)])
def test_invalid_times_are_refused_with_their_row(column: str, value: float) -> None:
    """NaN, infinite and negative times name column and row."""
    broken = samples(requests=100)
    getattr(broken, column)[41] = value
    with pytest.raises(JudgeInputError, match=f"samples: {column}: row 42: expected finite seconds"):
        decided(evidence(broken))


def test_no_phase_and_no_objective_are_inconclusive() -> None:
    """Without a judged phase, or with every objective muted, nothing is shown."""
    nothing = Evidence(samples=samples(requests=100), phases=PHASES[:1])
    assert decided(nothing).verdict is Verdict.INCONCLUSIVE
    muted = plan(dataclasses.replace(parse_objective("latency_p50 < +10%"), muted=True))
    found = KayentaJudge().judge(evidence(), muted, now_s=120, final=True)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "every objective is muted" in found.reason
