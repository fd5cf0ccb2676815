"""Changes of a running mesh are live inside the block and undone after it, whatever happens in between."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from contextlib import ExitStack

import pytest
from faulting import fault_edits
from mesh_world import SUBSETS, Answer, World, routes

from harness.clients.envoy.admin import Admin
from harness.clients.processes.child import wait_until
from harness.errors import EnvoyError, MeshError, ResourceError, RollbackError
from harness.faults import abort, connection_limit
from harness.mesh.local import AppliedFiles, LocalMesh
from harness.mesh.local import mesh as mesh_module
from harness.mesh.local.translation import Translation
from harness.model.declared import Declared
from harness.model.split import SplitBy
from harness.model.step import Edit, Insertion
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

OWNER = "test"
SAID = Declared(id="x", kind="test", host="reviews", text="an edit of this test")
RULE_AND_ROUTE = (SUBSETS, routes("- name: all\n  route: [{destination: {host: reviews, subset: v1}}]"))


def _split(
    mesh: LocalMesh,
    *,
    share: float = 0.5,
    owner: str = OWNER,
    arm_in_baggage: bool = False,
    by: SplitBy = SplitBy.WEIGHT,
) -> tuple[Edit, ...]:
    arms = {name: {"app": "reviews", "version": version} for name, version in (("baseline", "v2"), ("canary", "v3"))}
    return split_edits(
        mesh.resources(),
        Split(
            host="reviews",
            namespace="default",
            canary_share=share,
            owner=owner,
            arm_in_baggage=arm_in_baggage,
            by=by,
            **arms,
        ),
    )


def _abort(mesh: LocalMesh, host: str = "ratings", *, owner: str = OWNER) -> tuple[Edit, ...]:
    return fault_edits(
        abort(host, 503), mesh.resources(), namespace="default", caller_labels=None, owner=owner, index=0
    )


def _broken(mesh: LocalMesh) -> tuple[Edit, ...]:
    """An edit that passes every check but Envoy's: only RE2 knows that there is no such class."""
    (before,) = (item for item in mesh.resources() if item["kind"] == "VirtualService")
    entry = {"name": "harness-test-x", "match": [{"uri": {"regex": r"/\p{Nope}"}}], "directResponse": {"status": 200}}
    insertion = Insertion(entry=entry, before=before["spec"]["http"][0])
    return (
        Edit(
            kind="VirtualService",
            namespace="default",
            name="reviews",
            owner=OWNER,
            list_at=("spec", "http"),
            insert=(insertion,),
            declared=SAID,
        ),
    )


def test_load_that_splits_by_header_chooses_its_arm(world: World) -> None:
    """The header leads to the arm, which is marked; requests without it go where they went, unmarked."""
    world.serve(*RULE_AND_ROUTE)
    with world.mesh.changed(_split(world.mesh, by=SplitBy.HEADER), name="split"):
        for arm, workload in (("baseline", "reviews-v2"), ("canary", "reviews-v3")):
            answer = world.get("reviews", headers={"x-harness-choose": arm})
            assert (answer.workload, answer.headers["x-harness-arm"]) == (workload, arm)
        stranger = world.get("reviews")
        assert (stranger.workload, "x-harness-arm" in stranger.headers) == ("reviews-v1", False)


def test_a_split_by_mirror_answers_from_the_baseline_and_copies_to_the_canary(world: World) -> None:
    """Every answer is the baseline's and marked so; the canary has received as many copies."""
    world.serve(*RULE_AND_ROUTE)
    with world.mesh.changed(_split(world.mesh, by=SplitBy.MIRROR, share=1.0), name="split"):
        answers = world.times(20, "reviews", "/copied")
        assert {(answer.workload, answer.headers["x-harness-arm"]) for answer in answers} == {
            ("reviews-v2", "baseline")
        }
        assert wait_until(lambda: world.received["reviews-v3"] >= 20, timeout_s=30)
    assert world.get("reviews").workload == "reviews-v1"


def test_a_split_is_live_inside_and_gone_outside(world: World) -> None:
    """Requests go to both arms, marked; afterwards everything is as before, proven."""
    world.serve(*RULE_AND_ROUTE)
    before = world.mesh.resources()
    with world.mesh.changed(_split(world.mesh), name="split") as change:
        answers = world.times(100, "reviews")
        assert change.rollback is None
    seen = Counter((answer.workload, answer.headers["x-harness-arm"]) for answer in answers)
    assert set(seen) == {("reviews-v2", "baseline"), ("reviews-v3", "canary")}
    assert (change.rollback.change, change.rollback.verified) == ("split", True)
    assert world.mesh.resources() == before
    after = world.get("reviews")
    assert (after.workload, "x-harness-arm" in after.headers) == ("reviews-v1", False)


def test_a_split_tells_the_arm_to_what_lies_behind_it(world: World) -> None:
    """The run's own baggage stays, and the arm joins it in the same header."""
    world.serve(*RULE_AND_ROUTE)
    with world.mesh.changed(_split(world.mesh, arm_in_baggage=True), name="split"):
        answers = [world.get("reviews", headers={"baggage": "harness.run=r1"}) for _ in range(20)]
    for answer in answers:
        assert answer.seen["headers"]["baggage"] == f"harness.run=r1,harness.arm={answer.headers['x-harness-arm']}"


def test_changes_of_a_host_without_resources_create_and_delete_them(world: World) -> None:
    """Where there is no VirtualService the edit brings one and takes it away."""
    with world.mesh.changed(_abort(world.mesh), name="abort"):
        assert world.get("ratings", caller="reviews-v2").status == 503
        assert len(world.mesh.resources()) == 1
    assert world.mesh.resources() == ()
    assert world.get("ratings", caller="reviews-v2").status == 200


def test_changes_may_be_left_in_any_order(world: World) -> None:
    """Each undo takes away its own only."""
    world.serve(*RULE_AND_ROUTE)
    before = world.mesh.resources()
    first, second = ExitStack(), ExitStack()
    first.enter_context(world.mesh.changed(_abort(world.mesh, "reviews", owner="one"), name="one"))
    second.enter_context(world.mesh.changed(_abort(world.mesh, "details", owner="two"), name="two"))
    first.close()
    assert [world.get(service).status for service in ("reviews", "details")] == [200, 503]
    second.close()
    assert [world.get(service).status for service in ("reviews", "details")] == [200, 200]
    assert world.mesh.resources() == before


def test_a_split_left_before_the_fault_inside_it_is_still_undone(world: World) -> None:
    """The fault's routes to the split's subsets answer 503 until the fault is undone too."""
    world.serve(*RULE_AND_ROUTE)
    before = world.mesh.resources()
    split, fault = ExitStack(), ExitStack()
    split.enter_context(world.mesh.changed(_split(world.mesh, owner="one"), name="split"))
    fault.enter_context(world.mesh.changed(_abort(world.mesh, "reviews", owner="two"), name="abort"))
    split.close()
    fault.close()
    assert world.get("reviews").workload == "reviews-v1"
    assert world.mesh.resources() == before


def test_requests_under_way_survive_the_undo(world: World) -> None:
    """A slow request to a subset that the change brought is answered though the subset is gone meanwhile."""
    world.serve(*RULE_AND_ROUTE)
    answers: list[Answer] = []
    slow = [
        threading.Thread(target=lambda: answers.append(world.get("reviews", headers={"x-want-delay": "0.6"})))
        for _ in range(6)
    ]
    with world.mesh.changed(_split(world.mesh), name="split"):
        for thread in slow:
            thread.start()
        assert wait_until(lambda: sum(world.received.values()) == len(slow), timeout_s=60)
    for thread in slow:
        thread.join()
    assert [answer.status for answer in answers] == [200] * len(slow)


def test_an_exception_inside_undoes_the_change(world: World) -> None:
    """The exception goes on, the change does not."""
    world.serve(*RULE_AND_ROUTE)
    before = world.mesh.resources()
    with pytest.raises(ZeroDivisionError), world.mesh.changed(_abort(world.mesh, "reviews"), name="abort"):
        raise ZeroDivisionError
    assert world.mesh.resources() == before
    assert world.get("reviews").status == 200


def test_ctrl_c_during_the_undo_waits_for_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second Ctrl-C while the undo runs is acted on when it is done."""
    world.serve(*RULE_AND_ROUTE)
    before = world.mesh.resources()
    undone_all = mesh_module.undone_all

    def interrupted(*args: object, **options: object) -> object:
        os.kill(os.getpid(), signal.SIGINT)
        return undone_all(*args, **options)

    monkeypatch.setattr(mesh_module, "undone_all", interrupted)
    with pytest.raises(KeyboardInterrupt), world.mesh.changed(_abort(world.mesh, "reviews"), name="abort") as change:
        raise KeyboardInterrupt
    assert change.rollback.verified
    assert world.mesh.resources() == before
    assert world.get("reviews").status == 200


def test_the_journal_knows_the_edits_before_and_the_undo_after(world: World) -> None:
    """Each change is on disk while it is live, and marked when it is gone."""
    world.serve(*RULE_AND_ROUTE)
    journal = world.folder / "changes.jsonl"
    with world.mesh.changed(_abort(world.mesh, "reviews"), name="journalled"):
        line = json.loads(journal.read_text().splitlines()[-1])
        assert (line["change"], line["steps"][0]["edit"]["kind"]) == ("journalled", "VirtualService")
    assert json.loads(journal.read_text().splitlines()[-1]) == {"undone": "journalled", "verified": True}


def test_what_envoy_refuses_is_told_with_its_reason_and_nothing_changes(world: World) -> None:
    """The configuration before is live again, on disk too; later changes work."""
    world.serve(*RULE_AND_ROUTE)
    before = world.mesh.resources()
    with pytest.raises(EnvoyError, match="Nope"), world.mesh.changed(_broken(world.mesh), name="broken"):
        pytest.fail("a refused configuration must not be entered")
    assert world.mesh.resources() == before
    assert world.get("reviews").workload == "reviews-v1"
    with world.mesh.changed(_abort(world.mesh, "reviews"), name="abort"):
        assert world.get("reviews").status == 503


def test_an_edit_that_no_longer_fits_is_refused_and_nothing_changes(world: World) -> None:
    """The resource was replaced since the edit was planned."""
    world.serve(*RULE_AND_ROUTE)
    planned = _abort(world.mesh, "reviews")
    world.serve(SUBSETS, routes("- name: other\n  route: [{destination: {host: reviews, subset: v2}}]"))
    with pytest.raises(MeshError, match="plan again"), world.mesh.changed(planned, name="late"):
        pytest.fail("an edit that does not fit must not be entered")
    assert world.get("reviews").workload == "reviews-v2"


def test_an_edit_of_what_is_left_out_is_refused_with_the_reason(world: World) -> None:
    """A change that no proxy would get is not called live: callers here do not use rules of other namespaces."""
    rule = SUBSETS.replace("{name: reviews}", "{name: reviews, namespace: shop}")
    world.serve(rule.replace("host: reviews", "host: reviews.default.svc.cluster.local"))
    edits = fault_edits(
        connection_limit("reviews", 1),
        world.mesh.resources(),
        namespace="default",
        caller_labels=None,
        owner=OWNER,
        index=0,
    )
    before = world.mesh.resources()
    with (
        pytest.raises(MeshError, match=r"serves none of it: .*callers in default use rules of"),
        world.mesh.changed(edits, name="f"),
    ):
        pytest.fail("expected the change to be refused")
    assert (world.mesh.resources(), world.mesh.changes_live) == (before, False)


def test_an_edit_to_an_unknown_subset_is_refused(world: World) -> None:
    """Edits pass the same checks as files."""
    world.serve(*RULE_AND_ROUTE)
    (before,) = (item for item in world.mesh.resources() if item["kind"] == "VirtualService")
    entry = {"name": "harness-test-0", "route": [{"destination": {"host": "reviews", "subset": "v9"}}]}
    insertion = Insertion(entry=entry, before=before["spec"]["http"][0])
    edit = Edit(
        kind="VirtualService",
        namespace="default",
        name="reviews",
        owner=OWNER,
        list_at=("spec", "http"),
        insert=(insertion,),
        declared=SAID,
    )
    with pytest.raises(ResourceError, match="unknown subset 'v9'"), world.mesh.changed((edit,), name="wrong"):
        pytest.fail("an invalid edit must not be entered")
    assert world.get("reviews").workload == "reviews-v1"


def test_resources_are_not_replaced_under_a_live_change(world: World) -> None:
    """That would lose the change unseen."""
    world.serve(*RULE_AND_ROUTE)
    with world.mesh.changed(_split(world.mesh), name="split"), pytest.raises(MeshError, match="split"):
        world.mesh.replace(())


def test_an_undo_that_fails_is_an_error_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed undo is never reported as verified."""
    world.serve(*RULE_AND_ROUTE)
    with (
        monkeypatch.context() as patch,
        pytest.raises(RollbackError, match="expected to restore the mesh, but the undo failed"),
        world.mesh.changed(_abort(world.mesh, "reviews"), name="abort") as change,
    ):
        patch.setattr(Translation, "of", _unable)
    assert change.rollback.verified is False
    world.serve(*RULE_AND_ROUTE)
    assert world.get("reviews").status == 200


@pytest.mark.parametrize("times", [1, 3])
def test_an_undo_is_tried_again_while_envoy_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """On a busy machine the admin port may not answer in time; the change is removed all the same, and proven gone."""
    world.serve(*RULE_AND_ROUTE)
    answered, failures = Admin.get, [1] * times

    def get(admin: Admin, asked: str) -> str:
        if failures:
            failures.pop()
            raise EnvoyError("timed out")
        return answered(admin, asked)

    monkeypatch.setattr(mesh_module, "_UNDO_PAUSE_S", 0.01)
    with world.mesh.changed(_abort(world.mesh, "reviews"), name="abort") as change:
        assert world.get("reviews").status == 503
        monkeypatch.setattr(Admin, "get", get)
    assert ([], True) == (failures, change.rollback.verified)
    assert world.get("reviews").status == 200


def test_an_undo_is_not_tried_for_ever(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """An Envoy that never answers again is an error."""
    world.serve(*RULE_AND_ROUTE)
    monkeypatch.setattr(mesh_module, "_UNDO_PATIENCE_S", 0.0)
    monkeypatch.setattr(mesh_module, "_UNDO_PAUSE_S", 0.01)
    with (
        monkeypatch.context() as patch,
        pytest.raises(RollbackError, match="the undo failed: timed out"),
        world.mesh.changed(_abort(world.mesh, "reviews"), name="abort") as change,
    ):
        patch.setattr(Admin, "get", _timed_out)
    assert change.rollback.verified is False
    world.serve(*RULE_AND_ROUTE)
    assert world.get("reviews").status == 200


def _timed_out(*_args: object) -> str:
    raise EnvoyError("timed out")


def _unable(*_args: object) -> None:
    raise MeshError("no")


def test_a_changed_file_is_applied_again_and_a_bad_one_leaves_the_last_good_state(world: World) -> None:
    """Each content is tried once; correcting the file applies it."""
    world.serve(*RULE_AND_ROUTE)
    file = world.folder / "applied.yaml"
    file.write_text(routes("- route: [{destination: {host: reviews, subset: v2}}]"))
    applied = AppliedFiles(world.mesh, [file])
    assert applied.apply_if_changed() is True
    assert (world.get("reviews").workload, applied.apply_if_changed()) == ("reviews-v2", False)
    file.write_text(routes("- route: [{destination: {host: reviews, subset: v7}}]"))
    with pytest.raises(ResourceError, match=r"applied\.yaml:7: .*unknown subset 'v7'"):
        applied.apply_if_changed()
    assert (world.get("reviews").workload, applied.apply_if_changed()) == ("reviews-v2", False)
    file.write_text("kind: [")
    with pytest.raises(ResourceError, match=r"applied\.yaml:1: expected valid YAML"):
        applied.apply_if_changed()
    file.write_text(routes("- route: [{destination: {host: reviews, subset: v3}}]"))
    assert applied.apply_if_changed() is True
    assert world.get("reviews").workload == "reviews-v3"
