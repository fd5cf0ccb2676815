"""The comparison of errors that is made in every judged phase, whether or not an objective names it.

It can only fail a run: it has no weight in the score, and it is shown when it fails. A canary that fails more than
``TOLERANCE`` more of its requests than the baseline cannot pass, even when the objectives are about latency alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.judge.alpha_spending import alpha_parts, applies
from harness.judge.objectives import parse_objective
from harness.model.objective import Objective
from harness.model.phase import PhasePlan
from harness.model.record import Plan

TOLERANCE = "+1pp"
IMPLIED_PART = 0.1
"""The part of the run's alpha that it spends: harm of this kind is large, and the other objectives need the rest."""
GROUP = "always"
LOW_LIMIT = 0.05
"""A higher limit on the error rate leaves the comparison of the arms to be made."""


def implied_objective() -> Objective:
    """Return the objective that is compared although nobody named it."""
    return replace(parse_objective(f"error_rate < {TOLERANCE}", group=GROUP), weight=0.0)


def is_implied(objective: Objective) -> bool:
    """Whether an objective is the one that every run has."""
    return objective.weight == 0.0 and objective.group == GROUP


def shares_of_alpha(
    plan: Plan, objectives: Sequence[Objective]
) -> tuple[dict[tuple[int, str], float], dict[str, float]]:
    """Return the parts of the plan's alpha: of each objective (by number) and phase, and of the implied one by phase.

    All parts add up to the plan's alpha. If the objectives compare the errors of every phase, they get all of it.
    """
    implied = [phase for phase in plan.phases if phase.kind.judged and not _named(objectives, phase)]
    if not implied:
        return alpha_parts(plan, objectives), {}
    alpha = plan.judge.alpha
    rest = replace(plan, judge=replace(plan.judge, alpha=alpha * (1 - IMPLIED_PART)))
    return alpha_parts(rest, objectives), {phase.name: alpha * IMPLIED_PART / len(implied) for phase in implied}


def bounds_difference(objective: Objective) -> bool:
    """Return whether an objective about a share, such as errors, says how much worse than the baseline a canary may be.

    A tolerance does, and so does a low limit. ``error_rate < 50%`` allows a canary to fail half of its requests, but
    does not say that this is as good as a baseline that fails none.
    """
    return objective.tolerates or (objective.limit is not None and objective.limit <= LOW_LIMIT)


def _named(objectives: Sequence[Objective], phase: PhasePlan) -> bool:
    """Whether an objective is about the error rate of all requests of a phase; a muted one says that it is known."""
    return any(
        each.name == "error_rate"
        and "endpoint" not in each.labels
        and (each.muted or bounds_difference(each))
        and applies(each, phase.kind, phase.name)
        for each in objectives
    )
