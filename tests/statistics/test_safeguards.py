"""Checks that prevent a pass regardless of the objectives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import SECONDS, samples_of

from harness.judge import compare
from harness.judge.endpoints import EndpointCounts, broken
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.safeguards import guarded, objections
from harness.judge.safeguards.coverage import not_judged, wide_tolerances
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY, Samples, concatenated
from harness.model.verdict import Verdict

STEADY = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=SECONDS)


def plan_of(*objectives: str, expected: tuple[int, ...] = (), fault: bool = False) -> Plan:
    """A plan with a steady phase, and a fault phase if asked for."""
    phases = [PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=SECONDS)]
    if fault:
        phases.append(PhasePlan(name="fault", kind=PhaseKind.FAULT, duration_s=SECONDS))
    return Plan(
        scenario="simulated", service="shop", target="files", phases=tuple(phases),
        objectives=tuple(parse_objective(text) for text in objectives or ("latency_p50 < +50%",)),
        canary_share=0.5, rate_rps=100.0, seed=1, expected_statuses=expected,
    )  # fmt: skip


def answering(samples: Samples, *, status: int, arm: int | None, share: float = 1.0) -> Samples:
    """The samples with ``status`` for a share of an arm's answers (None: of both arms')."""
    chosen = np.random.default_rng(7).random(len(samples)) < share
    if arm is not None:
        chosen &= samples.arm == arm
    return replace(samples, status=np.where(chosen, np.int16(status), samples.status))


def judged(samples: Samples, plan: Plan):
    """The guarded analysis of the sequential judge."""
    evidence = Evidence(samples=samples, phases=(STEADY,))
    analysis = SequentialJudge().judge(evidence, plan, now_s=SECONDS, final=True)
    return guarded(analysis, objections(evidence, plan), plan)


@pytest.mark.parametrize("status", [404, 403, 429, 301, 100, 204])
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_a_canary_that_answers_with_another_status_never_passes(status, share):
    """The reason names the status and both shares."""
    samples = answering(samples_of(1, count=6000), status=status, arm=CANARY, share=share)
    analysis = judged(samples, plan_of())
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert f"{status}: 0 % against" in " ".join((analysis.reason, *analysis.warnings))


def test_equal_arms_draw_no_objection():
    """Of 300 pairs of equal arms with 2 % errors and 5 % client errors at most one is objected to."""
    objected = 0
    for seed in range(300):
        samples = answering(samples_of(seed, count=4000, errors=(0.02, 0.02)), status=404, arm=None, share=0.05)
        objected += bool(objections(Evidence(samples=samples, phases=(STEADY,)), plan_of()))
    assert objected <= 1


def test_a_canary_with_fewer_server_errors_draws_no_objection():
    """Repairing errors is no reason to doubt a canary."""
    samples = samples_of(3, count=8000, errors=(0.05, 0.0))
    assert objections(Evidence(samples=samples, phases=(STEADY,)), plan_of()) == ()


@pytest.mark.parametrize("objective", ["latency_p50 < +50%", "throughput > -50%", "split < 20pp"])
def test_a_canary_that_fails_half_of_its_requests_never_passes_whatever_is_asked(objective):
    """Errors are compared even when no objective names them."""
    analysis = judged(samples_of(4, count=8000, errors=(0.0, 0.5)), plan_of(objective))
    assert analysis.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE}
    assert "503: 0 % against" in " ".join((analysis.reason, *analysis.warnings))


def test_both_arms_at_404_prove_nothing():
    """Equally wrong is not equally good."""
    analysis = judged(answering(samples_of(5, count=6000), status=404, arm=None), plan_of("error_rate < +1pp"))
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "client errors" in analysis.reason


def test_expected_client_errors_are_answers_of_a_working_service():
    """A profile that asks for missing pages declares 404."""
    samples = answering(samples_of(5, count=6000), status=404, arm=None)
    assert objections(Evidence(samples=samples, phases=(STEADY,)), plan_of(expected=(404,))) == ()


@pytest.mark.parametrize("arm", [BASELINE, CANARY, None])
def test_an_arm_that_only_redirects_proves_nothing(arm):
    """Whichever arm it is."""
    analysis = judged(answering(samples_of(6, count=6000), status=302, arm=arm), plan_of())
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "redirects" in " ".join((analysis.reason, *analysis.warnings))


@pytest.mark.parametrize("rates", [(0.8, 0.8), (0.2, 0.2), (0.3, 0.9)])
def test_a_broken_baseline_is_no_reference(rates):
    """The comparison is inconclusive even when the canary is worse."""
    analysis = judged(samples_of(8, count=8000, errors=rates), plan_of("error_rate < +1pp"))
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "no reference" in analysis.reason


def test_a_fixed_limit_needs_no_reference():
    """A canary that breaks an absolute limit fails although the baseline is broken too."""
    analysis = judged(samples_of(8, count=8000, errors=(0.3, 0.9)), plan_of("error_rate < 5%"))
    assert analysis.verdict is Verdict.FAIL


def test_a_fault_phase_that_no_objective_is_about_is_named():
    """Judging the steady phase only is allowed, but said."""
    assert not_judged(plan_of("error_rate{phase=steady} < +1pp", fault=True)) == (
        "the fault phase was not judged: no objective is about it",
    )
    assert not_judged(plan_of("error_rate < +1pp", fault=True)) == ()


@pytest.mark.parametrize("text", ["latency_p99 < +10000%", "error_rate < +60pp"])
def test_a_tolerance_that_hardly_excludes_anything_is_named(text):
    """Nobody meant it."""
    assert len(list(wide_tolerances(plan_of(text)))) == 1


def test_an_ordinary_tolerance_is_not_named():
    """Doubling a latency may be meant."""
    assert list(wide_tolerances(plan_of("latency_p99 < +100%", "error_rate < +1pp"))) == []


def test_a_declared_client_error_is_judged_by_its_objective():
    """A tolerance for a status replaces the comparison of the mix: within it a canary passes, beyond it fails."""
    plan = plan_of("latency_p50 < +50%", "status_404 < +5pp")
    for share, verdict in ((0.02, Verdict.PASS), (0.2, Verdict.FAIL)):
        samples = answering(samples_of(10, count=20000), status=404, arm=CANARY, share=share)
        analysis = judged(samples, plan)
        assert verdict is analysis.verdict
    failed = next(one for one in analysis.findings if one.verdict is Verdict.FAIL)
    assert failed.objective.name == "status_404"
    assert failed.canary is not None
    assert int(((samples.arm == CANARY) & (samples.status == 404)).sum()) == round(
        failed.canary.value * failed.canary.n
    )


def test_a_class_of_statuses_counts_all_of_them_of_one_endpoint():
    """``status_4xx`` is 400 to 499, and a label restricts it to its endpoint."""
    samples = answering(samples_of(11, count=8000), status=429, arm=CANARY, share=0.5)
    half = replace(samples, operation=(np.arange(8000) % 2).astype(np.int16), operations=("/a", "/b"))
    half = replace(half, status=np.where(half.operation == 1, half.status, np.int16(200)))
    texts = (
        "status_4xx < +5pp",
        "status_4xx{endpoint=/a} < +5pp",
        "status_4xx{endpoint=/b} < 20%",
        "status_404 < +5pp",
    )
    verdicts = [finding.verdict for finding in judged(half, plan_of(*texts)).findings]
    assert [Verdict.FAIL, Verdict.PASS, Verdict.FAIL, Verdict.PASS] == verdicts


def test_an_objective_about_server_errors_does_not_excuse_missing_answers():
    """A request without an answer has no status, so ``status_5xx`` says nothing about it."""
    samples = answering(samples_of(12, count=8000), status=0, arm=CANARY, share=0.05)
    analysis = judged(samples, plan_of("status_5xx < +50pp"))
    assert analysis.verdict in {Verdict.FAIL, Verdict.INCONCLUSIVE}
    assert "no answer: 0 % against" in " ".join((analysis.reason, *analysis.warnings))


def test_one_recording_under_two_names_is_no_comparison():
    """The same file for both sides ends inconclusive, with any order of its rows."""
    own = samples_of(9, count=3000).where(samples_of(9, count=3000).arm == BASELINE)
    order = np.random.default_rng(1).permutation(len(own))
    copy = replace(own.where(order), arm=np.full(len(own), CANARY, np.int8))
    analysis = judged(concatenated([own, copy]), plan_of("error_rate < +1pp"))
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "one recording under two names" in analysis.reason


def test_failures_in_the_warm_up_are_told_and_not_judged():
    """A canary that fails or hangs only while it starts may pass, but nobody is left unaware of it."""
    samples = samples_of(9, count=12_000)
    warm = Phase(name="warm-up", kind=PhaseKind.WARM_UP, start_s=0.0, end_s=5.0)
    phases = (warm, replace(STEADY, start_s=5.0))
    for shares, told in (((0.0, 0.3), True), ((0.3, 0.3), False), ((0.0, 0.0), False)):
        share = np.where(samples.arm == CANARY, shares[1], shares[0])
        failing = (samples.due_s < 5) & (np.random.default_rng(1).random(len(samples)) < share)
        evidence = Evidence(
            samples=replace(samples, status=np.where(failing, np.int16(503), samples.status)), phases=phases
        )
        analysis = SequentialJudge().judge(evidence, plan_of(), now_s=SECONDS, final=True)
        analysis = guarded(analysis, objections(evidence, plan_of()), plan_of())
        assert analysis.verdict is Verdict.PASS
        assert any("in the warm-up phase" in warning for warning in analysis.warnings) == told


@pytest.mark.parametrize(
    ("arm", "sent_late", "told"),
    [(CANARY, False, "the canary answered nothing for "), (BASELINE, False, "the baseline answered nothing for "),
     (CANARY, True, "")],
)  # fmt: skip
def test_an_arm_that_stands_still_in_the_warm_up_is_told(arm, sent_late, told):
    """It was stopped from 0.5 s to 4.5 s and then answered everything; requests that were sent late waited for nobody."""
    samples = samples_of(9, count=12_000)
    phases = (Phase(name="warm-up", kind=PhaseKind.WARM_UP, start_s=0.0, end_s=5.0), replace(STEADY, start_s=5.0))
    stopped = (samples.arm == arm) & (samples.due_s > 0.5) & (samples.due_s < 4.5)
    waited_s = np.where(stopped, 4.5 - samples.due_s, 0.0)
    late_s = waited_s if sent_late else samples.late_s
    evidence = Evidence(samples=replace(samples, latency_s=samples.latency_s + waited_s, late_s=late_s), phases=phases)
    said = [each.text for each in objections(evidence, plan_of()) if "answered nothing" in each.text]
    assert [told] * bool(told) == [text[: len(told)] for text in said]
    assert not any(each.decides for each in objections(evidence, plan_of()))


def test_a_slow_service_is_not_silent():
    """Its first answers come after 3 s, as all of them do."""
    samples = samples_of(9, count=12_000)
    phases = (Phase(name="warm-up", kind=PhaseKind.WARM_UP, start_s=0.0, end_s=5.0), replace(STEADY, start_s=5.0))
    evidence = Evidence(samples=replace(samples, latency_s=samples.latency_s + 3.0), phases=phases)
    assert not [each for each in objections(evidence, plan_of()) if "answered nothing" in each.text]


def failing_as(status: int, other: int) -> Samples:
    """Both arms fail 5 % of their requests: the baseline with one status, the canary with another."""
    samples = answering(samples_of(5, count=8000), status=status, arm=None, share=0.05)
    return replace(
        samples, status=np.where((samples.arm == CANARY) & (samples.status == status), other, samples.status)
    )


@pytest.mark.parametrize(("status", "other", "kinds"), [(503, 500, "500: 0 %"), (503, 0, "no answer: 0 %")])
def test_another_mix_of_as_many_errors_is_told(status, other, kinds):
    """The error rates are equal, so the run passes; what moved is named all the same."""
    analysis = judged(failing_as(status, other), plan_of("error_rate < +3pp", "latency_p50 < +50%"))
    assert analysis.verdict is Verdict.PASS
    told = next(
        text for text in analysis.warnings if text.startswith("the arms fail differently in the steady phase: ")
    )
    assert kinds in told
    assert "503: " in told
    same = judged(failing_as(status, status), plan_of("error_rate < +3pp", "latency_p50 < +50%"))
    assert not any("fail differently" in text for text in same.warnings)


@pytest.mark.parametrize(("requests", "held"), [((21, 24), True), ((60, 9), True), ((8, 8), False), ((25, 0), False)])
def test_a_broken_endpoint_with_few_requests_is_named(requests, held):
    """All of the canary's requests fail and none of the baseline's: chance decides, not a fixed number of requests."""
    counts = EndpointCounts(
        names=("/rare",), requests=np.array([[each] for each in requests], float),
        failed=np.array([[0.0], [float(requests[1])]]),
    )  # fmt: skip
    assert bool(broken(counts)) is held


@pytest.mark.parametrize(("share", "held"), [(None, True), (0.5, True), (0.6, False)])
def test_a_canary_without_a_part_of_its_requests_never_passes(share, held):
    """A sixth of the planned requests is missing, perhaps the slowest ones; a share that nobody declares is no plan."""
    samples = samples_of(6, count=8000)
    arms = [{name: getattr(samples, column)[samples.arm == arm] for name, column in COLUMNS.items()} for arm in (0, 1)]
    analysis = compare(*arms, ["latency_p50 < +50%"], horizon_s=SECONDS, canary_share=share)
    assert analysis.verdict is (Verdict.PASS if held else Verdict.INCONCLUSIVE)
    assert held or "expected 60 % (canary_share)" in analysis.reason


COLUMNS = {"time_s": "due_s", "latency_s": "latency_s", "status": "status"}
