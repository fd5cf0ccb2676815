"""``--harness-plan``: say what each scenario would do, and start nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import pytest

from harness.config import Config
from harness.judge.power import undecidable, visible_effects
from harness.model.units import format_duration
from harness.runner.live_run import LiveTraffic
from harness.runner.planning import plan_run
from harness.runner.scenario import Scenario

PLANS: pytest.StashKey[list[str]] = pytest.StashKey()
"""The key of the plans of a test."""
UNKNOWN = "a test that uses mesh, load or chaos: what it does is known only when it runs"


def plan_text(scenario: Scenario, config: Config, *, target: str) -> str:
    """Return the phases, the requests and the smallest visible effect of a scenario, as lines."""
    from harness import wiring

    plan = plan_run(scenario, wiring.settings(config, scenario, target=target, manifest={}), target=target)
    requests = plan.rate_rps * plan.duration_s
    effects = visible_effects(plan, lengths=False) if plan.judge.name == "sequential" else ()
    warning = undecidable(effects) if effects else ""
    rows = [
        ("target", target),
        ("phases", ", ".join(f"{phase.name} {format_duration(phase.duration_s)}" for phase in plan.phases)),
        ("faults", ", ".join(fault.words().text for fault in scenario.faults) or "none"),
        ("load", f"{scenario.load}, {plan.rate_rps:g} requests per second for {format_duration(plan.duration_s)}"),
        ("requests", f"{requests:.0f}, {requests * plan.canary_share:.0f} of them to the canary"),
        *(("can see", str(effect)) for effect in effects),
        *([("warning", warning)] if warning else []),
    ]
    return "\n".join([scenario.name, *(f"  {name.ljust(9)}{text}" for name, text in rows)])


def users_text(users: LiveTraffic, *, target: str) -> str:
    """Return what an observation of real users would look at, as lines."""
    rows = [
        ("target", target),
        ("phases", f"steady {format_duration(users.length_s)}, a look every {format_duration(users.every_s)}"),
        ("load", "none: the requests of real users are judged"),
        *(("judges", objective.text) for objective in users.objectives),
    ]
    return "\n".join([users.name, *(f"  {name.ljust(9)}{text}" for name, text in rows)])


def skip_planned(plans: list[str], text: str) -> NoReturn:
    """Keep the plan and end the test here: it has started nothing."""
    plans.append(text)
    pytest.skip("planned only; nothing was started")


def shown(plans: Sequence[str]) -> list[str]:
    """Return the lines of all plans, one after the other."""
    return [line for plan in plans for line in ("", *plan.splitlines())]
