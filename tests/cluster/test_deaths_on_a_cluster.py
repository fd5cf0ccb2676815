"""An arm that dies on a cluster: how and with which last words, and whose death counts against whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import FakeKubernetes
from shop import Open
from test_arm_pods import bridged, shop_config
from test_cluster_run import judged

from harness.config import Config
from harness.errors import WorkloadDeath
from harness.mesh.heartbeats import MISSES
from harness.mesh.local.mesh import LocalMesh
from harness.model.cluster import Limits
from harness.model.declared import Declared
from harness.model.step import Act, Action, Ref, Verb
from harness.model.verdict import Verdict

__all__ = ["shop_config"]
BASELINE, CANARY = {"app": "reviews", "version": "v1"}, {"app": "reviews", "version": "v3"}
OOM = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


def changed(fake: FakeKubernetes, name: str, **status: Any) -> None:
    """Give a pod another status."""
    found = deepcopy(fake.object("Pod", name))
    found["status"] |= status
    fake.put(found)


def killed(fake: FakeKubernetes, name: str, *, restarts: int = 1) -> None:
    """The kernel killed the pod's container, and the kubelet started it again."""
    sidecar = {"name": "istio-proxy", "restartCount": 4, "lastState": {"terminated": {"exitCode": 1}}}
    changed(fake, name, containerStatuses=[sidecar, {"name": "app", "restartCount": restarts, "lastState": OOM}])


def death(mesh: Any) -> WorkloadDeath:
    """The death that the next check reports."""
    with pytest.raises(WorkloadDeath) as raised:
        mesh.check()
    return raised.value


@pytest.fixture
def quiet(fake: FakeKubernetes) -> FakeKubernetes:
    """Both arms as they are before anything happens; the canary's sidecar was restarted long ago."""
    killed(fake, "reviews-1", restarts=0)
    killed(fake, "reviews-3", restarts=0)
    return fake


def test_a_restart_is_a_death_with_its_last_words(quiet: FakeKubernetes, open_mesh: Open) -> None:
    """Pod, container, reason, exit code and log of the container before, without escape codes and bounded."""
    with open_mesh() as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        lines = [f"line {number}" for number in range(50)] + ["\x1b[2J\x1b[31mout of cheese\x1b[0m", "x" * 90_000]
        quiet.logs["reviews-3", "app", True] = "\n".join(lines)
        killed(quiet, "reviews-3")
        found = death(mesh)
    assert (found.name, found.labels) == ("reviews-3", CANARY)
    assert found.how == "its container app was restarted: OOMKilled, exit code 137"
    assert "kubectl logs reviews-3 --container app --previous --namespace shop --context test" in found.log
    assert "\x1b" not in found.log
    assert len(found.log) < 5000


def test_the_last_lines_are_quoted(quiet: FakeKubernetes, open_mesh: Open) -> None:
    """The last twenty lines, and none before."""
    with open_mesh() as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        quiet.logs["reviews-3", "app", True] = "\n".join(f"line {number}" for number in range(50))
        killed(quiet, "reviews-3")
        found = death(mesh)
    assert found.log.splitlines()[1:] == [f"line {number}" for number in range(30, 50)]


def test_without_the_right_the_command_is_named(quiet: FakeKubernetes, open_mesh: Open) -> None:
    """Who may not read logs is told so, with the command for somebody who may; the death counts all the same."""
    everything = {
        (verb, group, resource, "shop")
        for verb in ("get", "list", "create", "update", "delete")
        for group, resource in (
            ("networking.istio.io", "virtualservices"), ("networking.istio.io", "destinationrules"),
            ("", "configmaps"), ("", "pods"), ("", "pods/portforward"), ("", "namespaces"), ("", "events"),
            ("coordination.k8s.io", "leases"), ("apps", "deployments"),
        )
    }  # fmt: skip
    quiet.grant("nosy", "nosy-token", everything)
    with open_mesh(user={"token": "nosy-token"}) as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        killed(quiet, "reviews-3")
        found = death(mesh)
    assert "the right to get pods/log is missing" in found.log
    assert "kubectl logs reviews-3 --container app --previous --namespace shop" in found.log


@pytest.mark.parametrize(
    ("status", "how"),
    [
        (
            {"containerStatuses": [{"name": "app", "state": {"terminated": {"reason": "Error", "exitCode": 3}}}]},
            "its container app ended: Error, exit code 3",
        ),
        ({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}, "the pod failed: Evicted low on memory"),
    ],
    ids=["a container that is not started again", "a pod that the kubelet evicted"],
)
def test_an_end_without_a_restart_is_a_death(
    quiet: FakeKubernetes, open_mesh: Open, status: dict[str, Any], how: str
) -> None:
    """It is reported once it happens, and not for what had ended before the run."""
    with open_mesh() as mesh:
        changed(quiet, "ratings-1", **status)
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        changed(quiet, "reviews-3", **status)
        assert death(mesh).how == how
    with open_mesh() as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        mesh.check()


ARMS = {"reviews-1": BASELINE, "reviews-3": CANARY}


@pytest.mark.parametrize("name", ARMS)
def test_a_death_is_told_with_the_arm_that_died(quiet: FakeKubernetes, open_mesh: Open, name: str) -> None:
    """Restarted, ended for good, evicted or not ready any more: the labels are those of the arm, not of the other one."""
    ended = [{"name": "app", "state": {"terminated": {"reason": "Error", "exitCode": 3}}}]
    deaths: list[tuple[Any, str]] = [
        (lambda: killed(quiet, name), "OOMKilled"),
        (lambda: changed(quiet, name, containerStatuses=ended), "its container app ended: Error"),
        (lambda: changed(quiet, name, phase="Failed", reason="Evicted"), "the pod failed: Evicted"),
        (lambda: changed(quiet, name, conditions=[{"type": "Ready", "status": "False"}]), "no pod was ready"),
    ]
    before = deepcopy(quiet.object("Pod", name))
    for happen, how in deaths:
        quiet.put(deepcopy(before))
        with open_mesh() as mesh:
            mesh.watch_arms([BASELINE, CANARY])
            mesh.check()
            happen()
            for _ in range(MISSES - 1 if how == "no pod was ready" else 0):
                mesh.check()
            found = death(mesh)
        assert (found.name, found.labels) == (name, ARMS[name])
        assert how in found.how


def test_readiness_lost_by_one_arm_is_a_death(quiet: FakeKubernetes, open_mesh: Open) -> None:
    """Not at once, and not when both arms lose it; the reason says what the pod waits for."""
    unready = [{"type": "Ready", "status": "False"}]
    waiting = [{"name": "app", "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    quiet.logs["reviews-3", "app", False] = "waiting for the database"
    with open_mesh() as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        for name in ("reviews-1", "reviews-3"):
            changed(quiet, name, conditions=unready, containerStatuses=waiting)
        for _ in range(7):
            mesh.check()
        changed(quiet, "reviews-1", conditions=[])
        for _ in range(4):
            mesh.check()
        found = death(mesh)
    assert found.how == "no pod was ready in 5 checks while the other arm's were: CrashLoopBackOff"
    assert found.log.endswith("waiting for the database")


def eviction(fake: FakeKubernetes, name: str) -> Action:
    """Our own fault: evict a pod of an arm."""
    uid = fake.object("Pod", name)["metadata"]["uid"]
    target = Ref(kind="Pod", namespace="shop", name=name, uid=uid)
    declared = Declared(id="evict-0", kind="evict", host="reviews", text="evict a pod")
    return Action(owner="r1", declared=declared, act=Act(verb=Verb.EVICT, target=target), heals_within_s=1)


@pytest.mark.parametrize("name", ARMS)
def test_deaths_by_our_own_fault_are_spared(quiet: FakeKubernetes, open_mesh: Open, name: str) -> None:
    """An arm whose pod the run evicts is left alone until it is ready again; later deaths count."""
    pod = deepcopy(quiet.object("Pod", name))
    with open_mesh(limits=Limits(every_caller=True)) as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        with mesh.changed([eviction(quiet, name)], name="evict"):
            for _ in range(8):
                mesh.check()
            replacement = {**pod, "metadata": {"name": "reviews-b", "labels": ARMS[name]}}
            replacement["status"] = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}
            quiet.put(replacement)
            mesh.check()
        changed(quiet, "reviews-b", conditions=[])
        mesh.check()
        mesh.check()
        killed(quiet, "reviews-b")
        found = death(mesh)
    assert (found.name, found.labels) == ("reviews-b", ARMS[name])


@pytest.mark.parametrize("name", ARMS)
def test_the_death_of_the_other_arm_counts_while_our_fault_lives(
    quiet: FakeKubernetes, open_mesh: Open, name: str
) -> None:
    """A fault that acts on one arm excuses no other."""
    other = next(one for one in ARMS if one != name)
    with open_mesh(limits=Limits(every_caller=True)) as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        with mesh.changed([eviction(quiet, name)], name="evict"):
            mesh.check()
            killed(quiet, other)
            assert death(mesh).labels == ARMS[other]


def once_both_answer(mesh: LocalMesh, act: Callable[[], None]) -> threading.Thread:
    """Act when both arms have got some dozen requests, however slow the machine is. The thread has been started."""

    def wait() -> None:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            rows = [row for row in mesh.request_counts() if row.reporter == "endpoint"]
            got = [row.total for row in rows if row.destination_service.startswith("reviews.")]
            if len(got) > 1 and min(got) > 40:
                act()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_canary_that_dies_during_a_run_fails_with_a_report(shop_config: Config, tmp_path: Path) -> None:
    """Verdict fail, the pod's last words in the reason, a whole report, and the proofs about the arms by their pods."""
    with bridged(shop_config, tmp_path) as (fake, config, mesh):
        fake.logs["reviews-v3", "app", True] = "loading reviews\nout of cheese"
        fake.logs["reviews-v3", "app", False] = "started again with password=hunter2\n"
        timer = once_both_answer(mesh, lambda: killed(fake, "reviews-v3"))
        outcome = judged(config, tmp_path)
        timer.join()
    assert outcome.analysis.verdict is Verdict.FAIL
    assert "the canary (reviews-v3) died: its container app was restarted: OOMKilled, exit code 137" in (
        outcome.analysis.reason
    )
    assert "out of cheese" in outcome.analysis.reason
    report = (tmp_path / "run" / "report.html").read_text()
    assert "out of cheese" in report
    assert "logs/services/reviews-v3.log" in report
    assert "started again with password=" in report
    assert "hunter2" not in report
    assert len(outcome.record.samples) > 0
    held = {one.name: one.held for one in outcome.analysis.proofs if one.name.startswith("arms differ")}
    assert held == {"arms differ, pods": True, "arms differ, baseline": True, "arms differ, canary": True}
    assert all(rollback.verified for rollback in outcome.record.rollbacks)


def test_a_baseline_that_dies_during_a_run_leaves_nothing_to_compare_with(shop_config: Config, tmp_path: Path) -> None:
    """Inconclusive whatever the objectives say, with the baseline's last words, and every change is reverted."""
    with bridged(shop_config, tmp_path) as (fake, config, mesh):
        fake.logs["reviews-v2", "app", True] = "disk full"
        timer = once_both_answer(mesh, lambda: killed(fake, "reviews-v2"))
        outcome = judged(config, tmp_path)
        timer.join()
    assert outcome.analysis.verdict is Verdict.INCONCLUSIVE
    assert "the baseline (reviews-v2) died: its container app was restarted: OOMKilled" in outcome.analysis.reason
    assert "there is nothing to compare with" in outcome.analysis.reason
    assert "disk full" in (tmp_path / "run" / "report.html").read_text()
    assert all(rollback.verified for rollback in outcome.record.rollbacks)
