"""Predict the differences that a planned run will be able to show, before a request is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.judge.alpha_spending import SHOWN, SHOWN_IN_SHORT_PHASE, Look, applies
from harness.judge.implied import shares_of_alpha
from harness.judge.indicators import indicator_of, style_of
from harness.judge.objectives import default_objectives
from harness.judge.prediction import Assumed, Expected
from harness.judge.sequential import block_seconds
from harness.model import formatting
from harness.model.objective import Objective
from harness.model.phase import Phase, PhasePlan
from harness.model.record import Plan
from harness.model.units import format_duration

POWER = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """What one objective can show in one phase.

    smallest: the smallest difference that fails in 95 of 100 runs, in the unit of ``Finding.difference``; None if it
    cannot be predicted. relative: whether differences are shares of the baseline. shown: the smallest tolerance that an
    equal canary is shown to be within in 95 of 100 runs. requests: planned requests of the canary. resolution: see
    ``harness.judge.prediction.Prediction``.
    """

    objective: Objective
    phase: str
    smallest: float | None
    shown: float | None
    relative: bool
    requests: float
    resolution: float = 0.0

    def __str__(self) -> str:
        place = f"{self.objective.name} in the {self.phase} phase"
        if self.smallest is None or self.shown is None:
            return (
                f"{place}: depends on the readings; {formatting.rounded_count(self.requests)} canary requests planned"
            )
        seen, shown = (
            formatting.difference(size, style_of(self.objective), relative=self.relative)
            for size in (self.smallest, self.shown)
        )
        requests = formatting.rounded_count(self.requests)
        return f"{place}: fails from {seen} on, passes tolerances from {shown} on ({requests} requests)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What it takes to show an effect: canary requests in one phase, and seconds at the planned rate and share."""

    requests: float
    seconds: float

    def __str__(self) -> str:
        return f"{formatting.rounded_count(self.requests)} canary requests, {format_duration(self.seconds)}"


def visible_effects(plan: Plan, assumed: Assumed | None = None) -> tuple[Visible, ...]:
    """Return the smallest visible effect of every objective in every judged phase of ``plan``."""
    objectives = plan.objectives or default_objectives()
    parts, _ = shares_of_alpha(plan, objectives)
    return tuple(
        _visible(plan, objective, phase, parts.get((number, phase.name), plan.judge.alpha), assumed or Assumed())
        for number, objective in enumerate(objectives)
        for phase in plan.phases
        if applies(objective, phase.kind, phase.name)
    )


def needed(plan: Plan, objective: Objective, effect: float, assumed: Assumed | None = None) -> Need | None:
    """Return what one phase needs to fail ``effect`` in 95 of 100 runs, or None if that cannot be predicted.

    ``effect`` is in the unit of ``Visible.smallest``; the phase is the longest one the objective is judged in.
    """
    seen = [each for each in visible_effects(plan, assumed) if each.objective == objective and each.smallest]
    if not seen or effect <= 0:
        return None
    best = max(seen, key=lambda each: each.requests)
    if best.smallest is None:
        return None
    sizes = (math.log1p(best.smallest), math.log1p(effect)) if best.relative else (best.smallest, effect)
    if sizes[1] <= best.resolution:
        return None
    requests = best.requests * ((sizes[0] - best.resolution) / (sizes[1] - best.resolution)) ** 2
    return Need(requests=requests, seconds=requests / (plan.rate_rps * plan.canary_share))


def _visible(plan: Plan, objective: Objective, phase: PhasePlan, alpha: float, assumed: Assumed) -> Visible:
    requests = plan.rate_rps * phase.duration_s
    indicator, canary = indicator_of(objective), requests * plan.canary_share
    expected = Expected(
        weight=canary * (1 - plan.canary_share), blocks=phase.duration_s / block_seconds(plan), assumed=assumed
    )
    predicted = indicator.predict(objective, expected)
    if predicted is None:
        relative = objective.relative is not None or indicator.spec.relative
        return Visible(
            objective=objective, phase=phase.name, smallest=None, shown=None, relative=relative, requests=canary
        )
    look = _last_look(phase)
    return Visible(
        objective=objective,
        phase=phase.name,
        smallest=predicted.fails_from(look.proof_tail(alpha, phase.duration_s), power=POWER),
        shown=predicted.passes_from(SHOWN_IN_SHORT_PHASE if look.short else SHOWN, power=POWER),
        relative=predicted.relative,
        requests=canary,
        resolution=predicted.resolution,
    )


def _last_look(phase: PhasePlan) -> Look:
    seconds = phase.duration_s
    window = Phase(name=phase.name, kind=phase.kind, start_s=0.0, end_s=seconds)
    return Look(phase=window, planned_s=max(seconds, 1e-3), seen_s=seconds, complete=True)
