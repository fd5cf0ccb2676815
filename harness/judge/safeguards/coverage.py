"""Name what a plan leaves unjudged, and tolerances that nothing could exceed: they are allowed, but always said."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.objective import Objective
from harness.model.phase import PhaseKind
from harness.model.record import Plan
from harness.model.units import format_percent

WIDE_RELATIVE = 5.0
"""A tolerance of +500 % lets a canary take six times as long."""
WIDE_SHARE = 0.5
"""A tolerance of +50 pp lets half of the requests fail."""


def not_judged(plan: Plan) -> tuple[str, ...]:
    """Return a sentence for each phase with a fault that no unmuted objective is about."""
    live = [objective for objective in plan.objectives if not objective.muted]
    if not live:
        return ()
    return tuple(
        f"the {phase.name} phase was not judged: no objective is about it"
        for phase in plan.phases
        if phase.kind is PhaseKind.FAULT and not any(_about(objective, phase.name) for objective in live)
    )


def wide_tolerances(plan: Plan) -> Iterator[str]:
    """Yield a sentence for each objective whose tolerance hardly anything could exceed."""
    for objective in plan.objectives:
        if objective.relative is not None and objective.relative >= WIDE_RELATIVE:
            yield (
                f"{objective.text}: a tolerance of +{format_percent(objective.relative)} hardly excludes anything; "
                "is it in percent?"
            )
        share = objective.name == "error_rate" or objective.name.startswith("status_")
        if share and max(objective.absolute or 0.0, objective.limit or 0.0) >= WIDE_SHARE:
            what = (
                "fail half of its requests" if objective.name == "error_rate" else "give half of its answers like that"
            )
            yield f"{objective.text}: a canary may {what} and still pass; is it in percentage points?"


def _about(objective: Objective, phase: str) -> bool:
    label = objective.labels.get("phase")
    return label is None or label in (phase, PhaseKind.FAULT.value)
