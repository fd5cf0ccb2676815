"""Plan a run: from a scenario and the settings to phases and a load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.errors import UsageError
from harness.judge.indicators import indicator_of
from harness.mesh.port import Entry
from harness.model.indicator import Source
from harness.model.load import LoadPlan, Stage, usual_trace_share
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan, least_of
from harness.model.record import Plan
from harness.model.split import SplitBy
from harness.runner.scenario import Scenario
from harness.runner.settings import Settings

OWNER_HEADER = "x-harness-run"


def plan_run(scenario: Scenario, settings: Settings, *, target: str) -> Plan:
    """Return the plan of a run. Raises UsageError for a run that could not show anything."""
    if not scenario.rate_rps > 0:
        raise UsageError(f"{scenario.name}: expected a rate above 0 requests per second, found {scenario.rate_rps:g}")
    mirror = settings.split_by is SplitBy.MIRROR
    if not 0 < settings.canary_share < 1 and not (mirror and settings.canary_share == 1):
        raise UsageError(f"{scenario.name}: expected a split between 0 % and 100 %, found {settings.canary_share:.0%}")
    require_seen(scenario.objectives, settings.split_by)
    if scenario.in_order and not scenario.fault_s > 0:
        texts = ", ".join(str(fault) for fault in scenario.faults)
        raise UsageError(f"{scenario.name}: expected a fault phase of more than 0 s for {texts}")
    if scenario.recover_each and not scenario.recovery_s > 0:
        raise UsageError(
            f"{scenario.name}: expected a recovery phase of more than 0 s: without one nobody knows whether a fault "
            "still shows in the next one"
        )
    phases = tuple(phase for phase in _phases(scenario) if phase.duration_s > 0)
    if not any(phase.kind.judged for phase in phases):
        raise UsageError(
            f"{scenario.name}: expected a steady or a fault phase, found neither: there is nothing to judge"
        )
    return Plan(
        scenario=scenario.name,
        service=settings.service,
        target=target,
        phases=phases,
        objectives=scenario.objectives,
        canary_share=settings.canary_share,
        split_by=settings.split_by,
        rate_rps=scenario.rate_rps,
        seed=scenario.seed,
        judge=settings.judge,
        expected_statuses=settings.expected_statuses,
        sizes_may_differ=settings.sizes_may_differ,
    )


def _phases(scenario: Scenario) -> Iterator[PhasePlan]:
    """Yield all phases, also those of no length. Stages are numbered if there are several, or could be."""
    yield _phase(PhaseKind.WARM_UP, scenario.warm_up_s)
    yield _phase(PhaseKind.STEADY, scenario.steady_s)
    stages = scenario.in_order
    for number, stage in enumerate(stages, start=1):
        own = f" {number}" if scenario.recover_each or len(stages) > 1 else ""
        yield _phase(PhaseKind.FAULT, scenario.fault_s, own, tuple(fault.words().text for fault in stage))
        if scenario.recover_each:
            yield _phase(PhaseKind.RECOVERY, scenario.recovery_s, own)
        elif number == len(stages):
            yield _phase(PhaseKind.RECOVERY, scenario.recovery_s)


def _phase(kind: PhaseKind, seconds: float, number: str = "", faults: tuple[str, ...] = ()) -> PhasePlan:
    return PhasePlan(
        name=f"{kind.value}{number}",
        kind=kind,
        duration_s=float(seconds),
        faults=faults,
        least_s=least_of(seconds) if kind.judged else None,
    )


def require_seen(objectives: Sequence[Objective], split_by: SplitBy) -> None:
    """Raise UsageError for an objective that needs answers of a mirrored canary: Envoy discards those."""
    for objective in objectives if split_by is SplitBy.MIRROR else ():
        if indicator_of(objective).spec.source is not Source.SERIES:
            raise UsageError(
                f"{objective.text}: split by mirror: Envoy discards the canary's answers, "
                "so expected objectives about gauges only: give harness.yaml a prometheus and gauges with PromQL "
                "over what the arms' own proxies count "
                '(reporter="destination"), such as "gauge:server_errors < +1"; or split by weight or header'
            )


def plan_load(plan: Plan, settings: Settings, entry: Entry, *, owner: str) -> LoadPlan:
    """Return a constant load over all phases, with the mark of the run in its headers."""
    baggage = f"harness.run={owner}"
    return LoadPlan(
        profile=settings.profile,
        url=entry.url,
        stages=(Stage(duration_s=plan.duration_s, start_rps=plan.rate_rps, end_rps=plan.rate_rps),),
        arrivals=settings.arrivals,
        seed=plan.seed,
        headers={**entry.headers, OWNER_HEADER: owner, "baggage": baggage},
        canary_choice=plan.canary_share if plan.split_by is SplitBy.HEADER else None,
        processes=settings.processes,
        body_bytes=settings.body_bytes,
        answers_of=settings.entry,
        answer_bytes=settings.recorded_bytes.get(settings.entry, 0) if settings.real_users else 0,
        drain_s=settings.drain_s,
        trace_share=usual_trace_share(plan.rate_rps) if settings.trace_share is None else settings.trace_share,
        ca_file=entry.ca_file,
    )


def cut_short(plan: Plan, windows: Sequence[Phase]) -> Plan:
    """Return the part of the plan that was carried out when the run ended early, in the last of ``windows``."""
    *earlier, last = plan.phases[: len(windows)]
    began_s = windows[-2].end_s if earlier else 0.0
    took_s = min(last.duration_s, windows[-1].end_s - began_s)
    cut = (replace(last, duration_s=took_s, least_s=None),) if took_s > 0 else ()
    return replace(plan, phases=(*earlier, *cut))
