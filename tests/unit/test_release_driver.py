"""A release in memory: every way that it can go, and a kill at each of its writes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from fake_world import STEPS, Clock, FakeWorld, Killed, new_release, parts

from harness.errors import RecordError, UsageError
from harness.model.release import (
    FIRST,
    Decision,
    DecisionKind,
    OnDoubt,
    Outcome,
    Phase,
    ReleaseSettings,
    ReleaseStep,
    Strategy,
)
from harness.release.driver import Driver, ended_by
from harness.release.store import Store, create, find, locked, read_release

HELD = ReleaseSettings(steps=STEPS, hold_s=60.0)
OBSERVED = ReleaseSettings(steps=(ReleaseStep(weight=1.0, observe_s=5.0, max_errors=0.01),))


def _decision(kind: DecisionKind, at_s: float = 1001.0) -> Decision:
    return Decision(kind=kind, by="ann", reason="ticket 17", at_s=at_s)


def test_a_good_build_is_promoted_and_nothing_is_left(tmp_path: Path):
    """Users move up step by step, the stable build is the new one, and routes and arms are gone."""
    world, (store, _) = FakeWorld(), new_release(tmp_path)
    record = Driver(store, parts(world)).run()
    assert (Outcome.PROMOTED, "sha256:new") == (record.state.outcome, world.stable["reviews"])
    assert ["0", "0.1", "0.5", "1", "1", "0"] == [line[6:] for line in world.log if line.startswith("route")]
    assert ["pass", "pass", "pass"] == [one.verdict for one in record.results]
    world.serves()


def test_users_are_on_the_stable_build_before_an_arm_exists(tmp_path: Path):
    """A new pod would get users by its labels; the routes to the stable build come first."""
    world, (store, _) = FakeWorld(), new_release(tmp_path)
    Driver(store, parts(world)).run()
    assert world.log.index("route 0") < world.log.index("canary")


def test_a_failed_gate_takes_the_build_out(tmp_path: Path):
    """Users first, then the arms; the stable build was not touched."""
    world, (store, _) = FakeWorld(verdicts=iter(["pass", "fail"])), new_release(tmp_path)
    record = Driver(store, parts(world)).run()
    assert (Outcome.REJECTED, 1, "it was fail") == (record.state.outcome, record.state.exit_code, record.state.reason)
    assert "old" == world.stable["reviews"]
    assert world.log.index("remove canary") > len(world.log) - 1 - world.log[::-1].index("route 0")
    world.serves()


def test_a_gate_without_a_verdict_is_tried_once_more(tmp_path: Path):
    """Trouble of the environment is often short; two in a row are held as doubt."""
    world, (store, _) = FakeWorld(verdicts=iter(["trouble", "pass", "pass", "pass"])), new_release(tmp_path)
    assert Outcome.PROMOTED is Driver(store, parts(world)).run().state.outcome
    world, (store, _) = FakeWorld(verdicts=iter(["trouble", "trouble"])), new_release(tmp_path / "2", settings=HELD)
    record = Driver(store, parts(world)).run(lambda state: state.phase is Phase.HELD)
    assert (Phase.HELD, 12) == (record.state.phase, record.state.exit_code)


def test_no_user_gets_a_build_that_is_held_and_an_approval_goes_on(tmp_path: Path):
    """The hold waits with all users on the stable build; the decision is recorded with name and reason."""
    world, (store, _) = FakeWorld(verdicts=iter(["pass", "marginal", "pass"])), new_release(tmp_path, settings=HELD)
    clock = Clock()

    def approve() -> None:
        assert 0.0 == world.routes["reviews"]
        if store.decision(0) is None:
            store.decide(0, _decision(DecisionKind.APPROVE, clock.at_s))

    clock.on_sleep = approve
    record = Driver(store, parts(world, clock)).run()
    assert Outcome.PROMOTED is record.state.outcome
    (hold,) = record.holds
    assert (1, "marginal", "ann", "ticket 17") == (hold.step, hold.verdict, hold.decision.by, hold.decision.reason)


@pytest.mark.parametrize("decided", ["nobody", "late", "reject"])
def test_a_hold_that_is_not_approved_in_time_rejects(tmp_path: Path, decided: str):
    """Time out, an approval after it, and a rejection all take the build out."""
    world, (store, _) = FakeWorld(verdicts=iter(["inconclusive"])), new_release(tmp_path, settings=HELD)
    if decided == "late":
        store.decide(0, _decision(DecisionKind.APPROVE, 1000.0 + 61.0))
    if decided == "reject":
        store.decide(0, _decision(DecisionKind.REJECT))
    record = Driver(store, parts(world)).run()
    assert (Outcome.REJECTED, 1) == (record.state.outcome, record.state.exit_code)
    assert (decided != "reject") is record.holds[0].expired
    world.serves()


def test_a_hold_expires_although_its_machine_was_gone(tmp_path: Path):
    """A process that resumes the release after the end of the hold rejects it; the hold does not start again."""
    world, (store, _) = FakeWorld(verdicts=iter(["marginal"])), new_release(tmp_path, settings=HELD)
    Driver(store, parts(world)).run(lambda state: state.phase is Phase.HELD)
    later = Clock()
    later.at_s += 3600.0
    record = Driver(store, parts(world, later)).run()
    assert (Outcome.REJECTED, True) == (record.state.outcome, record.holds[0].expired)


def test_an_approval_counts_although_the_machine_of_the_hold_is_gone(tmp_path: Path):
    """It was given in time, so a process that resumes the release later continues it."""
    world, (store, _) = FakeWorld(verdicts=iter(["marginal", "pass", "pass"])), new_release(tmp_path, settings=HELD)
    Driver(store, parts(world)).run(lambda state: state.phase is Phase.HELD)
    store.decide(0, _decision(DecisionKind.APPROVE))
    later = Clock()
    later.at_s += 3600.0
    assert Outcome.PROMOTED is Driver(Store(store.folder), parts(world, later)).run().state.outcome


def test_a_hold_is_decided_once(tmp_path: Path):
    """The second decision about a hold is refused, with the name of who was first."""
    store, _ = new_release(tmp_path)
    store.decide(0, _decision(DecisionKind.APPROVE))
    with pytest.raises(UsageError, match="ann has decided"):
        store.decide(0, _decision(DecisionKind.REJECT))


def test_doubt_can_reject_at_once(tmp_path: Path):
    """With on-marginal: reject nobody is asked, and the exit code is that of the verdict."""
    settings = replace(HELD, on_marginal=OnDoubt.REJECT)
    world, (store, _) = FakeWorld(verdicts=iter(["marginal"])), new_release(tmp_path, settings=settings)
    record = Driver(store, parts(world)).run()
    assert (Outcome.REJECTED, 10, ()) == (record.state.outcome, record.state.exit_code, record.holds)


def test_a_build_that_does_not_start_is_rejected_with_its_own_reason(tmp_path: Path):
    """The arms that were started are removed, and users never got them."""
    world, (store, _) = FakeWorld(refuses={"deploy"}), new_release(tmp_path)
    record = Driver(store, parts(world)).run()
    assert (Outcome.REJECTED, 1, "ImagePullBackOff") == (
        record.state.outcome, record.state.exit_code, record.state.reason,
    )  # fmt: skip
    world.serves()


def test_a_refused_release_changes_nothing(tmp_path: Path):
    """What examining refuses is over before any write."""
    world, (store, _) = FakeWorld(refuses={"examine"}), new_release(tmp_path)
    record = Driver(store, parts(world)).run()
    assert (Outcome.ABORTED, [], True) == (record.state.outcome, world.log, record.state.over)


def test_services_are_promoted_together_or_not_at_all(tmp_path: Path):
    """If the second promotion fails, the first one is taken back."""
    world = FakeWorld(refuses={"promote ratings"})
    store, _ = new_release(tmp_path, "reviews", "ratings")
    record = Driver(store, parts(world)).run()
    assert (Outcome.REJECTED, {"reviews": "old", "ratings": "old"}) == (record.state.outcome, world.stable)
    assert "settle sha256:new" in world.log
    world.serves()


def test_a_first_release_runs_two_copies_and_leaves_nothing_if_it_is_rejected(tmp_path: Path):
    """Without a running build all users get the new one as soon as some do, and the record says how it is judged."""
    for verdicts, stable in ((["pass", "fail"], {}), (["pass"] * 3, {"reviews": "sha256:new"})):
        world = FakeWorld(stable={}, verdicts=iter(verdicts))
        store, _ = new_release(tmp_path / stable.get("reviews", "none"))
        record = Driver(store, parts(world)).run()
        assert (stable, ("reviews",)) == (world.stable, record.first)
        assert ["0", "1", "1"] == [line[6:] for line in world.log if line.startswith("route")][:3]
        texts = [one.text for one in record.happenings]
        assert f"reviews: {FIRST}" in texts
        assert "all users get the new build, because no other build runs" in texts
        assert "all users get the stable build" not in texts[:-3]
        world.serves()


def test_one_of_two_services_can_be_new(tmp_path: Path):
    """The share is that of the service with a running build; the text says what users of the other one get."""
    store, _ = new_release(tmp_path, "reviews", "ratings")
    record = Driver(store, parts(FakeWorld(stable={"reviews": "old"}))).run()
    texts = [one.text for one in record.happenings]
    assert "10 % of the users get the new build; of ratings all do, because no other build runs" in texts
    assert "all users get the stable build; ratings has none" in texts


def test_users_with_a_header_get_the_new_build_before_any_share(tmp_path: Path):
    """A step of weight 0 with a header limits it to these users; a hold takes it from them too."""
    step = ReleaseStep(weight=0.0, scenarios=("a",), header={"x-beta": "1"})
    settings = replace(HELD, steps=(step, *STEPS))
    world, (store, _) = FakeWorld(verdicts=iter(["marginal"])), new_release(tmp_path, settings=settings)
    driver = Driver(store, parts(world))
    driver.run(lambda state: state.phase is Phase.GATE)
    assert (0.0, {"x-beta": "1"}) == (world.routes["reviews"], world.headers["reviews"])
    assert "users with x-beta: 1 get the new build" == driver.record.users
    driver.run(lambda state: state.phase is Phase.HELD)
    assert (0.0, {}) == (world.routes["reviews"], world.headers["reviews"])


def test_each_service_of_a_release_has_a_mark_of_its_own(tmp_path: Path):
    """Routes are found and removed by the mark; those of one service must not take those of another with them."""
    store, _ = new_release(tmp_path, "reviews", "ratings")
    marks = [pair.release for pair in Driver(store, parts(FakeWorld()))._pairs()]
    assert 2 == len(set(marks))
    assert not marks[0].startswith(marks[1])
    assert not marks[1].startswith(marks[0])


def test_a_tag_that_moves_is_not_promoted(tmp_path: Path):
    """After a restart in deploy the tag names another image than before: the build is rejected."""
    world, (store, _) = FakeWorld(), new_release(tmp_path)
    driver = Driver(store, parts(world))
    driver.run(lambda state: state.phase is Phase.SHIFT)
    store.save(replace(store.load(), state=replace(store.load().state, phase=Phase.DEPLOY)))
    world.tags["new"] = "sha256:other"
    record = Driver(store, parts(world)).run()
    assert Outcome.REJECTED is record.state.outcome
    assert "it moved during the release" in record.state.reason


def test_an_abort_ends_a_running_gate(tmp_path: Path):
    """Somebody asks in another terminal while a gate runs: all users go to the stable build, and arms go."""
    world, (store, _) = FakeWorld(), new_release(tmp_path)
    Driver(store, parts(world)).run(lambda state: state.phase is Phase.GATE)
    store.ask_to_end(_decision(DecisionKind.ABORT))
    record = Driver(store, parts(world)).run()
    assert (Outcome.ABORTED, "aborted by ann: ticket 17") == (record.state.outcome, record.state.reason)
    world.serves()


@pytest.mark.parametrize(
    ("errors", "dead", "outcome"),
    [(0, False, Outcome.PROMOTED), (2, False, Outcome.REJECTED), (0, True, Outcome.REJECTED)],
)
def test_an_observed_build_must_live_and_answer(tmp_path: Path, errors: int, dead: bool, outcome: Outcome):
    """2 % of failed answers are more than the 1 % that are allowed; a dead build fails in any case."""
    world, (store, _) = FakeWorld(errors=errors, dead=dead), new_release(tmp_path, settings=OBSERVED)
    assert outcome is Driver(store, parts(world)).run().state.outcome
    world.serves()


@pytest.mark.parametrize("verdicts", [["pass"] * 9, ["pass", "fail"], ["marginal"]], ids=["good", "bad", "held"])
@pytest.mark.parametrize("ends", ["resume", "abort"])
def test_a_kill_at_any_write_leaves_a_state_that_serves(tmp_path: Path, verdicts: list[str], ends: str):
    """Killed before or after each write, the release is resumed or aborted, and users never get a missing build."""
    kills = 0
    for kill_at in range(200):
        world = FakeWorld(verdicts=iter([*verdicts, *["pass"] * 9]), kill_at=kill_at)
        store, _ = new_release(tmp_path / str(kill_at), "reviews", settings=replace(HELD, hold_s=1.0))
        try:
            Driver(store, parts(world)).run()
        except Killed:
            kills += 1
        else:
            break
        world.check()
        driver = Driver(Store(store.folder), parts(world))
        promoted = driver.record.state.phase in (Phase.RETURN, Phase.REMOVE, Phase.UNROUTE)
        if ends == "abort" and not driver.record.state.over and not promoted:
            driver.feed(ended_by(_decision(DecisionKind.ABORT)))
        record = driver.run()
        assert record.state.over
        assert ("sha256:new" if record.state.outcome is Outcome.PROMOTED else "old") == world.stable["reviews"]
        world.serves()
    assert kills >= 12


def test_a_second_release_of_a_service_is_refused_until_the_first_is_over(tmp_path: Path):
    """The message names the release and what to do; another service can be released meanwhile."""
    store, record = new_release(tmp_path)
    with pytest.raises(UsageError, match=f"found {record.id} in the phase examine"):
        create(tmp_path, record.plan, by="bob")
    new_release(tmp_path, "ratings")
    Driver(store, parts(FakeWorld())).run()
    create(tmp_path, record.plan, by="bob")


def test_one_process_works_on_a_service_at_a_time(tmp_path: Path):
    """The lock names the process that holds it, and ends with it."""
    refused = pytest.raises(UsageError, match=r"already running \(process \d+\)")
    with locked(tmp_path, ["reviews"]), refused, locked(tmp_path, ["ratings", "reviews"]):
        pass
    with locked(tmp_path, ["reviews"]):
        pass


def test_the_journal_has_each_operation_before_it_is_done(tmp_path: Path):
    """A line before and a line after each operation; the record on disk is whole at every moment."""
    store, _ = new_release(tmp_path)
    Driver(store, parts(FakeWorld())).run()
    lines = [json.loads(line) for line in (store.folder / "journal.jsonl").read_text().splitlines()]
    assert [False, True] * (len(lines) // 2) == [line["done"] for line in lines]
    assert ["examine", "examine", "pin", "pin", "deploy"] == [line["operation"] for line in lines[:5]]
    assert store.load() == read_release(store.folder)


def test_a_release_is_found_by_name_or_as_the_newest_of_a_service(tmp_path: Path):
    """Unknown names list what is meant; a service without a release says how to start one."""
    store, record = new_release(tmp_path)
    assert store.folder == find(tmp_path, None, "reviews").folder == find(tmp_path, record.id, "x").folder
    with pytest.raises(UsageError, match="did you mean"):
        find(tmp_path, record.id[:-1] + "z", "reviews")
    with pytest.raises(UsageError, match="start one with: harness release"):
        find(tmp_path, None, "ratings")


@pytest.mark.parametrize("text", ["", "[]", '{"format_version": 2}', '{"format_version": 1}', "{" * 5000])
def test_a_record_of_something_else_is_refused(tmp_path: Path, text: str):
    """A record that cannot be read is an error with its file, never a release that is over."""
    (tmp_path / "release.json").write_text(text)
    with pytest.raises(RecordError, match=r"release\.json"):
        read_release(tmp_path)


def test_a_blue_green_release_switches_all_users_and_rolls_back_at_once(tmp_path: Path):
    """The idle side is tested without users; while the old build is kept, the switch can be taken back."""
    settings = ReleaseSettings(
        strategy=Strategy.BLUE_GREEN,
        steps=(ReleaseStep(weight=0.0, scenarios=("a",)), ReleaseStep(weight=1.0, observe_s=600.0)),
    )
    world, (store, _) = FakeWorld(), new_release(tmp_path, settings=settings)
    clock = Clock()

    def roll_back() -> None:
        assert (1.0, "old") == (world.routes["reviews"], world.stable["reviews"])
        store.ask_to_end(_decision(DecisionKind.ROLL_BACK))

    clock.on_sleep = roll_back
    record = Driver(store, parts(world, clock)).run()
    assert (Outcome.ROLLED_BACK, "old") == (record.state.outcome, world.stable["reviews"])
    assert clock.at_s < 1010.0
    world.serves()
