"""Carry out a declared run: send one load through all phases of a scenario, with its faults in the fault phase."""

from __future__ import annotations

from pathlib import Path

from harness.model.record import Record
from harness.runner.engine import Engine
from harness.runner.judge_looks import JudgeLooks
from harness.runner.planning import plan_run
from harness.runner.scenario import Scenario
from harness.runner.settings import Notify, Parts, Settings


def run_scenario(
    scenario: Scenario, settings: Settings, parts: Parts, *, owner: str, folder: Path, notify: Notify
) -> Record:
    """Carry out the scenario and return what happened.

    owner: the run's mark, which no other run has; it is part of the name of everything that is inserted.
    folder: where the load generator writes. Raises UsageError, before anything is changed, for a scenario that cannot
    be run, and any other HarnessError, after everything is reverted, when the run failed.
    """
    plan = plan_run(scenario, settings, target=parts.mesh.target)
    looks = JudgeLooks(parts.judge, plan, every_s=settings.look_every_s, end_run=not scenario.recover_each)
    with Engine(settings, parts, owner=owner, notify=notify, looks=looks) as engine:
        engine.check(scenario.in_order)
        engine.split()
        engine.send(plan, folder=folder, stages=scenario.in_order)
        return engine.finish(plan)
