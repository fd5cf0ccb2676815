"""Findings about what cannot be judged: a phase that has not begun, or an objective that no phase can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.judge.indicators import indicator_of
from harness.judge.indicators.gauge import readings
from harness.judge.indicators.port import Scene
from harness.model.indicator import Source
from harness.model.objective import Objective
from harness.model.phase import Phase, PhasePlan
from harness.model.samples import ARMS, BASELINE, CANARY
from harness.model.verdict import Finding, Verdict


def not_begun(objective: Objective, phase: str) -> Finding:
    """Return the finding about a planned phase that has not begun."""
    reason = f"{objective.name}: the {phase} phase has not begun"
    return _unjudged(objective, phase, reason, missing=f"the {phase} phase")


def in_no_phase(objective: Objective, phases: Sequence[Phase | PhasePlan]) -> Finding:
    """Return the finding about an objective that applies to no phase: nothing was shown, so it cannot pass."""
    wanted = _wanted(objective)
    judged = list(dict.fromkeys(phase.name for phase in phases if phase.kind.judged))
    reason = f"{objective.text}: it needs {wanted}, and the run has none; judged phases: {_listed(judged)}"
    return _unjudged(objective, "", reason, missing=wanted)


def nothing_to_compare(objective: Objective, scene: Scene, known: tuple[str, ...]) -> tuple[str, str]:
    """Return why there is nothing to compare, and what is missing. known: the endpoints of all requests."""
    indicator = indicator_of(objective)
    needs = indicator.needs(objective)
    if indicator.spec.source is Source.SERIES:
        name = " and ".join(needs.series)
        counts = [int(np.isfinite(values).sum()) for _, values in readings(objective, scene)]  # the others are gaps
        found = f"{counts[BASELINE]} readings of {name!r} of the baseline and {counts[CANARY]} of the canary"
        return f"nothing to compare: {found}, at the same times", f"readings of {name!r} of both arms"
    endpoint = objective.labels.get("endpoint")
    if endpoint is not None and endpoint not in known:
        seen = f"no request is named {endpoint!r}; seen: {', '.join(known) or 'none'}"
        return seen, f"requests named {endpoint!r} in both arms"
    if scene.steady is None and needs.steady:
        return "it is compared with a steady phase, and there was none", "a steady phase"
    if needs.hits and not min(scene.hits or (0, 0)):
        baseline, canary = scene.hits or (0, 0)
        hit = f"{baseline} calls of the baseline and {canary} of the canary were hit by a fault"
        return f"no fallback was needed: {hit}", "calls of both arms that a fault hits"
    requests = scene.window.counts
    whose = f"{requests[BASELINE]} requests of the baseline and {requests[CANARY]} of the canary"
    answered = " that are answered without an error" if indicator.spec.answered_only else ""
    reason = f"nothing to compare: {whose}"
    if min(requests):
        reason = f"of {whose} no two{answered} were due at the same time"
        if answered and not all(scene.window.answered):
            without = " and ".join(f"the {ARMS[arm]}" for arm in (BASELINE, CANARY) if not scene.window.answered[arm])
            reason = f"nothing to compare: every request of {without} failed ({whose})"
    return reason, f"requests of both arms{answered}"


def _wanted(objective: Objective) -> str:
    label, kind = objective.labels.get("phase"), indicator_of(objective).spec.phase
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
