"""A run of several faults is taken apart into a record for each, as if it had run alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_run import FakeJudge, World, scenario
from test_phase_lengths import DecidingJudge

from harness import abort, delay
from harness.errors import ArmDeath, MeshGuard, UsageError, WorkloadDeath
from harness.model.phase import parse_length
from harness.model.record import Event, Record
from harness.model.verdict import Verdict
from harness.plugin.matrix import Matrix
from harness.runner.deciding import decide
from harness.runner.declared_run import run_scenario
from harness.runner.matrix import carrying_over, taken_apart
from harness.runner.planning import plan_run
from harness.runner.scenario import Scenario

FAULTS = (delay("ratings", "1s"), abort("ratings", 503), delay("details", "1s"))
STAGED = scenario(faults=FAULTS, stages=tuple((fault,) for fault in FAULTS), recover_each=True)
ALONE = ["warm-up", "steady", "fault", "recovery"]


def shared_run(folder: Path, asked: Scenario = STAGED, judge: FakeJudge | None = None, **at: Any) -> Record:
    """The record of three faults in one load. judge: of the looks meanwhile. at: what happens at which second."""
    world = World(folder)
    world.judge = judge or world.judge
    world.mesh.resources = _everything
    world.clock.at = [(float(second.strip("_")), lambda act=act: act(world)) for second, act in at.items()]
    settings = replace(world.settings, look_every_s=1.0)
    return run_scenario(asked, settings, world.parts, owner="a1", folder=folder, notify=lambda _: None)


def _everything(kind: str = "") -> tuple[Any, ...]:
    from fake_run import _routes  # noqa: PLC0415 - the routes of the fake mesh, for one more service

    return () if kind else tuple(each for host in ("reviews", "ratings", "details") for each in _routes(host))


def test_each_fault_gets_a_record_as_if_it_had_run_alone(tmp_path: Path) -> None:
    """The phases have their usual names and follow each other, and the requests move with them."""
    record = shared_run(tmp_path)
    parts = taken_apart(record, 3)
    assert 3 == len(parts)
    for fault, part in zip(FAULTS, parts, strict=True):
        assert ALONE == [phase.name for phase in part.phases] == [phase.name for phase in part.plan.phases]
        assert [2.0, 10.0, 10.0, 4.0] == pytest.approx([phase.duration_s for phase in part.phases])
        assert 26.0 == pytest.approx(part.phases[-1].end_s)
        assert (str(fault),) == part.phases[2].faults
        assert [str(fault)] == [count.fault for count in part.fault_counts]
        assert ["fault"] == [count.phase for count in part.fault_counts]
        assert 2600 == pytest.approx(len(part.samples), abs=2)
        assert part.samples.due_s.max() < 26.0
        live = [event.text for event in part.events if event.text.endswith(": live")]
        assert ["split by weight: 50% to the canary: live", f"{fault}: live"] == live


def test_a_run_that_ended_early_leaves_the_faults_that_were_finished(tmp_path: Path) -> None:
    """The one that it ended in, and those that it did not get to, say why."""
    stop = MeshGuard("too slow for everybody")
    record = shared_run(tmp_path, _33=lambda world: setattr(world.mesh, "trouble", stop))
    first, second, third = taken_apart(record, 3)
    assert ALONE == [phase.name for phase in first.phases]
    assert "" == first.aborted
    for part in (second, third):
        assert str(stop) == part.aborted
        assert 11 == decide(part, FakeJudge(verdict=Verdict.PASS)).verdict.exit_code
    assert ["warm-up", "steady"] == [phase.name for phase in third.phases]


def test_one_fault_that_is_left_of_a_matrix_keeps_its_phases(tmp_path: Path) -> None:
    """A person selects a single test: without its fault phase, the steady phase alone would decide."""
    (part,) = taken_apart(shared_run(tmp_path, replace(STAGED, faults=FAULTS[:1], stages=(FAULTS[:1],))), 1)
    assert ALONE == [phase.name for phase in part.phases] == [phase.name for phase in part.plan.phases]
    assert [str(FAULTS[0])] == [count.fault for count in part.fault_counts]


def test_phases_that_were_decided_early_are_still_proven_when_a_later_one_ends_the_run(tmp_path: Path) -> None:
    """Each takes 10 s of 100: the run ends in the third fault, when by the plan the steady phase would last."""
    judge = DecidingJudge()
    judge.after_s = 10.0
    ranges = {name: parse_length("10s..100s") for name in ("steady_s", "fault_s", "recovery_s")}
    stop = MeshGuard("too slow for everybody")
    asked = replace(STAGED, **ranges)
    record = shared_run(tmp_path, asked, judge, _57=lambda world: setattr(world.mesh, "trouble", stop))
    first, second, third = taken_apart(record, 3)
    for part in (first, second, third):
        assert [phase.name for phase in part.phases] == [phase.name for phase in part.plan.phases]
    assert ["", "", str(stop)] == [part.aborted for part in (first, second, third)]
    for fault, part in zip(FAULTS, (first, second), strict=False):
        names = [proof.name for proof in decide(part, FakeJudge(verdict=Verdict.PASS)).proofs]
        assert any(name.startswith(f"dose of {fault}") for name in names)


def test_a_matrix_without_recovery_is_refused() -> None:
    """Nothing would tell that the canary still suffers from the fault before."""
    with pytest.raises(UsageError, match="expected a recovery phase"):
        plan_run(replace(STAGED, recovery_s=0.0), World(Path()).settings, target="local")


def test_a_canary_that_dies_fails_under_the_fault_under_which_it_died(tmp_path: Path) -> None:
    """The faults before it are judged as they were; those after it were not tried."""
    death = ArmDeath("canary", WorkloadDeath(name="reviews-v3", labels={}, how="it ended", log=""))
    record = shared_run(tmp_path, _33=lambda world: setattr(world.mesh, "trouble", death))
    verdicts = [decide(part, FakeJudge(verdict=Verdict.PASS)).verdict for part in taken_apart(record, 3)]
    assert Verdict.FAIL not in {verdicts[0], verdicts[2]}
    assert Verdict.FAIL is verdicts[1]
    assert Verdict.INCONCLUSIVE is verdicts[2]


def test_what_is_wrong_with_the_whole_run_is_wrong_with_each_fault(tmp_path: Path) -> None:
    """Somebody changed the routes during the first fault: who knows what the others measured."""
    record = shared_run(tmp_path)
    drift = Event(at_s=15.0, kind="drift", text="somebody changed reviews")
    for part in taken_apart(replace(record, events=(*record.events, drift)), 3):
        reason = [event.text for event in part.events if event.kind == "shared" and "undisturbed" in event.text]
        assert 1 == len(reason)
        assert "nothing carried over" in [proof.name for proof in decide(part, FakeJudge()).proofs if not proof.held]


def test_a_fault_after_one_that_left_something_behind_is_not_judged(tmp_path: Path) -> None:
    """The recovery before it was beyond the tolerance; the ones before and after that are judged."""
    parts = taken_apart(shared_run(tmp_path), 3)
    bad = _Finding()
    judged = iter([(), (bad,), ()])
    found = list(carrying_over(parts, lambda _: _Findings(next(judged))))
    said = [[event.text for event in part.events if "carry over" in event.text] for part in found]
    assert [[], [], ["the recovery just before was beyond a tolerance (error_rate < +1pp): it may carry over"]] == said


class _Finding:
    phase, verdict = "recovery", Verdict.FAIL
    objective = scenario().objectives[0]


class _Findings:
    def __init__(self, findings: tuple[_Finding, ...]) -> None:
        self.findings = findings


def one(fault: Any, **changed: Any) -> Scenario:
    """What a test of the matrix asks for."""
    return scenario(name=f"test[{fault}]", faults=(fault,), **changed)


def test_the_first_test_runs_all_faults_in_the_order_of_the_seed() -> None:
    """Each test takes its own record; one that runs again runs alone."""
    runs: list[Scenario] = []

    def run(asked: Scenario) -> list[Any]:
        runs.append(asked)
        return [f"record of {fault}" for fault in asked.faults]

    matrix = Matrix(FAULTS)
    assert [f"record of {fault}" for fault in FAULTS] == [matrix.take(one(fault), run) for fault in FAULTS]
    (asked,) = runs
    assert set(FAULTS) == set(asked.faults)
    assert asked.recover_each
    assert asked.stages == tuple((fault,) for fault in asked.faults)
    assert matrix.take(one(FAULTS[0]), run) is None
    again: list[Scenario] = []
    Matrix(FAULTS).take(one(FAULTS[0]), lambda staged: (again.append(staged), run(staged))[1])
    assert asked.faults == again[0].faults


def test_tests_that_ask_for_different_things_cannot_share_a_load() -> None:
    """Other lengths, faults that are no parameter, and several faults."""
    matrix = Matrix(FAULTS)
    matrix.take(one(FAULTS[0]), lambda asked: [None for _ in asked.faults])
    for wrong, message in (
        (one(FAULTS[1], steady_s=3.0), "found others"),
        (one(delay("ratings", "9s")), "with the fault of the parameter"),
        (scenario(faults=FAULTS), "with the fault of the parameter"),
    ):
        with pytest.raises(UsageError, match=message):
            matrix.take(wrong, lambda _: [])


def test_twelve_faults_cost_less_than_twelve_runs() -> None:
    """With the phases of the demo: 3 s, 15 s, 15 s and 12 s."""
    lengths = {"warm_up_s": 3.0, "steady_s": 15.0, "fault_s": 15.0, "recovery_s": 12.0}
    faults = tuple(delay("ratings", f"{number}s") for number in range(1, 13))
    settings = World(Path()).settings
    shared = scenario(faults=faults, stages=tuple((fault,) for fault in faults), recover_each=True, **lengths)
    alone = sum(plan_run(one(fault, **lengths), settings, target="local").duration_s for fault in faults)
    assert plan_run(shared, settings, target="local").duration_s <= 0.7 * alone
