"""Attempts to pass a canary that is worse, made as a person or a bug would make them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import SECONDS, samples_of, window_of_samples

from harness.judge.implied import shares_of_alpha
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.safeguards import guarded, objections
from harness.judge.safeguards.identical_arms import MANY, surely_few
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import CANARY, COLUMNS, Samples, concatenated
from harness.model.verdict import Analysis, Verdict

STEADY = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=SECONDS)


def judged(
    samples: Samples,
    *objectives: str,
    seconds: float = SECONDS,
    judge: SequentialJudge | None = None,
    sizes_may_differ: bool = False,
    expected_statuses: tuple[int, ...] = (),
) -> Analysis:
    """What the sequential judge and the safeguards say of one steady phase."""
    phase = replace(STEADY, end_s=seconds)
    plan = Plan(
        scenario="attempt", service="shop", target="files", seed=1, canary_share=0.5, rate_rps=len(samples) / seconds,
        phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=seconds),),
        objectives=tuple(map(parse_objective, objectives)), sizes_may_differ=sizes_may_differ,
        expected_statuses=expected_statuses,
    )  # fmt: skip
    evidence = Evidence(samples=samples, phases=(phase,))
    analysis = (judge or SequentialJudge()).judge(evidence, plan, now_s=seconds, final=True)
    return guarded(analysis, objections(evidence, plan), plan)


@pytest.mark.parametrize("objective", ["latency_p50 < +50%", "throughput > -50%", "split < 20pp"])
@pytest.mark.parametrize("errors", [0.05, 0.5, 0.99])
def test_errors_that_no_objective_names_fail_the_canary(objective: str, errors: float) -> None:
    """A canary proven to fail more than one percentage point more of its requests fails, and the finding is shown."""
    analysis = judged(samples_of(4, count=8000, errors=(0.0, errors)), objective)
    assert analysis.verdict is Verdict.FAIL
    failed = [finding for finding in analysis.findings if finding.verdict is Verdict.FAIL]
    assert [("error_rate", 0.01)] == [(finding.objective.name, finding.margin) for finding in failed]
    assert "always compared" in analysis.reason
    assert sum(finding.points_lost for finding in analysis.findings) == pytest.approx(100 - analysis.score)


@pytest.mark.parametrize("objective", ["error_rate < +30pp", "error_rate{phase=steady} < +30pp"])
def test_an_objective_about_errors_replaces_the_implied_one(objective: str) -> None:
    """A user who tolerates more errors is not failed at +5 pp."""
    analysis = judged(samples_of(4, count=8000, errors=(0.0, 0.05)), objective)
    assert [objective] == [finding.objective.text for finding in analysis.findings]


@pytest.mark.parametrize("limit", [20, 99])
def test_a_high_limit_is_no_excuse_for_more_errors_than_the_baseline(limit: int) -> None:
    """The limit holds, but it says nothing about the difference; a low limit does."""
    samples = samples_of(4, count=8000, errors=(0.0, 0.15))
    analysis = judged(samples, f"error_rate < {limit}%")
    assert analysis.verdict is Verdict.FAIL
    assert "always compared" in analysis.reason
    assert judged(samples_of(4, count=8000, errors=(0.0, 0.02)), "error_rate < 5%").verdict is Verdict.PASS


@pytest.mark.parametrize(
    "objective", ["error_rate < 99%", "error_rate < +60pp", "status_404 < +60pp", "status_4xx < 70%"]
)
def test_a_limit_that_excludes_nothing_is_told(objective: str) -> None:
    """Half of the answers may be wrong: is the number in per cent?"""
    assert any("and still pass" in one for one in judged(two_endpoints(0.1), objective).warnings)


def test_errors_of_one_endpoint_are_no_excuse_for_the_others() -> None:
    """An objective about one endpoint leaves the rest to the implied comparison."""
    samples = samples_of(4, count=8000, errors=(0.0, 0.2))
    first = np.arange(len(samples)) % 2 == 0
    samples = replace(
        samples, operations=("/a", "/b"), operation=first.astype(np.int16),
        status=np.where(first, np.int16(200), samples.status),
    )  # fmt: skip
    analysis = judged(samples, "error_rate{endpoint=/b} < +1pp")
    assert analysis.verdict is Verdict.FAIL


def test_equal_arms_do_not_fail_by_the_implied_comparison() -> None:
    """Of 400 pairs of equal arms with 3 % errors at most 4 fail, over all objectives, at alpha = 1 %."""
    failed = sum(
        judged(samples_of(seed, count=3000, errors=(0.03, 0.03)), "latency_p50 < +10%").verdict is Verdict.FAIL
        for seed in range(400)
    )
    assert failed <= 4


def test_what_is_always_compared_costs_the_other_objectives_a_tenth_of_alpha() -> None:
    """All parts together are the run's alpha."""
    phases = tuple(PhasePlan(name=kind.value, kind=kind, duration_s=30.0) for kind in PhaseKind)
    plan = Plan(
        scenario="s", service="shop", target="files", seed=1, canary_share=0.5, rate_rps=10.0, phases=phases,
        objectives=(parse_objective("latency_p50 < +10%"), parse_objective("error_rate{phase=steady} < +1pp")),
    )  # fmt: skip
    parts, implied = shares_of_alpha(plan, plan.objectives)
    assert ["fault", "recovery"] == list(implied)
    assert sum(implied.values()) == pytest.approx(0.001)
    assert sum(parts.values()) + sum(implied.values()) == pytest.approx(plan.judge.alpha)


def failing_slowest(seed: int, *, share: float, count: int = 12000) -> Samples:
    """A canary that is three times slower, and fails its slowest requests at once instead of answering them."""
    samples = samples_of(seed, count=count, canary_factor=3.0)
    canary = samples.arm == CANARY
    limit_s = np.quantile(samples.latency_s[canary], 1 - share)
    failed = canary & (samples.latency_s > limit_s)
    return replace(
        samples,
        status=np.where(failed, np.int16(503), samples.status),
        latency_s=np.where(canary, samples.latency_s / 3.5, samples.latency_s),
    )


@pytest.mark.parametrize("objective", ["latency_p90 < +20%", "latency_p99 < +25%", "latency_p90 < 500ms"])
def test_a_canary_that_fails_its_slowest_requests_is_not_faster(objective: str) -> None:
    """The survivors' latencies fall; with the failures ranked as slowest, the objective is not passed and says so."""
    analysis = judged(failing_slowest(1, share=0.25), objective, "error_rate < +50pp")
    finding = analysis.findings[0]
    assert finding.canary is not None
    assert finding.baseline is not None
    assert finding.canary.value < finding.baseline.value
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "only the requests that succeeded: the canary fails 25 % of its requests, the baseline 0 %" in finding.reason
    assert "fails no more of its requests" in finding.missing


def test_a_median_that_is_shown_even_with_failures_ranked_slowest_passes() -> None:
    """If a few failures cannot hide enough slow requests to matter, the objective passes."""
    samples = samples_of(2, count=20000, errors=(0.0, 0.02))
    finding = judged(samples, "latency_p50 < +20%", "error_rate < +5pp").findings[0]
    assert finding.verdict is Verdict.PASS


def test_a_canary_that_repairs_errors_passes() -> None:
    """A canary that fails fewer requests than the baseline has nothing to hide."""
    samples = samples_of(3, count=20000, errors=(0.05, 0.0))
    analysis = judged(samples, "latency_p50 < +20%", "latency_p99 < +50%", "error_rate < +1pp")
    assert analysis.verdict is Verdict.PASS


def test_failed_requests_rank_as_slower_than_every_success() -> None:
    """Counts above every bin include the failures, also above the slowest success."""
    window = window_of_samples(samples_of(4, count=4000, errors=(0.0, 0.3)))
    ranked = window.ranked()
    assert window.counts == ranked.answered
    assert window.failed.tolist() == ranked.latencies.counts[:, :, -1].tolist()
    assert ranked.survival[CANARY, -1] == pytest.approx(0.3, abs=0.03)


def two_endpoints(rare: float, *, seed: int = 4, count: int = 8000) -> Samples:
    """Equal arms; a share of the requests goes to a second endpoint."""
    samples = replace(samples_of(seed, count=count), operations=("/", "/rare"))
    chosen = np.random.default_rng(seed + 1000).random(count) < rare
    return replace(samples, operation=chosen.astype(np.int16), size=np.full(count, 300, np.int32))


def test_equal_arms_with_two_endpoints_pass() -> None:
    """The attempts below start from a run that passes."""
    assert judged(two_endpoints(0.0095), "error_rate < +1pp").verdict is Verdict.PASS


def test_an_endpoint_that_always_fails_does_not_hide_in_the_tolerance() -> None:
    """It gets less of the load than the objective tolerates errors."""
    samples = two_endpoints(0.0095)
    broken = (samples.operation == 1) & (samples.arm == CANARY)
    analysis = judged(replace(samples, status=np.where(broken, np.int16(500), samples.status)), "error_rate < +1pp")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "the canary fails requests that the baseline answers: /rare: 100 % against 0 %" in analysis.reason


@pytest.mark.parametrize("arm", [0, 1])
def test_an_endpoint_that_one_arm_never_got_is_not_passed_over(arm: int) -> None:
    """The slow or broken requests of an arm are missing from its file."""
    samples = two_endpoints(0.1)
    kept = (samples.operation == 0) | (samples.arm != arm)
    analysis = judged(samples.where(kept), "latency_p50 < +50%")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert f"/rare has none of the {('baseline', 'canary')[arm]}" in analysis.reason
    assert not any("different mixes" in warning for warning in analysis.warnings)


def test_a_canary_that_answers_nothing_with_200_does_not_pass() -> None:
    """Fast, without an error, and useless."""
    samples = two_endpoints(0.1)
    analysis = judged(
        replace(samples, size=np.where(samples.arm == CANARY, np.int32(0), samples.size)), "latency_p50 < +50%"
    )
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "100 % of the canary's successful answers are empty" in analysis.reason


def with_bodies(samples: Samples, tiny: float, *, size: int, seed: int = 5) -> Samples:
    """Bodies of 3 to 8 kB, but for a share of the canary's answers."""
    rng = np.random.default_rng(seed)
    usual = rng.integers(3000, 8000, len(samples)).astype(np.int32)
    chosen = (samples.arm == CANARY) & (rng.random(len(samples)) < tiny)
    return replace(samples, size=np.where(chosen, np.int32(size), usual))


@pytest.mark.parametrize(("tiny", "size"), [(1.0, 400), (0.2, 400), (0.03, 0)])
def test_an_error_page_with_status_200_does_not_pass(tiny: float, size: int) -> None:
    """Some or all of the canary's answers are a short page that says sorry, or nothing; the other arm's are 3 to 8 kB."""
    assert judged(with_bodies(two_endpoints(0.1), 0.0, size=size), "latency_p50 < +50%").verdict is Verdict.PASS
    analysis = judged(with_bodies(two_endpoints(0.1), tiny, size=size), "latency_p50 < +50%")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "the canary answers with less than the baseline: /: " in analysis.reason
    assert ("are empty" if not size else "have less than 6") in analysis.reason
    assert '"sizes_may_differ": True' in analysis.reason


@pytest.mark.parametrize("size", [1, 5000])
def test_bodies_of_another_size_are_no_reason_to_object(size: int) -> None:
    """A canary that answers with somewhat more or less, or arms with few answers that are alike, pass."""
    samples = two_endpoints(0.1)
    small = np.where(np.arange(len(samples)) % 3 == 0, np.int32(size), np.int32(9000))
    mine = np.where(samples.arm == CANARY, small - small // 3, small)
    assert judged(replace(samples, size=mine), "latency_p50 < +50%").verdict is Verdict.PASS


def test_a_profile_may_say_that_sizes_differ() -> None:
    """Then a canary that answers with a twentieth passes."""
    samples = with_bodies(two_endpoints(0.1), 1.0, size=200)
    assert judged(samples, "latency_p50 < +50%", sizes_may_differ=True).verdict is Verdict.PASS


def with_statuses(samples: Samples, share: float, statuses: range, *, seed: int = 6) -> Samples:
    """A share of the canary's answers has one of these statuses, each as often."""
    rng = np.random.default_rng(seed)
    chosen = (samples.arm == CANARY) & (rng.random(len(samples)) < share)
    status = rng.choice(np.array(statuses, np.int16), len(samples))
    return replace(samples, status=np.where(chosen, status, samples.status))


@pytest.mark.parametrize(
    ("share", "statuses"), [(0.015, range(402, 420)), (0.02, range(400, 499)), (0.02, range(300, 399))], ids=str
)
def test_client_errors_of_many_kinds_are_added_up(share: float, statuses: range) -> None:
    """Each status alone is within chance, or is rare and was taken for a request without an answer."""
    samples = two_endpoints(0.1)
    assert judged(samples, "error_rate < +1pp").verdict is Verdict.PASS
    analysis = judged(with_statuses(samples, share, statuses), "error_rate < +1pp")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert f"{statuses[0] // 100}xx: 0 % against" in analysis.reason


@pytest.mark.parametrize("served", [0.0, 0.02])
def test_redirects_and_client_errors_together_serve_nobody(served: float) -> None:
    """Neither kind is most of the answers alone; the service is hardly measured. Declared ones are what was asked for."""
    samples = two_endpoints(0.1)
    drawn = np.random.default_rng(7).choice([302, 404, 200], len(samples), p=[0.58, 0.42 - served, served])
    samples = replace(samples, status=drawn.astype(np.int16))
    analysis = judged(samples, "latency_p50 < +50%")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "of the baseline's answers serve what was asked for" in analysis.reason
    assert judged(samples, "latency_p50 < +50%", expected_statuses=(302,)).verdict is Verdict.PASS


@pytest.mark.parametrize("part", [slice(0, 3600), slice(None, None, 2), slice(0, 8000, 200)], ids=str)
def test_a_part_of_the_baseline_is_no_canary(part: slice) -> None:
    """The same recording, cut or thinned out, under two names."""
    whole = samples_of(8, count=8000, share=0.0)
    rows = np.zeros(len(whole), bool)
    rows[part] = True
    taken = replace(whole.where(rows), arm=np.ones(int(rows.sum()), np.int8))
    columns = {name: np.concatenate([getattr(whole, name), getattr(taken, name)]) for name in COLUMNS}
    analysis = judged(replace(whole, **columns), "latency_p50 < +50%")
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "part of one recording under two names" in analysis.reason


@pytest.mark.parametrize(("part", "few"), [(0.0, True), (0.3, True), (0.45, False), (0.6, False)])
def test_a_sample_of_many_requests_shows_whether_arms_share_few(part: float, few: bool) -> None:
    """A sample only rules out that the arms share half of their requests; anything near that is counted in full."""
    canary = samples_of(9, count=MANY, share=1.0)
    own = samples_of(8, count=MANY, share=0.0)
    rows = np.arange(MANY) < part * MANY
    shared = {name: np.where(rows, getattr(canary, name), getattr(own, name)) for name in ("due_s", "latency_s")}
    both = concatenated([replace(own, **shared), canary])
    assert few is surely_few(both, MANY)


def test_rounded_times_are_no_shared_requests() -> None:
    """Two builds whose times are whole seconds and whose latencies are whole milliseconds have many pairs in common."""
    samples = two_endpoints(0.1)
    rounded = replace(samples, due_s=samples.due_s.round(), latency_s=samples.latency_s.round(3))
    assert "one recording" not in " ".join(judged(rounded, "latency_p50 < +50%").warnings)


@pytest.mark.parametrize("kind", [PhaseKind.FAULT, PhaseKind.RECOVERY])
def test_a_broken_baseline_needs_no_steady_phase_to_be_noticed(kind: PhaseKind) -> None:
    """Without a steady phase nothing else shows that the baseline works."""
    samples = samples_of(4, count=40_000, errors=(0.8, 0.8))
    phase = replace(STEADY, name=kind.value, kind=kind)
    plan = Plan(
        scenario="attempt", service="shop", target="files", seed=1, canary_share=0.5, rate_rps=len(samples) / SECONDS,
        phases=(PhasePlan(name=kind.value, kind=kind, duration_s=SECONDS),),
        objectives=(parse_objective("error_rate < +3pp"),),
    )  # fmt: skip
    evidence = Evidence(samples=samples, phases=(phase,))
    analysis = SequentialJudge().judge(evidence, plan, now_s=SECONDS, final=True)
    assert analysis.verdict is Verdict.PASS
    analysis = guarded(analysis, objections(evidence, plan), plan)
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert "a broken baseline is no reference" in analysis.reason
