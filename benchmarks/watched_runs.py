"""Let judges watch a simulated run: find out when each fails it, and its verdict at the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from streams import Family, Harm, Stream, stream

from harness.judge.kayenta.judge import KayentaJudge
from harness.judge.limits import LimitsJudge
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence, Judge
from harness.judge.sequential import FailOn, SequentialJudge, block_seconds
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY
from harness.model.verdict import Verdict
from harness.stats.likelihood import Counts, root_of_difference
from harness.stats.table import reduce_samples
from harness.stats.tails import normal_tail
from harness.stats.window import window_of

LOOK_S = 10.0
ALPHA = 0.01
TOLERATED = (
    "latency_p50 < +10%", "latency_p90 < +10%", "latency_p99 < +25%", "error_rate < +0.5pp", "throughput > -10%",
)  # fmt: skip
ANY = ("latency_p50 < +0%", "latency_p90 < +0%", "latency_p99 < +0%", "error_rate < +0%", "throughput > -0%")
LIMITS = ("latency_p50 < 50ms", "latency_p90 < 100ms", "latency_p99 < 500ms", "error_rate < 1%")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The result of a run. failed_s, beyond_s: when it failed by any harm, and by harm beyond tolerance, or None."""

    verdict: Verdict
    failed_s: float | None
    beyond_s: float | None
    horizon_s: float


def watch(
    family: Family, harm: Harm, seed: int, *, noise: Mapping[str, float] | None = None, look_s: float = LOOK_S
) -> Watched:
    """Run the default judge, with both of its rules for failing. noise: learned from equal runs. look_s: between looks."""
    run = stream(family, harm, seed)
    plan = plan_of(family, run, TOLERATED, seed)
    plan = replace(plan, judge=replace(plan.judge, noise=noise or {}))
    table = reduce_samples(run.samples, run.phases, block_s=block_seconds(plan))
    strict, tolerant = SequentialJudge(fail_on=FailOn.ANY_HARM), SequentialJudge()
    failed_s = beyond_s = None
    verdict = Verdict.INCONCLUSIVE
    for now_s, final, evidence in _looks(run, family, look_s):
        seen = replace(evidence, table=table)
        analysis = strict.judge(seen, plan, now_s=now_s, final=final)
        verdict = analysis.verdict
        if verdict is Verdict.FAIL:
            failed_s = now_s if failed_s is None else failed_s
            verdict = tolerant.judge(seen, plan, now_s=now_s, final=final).verdict
            if verdict is Verdict.FAIL:
                beyond_s = now_s
                break
    return Watched(verdict=verdict, failed_s=failed_s, beyond_s=beyond_s, horizon_s=family.duration_s)


def first_fail(family: Family, harm: Harm, seed: int, *, look_s: float) -> Watched:
    """Run the default judge until any harm fails the run."""
    run = stream(family, harm, seed)
    plan = plan_of(family, run, TOLERATED, seed)
    table = reduce_samples(run.samples, run.phases, block_s=block_seconds(plan))
    judge, verdict = SequentialJudge(fail_on=FailOn.ANY_HARM), Verdict.INCONCLUSIVE
    for now_s, final, evidence in _looks(run, family, look_s):
        if now_s <= harm.onset * family.duration_s:
            continue  # equal arms so far: their false fails are counted elsewhere
        verdict = judge.judge(replace(evidence, table=table), plan, now_s=now_s, final=final).verdict
        if verdict is Verdict.FAIL:
            return Watched(verdict=verdict, failed_s=now_s, beyond_s=None, horizon_s=family.duration_s)
    return Watched(verdict=verdict, failed_s=None, beyond_s=None, horizon_s=family.duration_s)


def objective_at_end(text: str, family: Family, harm: Harm, seed: int) -> Watched:
    """Run the default judge once at the end, and take the verdict on one of its objectives."""
    run = stream(family, harm, seed)
    plan = plan_of(family, run, TOLERATED, seed)
    evidence = Evidence(samples=run.samples, phases=run.phases)
    findings = SequentialJudge().judge(evidence, plan, now_s=family.duration_s, final=True).findings
    verdict = next(finding.verdict for finding in findings if finding.objective.text == text)
    failed_s = family.duration_s if verdict is Verdict.FAIL else None
    return Watched(verdict=verdict, failed_s=failed_s, beyond_s=failed_s, horizon_s=family.duration_s)


def at_end(name: str, family: Family, harm: Harm, seed: int) -> Watched:
    """Run a judge, kayenta or limits, once at the end."""
    judge: Judge = KayentaJudge() if name == "kayenta" else LimitsJudge()
    run = stream(family, harm, seed)
    plan = plan_of(family, run, ANY if name == "kayenta" else LIMITS, seed)
    # One metric that is High keeps a canary from passing.
    plan = replace(plan, judge=replace(plan.judge, marginal_score=plan.judge.pass_score))
    evidence = Evidence(samples=run.samples, phases=run.phases)
    verdict = judge.judge(evidence, plan, now_s=family.duration_s, final=True).verdict
    failed_s = family.duration_s if verdict is Verdict.FAIL else None
    return Watched(verdict=verdict, failed_s=failed_s, beyond_s=failed_s, horizon_s=family.duration_s)


def naive(family: Family, harm: Harm, seed: int) -> Watched:
    """Run tests that treat requests as independent at every look, each at alpha divided by the number of objectives."""
    run = stream(family, harm, seed)
    table = reduce_samples(run.samples, run.phases, block_s=1.0)
    for now_s, _, evidence in _looks(run, family, LOOK_S):
        smallest = min(
            (normal_tail(root) for phase in evidence.phases for root in _plain_roots(table, phase.name, now_s)),
            default=1.0,
        )
        if smallest <= ALPHA / 4:
            return Watched(verdict=Verdict.FAIL, failed_s=now_s, beyond_s=now_s, horizon_s=family.duration_s)
    return Watched(verdict=Verdict.PASS, failed_s=None, beyond_s=None, horizon_s=family.duration_s)


def _plain_roots(table: object, phase: str, now_s: float) -> Iterator[float]:
    window = window_of(table, phase, before_s=now_s)  # type: ignore[arg-type]
    trials = window.latencies.answered.sum(axis=1)
    if not (trials > 0).all():
        return
    above = window.latencies.counts.sum(axis=1)[:, ::-1].cumsum(axis=1)[:, ::-1]
    for share in (0.5, 0.1, 0.01):
        place = int((above.sum(axis=0) <= share * trials.sum()).argmax())
        yield _plain_root(above[:, place], trials)
    yield _plain_root(window.failed.sum(axis=1), window.requests.sum(axis=1))


def _plain_root(events: object, trials: object) -> float:
    counts = Counts(
        canary=float(events[CANARY]),  # type: ignore[index]
        canary_trials=float(trials[CANARY]),  # type: ignore[index]
        baseline=float(events[BASELINE]),  # type: ignore[index]
        baseline_trials=float(trials[BASELINE]),  # type: ignore[index]
    )
    return root_of_difference(counts, 0.0)


def _looks(run: Stream, family: Family, look_s: float) -> Iterator[tuple[float, bool, Evidence]]:
    now_s = 0.0
    while now_s < family.duration_s:
        now_s = min(now_s + look_s, family.duration_s)
        phases = tuple(replace(phase, end_s=min(phase.end_s, now_s)) for phase in run.phases if phase.start_s < now_s)
        yield now_s, now_s >= family.duration_s, Evidence(samples=run.samples, phases=phases)


def plan_of(family: Family, run: Stream, texts: tuple[str, ...], seed: int) -> Plan:
    """Return the plan of a simulated run with these objectives."""
    objectives: tuple[Objective, ...] = tuple(parse_objective(text) for text in texts)
    return Plan(
        scenario=family.name,
        service="simulated",
        target="simulated",
        phases=run.plan,
        objectives=objectives,
        canary_share=family.share,
        rate_rps=family.rate_rps,
        seed=seed,
        judge=JudgeSettings(alpha=ALPHA),
    )
