"""Objectives about the indicators that can be judged."""

from __future__ import annotations

from harness.judge import indicators
from harness.model import objective
from harness.model.objective import Objective

DEFAULT_OBJECTIVES = ("error_rate < +0.5pp", "latency_p50 < +10%", "latency_p90 < +10%", "latency_p99 < +25%")


def parse_objective(
    text: str, *, weight: float = 1.0, group: str = "default", critical: bool = False, muted: bool = False
) -> Objective:
    """Return the objective that ``text`` describes; see ``harness.model.objective.parse_objective``."""
    specs = [indicator.spec for indicator in indicators.BUILT_IN]
    return objective.parse_objective(text, specs, weight=weight, group=group, critical=critical, muted=muted)


def default_objectives() -> tuple[Objective, ...]:
    """Return what is judged in a scenario that names no objectives."""
    return tuple(parse_objective(text) for text in DEFAULT_OBJECTIVES)
