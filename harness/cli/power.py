"""Describe which effects a planned run can see, for the commands that plan runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness import bundle, wiring
from harness.config import Config
from harness.errors import RecordError, UsageError
from harness.faults import Fault
from harness.judge.assumed import Assumed, recorded
from harness.judge.objectives import parse_objective
from harness.judge.power import needed, undecidable, visible_effects
from harness.model.objective import Objective
from harness.model.phase import PhaseKind, PhasePlan, least_of
from harness.model.record import Plan
from harness.run_folder import all_runs
from harness.runner.planning import require_seen

ASSUMED = "log-normal latencies (sigma 0.5), 0.5 % errors and independent requests"
_MOST_RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What an earlier run tells about the requests of each phase. source: the folder of its bundle."""

    phases: Mapping[str, Assumed]
    source: Path

    def __str__(self) -> str:
        return f"the latencies and errors of {self.source}, and independent requests"


def learned(config: Config) -> Learned | None:
    """Return what the newest readable run of the service tells, or None if the folder of runs has none."""
    newest = reversed(all_runs(config.out)[-_MOST_RUNS:])
    for folder in (folder for run in newest for folder in reversed(run.bundles)):
        with suppress(RecordError):  # a bundle that cannot be read tells nothing; an older one may
            if bundle.read_outline(folder).plan.service != config.service:
                continue
            record = bundle.read_bundle(folder)
            phases = recorded([(record.samples, record.phases)])
            if phases:
                return Learned(phases=phases, source=folder)
    return None


def planned(config: Config, faults: Sequence[Fault], *, target: str) -> Plan:
    """Return the plan of a run with the phases, objectives and rate of the configuration. Reads nothing else.

    Raises UsageError for objectives that a run would refuse.
    """
    require_seen(config.objectives, config.split_by)
    lengths = config.phases
    phases = [(PhaseKind.WARM_UP, lengths.warm_up_s), (PhaseKind.STEADY, lengths.steady_s)]
    if faults:
        phases += [(PhaseKind.FAULT, lengths.fault_s), (PhaseKind.RECOVERY, lengths.recovery_s)]
    return Plan(
        scenario="plan",
        service=config.service,
        target=target,
        phases=tuple(
            PhasePlan(name=kind.value, kind=kind, duration_s=float(seconds), least_s=least_of(seconds))
            for kind, seconds in phases
            if seconds > 0
        ),
        objectives=config.objectives,
        canary_share=config.canary_share,
        split_by=config.split_by,
        rate_rps=config.load.rate_rps,
        seed=0,
        judge=wiring.judge_settings(config),
    )


def power_lines(plan: Plan, effects: Sequence[str] = (), known: Learned | None = None) -> list[str]:
    """Return a line for each objective and phase, and one for each of ``effects``.

    effects: objectives whose tolerance is the effect to be seen. ``latency_p99 < +10%`` asks how much evidence it takes
    to see a canary that is 10 % slower. known: what an earlier run tells. Raises UsageError for an effect that cannot
    be predicted.
    """
    assumed = None if known is None else known.phases
    effects_seen = visible_effects(plan, assumed)
    lines = [
        f"what it can see        in 95 of 100 runs, with {known or ASSUMED}",
        *(f"  {each}" for each in effects_seen),
    ]
    warning = undecidable(effects_seen)
    lines += [f"warning                {warning}"] if warning else []
    return [*lines, *(f"  {_need(plan, parse_objective(text), assumed)}" for text in effects)]


def _need(plan: Plan, asked: Objective, assumed: Mapping[str, Assumed] | None) -> str:
    effect = asked.relative if asked.relative is not None else asked.absolute
    known = next((one for one in plan.objectives if one.name == asked.name and one.labels == asked.labels), None)
    if effect is not None and asked.relative is None and asked.quantile is not None:
        raise UsageError(f"{asked.text}: expected an effect as a share of a latency, such as +10%, found seconds")
    if effect is None or known is None:
        names = ", ".join(one.name for one in plan.objectives)
        raise UsageError(f"{asked.text}: expected a difference of one of the run's objectives ({names})")
    found = needed(plan, known, effect, assumed)
    if found is None:
        raise UsageError(f"{asked.text}: how long a run would have to be cannot be predicted; expected a larger effect")
    return f"{asked.text.replace('<', 'by').replace('>', 'by')}: needs {found}"
