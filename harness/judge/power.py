"""What a planned run will be able to see, before a request is sent."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.judge.alpha_spending import SHOWN, SHOWN_IN_SHORT_PHASE, Look, alpha_parts, applies
from harness.judge.measure import RESOLUTION
from harness.judge.sequential import block_seconds
from harness.judge.wording import count_text, difference_text
from harness.model.objective import Objective, SliKind, default_objectives
from harness.model.phase import Phase, PhasePlan
from harness.model.record import Plan
from harness.model.units import format_duration
from harness.stats.tails import normal_density, normal_quantile, t_quantile
from harness.stats.variance import CALM, LEAST_FREQUENCIES, WARY

POWER = 0.95
TYPICAL_OVERDISPERSION = 1.6
"""What the cautious estimate of independent noise comes to in the less lucky of simulated runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is not known before a run.

    error_rate: of the baseline. spread: standard deviation of the logarithm of its latencies.
    overdispersion: how much noisier than independent requests the arms are.
    """

    error_rate: float = 0.005
    spread: float = 0.5
    overdispersion: float = TYPICAL_OVERDISPERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Visible:
    """What one objective can see in one phase.

    smallest: the smallest difference that fails in 95 of 100 runs, in the unit of ``Finding.difference``;
    None where it cannot be told beforehand. relative: whether that is a share of the baseline.
    shown: the smallest tolerance that an equal canary is shown to be within in 95 of 100 runs.
    requests: planned requests of the canary.
    """

    objective: Objective
    phase: str
    smallest: float | None
    shown: float | None
    relative: bool
    requests: float

    def __str__(self) -> str:
        place = f"{self.objective.name} in the {self.phase} phase"
        if self.smallest is None or self.shown is None:
            return f"{place}: depends on the readings; {count_text(self.requests)} canary requests planned"
        seen, shown = (
            difference_text(self.objective, size, relative=self.relative) for size in (self.smallest, self.shown)
        )
        return (
            f"{place}: fails from {seen} on, passes tolerances from {shown} on ({count_text(self.requests)} requests)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a given effect needs: canary requests in one phase, and seconds at the planned rate and share."""

    requests: float
    seconds: float

    def __str__(self) -> str:
        return f"{count_text(self.requests)} canary requests, {format_duration(self.seconds)}"


def visible_effects(plan: Plan, assumed: Assumed | None = None) -> tuple[Visible, ...]:
    """The smallest visible effect of every objective in every judged phase of ``plan``."""
    objectives = plan.objectives or default_objectives()
    parts = alpha_parts(plan, objectives)
    return tuple(
        _visible(plan, objective, phase, parts.get((number, phase.name), plan.judge.alpha), assumed or Assumed())
        for number, objective in enumerate(objectives)
        for phase in plan.phases
        if applies(objective, phase.kind, phase.name)
    )


def needed(plan: Plan, objective: Objective, effect: float, assumed: Assumed | None = None) -> Need | None:
    """Requests and seconds that one phase needs to fail ``effect`` in 95 of 100 runs; None where nobody can tell.

    ``effect`` is in the unit of ``Visible.smallest``; the phase is the longest one the objective is judged in.
    """
    seen = [each for each in visible_effects(plan, assumed) if each.objective == objective and each.smallest]
    if not seen or effect <= 0:
        return None
    best = max(seen, key=lambda each: each.requests)
    if best.smallest is None:
        return None
    sizes = (math.log1p(best.smallest), math.log1p(effect)) if best.relative else (best.smallest, effect)
    offset = math.log1p(RESOLUTION) if objective.kind is SliKind.LATENCY and best.relative else 0.0
    if sizes[1] <= offset:
        return None
    requests = best.requests * ((sizes[0] - offset) / (sizes[1] - offset)) ** 2
    return Need(requests=requests, seconds=requests / (plan.rate_rps * plan.canary_share))


def _visible(plan: Plan, objective: Objective, phase: PhasePlan, alpha: float, assumed: Assumed) -> Visible:
    requests = plan.rate_rps * phase.duration_s
    canary = requests * plan.canary_share
    relative = objective.relative is not None or objective.kind is SliKind.LATENCY
    error = _standard_error(
        objective, requests * plan.canary_share * (1 - plan.canary_share), assumed, relative=relative
    )
    if error is None or not requests:
        return Visible(
            objective=objective, phase=phase.name, smallest=None, shown=None, relative=relative, requests=canary
        )
    look = _last_look(phase)
    blocks = max(phase.duration_s / block_seconds(plan), 1.0)
    caution = WARY if objective.kind is SliKind.LATENCY else CALM
    degrees = caution.degrees + max(LEAST_FREQUENCIES, caution.bandwidths[0] * blocks ** (2 / 3))
    error *= math.sqrt(assumed.overdispersion * (2 if objective.interaction else 1))
    power = t_quantile(1 - POWER, degrees)
    fails = error * (t_quantile(look.proof_tail(alpha, phase.duration_s), degrees) + power)
    shows = error * (t_quantile(SHOWN_IN_SHORT_PHASE if look.short else SHOWN, degrees) + power)
    fails += math.log1p(RESOLUTION) if objective.kind is SliKind.LATENCY else 0.0
    smallest, shown = (math.expm1(min(size, 20.0)) if relative else size for size in (fails, shows))
    return Visible(
        objective=objective, phase=phase.name, smallest=smallest, shown=shown, relative=relative, requests=canary
    )


def _last_look(phase: PhasePlan) -> Look:
    seconds = phase.duration_s
    window = Phase(name=phase.name, kind=phase.kind, start_s=0.0, end_s=seconds)
    return Look(phase=window, planned_s=max(seconds, 1e-3), seen_s=seconds, complete=True)


def _standard_error(objective: Objective, weight: float, assumed: Assumed, *, relative: bool) -> float | None:
    """Of the difference (of its logarithm when relative) between arms of independent requests.

    Quantiles: the error of the share above them over the density there (Bahadur 1966), for lognormal
    latencies. ``weight`` is n_c n_b / (n_c + n_b).
    """
    if weight <= 0:
        return None
    if objective.kind is SliKind.ERROR_RATE:
        rate = assumed.error_rate
        error = math.sqrt(rate * (1 - rate) / weight)
        return error / rate if relative else error
    if objective.kind is SliKind.LATENCY and objective.quantile is not None:
        quantile = objective.quantile
        density = normal_density(normal_quantile(1 - quantile)) / assumed.spread
        return math.sqrt(quantile * (1 - quantile) / weight) / density
    if objective.kind is SliKind.THROUGHPUT:
        return 1 / math.sqrt(weight)
    return None
