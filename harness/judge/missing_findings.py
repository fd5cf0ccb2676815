"""Findings for what cannot be judged (yet): a phase that has not begun, or none in which an objective holds."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.objective import Objective, SliKind
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.verdict import Finding, Verdict


def not_begun(objective: Objective, phase: str) -> Finding:
    """A phase of the plan that is still to come."""
    reason = f"{objective.name}: the {phase} phase has not begun"
    return _unjudged(objective, phase, reason, missing=f"the {phase} phase")


def in_no_phase(objective: Objective, phases: Sequence[Phase | PhasePlan]) -> Finding:
    """No phase of the run is one in which the objective holds: nothing was shown, so nothing passes."""
    wanted = _wanted(objective)
    judged = list(dict.fromkeys(phase.name for phase in phases if phase.kind.judged))
    reason = f"{objective.text}: it needs {wanted}, and the run has none; judged phases: {_listed(judged)}"
    return _unjudged(objective, "", reason, missing=wanted)


def _wanted(objective: Objective) -> str:
    label = objective.labels.get("phase")
    if objective.interaction:
        kind: PhaseKind | None = PhaseKind.FAULT
    else:
        kind = PhaseKind.RECOVERY if objective.kind is SliKind.RECOVERY else None
    wanted = f"a {kind.value} phase" if kind is not None else "a judged phase"
    return wanted if label is None or label == kind else f"{wanted} named {label!r}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _unjudged(objective: Objective, phase: str, reason: str, *, missing: str) -> Finding:
    return Finding(
        objective=objective,
        phase=phase,
        baseline=None,
        canary=None,
        difference=None,
        low=None,
        high=None,
        relative=objective.relative is not None,
        confidence=0.95,
        margin=None,
        verdict=Verdict.INCONCLUSIVE,
        reason=reason,
        missing=missing,
    )
