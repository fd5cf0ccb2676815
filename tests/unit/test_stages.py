"""Faults one after the other: each stage has a fault phase of its own, and a run is planned and reverted by stages."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_run import World, scenario

from harness import abort, delay, latency_ladder, ramp, sequence
from harness.errors import UsageError
from harness.model.counts import RequestCount
from harness.model.record import Record
from harness.runner.declared_run import run_scenario
from harness.runner.planning import plan_run
from harness.runner.scenario import Scenario

RAMP = ramp(lambda percent: abort("ratings", 503, percent=percent), [5, 20, 50])


def staged(**changed: object) -> Scenario:
    """Return a scenario with the ramp."""
    faults = tuple(fault for stage in RAMP for fault in stage)
    return scenario(faults=faults, stages=RAMP, **changed)


def run(folder: Path, asked: Scenario) -> tuple[World, Record]:
    """Carry a scenario out on fake parts."""
    world = World(folder)
    record = run_scenario(asked, world.settings, world.parts, owner="a1", folder=folder, notify=lambda _: None)
    return world, record


def test_each_stage_has_a_phase_with_its_own_faults(tmp_path: Path) -> None:
    """The recovery follows the last one; only one fault is live at a time."""
    world, record = run(tmp_path, staged())
    names = ["warm-up", "steady", "fault 1", "fault 2", "fault 3", "recovery"]
    assert names == [phase.name for phase in record.phases]
    assert [(), (), *[(str(stage[0]),) for stage in RAMP], ()] == [phase.faults for phase in record.phases]
    in_between = [line for line in world.mesh.diary if "abort" in line]
    assert [f"{sign} {stage[0]}" for stage in RAMP for sign in "+-"] == in_between


def test_a_recovery_can_follow_each_stage(tmp_path: Path) -> None:
    """A matrix needs a recovery after each of its faults."""
    _, record = run(tmp_path, staged(recover_each=True))
    each = [f"{name} {number}" for number in (1, 2, 3) for name in ("fault", "recovery")]
    assert each == [phase.name for phase in record.phases[2:]]


def test_one_stage_is_planned_like_faults_at_once() -> None:
    """Its phases have the usual names: steady, fault and recovery."""
    world = World(Path())
    one = scenario(faults=(delay("ratings", "1s"),), stages=((delay("ratings", "1s"),),))
    phases = plan_run(one, world.settings, target="local").phases
    assert ["warm-up", "steady", "fault", "recovery"] == [phase.name for phase in phases]


def test_a_stage_that_cannot_be_injected_ends_the_run_before_anything_is_changed(tmp_path: Path) -> None:
    """Also if it is the last one: two delays at once have no room in one route."""
    bad = (delay("ratings", "1s"), delay("ratings", "2s"))
    asked = scenario(faults=bad, stages=((abort("ratings", 503),), bad))
    world = World(tmp_path)
    with pytest.raises(UsageError, match="already injects delay"):
        run_scenario(asked, world.settings, world.parts, owner="a1", folder=tmp_path, notify=lambda _: None)
    assert [] == world.mesh.diary


def test_the_ladder_goes_around_the_timeout_of_the_caller() -> None:
    """Half of it, just below, just above."""
    found = [str(fault) for stage in latency_ladder("ratings", "400ms", percent=50) for fault in stage]
    assert [f"delay(ratings, {time}, 50 %)" for time in ("200 ms", "360 ms", "440 ms")] == found
    with pytest.raises(UsageError, match="at least 2ms"):
        latency_ladder("ratings", "1ms")


def test_a_sequence_can_hold_faults_at_once() -> None:
    """A list is one stage."""
    slow, broken = delay("ratings", "1s"), abort("details", 503)
    assert ((slow,), (slow, broken)) == sequence(slow, [slow, broken])
    for nothing in ((), (slow, [])):
        with pytest.raises(UsageError, match="found none"):
            sequence(*nothing)


def test_the_hits_of_one_stage_are_not_counted_for_another(tmp_path: Path) -> None:
    """Both delays have the same response flag: calls of the first one are waited for, and later ones are not its own."""
    slow, slower = delay("ratings", "1s"), delay("ratings", "2s")
    world = World(tmp_path)
    rates = {f"+ {slow}": 10, f"- {slow}": 10, f"+ {slower}": 1000, f"- {slower}": 0}
    total, sleep = [0.0], world.clock.sleep

    def go_on(seconds: float) -> None:
        total[0] += seconds * rates.get(world.mesh.diary[-1] if world.mesh.diary else "", 0)
        sleep(seconds)

    world.clock.sleep = go_on
    world.mesh.request_counts = lambda: tuple(
        RequestCount(
            source_workload=f"reviews-{version}", source_version=version, destination_service="ratings.default",
            destination_version="v1", response_code="200", response_flags="DI", total=round(total[0]),
        )
        for version in ("v1", "v3")
    )  # fmt: skip
    asked = scenario(faults=(slow, slower), stages=((slow,), (slower,)))
    record = run_scenario(asked, world.settings, world.parts, owner="a1", folder=tmp_path, notify=lambda _: None)
    hits = {(count.fault, count.arm): count.hit for count in record.fault_counts}
    # 10 s of the phase and 1 s that its last calls may take; the second phase begins that second later.
    assert {(str(slow), "baseline"): 110, (str(slow), "canary"): 110} == {
        key: hits[key] for key in hits if key[0] == str(slow)
    }
    assert {9000} == {hit for (fault, _), hit in hits.items() if fault == str(slower)}
    second = record.phases[3]
    assert 9.0 == pytest.approx(second.end_s - second.start_s)
