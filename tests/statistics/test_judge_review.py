"""The default judge with little, no or unusual data: it never passes silently, and numbers match the verdict."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.errors import JudgeInputError
from harness.judge.limits import LimitsJudge
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import FailOn, SequentialJudge
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Series
from harness.model.samples import Samples
from harness.model.verdict import Finding, Verdict

STEADY = Phase(name="steady", kind=PhaseKind.STEADY, start_s=10, end_s=65)
FAULT = Phase(name="fault", kind=PhaseKind.FAULT, start_s=65, end_s=120)
RECOVERY = Phase(name="recovery", kind=PhaseKind.RECOVERY, start_s=120, end_s=150)
ERRORS = "error_rate < +0.5pp"


def requests(*, count=24_000, seconds=120.0, share=0.5, slower=1.0, errors=(0.005, 0.005), seed=1) -> Samples:
    """Log-normal latencies around 50 ms; ``errors`` are the rates of baseline and canary."""
    rng = np.random.default_rng(seed)
    due_s = np.sort(rng.uniform(0, seconds, count))
    arm = (rng.random(count) < share).astype(np.int8)
    latency_s = rng.lognormal(np.log(0.05), 0.4, count) * np.where(arm == 1, slower, 1.0)
    failed = rng.random(count) < np.where(arm == 1, errors[1], errors[0])
    return Samples(
        due_s=due_s,
        latency_s=latency_s,
        late_s=np.zeros(count),
        status=np.where(failed, 503, 200).astype(np.int16),
        arm=arm,
        operation=np.zeros(count, np.int16),
        error=np.zeros(count, np.int16),
        size=np.zeros(count, np.int32),
        operations=("/checkout",),
        errors=("",),
    )


def plan_of(*objectives: str | Objective, phases=(STEADY, FAULT), share=0.5, **judge) -> Plan:
    """A plan of these phases in which the objectives hold."""
    return Plan(
        scenario="scenario",
        service="checkout",
        target="local",
        phases=tuple(PhasePlan(name=one.name, kind=one.kind, duration_s=one.duration_s) for one in phases),
        objectives=tuple(parse_objective(one) if isinstance(one, str) else one for one in objectives),
        canary_share=share,
        rate_rps=200.0,
        seed=1,
        judge=JudgeSettings(**judge),
    )


def judged(samples, *objectives, phases=(STEADY, FAULT), series=(), fail_on=FailOn.BEYOND_TOLERANCE, **plan):
    """The analysis of a whole run."""
    evidence = Evidence(samples=samples, phases=phases, series=series)
    judge = SequentialJudge(fail_on=fail_on)
    return judge.judge(evidence, plan_of(*objectives, phases=phases, **plan), now_s=phases[-1].end_s, final=True)


def gauge(baseline: float, canary: float, *, noise=0.05, seed=1) -> tuple[Series, ...]:
    """A reading a second of both arms."""
    rng = np.random.default_rng(seed)
    return tuple(
        Series(
            name="cpu",
            arm=arm,
            unit="",
            source="prometheus",
            at_s=tuple(map(float, range(120))),
            values=tuple(level + noise * rng.standard_normal(120)),
        )
        for arm, level in (("baseline", baseline), ("canary", canary))
    )


def holds(finding: Finding) -> bool:
    """Whether the estimate lies in its interval."""
    return finding.low <= finding.difference <= finding.high


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        ("latency_p50{phase=nosuch} < +10%", "'nosuch'"),
        ("latency_p50{phase=warm-up} < +10%", "'warm-up'"),
        ("recovery_time < +2s", "recovery phase"),
        ("interaction(latency_p50) < +10%", "fault phase"),
    ],
)
@pytest.mark.parametrize("final", [True, False])
def test_an_objective_that_holds_in_no_phase_keeps_a_run_from_passing(objective, said, final):
    """An objective without a phase is inconclusive, names the phase that it needs, and prevents a pass."""
    phases = (STEADY,)
    evidence = Evidence(samples=requests(), phases=phases)
    analysis = SequentialJudge().judge(evidence, plan_of(objective, ERRORS, phases=phases), now_s=65, final=final)
    finding = analysis.findings[0]
    assert (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE) == (analysis.verdict, finding.verdict)
    assert said in finding.reason
    assert "steady" in finding.reason
    assert said in analysis.reason


@pytest.mark.parametrize("silent", [(15, 55), (25, 65), (10, 50)])
def test_silence_counts_against_a_limit_of_throughput(silent):
    """A phase that is silent most of the time does not have the throughput of its busy part."""
    samples = requests()
    some = samples.where(~((samples.due_s >= silent[0]) & (samples.due_s < silent[1])))
    found = judged(some, "throughput > 80rps")
    assert found.findings[0].verdict is not Verdict.PASS
    assert found.findings[1].verdict is Verdict.PASS


@pytest.mark.parametrize(("share", "verdict"), [(0.3, Verdict.PASS), (0.4, Verdict.FAIL)])
def test_a_split_is_shown_in_shares(share, verdict):
    """The difference of a split and its interval are shares of the requests at any rate."""
    samples = requests(share=share)
    finding = judged(samples, "split within 3pp", share=0.3).findings[0]
    inside = samples.where((samples.due_s >= 10) & (samples.due_s < 65))
    assert finding.verdict is verdict
    assert finding.difference == pytest.approx(float((inside.arm == 1).mean()) - 0.3, abs=1e-9)
    assert holds(finding)
    assert 0.01 < finding.high - finding.low < 0.05


@pytest.mark.parametrize(("lost", "verdict"), [(0.0, Verdict.PASS), (0.4, Verdict.FAIL)])
def test_a_throughput_tolerance_in_requests_a_second_is_compared_in_them(lost, verdict):
    """Tolerance, difference and interval of a throughput are requests per second."""
    samples = requests()
    rng = np.random.default_rng(5)
    samples = samples.where((samples.arm == 0) | (rng.random(len(samples)) >= lost))
    finding = judged(samples, "throughput > -20rps").findings[0]
    assert finding.verdict is verdict
    assert finding.difference == pytest.approx(-100 * lost, abs=5)
    assert holds(finding)
    assert 3 < finding.high - finding.low < 20


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("objective", ["interaction(latency_p50) < +10%", "interaction(latency_p50) < +5ms"])
def test_the_interval_of_an_interaction_surrounds_its_estimate_closely(objective, seed):
    """An interaction that passes has an interval within its tolerance, around its estimate."""
    finding = judged(requests(count=60_000, seed=seed), objective).findings[0]
    assert finding.verdict is Verdict.PASS
    assert holds(finding)
    assert abs(finding.low) < finding.margin
    assert abs(finding.high) < finding.margin
    assert finding.smallest_visible < finding.margin


@pytest.mark.parametrize("objective", ["gauge:cpu < +10%", "gauge:cpu within 10%"])
@pytest.mark.parametrize(
    ("baseline", "canary", "verdict"),
    [(-10, -10, Verdict.PASS), (-9, -8.7, Verdict.PASS), (-9, -7, Verdict.FAIL), (10, 10, Verdict.PASS)],
)
def test_a_gauge_below_zero_is_compared_by_its_size(objective, baseline, canary, verdict):
    """A relative tolerance of a negative gauge is a share of its absolute value, and a larger gauge is worse."""
    finding = judged(requests(), objective, series=gauge(baseline, canary)).findings[0]
    assert finding.verdict is verdict
    assert finding.difference == pytest.approx((canary - baseline) / abs(baseline), abs=0.01)
    assert holds(finding)


def test_a_negative_gauge_that_falls_is_worse_where_less_is_worse():
    """A gauge that must not fall fails when it falls further below zero than is tolerated."""
    assert judged(requests(), "gauge:cpu > -10%", series=gauge(-9, -11)).verdict is Verdict.FAIL


def recovering(canary_s: float, baseline_s: float, objective: str, *, count=30_000, seed=1):
    """Return a run whose latencies are five times longer for some time after the fault."""
    samples = requests(count=count, seconds=150, seed=seed)
    until_s = 120 + np.where(samples.arm == 1, canary_s, baseline_s)
    slow = (samples.due_s >= 120) & (samples.due_s < until_s)
    samples = replace(samples, latency_s=np.where(slow, samples.latency_s * 5, samples.latency_s))
    return judged(samples, objective, phases=(STEADY, FAULT, RECOVERY)).findings[0]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("objective", ["recovery_time < +2s", "recovery_time < 5s"])
def test_arms_that_were_never_bad_have_nothing_to_recover_from(objective, seed):
    """Where the phase after a fault is as good as before it, recovery takes no time and passes."""
    finding = recovering(0, 0, objective, seed=seed)
    assert (0.0, 0.0) == (finding.baseline.value, finding.canary.value)
    assert finding.verdict is Verdict.PASS
    assert math.isfinite(finding.low)
    assert math.isfinite(finding.high)


@pytest.mark.parametrize(
    ("canary_s", "baseline_s", "verdict"),
    [(10, 3, Verdict.FAIL), (30, 3, Verdict.FAIL), (3, 3, Verdict.PASS), (3, 10, Verdict.PASS), (8, 0, Verdict.FAIL)],
)
def test_a_longer_recovery_is_detected(canary_s, baseline_s, verdict):
    """The arm that takes longer to recover is found, with its time."""
    finding = recovering(canary_s, baseline_s, "recovery_time < +2s")
    assert (float(baseline_s), float(canary_s)) == (finding.baseline.value, finding.canary.value)
    assert finding.verdict is verdict


def test_few_requests_after_a_fault_do_not_show_recovery():
    """With very few requests after a fault, a short recovery is not considered proven."""
    assert recovering(0, 0, "recovery_time < +2s", count=150).verdict is Verdict.INCONCLUSIVE


def test_groups_weigh_as_much_as_their_objectives():
    """A group's share of the score is the sum of its objectives' weights."""
    heavy = parse_objective("latency_p50 < +10%", weight=70, group="latency")
    light = [parse_objective(text, weight=15, group="errors") for text in (ERRORS, "error_rate < +1pp")]
    findings = judged(requests(), heavy, *light).findings
    weights = [sum(finding.weight for finding in findings if finding.objective is one) for one in (heavy, *light)]
    assert weights == pytest.approx([0.7, 0.15, 0.15])


@pytest.mark.parametrize("value_s", [0.0500, 0.0503, 0.0507, 0.051, 0.0512, 0.0041, 0.0123])
@pytest.mark.parametrize("factor", [1.091, 1.095, 1.099, 1.101, 1.105, 1.109])
def test_equal_latencies_differ_only_beyond_the_width_of_a_bin(value_s, factor):
    """Constant latencies never fail within or pass beyond the tolerance; the interval contains the true difference."""
    samples = requests(count=12_000)
    samples = replace(samples, latency_s=np.where(samples.arm == 1, value_s * factor, value_s))
    for finding in judged(
        samples, "latency_p50 < +10%", "latency_p99 < +10%", f"latency_p90 < +{value_s * 100}ms"
    ).findings:
        wrong = Verdict.FAIL if factor < 1.1 else Verdict.PASS
        assert finding.verdict is not wrong
        truth = factor - 1 if finding.relative else value_s * (factor - 1)
        assert finding.low <= truth <= finding.high


@pytest.mark.parametrize(("limit", "wrong"), [("50.55ms", Verdict.FAIL), ("50.25ms", Verdict.PASS)])
def test_constant_latencies_near_a_limit_in_the_same_bin_are_not_decided_wrongly(limit, wrong):
    """A limit inside the bin of all latencies is not broken by latencies below it nor kept by latencies above it."""
    samples = requests(count=12_000)
    samples = replace(samples, latency_s=np.full(len(samples), 0.0504))
    for finding in judged(samples, f"latency_p50 < {limit}", f"latency_p99 < {limit}").findings:
        assert finding.verdict is not wrong


def test_smooth_latencies_lose_nothing_to_the_width_of_bins():
    """Where latencies are spread over bins, a tolerance of a few bins is shown as closely as requests allow."""
    finding = judged(requests(count=400_000, slower=1.02), "latency_p50 < +4%").findings[0]
    assert finding.verdict is Verdict.PASS
    assert finding.high - finding.low < 0.02


@pytest.mark.parametrize("objective", ["error_rate < +50%", "error_rate < +50% or +0.5pp"])
def test_errors_of_the_canary_alone_have_a_lower_bound_beyond_tolerance(objective):
    """A failed error rate whose baseline has none shows an interval that lies beyond the tolerance."""
    finding = judged(requests(errors=(0.0, 0.2)), objective).findings[0]
    assert finding.verdict is Verdict.FAIL
    assert finding.margin < finding.low < math.inf
    assert "[" in finding.reason


def test_all_errors_against_none_is_a_hundred_points():
    """100 % against 0 % is a difference of 1 with a finite interval that holds it."""
    finding = judged(requests(errors=(0.0, 1.0)), ERRORS).findings[0]
    assert (1.0, 1.0, Verdict.FAIL) == (finding.canary.value, finding.difference, finding.verdict)
    assert holds(finding)
    assert 0.99 < finding.low < finding.high <= 1.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("errors", "relative"), [((0.001, 0.001), False), ((0.05, 0.055), True)])
def test_an_objective_with_two_tolerances_shows_the_one_that_decided(errors, relative, seed):
    """The wider of two tolerances decides, and difference, interval and margin are those of it."""
    finding = judged(requests(count=40_000, errors=errors, seed=seed), "error_rate < +50% or +0.5pp").findings[0]
    assert finding.verdict is Verdict.PASS
    assert finding.relative is relative
    assert finding.margin == (0.5 if relative else 0.005)
    assert finding.high <= finding.margin


def test_muted_objectives_are_said_to_be_muted():
    """A run whose objectives are all muted says so."""
    muted = parse_objective("latency_p50 < +10%", muted=True)
    assert judged(requests(), muted).reason == "no objective could be judged: every one of them is muted"


def test_a_gauge_without_readings_asks_for_readings():
    """A gauge that nobody read says which series is missing."""
    finding = judged(requests(), "gauge:cpu < +10%", ERRORS).findings[0]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "request" not in finding.reason + finding.missing
    assert "'cpu'" in finding.reason
    assert finding.missing == "readings of 'cpu' of both arms"


@pytest.mark.parametrize("objective", ["error_rate < +10%", "gauge:cpu < +10%"])
def test_a_part_of_nothing_asks_for_an_absolute_tolerance(objective):
    """Where both arms are zero, a relative tolerance is said to mean nothing, not to lack requests."""
    samples = requests(errors=(0.0, 0.0))
    finding = judged(samples, objective, series=gauge(0, 0, noise=0)).findings[0]
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "too few" not in finding.missing
    assert "absolute tolerance" in finding.missing


def test_a_bad_sample_is_named_with_a_plain_number():
    """The message about an invalid latency shows the number in plain notation."""
    samples = requests()
    samples.latency_s[5] = np.inf
    with pytest.raises(JudgeInputError, match=r"row 6: expected finite seconds of at least 0, found inf"):
        judged(samples, ERRORS)


def test_any_proven_harm_leaves_no_more_than_a_failed_run_can_score():
    """A finding that failed for harm within tolerance is as mild as a fail can be: it has the most points of a fail."""
    analysis = judged(requests(count=60_000, slower=1.06), "latency_p50 < +10%", ERRORS, fail_on=FailOn.ANY_HARM)
    failed = [finding for finding in analysis.findings if finding.verdict is Verdict.FAIL]
    assert failed
    assert [49.0] * len(failed) == [finding.score for finding in failed]


def test_any_harm_without_calibration_is_warned_about():
    """Slow noise of one arm fails such runs; the warning names the remedy, and the default rule needs none."""
    said = {
        rule: any("harness calibrate" in each for each in judged(requests(), ERRORS, fail_on=rule).warnings)
        for rule in FailOn
    }
    assert {FailOn.ANY_HARM: True, FailOn.BEYOND_TOLERANCE: False} == said


def test_a_canary_at_its_tolerance_in_many_places_fails_at_most_with_alpha():
    """Exactly at the tolerance in four objectives and two phases, at most alpha of the runs fail."""
    endpoints = tuple(f"/{number}" for number in range(4))
    objectives = [f"error_rate{{endpoint={name}}} < +0.5pp" for name in endpoints]
    failed = 0
    for seed in range(200):
        samples = requests(count=40_000, errors=(0.01, 0.015), seed=1000 + seed)
        operation = np.random.default_rng(seed).integers(0, 4, len(samples)).astype(np.int16)
        samples = replace(samples, operation=operation, operations=endpoints)
        failed += judged(samples, *objectives, alpha=0.05).verdict is Verdict.FAIL
    assert failed / 200 <= 0.05


def test_fixed_limits_name_objectives_with_the_same_reason_together():
    """Objectives that fixed limits cannot judge are listed before the reason that they share."""
    evidence = Evidence(samples=requests(), phases=(STEADY, FAULT))
    plan = plan_of("latency_p50 < +10%", "latency_p99 < +25%", ERRORS)
    reason = LimitsJudge().judge(evidence, plan, now_s=120, final=True).reason
    assert reason == (
        "latency_p50 < +10%, latency_p99 < +25%, error_rate < +0.5pp: "
        "it has no absolute limit, such as latency_p99 < 500ms"
    )


@pytest.mark.parametrize("marginal", [80.0, 85.0, 94.95])
@pytest.mark.parametrize("objectives", [[ERRORS], [ERRORS, "latency_p50 < +10%", "latency_p90 < +10%"]])
def test_a_marginal_verdict_scores_between_the_marginal_line_and_a_pass(marginal, objectives):
    """With ``marginal: 85`` a marginal run scores from 85 to the pass line, and its lost points are the rest."""
    seen = requests(errors=(0.005, 0.011), count=48_000)
    analysis = judged(seen, *objectives, marginal_score=marginal)
    assert analysis.verdict is Verdict.MARGINAL
    assert min(marginal, 94.9) <= analysis.score < 95
    assert sum(one.points_lost for one in analysis.findings) == pytest.approx(100 - analysis.score)
    assert min(one.points_lost for one in analysis.findings) >= 0


def test_the_judge_of_limits_scores_marginal_runs_alike():
    """A limit that was broken last leaves a marginal run with at least the marginal line."""
    phases = (STEADY,)
    late = requests(slower=1.0)
    slow = replace(late, latency_s=np.where((late.due_s > 52) & (late.due_s < 60), 9.0, late.latency_s))
    plan = plan_of("latency_p50 < 1s", phases=phases, marginal_score=85.0)
    analysis = LimitsJudge().judge(Evidence(samples=slow, phases=phases), plan, now_s=60.0, final=True)
    assert analysis.verdict is Verdict.MARGINAL
    assert 85 <= analysis.score < 95
    assert sum(one.points_lost for one in analysis.findings) == pytest.approx(100 - analysis.score)
