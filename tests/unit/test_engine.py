"""The engine: what ends a run, what it reverts and what it records, for declared and interactive runs."""

from dataclasses import replace

import pytest
from fake_run import ZERO, FakeJudge, FakeRunning, World, report, scenario

from harness import delay
from harness.errors import (
    HarnessError,
    LoadError,
    MeshDrift,
    MeshGuard,
    NotInForce,
    ServiceError,
    UsageError,
    WorkloadDeath,
)
from harness.model.counts import RequestCount
from harness.model.phase import PhaseKind
from harness.model.record import Event
from harness.model.verdict import Verdict
from harness.runner.deciding import decide
from harness.runner.declared_run import run_scenario
from harness.runner.interactive_run import InteractiveRun
from harness.runner.sent_load import combined

FAULT = delay("ratings", "1s", percent=30)
SPLIT = "split by weight: 50% to the canary"


@pytest.fixture
def world(tmp_path):
    """The parts of a run."""
    return World(tmp_path)


def declared(world, notify=lambda _: None):
    """A whole scenario with one fault."""
    asked = scenario(faults=(FAULT,))
    return run_scenario(asked, world.settings, world.parts, owner="a1", folder=world.folder, notify=notify)


def interactive(world, notify=lambda _: None):
    """Drive the engine step by step: send a load, then another one under the fault."""
    with InteractiveRun(world.settings, world.parts, owner="a1", folder=world.folder, notify=notify) as run:
        run.run_load(scenario())
        with run.inject(FAULT):
            run.run_load(scenario())
        return run.record((), name="by hand")


both = pytest.mark.parametrize("carry_out", [declared, interactive])


@both
def test_every_change_is_reverted_in_reverse_order(world, carry_out):
    """The split is made first and reverted last; each rollback is recorded."""
    record = carry_out(world)
    assert [f"+ {SPLIT}", f"+ {FAULT}", f"- {FAULT}", f"- {SPLIT}"] == world.mesh.diary
    assert [str(FAULT), SPLIT] == [rollback.change for rollback in record.rollbacks]
    assert "" == record.aborted


@both
def test_events_tell_how_many_faults_are_in_force(world, carry_out):
    """The split is none; each fault counts from when it is live until it is seen to be gone."""
    told = [event.fields["faults_live"] for event in carry_out(world).events if "faults_live" in event.fields]
    assert 0 == told[0] == told[-1]
    assert 1 in told


def test_a_declared_run_records_the_phases_of_its_plan(world):
    """Planned and recorded phases are equal when nothing takes time."""
    record = declared(world)
    assert ["warm-up", "steady", "fault", "recovery"] == [phase.name for phase in record.phases]
    assert [2.0, 10.0, 10.0, 4.0] == [phase.duration_s for phase in record.plan.phases]
    assert [2.0, 10.0, 10.0, 4.0] == pytest.approx([phase.duration_s for phase in record.phases])
    assert 2600 == len(record.samples)


def test_a_fault_phase_begins_when_its_fault_is_live(tmp_path):
    """The time that injecting takes belongs to no phase; later phases end when planned."""
    record = declared(World(tmp_path, takes_s=0.5))
    steady, fault = record.phases[1:3]
    assert (12.0, 12.5, 22.0) == pytest.approx((steady.end_s, fault.start_s, fault.end_s))


def test_loads_sent_by_hand_share_one_time_axis(world):
    """The second load's phases and samples follow those of the first; its judged phase is the fault phase."""
    record = interactive(world)
    assert ["warm-up", "steady", "warm-up", str(FAULT)] == [phase.name for phase in record.phases]
    assert PhaseKind.FAULT is record.phases[3].kind
    assert [0.0, 2.0, 12.0, 14.0] == pytest.approx([phase.start_s for phase in record.phases])
    assert (2400, 24.0) == (len(record.samples), pytest.approx(record.samples.due_s.max(), abs=0.02))
    assert ("by hand", ()) == (record.plan.scenario, record.plan.objectives)
    assert [phase.name for phase in record.plan.phases] == [phase.name for phase in record.phases]


@both
def test_a_load_generator_that_dies_leaves_its_samples(world, carry_out):
    """The run ends within a second with the reason, but without the log, and everything is reverted."""
    death = LoadError("the load generator ended with exit code -9", log="last lines")
    world.clock.at.append((5.0, lambda: setattr(world.load, "death", death)))
    record = carry_out(world)
    assert "the load generator ended with exit code -9" == record.aborted
    assert 500 == len(record.samples)
    assert [2.0, 3.0] == pytest.approx([phase.duration_s for phase in record.plan.phases])
    assert f"- {SPLIT}" == world.mesh.diary[-1]


@both
@pytest.mark.parametrize(
    "error", [MeshDrift("someone changed the route"), MeshGuard("kill switch")], ids=["drift", "guard"]
)
def test_a_limit_of_the_mesh_ends_the_run_with_a_record(world, carry_out, error):
    """What was recorded so far can be judged; nothing more is injected or sent."""
    world.clock.at.append((5.0, lambda: setattr(world.mesh, "trouble", error)))
    record = carry_out(world)
    assert str(error) == record.aborted
    assert [f"+ {SPLIT}", f"- {SPLIT}"] == world.mesh.diary
    assert ["warm-up", "steady"] == [phase.name for phase in record.phases]


@both
def test_the_kill_file_ends_the_run(world, carry_out):
    """It is noticed at the end of a phase at the latest."""
    world.clock.at.append((5.0, world.settings.kill_file.touch))
    assert "kill switch" in carry_out(world).aborted


@both
def test_a_canary_over_the_error_ceiling_ends_the_run(world, carry_out):
    """The reason contains the numbers."""
    world.clock.at.append((5.0, lambda: setattr(world.load, "status", (200, 503))))
    assert "the error ceiling is 50 %" in carry_out(world).aborted


@both
def test_counts_that_a_revert_loses_are_kept(world, carry_out, monkeypatch):
    """The guard thread reverts the split while the last answers are awaited, and the proxy then counts from zero."""
    counted = {"now": 40}
    world.mesh.request_counts = lambda: tuple(endpoint(version, counted["now"]) for version in ("v1", "v3"))
    world.clock.at.append((1.0, lambda: counted.update(now=900)))
    world.clock.at.append((5.0, lambda: setattr(world.mesh, "trouble", MeshGuard("kill switch"))))
    finish = FakeRunning.finish
    monkeypatch.setattr(FakeRunning, "finish", lambda running: (counted.update(now=2), finish(running))[1])
    record = carry_out(world)
    assert {"baseline": {"10.0.0.1:9080": 860}, "canary": {"10.0.0.3:9080": 860}} == record.endpoint_requests


@both
def test_a_run_that_ends_early_survives_a_count_that_fails(world, carry_out):
    """The count after the last answer is still made."""
    error, now = MeshGuard("no answer"), iter([(), HarnessError("the proxy did not answer"), (endpoint("v3", 7),)])

    def counts():
        found = next(now)
        if isinstance(found, Exception):
            raise found
        return found

    world.mesh.request_counts = counts
    world.clock.at.append((5.0, lambda: setattr(world.mesh, "trouble", error)))
    record = carry_out(world)
    assert {"canary": {"10.0.0.3:9080": 7}} == record.endpoint_requests
    assert [event for event in record.events if "the proxy did not answer" in event.text]


@both
@pytest.mark.parametrize(
    "error", [HarnessError("pods/log is missing"), OSError("no space left")], ids=["right", "disk"]
)
def test_a_log_that_cannot_be_copied_costs_no_record(world, carry_out, error):
    """The changes have been reverted when it is tried, and the record says why there is no log."""
    before = world.mesh.resources()

    def copy_logs():
        assert world.mesh.resources() == before
        raise error

    world.mesh.copy_logs = copy_logs
    record = carry_out(world)
    assert record.phases
    assert [event.text for event in record.events if str(error) in event.text] == [
        f"the log of the canary was not copied: {error}"
    ]


def endpoint(version, total):
    """The requests that a proxy has sent to the address of a version."""
    return RequestCount(
        source_workload="", source_version="", destination_service="reviews.default.svc.cluster.local",
        destination_version=version, response_code="", response_flags="", total=total, reporter="endpoint",
        address=f"10.0.0.{version[1:]}:9080",
    )  # fmt: skip


@both
def test_a_service_that_dies_leaves_no_record(world, carry_out):
    """The error is raised after everything has been reverted."""
    world.clock.at.append((5.0, lambda: setattr(world.mesh, "trouble", ServiceError("ratings died"))))
    with pytest.raises(ServiceError, match="ratings died"):
        carry_out(world)
    assert f"- {SPLIT}" == world.mesh.diary[-1]


@both
def test_an_interrupt_reverts_everything(world, carry_out):
    """Ctrl-C during a wait reverts every change."""

    def interrupt():
        raise KeyboardInterrupt

    world.clock.at.append((20.0, interrupt))
    with pytest.raises(KeyboardInterrupt):
        carry_out(world)
    assert [f"+ {SPLIT}", f"+ {FAULT}", f"- {FAULT}", f"- {SPLIT}"] == world.mesh.diary


@both
def test_a_harness_that_was_stopped_says_so(world, carry_out):
    """A stall is recorded as an event in both kinds of run."""
    world.clock.at.append((5.0, lambda: setattr(world.clock, "now_s", ZERO + 15.0)))
    assert "blind" in {event.kind for event in carry_out(world).events}


def test_a_limit_that_is_reached_while_a_fault_is_injected_ends_the_run(world):
    """The steady phase can still be judged; the fault was never live."""
    stop = MeshGuard("too many live faults")

    def refuse():
        world.mesh.refusal = world.mesh.trouble = stop

    world.clock.at.append((11.9, refuse))
    record = declared(world)
    assert str(stop) == record.aborted
    assert f"+ {FAULT}" not in world.mesh.diary


def test_a_fault_that_is_not_in_force_makes_the_run_inconclusive(world):
    """The mesh took the change and sees no effect of it: code 11, and the reason names the fault."""

    def refuse():
        world.mesh.refusal = NotInForce("expected the pod to be gone, it is not")

    world.clock.at.append((11.5, refuse))
    record = declared(world)
    assert f"{FAULT}: expected the pod to be gone, it is not" == record.aborted
    assert ["proof"] == [event.kind for event in record.events if "the pod" in event.text]
    analysis = decide(record, FakeJudge(verdict=Verdict.PASS))
    assert 11 == analysis.verdict.exit_code
    assert str(FAULT) in analysis.reason


def test_a_refused_fault_of_a_healthy_run_is_an_error(world):
    """A refusal is raised if no abort condition explains it."""
    world.clock.at.append((11.9, lambda: setattr(world.mesh, "refusal", MeshGuard("not allowed"))))
    with pytest.raises(MeshGuard, match="not allowed"):
        declared(world)


def test_the_judge_ends_a_declared_run_when_harm_is_proven(world):
    """The judge looks every five seconds, and the run ends at the first look that fails."""
    world.judge.verdict = Verdict.FAIL
    record = declared(world)
    assert "harm is proven: p99 is worse" == record.aborted
    assert [5.0] == pytest.approx(world.judge.looks)
    assert 500 == len(record.samples)


def test_the_judge_is_not_asked_during_an_interactive_run(world):
    """The objectives of an interactive run are known only at its end."""
    world.judge.verdict = Verdict.FAIL
    assert "" == interactive(world).aborted
    assert [] == world.judge.looks


@pytest.mark.parametrize("at_s", [0.5, 12.3, 25.8])
@pytest.mark.parametrize(("arm", "verdict"), [("canary", Verdict.FAIL), ("baseline", Verdict.INCONCLUSIVE)])
def test_an_arm_that_dies_is_noticed_until_the_very_end(world, arm, verdict, at_s):
    """In the warm-up, between two phases, and within the last second of the last phase."""
    labels = getattr(world.settings, arm)
    death = WorkloadDeath(name="reviews-x", labels=labels, how="exit code 3", log="out of cheese")
    world.clock.at.append((at_s, lambda: setattr(world.mesh, "trouble", death)))
    world.judge.verdict = Verdict.PASS
    record = declared(world)
    assert f"the {arm} (reviews-x) died: exit code 3" == record.aborted
    decision = decide(record, world.judge)
    assert (verdict, True) == (decision.verdict, "out of cheese" in decision.reason)


def test_a_split_that_is_refused_can_be_tried_again(world):
    """A load is never sent without the split."""
    with InteractiveRun(world.settings, world.parts, owner="a1", folder=world.folder, notify=lambda _: None) as run:
        world.mesh.refusal = MeshGuard("not now")
        with pytest.raises(MeshGuard):
            run.run_load(scenario())
        assert [] == world.load.plans
        world.mesh.refusal = None
        run.run_load(scenario())
        assert [f"+ {SPLIT}"] == world.mesh.diary


def test_an_interactive_run_that_ended_before_any_load_says_why(world):
    """The error gives the reason, and does not tell the user to send a load."""
    with InteractiveRun(world.settings, world.parts, owner="a1", folder=world.folder, notify=lambda _: None) as run:
        world.settings.kill_file.touch()
        run._engine.split()
        run._engine._supervision._guards.ask()
        with run.inject(FAULT):
            run.run_load(scenario())
        assert [] == world.load.plans
        with pytest.raises(MeshGuard, match="ended before any load was sent: the kill switch"):
            run.record((), name="by hand")


def test_nothing_follows_the_record_of_an_interactive_run(world):
    """After the record has been made, every call is an error that says what to do."""
    with InteractiveRun(world.settings, world.parts, owner="a1", folder=world.folder, notify=lambda _: None) as run:
        run.run_load(scenario())
        run.record((), name="by hand")
        with pytest.raises(UsageError, match="the last step of a test's interactive run"):
            run.run_load(scenario())


@pytest.mark.parametrize("codes", [(0, -9), (-9, 0), (0, 1), (1, 0)])
def test_a_load_that_failed_is_not_hidden_by_another(codes):
    """A process that a signal ended has a negative exit code, which counts as worse than 0."""
    together = combined([report(exit_code=code, unfinished=2, answered=5) for code in codes])
    assert 0 != together.exit_code
    assert (4, 10) == (together.unfinished, together.answered)


@both
def test_reverts_are_told_after_an_interrupt_too(world, carry_out):
    """After Ctrl-C during the fault, each change is reported as removed and verified."""
    told = []

    def interrupt():
        raise KeyboardInterrupt

    world.clock.at.append((20.0, interrupt))
    with pytest.raises(KeyboardInterrupt):
        carry_out(world, notify=told.append)
    texts = [what.text for what in told if isinstance(what, Event) and "seconds" in what.fields]
    assert [f"{FAULT}: removed and verified", f"{SPLIT}: removed and verified"] == texts


@pytest.mark.parametrize(("real_users", "missing"), [(True, "details"), (False, "reviews, details")])
def test_bodies_that_nobody_records_are_noted(world, real_users, missing):
    """The load records the answers of the entry, where the proxies belong to other users too; they record none."""
    asked = {"reviews": 4096, "details": 100}
    world.settings = replace(world.settings, recorded_bytes=asked, entry="reviews", real_users=real_users)
    notes = [event.text for event in declared(world).events if event.kind == "note" and "no bodies" in event.text]
    assert [missing] == [note.split(" were ")[0].removeprefix("no bodies of ") for note in notes]
    (sent,) = world.load.plans
    assert ("reviews", 4096 if real_users else 0) == (sent.answers_of, sent.answer_bytes)
