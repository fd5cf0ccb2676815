"""A finished run on fake parts: recorded, judged and reported without any process."""

from __future__ import annotations

from pathlib import Path

from fake_run import World, scenario

from harness import delay, gate
from harness.gate import Outcome
from harness.runner.declared_run import run_scenario


def run_on_fake_parts(folder: Path) -> Outcome:
    """Carry out, record, judge and report a run; its bundle is in ``folder``."""
    world = World(folder)
    asked = scenario(faults=(delay("ratings", "1s", percent=30),))
    record = run_scenario(asked, world.settings, world.parts, owner="a1", folder=folder, notify=lambda _: None)
    return gate.judge_record(record, folder / "bundle", "sequential")
