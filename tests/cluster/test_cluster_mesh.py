"""The cluster mesh: changes are proven, undone to the last key, and refused before anything is sent when they must be."""

from __future__ import annotations

import base64
import dataclasses
import json
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import ADMIN, Call, FakeKubernetes
from faulting import fault_edits
from shop import QUICK, Open, pod, route_to

from harness.errors import (
    ClusterError,
    ClusterForbidden,
    HarnessError,
    MeshError,
    MeshGuard,
    RollbackError,
    UsageError,
)
from harness.faults import Fault, abort, delay
from harness.mesh.cluster.factory import opened
from harness.mesh.cluster.mesh import ClusterMesh
from harness.model.cluster import Limits, Proxy
from harness.model.step import Edit
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

VERBS = {
    ("networking.istio.io", "virtualservices"): ("get", "list", "create", "update", "delete"),
    ("networking.istio.io", "destinationrules"): ("get", "list", "create", "update", "delete"),
    ("", "configmaps"): ("get", "list", "create", "delete"),
    ("coordination.k8s.io", "leases"): ("get", "list", "create", "update", "delete"),
    ("", "events"): ("create",),
    ("", "pods"): ("list",),
    ("", "pods/portforward"): ("create",),
    ("apps", "deployments"): ("list",),
    ("", "namespaces"): ("get",),
}
RUNNER = {(verb, *resource, "shop") for resource, verbs in VERBS.items() for verb in verbs}
OURS = ("ConfigMap", "Lease")


def split(mesh: ClusterMesh, owner: str = "r1", gateway: str = "mesh") -> tuple[Edit, ...]:
    """A split of reviews; the rule lacks the canary's subset."""
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    given = {"namespace": "shop", "canary_share": 0.5, "owner": owner, "gateway": gateway, **arms}
    return split_edits(mesh.resources(), Split(host="reviews", **given))


def fault(mesh: ClusterMesh, what: Fault | None = None, owner: str = "r1", **more: Any) -> tuple[Edit, ...]:
    """A fault on calls of reviews to ratings."""
    given = {"caller_labels": {"app": "reviews"}, "index": 0, **more}
    return fault_edits(what or delay("ratings", "1s"), mesh.resources(), namespace="shop", owner=owner, **given)


def left(fake: FakeKubernetes) -> list[str]:
    """Names of journals and Leases that are still in the cluster."""
    return [item["metadata"]["name"] for kind in OURS for item in fake.objects(kind)]


def deployment(name: str, **status: int) -> Any:
    """A Deployment of one pod, settled but for what ``status`` says."""
    settled = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    labels = {"matchLabels": {"app": name}}
    spec = {"replicas": 1, "selector": labels, "template": {"metadata": {"labels": {"app": name}}}}
    return {"kind": "Deployment", "metadata": {"name": name}, "spec": spec, "status": {**settled, **status}}


def writes(fake: FakeKubernetes) -> list[Call]:
    """Everything that was really written."""
    return [
        call for call in fake.calls if call.method != "GET" and not call.dry_run and call.resource != "pods/portforward"
    ]


def test_a_split_and_a_fault_are_live_and_then_gone(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Inside, both are in the sidecars they concern; outside, the cluster is as before and nothing of ours is left."""
    before = fake.specs()
    with open_mesh() as mesh:
        with mesh.changed(split(mesh), name="split") as outer:
            with mesh.changed(fault(mesh), name="fault") as inner:
                mesh.check()
                names = {route["name"] for route in _routes(fake, "reviews-1")}
                assert {"harness-r1-split-0", "harness-r1-fault-0-0"} <= names
                assert "harness-r1-fault-0-0" not in {route["name"] for route in _routes(fake, "productpage-1")}
                assert len(fake.objects("ConfigMap")) == 2
            assert inner.rollback is not None
            assert inner.rollback.verified
        assert outer.rollback is not None
        assert outer.rollback.verified
    assert fake.specs() == before
    assert left(fake) == []


def test_every_change_is_audited_and_noted_on_the_object(fake: FakeKubernetes, open_mesh: Open, tmp_path: Path) -> None:
    """The audit log holds every write with its versions, the objects carry Events, and no log holds the token."""
    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        pass
    lines = [json.loads(line) for line in (tmp_path / "run" / "audit.jsonl").read_text().splitlines()]
    real = [(line["verb"], line["kind"]) for line in lines if not line["dry_run"] and line["kind"] != "Event"]
    assert [item for item in real if item[1] in ("VirtualService", "DestinationRule")] == [
        ("update", "DestinationRule"),
        ("update", "VirtualService"),
        ("update", "VirtualService"),
        ("update", "DestinationRule"),
    ]
    assert all(line["before"] != line["after"] for line in lines if line["verb"] == "update" and not line["dry_run"])
    notes = [(event["involvedObject"]["kind"], event["reason"]) for event in fake.objects("Event")]
    kinds = ("DestinationRule", "VirtualService")
    assert sorted(notes) == sorted((kind, reason) for kind in kinds for reason in ("Changed", "Restored"))
    assert "admin-token" not in "".join(file.read_text() for file in (tmp_path / "run").iterdir())


def test_the_journal_is_written_before_the_change(fake: FakeKubernetes, open_mesh: Open, tmp_path: Path) -> None:
    """When the first edit arrives, the undo is on disk and in the cluster, and the run shows signs of life."""
    seen: list[tuple[bool, int, int]] = []

    def look(call: Call) -> None:
        if call.resource in ("virtualservices", "destinationrules") and call.method == "PUT" and not call.dry_run:
            on_disk = "will_make" in (tmp_path / "run" / "journal.jsonl").read_text()
            seen.append((on_disk, len(fake.objects("ConfigMap")), len(fake.objects("Lease"))))

    fake.before = look
    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        pass
    assert seen == [(True, 1, 2)] * 4


def test_what_fails_inside_is_undone(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Exceptions and Ctrl-C leave through the same undo."""
    before = fake.specs()
    for error in (ValueError("mine"), KeyboardInterrupt(), SystemExit(3)):
        with pytest.raises(type(error)), open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
            raise error
        assert fake.specs() == before
        assert left(fake) == []


def test_a_change_that_does_not_arrive_is_undone_and_named(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A sidecar that never gets the change makes it an error, with the pod's name; the cluster is as before."""
    before = fake.specs()
    fake.deaf_pods.add("reviews-3")
    with (
        open_mesh(live_within_s=0.5) as mesh,
        pytest.raises(MeshError, match=r"reviews-3 lacks harness-r1-fault-0-0"),
        mesh.changed(fault(mesh), name="fault"),
    ):
        pass
    assert fake.specs() == before
    assert left(fake) == []


def test_a_slow_control_plane_is_waited_for(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Live means in the sidecars: a change counts only when it has arrived."""
    fake.lag_s = 0.4
    fake.config_dump("shop", "reviews-1")
    with open_mesh() as mesh:
        started = time.monotonic()
        with mesh.changed(fault(mesh), name="fault"):
            assert time.monotonic() - started >= 0.4


def test_a_fault_that_hits_no_pod_is_refused(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Labels of callers that no pod has are an error, not a fault that silently does nothing."""
    with (
        open_mesh(live_within_s=0.2) as mesh,
        pytest.raises(MeshError, match="would hit nothing"),
        mesh.changed(fault(mesh, caller_labels={"app": "nobody"}), name="fault"),
    ):
        pass
    assert left(fake) == []


def test_foreign_changes_survive_the_undo(fake: FakeKubernetes, open_mesh: Open) -> None:
    """What somebody else added meanwhile stays, and the run reports the drift."""
    theirs = {"name": "theirs", "match": [{"uri": {"prefix": "/x"}}], "route": [{"destination": {"host": "reviews"}}]}
    with open_mesh() as mesh:
        with mesh.changed(split(mesh), name="split"):
            mesh.check()
            changed = deepcopy(fake.object("VirtualService", "reviews"))
            changed["spec"]["http"].insert(0, theirs)
            fake.put(changed)
            with pytest.raises(MeshError, match="drift"):
                mesh.check()
        assert fake.object("VirtualService", "reviews")["spec"]["http"] == [
            theirs,
            *route_to("reviews")["spec"]["http"],
        ]
    assert left(fake) == []


def test_drift_between_two_changes_is_found(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A foreign change that our next edit builds on does not pass as ours."""
    with open_mesh(limits=Limits(every_caller=True)) as mesh, mesh.changed(split(mesh), name="split"):
        edits = fault(mesh, delay("reviews", "1s"), caller_labels={"app": "productpage"})
        changed = deepcopy(fake.object("VirtualService", "reviews"))
        changed["spec"]["http"].insert(
            0, {"match": [{"uri": {"exact": "/x"}}], "route": [{"destination": {"host": "other"}}]}
        )
        fake.put(changed)
        with pytest.raises(MeshError, match="drift"), mesh.changed(edits, name="fault"):
            pass


def test_conflicts_are_retried(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Somebody who writes the same object all the time (its annotations, say) costs time, nothing else."""
    before, count = fake.specs(), [0]

    def interfere(call: Call) -> None:
        if call.method == "PUT" and call.resource == "virtualservices" and not call.dry_run and count[0] % 4 != 3:
            changed = deepcopy(fake.object("VirtualService", "reviews"))
            changed["metadata"].setdefault("annotations", {})["n"] = str(count[0])
            fake.put(changed)
        count[0] += call.method == "PUT" and call.resource == "virtualservices" and not call.dry_run

    fake.before = interfere
    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        pass
    assert count[0] > 4
    assert fake.specs() == before


@pytest.mark.parametrize("how", ["429", "500", "503", "drop"])
def test_trouble_of_the_api_server_is_sat_out(fake: FakeKubernetes, open_mesh: Open, how: str) -> None:
    """Each write fails once, before or after it was carried out, and the cluster is as before in the end."""
    before = fake.specs()
    for side in ("before", "after"):
        failed: set[tuple[str, str, int]] = set()

        def disturb(call: Call, failed: set[tuple[str, str, int]] = failed) -> str | None:
            kind = (call.method, call.resource, len(fake.objects("ConfigMap")))
            if call.method not in ("PUT", "DELETE") or call.resource == "leases" or call.dry_run or kind in failed:
                return None
            failed.add(kind)
            return how

        setattr(fake, side, disturb)
        with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
            pass
        setattr(fake, side, lambda call: None)
        assert failed
        assert fake.specs() == before
        assert left(fake) == []


def test_an_undo_that_a_policy_rejects_is_tried_again(fake: FakeKubernetes, open_mesh: Open) -> None:
    """An admission policy answers 422; when it is lifted within the patience, the cluster is as before."""
    before, rejected = fake.specs(), []

    def policy(call: Call) -> str | None:
        if call.resource == "virtualservices" and call.method == "PUT" and not call.dry_run and len(rejected) < 4:
            rejected.append(call)
            return "422"
        return None

    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        fake.before = policy
    assert len(rejected) == 4
    assert fake.specs() == before
    assert left(fake) == []


def test_what_somebody_did_to_our_route_is_named(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A renamed route and a deleted resource are told apart from other changes."""
    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        ours = fake.object("VirtualService", "reviews")
        renamed = deepcopy(ours)
        renamed["spec"]["http"][0]["name"] = "mine"
        fake.put(renamed)
        with pytest.raises(MeshError, match="somebody removed or renamed its route harness-r1-split-0 while"):
            mesh.check()
        fake.put(ours)
        fake.store.objects.pop(next(key for key in fake.store.objects if key[1] == "virtualservices"))
        with pytest.raises(MeshError, match="somebody deleted it while"):
            mesh.check()
        fake.put(ours)


def test_an_undo_that_is_refused_says_how_to_fix_it(fake: FakeKubernetes, open_mesh: Open) -> None:
    """With istiod's webhook down an update is refused: the error has the commands, and the journal stays."""
    with (
        open_mesh(patience_s=0.3) as mesh,
        pytest.raises(RollbackError) as caught,
        mesh.changed(split(mesh), name="split"),
    ):
        fake.store.webhook_down = True
    assert "harness restore --run r1" in str(caught.value)
    assert "   # remove the entries named harness-r1-split-0" in str(caught.value)
    assert "harness-r1-journal-1" in left(fake)


def test_a_created_object_is_deleted_even_with_the_webhook_down(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Deleting passes no validating webhook of Istio's."""
    before = fake.specs()
    with open_mesh() as mesh, mesh.changed(fault(mesh), name="fault"):
        fake.store.webhook_down = True
    assert fake.specs() == before


def _owned(**marks: Any) -> Any:
    resource = route_to("reviews")
    resource["metadata"] |= marks
    return resource


OWNED = {
    "flagger": {
        "ownerReferences": [{"kind": "Canary", "name": "reviews", "apiVersion": "flagger.app/v1beta1", "uid": "u"}]
    },
    "argo-rollouts": {"managedFields": [{"manager": "rollouts-controller"}]},
    "argocd": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:x"}},
    "flux": {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}},
}


@pytest.mark.parametrize("owner", OWNED)
def test_resources_of_controllers_are_refused(fake: FakeKubernetes, open_mesh: Open, owner: str) -> None:
    """What a controller would write over is refused by its name, unless it was told to leave us alone."""
    fake.put(_owned(**OWNED[owner]))
    with open_mesh() as mesh, pytest.raises(UsageError, match=f"owned by {owner}"), mesh.changed(split(mesh), name="s"):
        pass
    assert not [call for call in writes(fake) if call.resource != "selfsubjectaccessreviews"]
    if owner == "argo-rollouts":
        with open_mesh(owners=(owner,)) as mesh:
            _refusal(mesh, split(mesh), "route #0 has no name")
        named = _owned(**OWNED[owner])
        named["spec"]["http"][0]["name"] = "primary"
        fake.put(named)
    with open_mesh(owners=(owner,)) as mesh, mesh.changed(split(mesh), name="s"):
        pass


def test_next_to_a_controller_a_fault_goes_into_the_called_sides_proxies(fake: FakeKubernetes, open_mesh: Open) -> None:
    """An EnvoyFilter of our own leaves Flagger's VirtualService alone; it is proven in the pods that it selects, and deleted."""
    owned = _owned(**OWNED["flagger"])
    fake.put(owned)
    before = fake.specs()
    with open_mesh(limits=Limits(every_caller=True)) as mesh:
        edits = fault(mesh, abort("reviews", 503, percent=20, inbound=True))
        with mesh.changed(edits, name="fault") as change:
            mesh.check()
            (made,) = fake.objects("EnvoyFilter")
            assert made["spec"]["workloadSelector"] == {"labels": {"app": "reviews"}}
            assert "in 2 proxies" in change.proof
            fake.store.webhook_down = True
        fake.store.webhook_down = False
    assert fake.specs() == before
    assert left(fake) == []


def test_a_fault_in_the_called_sides_proxies_hits_everybody(fake: FakeKubernetes, open_mesh: Open) -> None:
    """It needs the leave to hit every caller, or to be for test traffic only, and keeps to the ceiling."""
    test = {"baggage": {"regex": ".*harness.run=r1.*"}}
    with open_mesh(limits=Limits(dose=0.5)) as mesh:
        _refusal(mesh, fault(mesh, delay("ratings", "1s", percent=20, inbound=True)), "would hit every caller")
        _refusal(mesh, fault(mesh, delay("ratings", "1s", inbound=True), test_headers=test), "ceiling is 50 %")
        with mesh.changed(fault(mesh, delay("ratings", "1s", percent=20, inbound=True), test_headers=test), name="f"):
            config = fake.objects("EnvoyFilter")[0]["spec"]["configPatches"][0]["patch"]["value"]["typed_config"]
    assert config["delay"]["percentage"] == {"numerator": 200_000, "denominator": "MILLION"}
    assert config["headers"][0]["name"] == "baggage"


def test_what_only_writes_on_request_is_no_obstacle(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Helm owns without reverting; Flux can be told to leave a resource alone."""
    fake.put(_owned(annotations={"meta.helm.sh/release-name": "shop"}))
    with open_mesh() as mesh, mesh.changed(split(mesh), name="s"):
        pass
    fake.put(
        _owned(
            labels={"kustomize.toolkit.fluxcd.io/name": "shop"},
            annotations={"kustomize.toolkit.fluxcd.io/reconcile": "disabled"},
        )
    )
    with open_mesh() as mesh, mesh.changed(split(mesh), name="s"):
        pass


def _refusal(mesh: ClusterMesh, edits: Sequence[Edit], message: str, kind: type[HarnessError] = UsageError) -> None:
    with pytest.raises(kind, match=message), mesh.changed(edits, name="refused"):
        pass


def test_limits_hold(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Dose, callers, number of faults and other namespaces are bounded, before anything is written."""
    with open_mesh(limits=Limits(dose=0.5, faults=1)) as mesh:
        _refusal(mesh, fault(mesh), "the ceiling is 50 %")
        _refusal(mesh, fault(mesh, abort("ratings", 503, percent=10), caller_labels=None), "every caller")
        elsewhere = fault_edits(
            abort("ratings", 503, percent=10), [], namespace="other", caller_labels={"a": "b"}, owner="r1", index=0
        )
        _refusal(mesh, elsewhere, "namespace shop")
        assert writes(fake) == []
        with mesh.changed(fault(mesh, delay("ratings", "1s", percent=10)), name="first"):
            _refusal(mesh, fault(mesh, abort("reviews", 503, percent=10), index=1), "at most 1 faults")


def test_clusters_and_namespaces_must_be_meant(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Other contexts, other clusters, namespaces without opt-in: each is refused with the command that opens it."""
    for changes, message in (
        ({"contexts": ("prod",)}, "expected one of the contexts prod, found test"),
        ({"uid": "other"}, "this is another cluster"),
        ({"opt_in": "team=chaos"}, "kubectl label namespace shop team=chaos"),
    ):
        with pytest.raises(UsageError, match=message), open_mesh(**changes):
            pass
    uid = fake.object("Namespace", "kube-system", None)["metadata"]["uid"]
    with open_mesh(uid=uid, contexts=("test",)):
        pass


def test_the_kill_switch_stops_runs(fake: FakeKubernetes, open_mesh: Open) -> None:
    """An engaged kill switch ends a run at its next check and lets none begin."""
    switch = {
        "kind": "ConfigMap",
        "metadata": {"name": "harness-kill-switch"},
        "data": {"engaged": "true", "reason": "outage"},
    }
    with open_mesh() as mesh:
        with mesh.changed(split(mesh), name="split"):
            fake.put(switch)
            with pytest.raises(MeshError, match="outage"):
                mesh.check()
        _refusal(mesh, split(mesh), "kill switch", MeshError)


def test_a_change_can_be_ended_from_another_thread(fake: FakeKubernetes, open_mesh: Open) -> None:
    """GuardThread undo a run that waits for a proof: what it was making is given up, and nothing more is made."""
    before = fake.specs()
    with open_mesh(live_within_s=60) as mesh, mesh.changed(split(mesh), name="split") as outer:
        fake.deaf_pods.add("reviews-3")
        ender = threading.Timer(0.3, outer.undo)
        ender.start()
        _refusal(mesh, fault(mesh), "was ended while a change was being made", MeshGuard)
        ender.join()
        assert outer.rollback is not None
        assert outer.rollback.verified
        assert fake.specs() == before
        _refusal(mesh, fault(mesh), "was ended while a change was being made", MeshGuard)
    assert fake.specs() == before
    assert left(fake) == []


def test_looks_for_drift_while_changes_come_and_go_find_none(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A guard that asks all the time from its own thread never takes the run's own writes for somebody else's."""
    found: list[str] = []
    over = threading.Event()
    with open_mesh() as mesh:

        def look() -> None:
            while not over.is_set():
                try:
                    mesh.check()
                except HarnessError as error:
                    found.append(str(error))

        looker = threading.Thread(target=look)
        looker.start()
        try:
            for _ in range(5):
                with mesh.changed(split(mesh), name="split"), mesh.changed(fault(mesh), name="fault"):
                    pass
        finally:
            over.set()
            looker.join()
    assert found == []


def test_an_undo_from_another_thread_that_fails_is_raised_on_leaving(fake: FakeKubernetes, open_mesh: Open) -> None:
    """The error that leaves the block contains the commands that repair it."""

    def change_and_end(mesh: ClusterMesh) -> None:
        with mesh.changed(split(mesh), name="split") as change:
            fake.store.webhook_down = True
            change.undo()  # raises nothing
            assert change.rollback is not None

    with open_mesh(patience_s=0.3) as mesh, pytest.raises(RollbackError, match="kubectl edit virtualservice reviews"):
        change_and_end(mesh)


def test_restarts_end_a_run(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Containers that are restarted again and again are more harm than was meant."""
    with open_mesh(limits=Limits(restarts=1)) as mesh, mesh.changed(split(mesh), name="split"):
        mesh.check()
        for count in (1, 2):
            changed = deepcopy(fake.object("Pod", "reviews-3"))
            changed["status"]["containerStatuses"] = [{"name": "app", "restartCount": count}]
            fake.put(changed)
            if count == 1:
                mesh.check()
        with pytest.raises(MeshError, match="reviews-3 2 times"):
            mesh.check()


def test_a_rollout_under_way_is_waited_out_by_the_person(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Nothing starts while a Deployment of the namespace has pods of two versions, or too few."""
    rolling = {
        "kind": "Deployment",
        "metadata": {"name": "reviews-v1"},
        "spec": {"replicas": 2},
        "status": {"observedGeneration": 1, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2},
    }
    fake.put(rolling)
    with open_mesh() as mesh:
        _refusal(mesh, split(mesh), "reviews-v1: pods of the old version", MeshError)
        fake.put({**rolling, "status": {**rolling["status"], "replicas": 2}})
        with mesh.changed(split(mesh), name="split"):
            pass


def test_pods_that_are_not_ready_say_why(fake: FakeKubernetes, open_mesh: Open) -> None:
    """An image that does not pull is named before anything is changed; the reaper's own pods keep nobody from working."""
    fake.put(deployment("harness-reaper", availableReplicas=0), deployment("reviews-v3", availableReplicas=0))
    waiting = {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    fake.put({**pod("stuck", app="reviews-v3"), "status": {"phase": "Pending", "containerStatuses": [waiting]}})
    with open_mesh() as mesh:
        _refusal(mesh, split(mesh), "0 of 1 pods are ready; pod stuck: app: ImagePullBackOff", MeshError)
        fake.put(deployment("reviews-v3"))
        with mesh.changed(split(mesh), name="split"):
            pass


@pytest.mark.parametrize(("updated", "starts"), [(0, True), (1, False), (2, True)])
def test_a_paused_rollout_stands_still_between_its_ends_only(
    fake: FakeKubernetes, open_mesh: Open, updated: int, starts: bool
) -> None:
    """Paused before the first pod or after the last one is settled; in the middle there are pods of two versions."""
    paused = deployment("reviews-v3", replicas=2, updatedReplicas=updated, availableReplicas=2)
    fake.put({**paused, "spec": {**paused["spec"], "replicas": 2, "paused": True}})
    with open_mesh() as mesh:
        if not starts:
            _refusal(mesh, split(mesh), "1 of 2 pods are of the new version", MeshError)
            return
        with mesh.changed(split(mesh), name="split"):
            pass


def test_without_a_controller_there_is_no_rollout(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Deployments that nobody has looked at for a minute are under no rollout; one that was just made may be."""
    unseen = {**deployment("reviews-v3"), "status": {"replicas": 0}}
    fake.put(unseen)
    with open_mesh() as mesh:
        _refusal(mesh, split(mesh), "no controller has processed", MeshError)
        fake.object("Deployment", "reviews-v3")["metadata"]["creationTimestamp"] = "2020-01-01T00:00:00Z"
        with mesh.changed(split(mesh), name="split"):
            pass


def test_a_host_has_one_run_at_a_time(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A second run on the same host is refused with the first one's name; on another host it is not."""
    with open_mesh() as mesh, open_mesh() as other, mesh.changed(split(mesh), name="split"):
        _refusal(other, split(other, owner="r2"), "found run r1", MeshError)
        with other.changed(fault(other, owner="r3"), name="fault"):
            pass
    assert left(fake) == []


def test_a_change_ends_with_its_time_to_live(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A change that outlives its time is an error of the run, not a longer run."""
    with open_mesh(limits=Limits(duration_s=600)) as mesh, mesh.changed(split(mesh), name="split"):
        mesh.check()
        fake.let_pass(700)
        with pytest.raises(MeshError, match="time to live"):
            mesh.check()


def test_a_run_whose_lease_is_taken_stops(fake: FakeKubernetes, open_mesh: Open) -> None:
    """When somebody else undoes a run, the run finds out and makes no further change."""
    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        lease = deepcopy(fake.object("Lease", "harness-r1-alive"))
        lease["spec"]["holderIdentity"] = "reaper"
        fake.put(lease)
        _refusal(mesh, fault(mesh), "taken by reaper", MeshError)
        with pytest.raises(MeshError, match="taken by reaper"):
            mesh.check()


READS = {
    (verb, *kind, "shop")
    for verb in ("get", "list")
    for kind in (
        ("networking.istio.io", "virtualservices"),
        ("networking.istio.io", "destinationrules"),
        ("", "configmaps"),
        ("coordination.k8s.io", "leases"),
        ("", "pods"),
        ("", "namespaces"),
    )
}


def test_missing_rights_are_found_before_the_change(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A user who could do but not undo does nothing, and is told the rules to add."""
    fake.grant("eve", "eve-token", READS | {("create", "", "configmaps", "shop")})
    with pytest.raises(ClusterForbidden) as caught, open_mesh(user={"token": "eve-token"}):
        pass
    assert 'resources: ["configmaps"]\n  verbs: [delete]' in str(caught.value)
    assert 'resources: ["pods/portforward"]' in str(caught.value)
    assert "eve-token" not in str(caught.value)
    assert [call for call in writes(fake) if call.resource != "selfsubjectaccessreviews"] == []


def test_rights_that_only_one_change_needs_are_found_before_it(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A user who may edit routes but not delete the one that a fault would bring does not bring it."""
    fake.grant("eve", "eve-token", RUNNER - {("delete", "networking.istio.io", "virtualservices", "shop")})
    with open_mesh(user={"token": "eve-token"}) as mesh:
        with mesh.changed(split(mesh), name="split"):
            pass
        _refusal(mesh, fault(mesh), "delete virtualservices", ClusterForbidden)
    assert len(fake.objects("VirtualService")) == 1


def test_warnings_are_refused(fake: FakeKubernetes, open_mesh: Open) -> None:
    """An edit that admission warns of is not sent: what it warns of mostly does nothing."""
    with open_mesh() as mesh:
        edits = fault(mesh)
        edits[0].create["spec"]["http"].append({"route": [{"destination": {"host": "ratings"}}]})
        _refusal(mesh, edits, "only the last rule can have no matches", MeshError)
    assert left(fake) == []


def test_our_own_edits_raise_no_warnings(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Splits and faults next to catch-all routes repeat no match, so that every warning means something."""
    blocks = [{"uri": {"prefix": "/a"}}, {"headers": {"x": {"exact": "y"}}}]
    destination = [{"destination": {"host": "reviews"}}]
    fake.put(route_to("reviews", {"match": blocks, "route": destination}, {"route": destination}))
    with open_mesh(limits=Limits(every_caller=True)) as mesh, mesh.changed(split(mesh), name="split"):
        edits = fault(mesh, delay("reviews", "1s"), caller_labels=None)
        with mesh.changed(edits, name="fault"):
            pass


def test_warnings_that_were_there_before_do_not_count(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A resource that admission warns of anyway can be edited."""
    destination = [{"destination": {"host": "reviews"}}]
    fake.put(route_to("reviews", {"route": destination}, {"route": destination, "timeout": "1s"}))
    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        pass


def test_requests_are_counted_over_pods(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Counters of all sidecars are summed by their labels; what the called side counted stands apart."""
    labels = 'source_workload="reviews-v1",source_version="v1",destination_service="ratings.shop.svc.cluster.local",response_code="200",response_flags="-"'
    fake.request_totals = {
        "reviews-1": f'istio_requests_total{{reporter="source",{labels}}} 3\nistio_requests_total{{reporter="destination",{labels}}} 9\n',
        "reviews-3": f'istio_requests_total{{reporter="source",{labels}}} 4\n',
    }
    with open_mesh() as mesh:
        rows = mesh.request_counts()
    assert [(row.reporter, row.source_workload, row.response_code, row.total) for row in rows] == [
        ("destination", "reviews-v1", "200", 9),
        ("source", "reviews-v1", "200", 7),
    ]


def test_load_from_a_gateway_is_counted_where_it_arrives(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A gateway's own proxy is in another namespace, so what came from it is counted by the called side."""
    labels = 'source_workload="door",destination_service="reviews.shop.svc.cluster.local",destination_version="v1"'
    fake.request_totals = {"reviews-1": f'istio_requests_total{{reporter="destination",{labels}}} 5\n'}
    with open_mesh(load_workload="door") as mesh:
        found = [(row.reporter, row.source_workload, row.total) for row in mesh.request_counts()]
    assert sorted(found) == [("destination", "door", 5), ("source", "loadgenerator", 5)]


def test_proxies_without_istios_metrics_tell_envoys_own(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Telemetry may be switched off: the calls of the load generator are told by arm, and a fault's hits by caller."""
    answers = "cluster.outbound|9080|v1|reviews.shop.svc.cluster.local.upstream_rq_completed"
    aborts = "http.outbound_0.0.0.0_9080.fault.aborts_injected"
    fake.put(pod("loadgenerator-1", app="loadgenerator"))
    fake.request_totals = {"loadgenerator-1": f"{answers}: 5\n"}
    with open_mesh() as mesh:
        assert [(row.source_workload, row.destination_version, row.total) for row in mesh.request_counts()] == [
            ("loadgenerator", "v1", 5)
        ]
        with mesh.changed(fault(mesh, abort("ratings", 503)), name="fault"):
            fake.request_totals["reviews-1"] = f"{aborts}: 3\n"
            hit = [row for row in mesh.request_counts() if row.response_flags == "FI"]
    assert [(row.source_workload, row.source_version, row.destination_service, row.total) for row in hit] == [
        ("reviews", "v1", "ratings.shop.svc.cluster.local", 3)
    ]


def test_proxies_outside_of_pods_can_be_listed(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Admin ports that can be reached directly are asked instead of the pods', and no right on pods is needed."""
    listed = (Proxy(name="reviews-vm", url=f"{fake.url}/admin/shop/reviews-1", labels={"app": "reviews"}),)
    fake.grant("vm", "vm-token", {rule for rule in RUNNER if "pods" not in rule[2]})
    with open_mesh(proxies=listed, user={"token": "vm-token"}) as mesh, mesh.changed(fault(mesh), name="fault"):
        assert mesh.request_counts() == ()
    fake.deaf_pods.add("reviews-1")
    with open_mesh(proxies=listed, live_within_s=0.3) as mesh:
        _refusal(mesh, fault(mesh), "reviews-vm lacks", MeshError)


def test_istiods_debug_port_can_be_asked_instead(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Where pods cannot be asked, what istiod sent them is proof enough when the settings say so."""
    with open_mesh(istiod=f"{fake.url}/istiod") as mesh, mesh.changed(split(mesh), name="split"):
        fake.deaf_pods.add("reviews-1")
        _refusal(mesh, fault(mesh), "reviews-1 lacks", MeshError)
        fake.deaf_pods.clear()
    assert not [call for call in fake.calls if call.resource == "pods/portforward"]


def test_what_istiod_sent_is_live_when_the_proxies_acknowledge_it(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A sidecar that is stopped has been sent the change, and has not got it: neither live nor gone."""
    with open_mesh(istiod=f"{fake.url}/istiod") as mesh:
        fake.stopped_pods["reviews-1"] = "old"
        late = "reviews-1 has not acknowledged the routes that istiod sent"
        with pytest.raises((MeshError, RollbackError), match=late), mesh.changed(fault(mesh), name="fault"):
            pass
        fake.stopped_pods.clear()
        with pytest.raises(RollbackError, match=late), mesh.changed(fault(mesh), name="fault"):
            fake.stopped_pods["reviews-1"] = "old"


def test_without_proof_no_proxy_is_asked(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Without the proof, no right to forward ports is needed; the limits still hold."""
    fake.grant("blind", "blind-token", {rule for rule in RUNNER if rule[2] != "pods/portforward"})
    fake.deaf_pods |= {"reviews-1", "reviews-3"}
    with open_mesh(prove=False, user={"token": "blind-token"}) as mesh, mesh.changed(fault(mesh), name="fault"):
        mesh.check()
    assert left(fake) == []


def test_routes_of_a_gateway_are_proven_by_their_answers(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A split behind a gateway is live when answers carry its marks, and gone when they no longer do."""
    bound = route_to("reviews")
    bound["spec"]["gateways"] = ["door"]
    fake.put(bound)
    with open_mesh(gateway="door", url=f"{fake.url}/gateway") as mesh:
        with mesh.changed(split(mesh, gateway=mesh.gateway), name="split") as change:
            assert "x-harness-arm" in str(fake.object("VirtualService", "reviews"))
        assert change.rollback is not None
        assert change.rollback.verified
    with open_mesh(gateway="door", url=f"{fake.url}/nowhere", live_within_s=0.3) as mesh:
        _refusal(mesh, split(mesh, gateway="door"), "not marked", MeshError)
    assert fake.object("VirtualService", "reviews")["spec"] == bound["spec"]


def test_an_entry_that_can_be_reached_is_probed(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Not only the sidecars' configuration is checked: answers carry the mark, and do not after the undo."""
    with open_mesh(url=f"{fake.url}/gateway") as mesh, mesh.changed(split(mesh), name="split") as change:
        assert "VirtualService shop/reviews: in 4 proxies, 10 answers of" in change.proof
        with mesh.changed(fault(mesh), name="fault") as inner:
            assert "in 2 proxies, not probed: what it changes is called inside the mesh" in inner.proof
    for url, why in ((None, "cluster.url is not set"), (f"{fake.url}/nowhere", "not marked")):
        with open_mesh(url=url) as mesh, mesh.changed(split(mesh), name="split") as change:
            assert f"not probed: {why}" in change.proof or why in change.proof


def test_an_entry_that_still_shows_the_mark_is_no_clean_undo(fake: FakeKubernetes, open_mesh: Open) -> None:
    """The resources and the sidecars are as before, but answers are not: that is said, and is an error."""
    before = fake.specs()
    with (
        open_mesh(url=f"{fake.url}/gateway", live_within_s=0.5) as mesh,
        pytest.raises(RollbackError, match=r"to no longer carry x-harness-arm .*the last one: marked"),
        mesh.changed(split(mesh), name="split"),
    ):
        fake.stuck_marks = {"x-harness-arm": "canary"}
    assert fake.specs() == before


def test_probes_are_test_traffic(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Where only the run's own requests are touched, probes carry its baggage."""
    with open_mesh(url=f"{fake.url}/gateway") as mesh, mesh.changed(split(mesh), name="split"):
        pass
    assert {"harness.run=r1"} == set(fake.probed_with)


def test_resources_are_told_without_bookkeeping(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Before and after a run they are equal, though the server counts versions."""
    with open_mesh() as mesh:
        before = mesh.resources()
        with mesh.changed(split(mesh), name="split"):
            assert mesh.resources() != before
        assert mesh.resources() == before


def test_the_entry_must_be_said(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Where load goes into a cluster is not guessed."""
    with open_mesh(url="http://gate", headers={"Host": "reviews"}) as mesh:
        assert (mesh.entry().url, mesh.entry().headers) == ("http://gate", {"Host": "reviews"})
    with open_mesh() as mesh, pytest.raises(UsageError, match=r"cluster\.url"):
        mesh.entry()


def test_expired_credentials_are_read_again(fake: FakeKubernetes, open_mesh: Open, tmp_path: Path) -> None:
    """A token that expires during a run and is replaced in the kubeconfig does not keep the undo from its work."""
    before = fake.specs()

    def replace_token() -> None:
        fake.kubeconfig(tmp_path / "config", token="new-token")

    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        fake.tokens = {"new-token": "admin"}
        timer = threading.Timer(0.5, replace_token)
        timer.start()
    timer.join()
    assert fake.specs() == before
    assert left(fake) == []


def test_credentials_must_last_until_the_undo(fake: FakeKubernetes, tmp_path: Path) -> None:
    """The expiry in a token is read before the start: a fault that ends later is refused, a run is warned."""
    claims = base64.urlsafe_b64encode(json.dumps({"exp": int(time.time()) + 60}).encode()).decode().rstrip("=")
    token = f"header.{claims}.signature"
    fake.tokens[token] = ADMIN
    before, said = fake.specs(), []
    kubeconfig = fake.kubeconfig(tmp_path / "config", token=token)

    def open_it(hold_s: float | None) -> AbstractContextManager[ClusterMesh]:
        settings = dataclasses.replace(QUICK, kubeconfig=kubeconfig, hold_s=hold_s)
        return opened(settings, "shop", folder=tmp_path / "run", tell=said.append)

    with open_it(300) as mesh:
        late = "expected credentials that last until its end at .* that expires at"
        with pytest.raises(ClusterError, match=late), mesh.changed(split(mesh), name="split"):
            pass
        assert fake.specs() == before
    with open_it(10) as mesh, mesh.changed(split(mesh), name="split"):
        assert not [text for text in said if "token" in text]
    with open_it(None) as mesh, mesh.changed(split(mesh), name="split"):
        assert [text for text in said if "split: the token of context test expires at" in text]
    assert token not in "".join(said)


def test_an_api_server_that_starts_again_is_sat_out(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Until it has read its Roles it denies everybody (403): the undo keeps trying, and the run still counts as alive."""
    before = fake.specs()
    with open_mesh(patience_s=10) as mesh, mesh.changed(split(mesh), name="split"):
        fake.admins.clear()
        timer = threading.Timer(1.0, fake.admins.add, ("admin",))
        timer.start()
    timer.join()
    assert fake.specs() == before
    assert left(fake) == []


def test_a_lost_connection_is_survived(fake: FakeKubernetes, open_mesh: Open) -> None:
    """While the API server does not answer the undo keeps trying, and succeeds when it is back."""
    before, dead = fake.specs(), threading.Event()
    fake.before = lambda call: "drop" if dead.is_set() else None
    with open_mesh() as mesh, mesh.changed(split(mesh), name="split"):
        dead.set()
        threading.Timer(0.6, dead.clear).start()
    assert fake.specs() == before
    assert left(fake) == []


def _routes(fake: FakeKubernetes, name: str) -> list[Any]:
    hosts = fake.config_dump("shop", name)["configs"][0]["dynamic_route_configs"][0]["route_config"]["virtual_hosts"]
    return [route for host in hosts for route in host["routes"]]


def test_missing_crds_and_namespaces_are_named(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A namespace that is not there is said so before anything else."""
    del fake.store.objects["", "namespaces", None, "shop"]
    with pytest.raises(ClusterError, match="expected the namespace shop"), open_mesh():
        pass
