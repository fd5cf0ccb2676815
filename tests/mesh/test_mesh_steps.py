"""Steps of the local mesh beyond routes: timeouts, traffic policies, and actions on processes."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from faulting import fault_edits
from mesh_world import SUBSETS, World, routes

from harness import timeout
from harness.clients.envoy import process
from harness.clients.envoy.files import Files
from harness.clients.envoy.process import Served, Snapshot
from harness.config import read_config
from harness.errors import EnvoyError, MeshError, UsageError
from harness.mesh.local import start_local_mesh
from harness.mesh.local.liveness import require_live
from harness.mesh.local.mesh import LocalMesh
from harness.mesh.local.topology import LOAD_GENERATOR
from harness.model.declared import Declared, Scope
from harness.model.step import PROCESS, Act, Action, Edit, Ref, Verb
from harness.routing.port import Aim, PolicyChange

ROOT = Path(__file__).resolve().parents[2]
SLOW = {"x-want-delay": "0.3"}
SAID = Declared(id="x-0", kind="x", host="reviews", text="x", scope=Scope(every_caller=True))


def test_a_timeout_cuts_slow_answers_off_and_is_gone_afterwards(world: World) -> None:
    """Envoy flags what it cut off, and the routes are as before."""
    world.serve(SUBSETS, routes("- name: all\n  route: [{destination: {host: reviews, subset: v1}}]"))
    given: Any = {"namespace": "default", "caller_labels": None, "owner": "x", "index": 0}
    edits = fault_edits(timeout("reviews", "100ms"), world.mesh.resources(), **given)
    before = _cut_off(world)
    with world.mesh.changed(edits, name="timeout"):
        assert 504 == world.get("reviews", headers=SLOW).status
        assert 200 == world.get("reviews").status
        assert before + 1 == _cut_off(world)
    assert 200 == world.get("reviews", headers=SLOW).status


def _cut_off(world: World) -> int:
    """Calls that Envoy cut off, in all tests of this session so far."""
    return sum(row.total for row in world.mesh.request_counts() if row.response_flags == "UT")


@pytest.mark.parametrize("pods", [None, {"version": "v1"}], ids=["every pod", "one subset"])
def test_a_traffic_policy_reaches_envoy(world: World, pods: Any) -> None:
    """The cluster has the pool inside, and the one from before outside."""
    world.serve(SUBSETS, routes("- name: all\n  route: [{destination: {host: reviews, subset: v1}}]"))
    policy = {"connectionPool": {"http": {"http1MaxPendingRequests": 7}}}
    aim = Aim(declared=SAID, namespace="default", owner="x", index=0)
    made = world.mesh.routing.change(world.mesh.resources(), PolicyChange(policy=policy, pods=pods), aim)
    assert isinstance(made, Edit)
    before = _pending(world.mesh)
    with world.mesh.changed([made], name="pool"):
        changed = {name for name, value in _pending(world.mesh).items() if value == 7}
        assert {"v1"} <= {name.split("|")[2] for name in changed}
        assert (len(changed) > 1) is (pods is None)
    assert before == _pending(world.mesh)


def _pending(mesh: LocalMesh) -> dict[str, int]:
    clusters = mesh._envoy.admin.clusters()
    return {
        name: cluster["circuit_breakers"]["thresholds"][0]["max_pending_requests"] for name, cluster in clusters.items()
    }


def test_a_policy_that_envoy_does_not_serve_is_not_live(world: World) -> None:
    """Clusters are compared by content, not only by name."""
    world.serve(SUBSETS, routes("- route: [{destination: {host: reviews, subset: v1}}]"))
    envoy = world.mesh._envoy
    wrong = [
        {**cluster, "circuit_breakers": {"thresholds": [{"max_pending_requests": 3}]}}
        for cluster in envoy._live.clusters
    ]
    served = Served(clusters=envoy.admin.clusters(), tables={})
    with pytest.raises(MeshError, match="expected Envoy to serve the policy"):
        require_live(served, Snapshot(clusters=tuple(wrong), tables={}))


def test_a_change_is_not_live_while_one_of_its_route_tables_is_not_loaded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each table has to show the version that was written, which is the hash of what is in it."""
    world.serve(routes("- {name: before, route: [{destination: {host: reviews}}]}"))
    before, write = world.mesh.resources(), process.write_files

    def without_one(folder: Path, files: Files) -> None:
        left_out = {name for name in files if name == LOAD_GENERATOR and "after" in str(files[name])}
        patch.setattr(process, "LIVE_TIMEOUT_S", 0.5 if left_out else 60.0)
        write(folder, {name: file for name, file in files.items() if name not in left_out})

    with monkeypatch.context() as patch:
        patch.setattr(process, "write_files", without_one)
        with pytest.raises(EnvoyError, match="expected Envoy to"):
            world.serve(routes("- {name: after, route: [{destination: {host: reviews}}]}"))
    assert before == world.mesh.resources()
    world.serve(routes("- {name: again, route: [{destination: {host: reviews}}]}"))
    served = world.mesh._envoy.admin.versioned_tables([LOAD_GENERATOR])[LOAD_GENERATOR][1]
    assert "again" in str(served)
    assert "after" not in str(served)


@pytest.fixture
def demo(tmp_path: Path) -> Any:
    """The demo application with its processes."""
    config = read_config(ROOT / "harness.yaml")
    with start_local_mesh(config, tmp_path / "mesh") as mesh:
        yield mesh


def action(mesh: LocalMesh, verb: Verb, undo: Verb, name: str = "ratings-v1") -> Action:
    """Do something to a process, and back."""
    uid = next(item["metadata"]["uid"] for item in mesh.resources(PROCESS) if item["metadata"]["name"] == name)
    target = Ref(kind=PROCESS, namespace=mesh.namespace, name=name, uid=str(uid))
    back = dataclasses.replace(target, uid="")
    declared = dataclasses.replace(SAID, host="ratings")
    act, reverse = Act(verb=verb, target=target), Act(verb=undo, target=back)
    return Action(owner="x", declared=declared, act=act, undo=reverse)


def pid_of(mesh: LocalMesh, name: str = "ratings-v1") -> int:
    """The process of a workload."""
    found = {item["metadata"]["name"]: item["metadata"]["uid"] for item in mesh.resources(PROCESS)}
    return int(str(found[name]).split("@")[0])


def kill(pid: int) -> None:
    """Kill a process with all that it started, and wait until it is gone."""
    process = psutil.Process(pid)
    os.killpg(pid, signal.SIGKILL)
    psutil.wait_procs([process], timeout=10)


def test_processes_are_paused_and_stopped_and_run_again(demo: LocalMesh) -> None:
    """Pausing keeps the process; stopping starts another; the mesh is fine with both, and with neither afterwards."""
    pid = pid_of(demo)
    with demo.changed([action(demo, Verb.PAUSE, Verb.RESUME)], name="pause") as change:
        assert psutil.STATUS_STOPPED == psutil.Process(pid).status()
        assert change.proof == "ratings-v1 is paused"
        demo.check()
    assert psutil.STATUS_STOPPED != psutil.Process(pid).status()
    assert change.rollback is not None
    assert change.rollback.verified
    with demo.changed([action(demo, Verb.STOP, Verb.START)], name="stop") as change:
        assert not psutil.pid_exists(pid)
        demo.check()
    assert change.rollback is not None
    assert change.rollback.verified
    assert pid != pid_of(demo)
    demo.check()


def test_what_this_mesh_cannot_do_is_refused_by_name(demo: LocalMesh) -> None:
    """Verbs, targets and healing that only a cluster has, and processes that are not there."""
    pause = action(demo, Verb.PAUSE, Verb.RESUME)
    pod = Ref(kind="Pod", namespace=demo.namespace, name="x")
    wrong = {
        "evict Pod .* does not support this; it takes pause, resume, stop, start, restart of a Process": Action(
            owner="x", declared=SAID, act=Act(verb=Verb.EVICT, target=pod), heals_within_s=3.0
        ),
        "known: .*ratings-v1": dataclasses.replace(
            pause, act=dataclasses.replace(pause.act, target=dataclasses.replace(pause.act.target, name="nobody"))
        ),
        "nothing restarts a process here": Action(owner="x", declared=SAID, act=pause.act, heals_within_s=3.0),
    }
    for message, step in wrong.items():
        with pytest.raises(UsageError, match=message), demo.changed([step], name="no"):
            pytest.fail("must not be entered")


def test_another_process_of_the_name_is_left_alone(demo: LocalMesh) -> None:
    """A pid may be anybody's by the time; its start time tells."""
    pause = action(demo, Verb.PAUSE, Verb.RESUME)
    other = dataclasses.replace(pause.act, target=dataclasses.replace(pause.act.target, uid="1@0.00"))
    with (
        pytest.raises(MeshError, match="it was restarted"),
        demo.changed([dataclasses.replace(pause, act=other)], name="no"),
    ):
        pytest.fail("must not be entered")
    assert psutil.STATUS_STOPPED != psutil.Process(pid_of(demo)).status()


def test_a_process_that_died_meanwhile_is_no_verified_rollback(demo: LocalMesh) -> None:
    """Who kills a paused process takes away what the undo needs."""
    pid = pid_of(demo)
    with (
        pytest.raises(MeshError, match="ratings-v1"),
        demo.changed([action(demo, Verb.PAUSE, Verb.RESUME)], name="pause"),
    ):
        kill(pid)
