"""Plan an observation of real users from the configuration, and measure it with the configured Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from harness.errors import UsageError
from harness.judge.indicators import indicator_of
from harness.metrics.connection import connected
from harness.metrics.server_side import Measured, arm_words, from_prometheus, wanted_of
from harness.model.config import Config
from harness.model.indicator import Source
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.runner.observation import Measure

STEADY = "steady"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTraffic:
    """What real users do for a time. length_s: at most so many seconds. every_s: seconds between two looks."""

    name: str
    objectives: tuple[Objective, ...]
    length_s: float
    every_s: float


def observable(objectives: Sequence[Objective], default: Sequence[Objective]) -> tuple[Objective, ...]:
    """Return those of the configuration's objectives that the server side measures, or the default ones."""
    return tuple(one for one in objectives if _measured_there(one)) or tuple(default)


def plan_of(users: LiveTraffic, config: Config, judge: JudgeSettings, *, target: str) -> Plan:
    """Return the plan. Raises UsageError for what no server can answer, and without a server."""
    if config.prometheus is None:
        raise UsageError("expected prometheus in harness.yaml: real users are seen by their requests there, found none")
    if not 1 <= users.every_s <= users.length_s:
        raise UsageError(f"expected looks from 1 s to {users.length_s:g} s apart, found {users.every_s:g} s")
    for objective in users.objectives:
        if not _measured_there(objective):
            raise UsageError(
                f"{objective.text}: expected an indicator of the server side (harness indicators), no load is sent"
            )
    return Plan(
        scenario=users.name,
        service=config.service,
        target=target,
        phases=(PhasePlan(name=STEADY, kind=PhaseKind.STEADY, duration_s=users.length_s),),
        objectives=users.objectives,
        canary_share=config.canary_share,
        rate_rps=0.0,
        seed=0,
        judge=judge,
        live_traffic=True,
    )


@contextmanager
def measuring(plan: Plan, config: Config, now: Callable[[], float]) -> Iterator[Measure]:
    """Return what asks the configured Prometheus about both arms. Raises MetricsError for missing credentials."""
    wanted, arms = wanted_of(plan.objectives, config), arm_words(config)
    with connected(config) as server:

        def measure(zero_s: float, seconds: float) -> Measured:
            phases = (Phase(name=STEADY, kind=PhaseKind.STEADY, start_s=0.0, end_s=seconds),)
            return from_prometheus(
                server, wanted, arms=arms, zero_s=zero_s, phases=phases, live_traffic=True, with_hops=True, clock=now
            )

        yield measure


def _measured_there(objective: Objective) -> bool:
    return indicator_of(objective).spec.source is Source.SERIES
