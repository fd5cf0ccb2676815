"""Faults that only a cluster has: they are in force, reverted, refused, and noticed when they have no effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import fake_kubernetes
import pytest
from aiohttp import web
from fake_kubernetes import FakeKubernetes
from proving import ended_by
from shop import Open, pod
from test_cluster_steps import ANYBODY, deployment, obey

from harness import bandwidth_limit, delete_pods, deny, evict, partition, rate_limit, scale
from harness.errors import MeshDrift, NotInForce, UsageError
from harness.faults.port import Fault
from harness.mesh.cluster.mesh import ClusterMesh
from harness.model.hit import HitState
from harness.routing.port import Aim
from harness.runner.counts import fault_counts

OWNED = {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "ratings", "uid": "1"}]}


@contextmanager
def injected(mesh: ClusterMesh, fault: Fault) -> Iterator[Any]:
    """Keep the fault in force inside the block."""
    aim = Aim(declared=fault.declared("x-0"), namespace="shop", owner="x", index=0)
    with mesh.changed(fault.steps(mesh, aim), name=str(fault)) as change:
        yield change


def check_inconclusive(fault: Fault, error: NotInForce) -> None:
    """A run that ended with this error is inconclusive: code 11, and the reason names the kind."""
    analysis = ended_by(fault, error)
    assert 11 == analysis.verdict.exit_code
    assert fault.kind in analysis.reason


def owned(name: str, version: str = "v1") -> Any:
    """A pod of ratings with a controller."""
    made = pod(name, app="ratings", version=version)
    return {**made, "metadata": {**made["metadata"], "namespace": "shop", **OWNED}}


@pytest.fixture
def shop(fake: FakeKubernetes) -> FakeKubernetes:
    """Ratings with a Deployment and two pods."""
    fake.put(deployment(), owned("ratings-1"), owned("ratings-2"))
    return fake


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (deny("ratings"), "AuthorizationPolicy"),
        (rate_limit("ratings", 5), "EnvoyFilter"),
        (bandwidth_limit("ratings", 64), "EnvoyFilter"),
        (partition("ratings"), "NetworkPolicy"),
    ],
    ids=str,
)
def test_an_object_of_its_own_is_made_proven_and_deleted(
    shop: FakeKubernetes, open_mesh: Open, fault: Fault, kind: str
) -> None:
    """The proxies of ratings show it, where proxies show such objects at all."""
    with open_mesh(limits=ANYBODY) as mesh:
        with injected(mesh, fault) as change:
            (made,) = shop.objects(kind)
            assert {"canary-harness/owner": "x"}.items() <= made["metadata"]["labels"].items()
            assert change.proof
        assert change.rollback.verified
    assert [] == shop.objects(kind)


def test_a_bandwidth_limit_is_for_calls_to_each_port_of_the_service(shop: FakeKubernetes, open_mesh: Open) -> None:
    """The filter is off for all other calls of these callers; its counters are among those that sidecars keep."""
    labels = {"app": "reviews"}
    said = bandwidth_limit("ratings", 64).declared("x-0")
    aim = Aim(declared=replace(said, scope=replace(said.scope, labels=labels)), namespace="shop", owner="x", index=0)
    with open_mesh() as mesh:
        (edit,) = bandwidth_limit("ratings", 64).steps(mesh, aim)
        with mesh.changed([edit], name="narrow"):
            (made,) = shop.objects("EnvoyFilter")
            assert labels == made["spec"]["workloadSelector"]["labels"]
            off, on = made["spec"]["configPatches"]
            assert "enable_mode" not in off["patch"]["value"]["typed_config"]
            assert {"vhost": {"name": "ratings.shop.svc.cluster.local:9080"}} == on["match"]["routeConfiguration"]
            ((name, settings),) = on["patch"]["value"]["typed_per_filter_config"].items()
            assert off["patch"]["value"]["name"] == name
            assert (64, "REQUEST_AND_RESPONSE") == (settings["limit_kbps"], settings["enable_mode"])
            assert "server.limited.ratings.shop.svc.cluster.local" == settings["stat_prefix"]


@pytest.mark.parametrize(
    ("counters", "state", "hit"),
    [
        ((), HitState.UNMEASURED, 0),
        ((7, 7), HitState.NO_OCCASION, 0),
        ((7, 16), HitState.COUNTED, 9),
        ((7, 900), HitState.COUNTED, 60),
        ((7, 2), HitState.NO_OCCASION, 0),
    ],
    ids=["no counter", "nothing waited", "data waited", "data of each call waited often", "the sidecar was restarted"],
)
def test_sidecars_tell_how_often_data_waited(
    shop: FakeKubernetes, open_mesh: Open, counters: tuple[int, ...], state: HitState, hit: int
) -> None:
    """Of each caller, from Envoy's own counters; without them nobody knows whether the fault hit."""
    fault, counts, name = bandwidth_limit("ratings", 64), [], "server.limited.ratings.shop.svc.cluster.local"
    labels = (
        'reporter="source",source_workload="reviews-v1",source_version="v1",'
        'destination_service="ratings.shop.svc.cluster.local",response_flags="-"'
    )
    with open_mesh(limits=ANYBODY) as mesh, injected(mesh, fault):
        for total, limited in zip((40, 100), counters or (None, None), strict=True):
            shop.request_totals["reviews-1"] = f"istio_requests_total{{{labels}}} {total}\n"
            if limited is not None:
                both = {"request": 1, "response": limited}
                lines = [f"{name}.http_bandwidth_limit.{side}_enforced: {count}" for side, count in both.items()]
                shop.limited_totals["reviews-1"] = "\n".join(lines)
            counts.append(mesh.request_counts())
    live, end = counts
    said = fault.declared("x-0")
    (row,) = fault_counts(fault, said, phase="fault", live=live, before_removal=end, end=end, arms={"v1": "baseline"})
    assert (state, hit, 60, "baseline") == (row.state, row.hit, row.requests, row.arm)


def test_a_partition_next_to_another_policy_is_refused(shop: FakeKubernetes, open_mesh: Open) -> None:
    """What one policy allows, another one cannot forbid."""
    spec = {"podSelector": {"matchLabels": {"app": "ratings"}}, "policyTypes": ["Ingress"]}
    metadata = {"name": "theirs", "namespace": "shop"}
    shop.put({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec})
    refused = pytest.raises(UsageError, match="found theirs")
    with open_mesh(limits=ANYBODY) as mesh, refused, injected(mesh, partition("ratings")):
        pytest.fail("must not be entered")


@pytest.mark.parametrize("fault", [evict("ratings"), delete_pods("ratings")], ids=str)
def test_one_pod_of_each_version_is_taken(shop: FakeKubernetes, open_mesh: Open, fault: Fault) -> None:
    """Both versions lose one, so that both arms are hit alike."""
    shop.put(owned("ratings-3", "v2"), owned("ratings-4", "v2"))
    with open_mesh(limits=ANYBODY) as mesh, injected(mesh, fault) as change:
        assert ["ratings-2", "ratings-4"] == names_of(shop)
        assert "Pod shop/ratings-1: done" in change.proof


def test_another_fault_can_follow_an_eviction(shop: FakeKubernetes, open_mesh: Open) -> None:
    """Its Deployment is not settled then, because of the run itself."""
    with open_mesh(limits=ANYBODY) as mesh, injected(mesh, evict("ratings")):
        shop.put(deployment(availableReplicas=1))
        aim = Aim(declared=deny("ratings").declared("x-1"), namespace="shop", owner="x", index=1)
        with mesh.changed(deny("ratings").steps(mesh, aim), name="deny") as change:
            assert change.proof
        shop.put(deployment())


def names_of(shop: FakeKubernetes) -> list[str]:
    """The pods of ratings."""
    return sorted(
        one["metadata"]["name"] for one in shop.objects("Pod") if one["metadata"]["labels"]["app"] == "ratings"
    )


def test_an_eviction_without_effect_is_noticed(
    shop: FakeKubernetes, open_mesh: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server reports success, and the pod stays."""
    monkeypatch.setattr(fake_kubernetes, "_evict", lambda *_: web.json_response({"status": "Success"}, status=201))
    noticed = pytest.raises(NotInForce, match="no effect")
    with open_mesh(limits=ANYBODY, ready_within_s=0.3) as mesh, noticed as raised, injected(mesh, evict("ratings")):
        pytest.fail("must not be entered")
    check_inconclusive(evict("ratings"), raised.value)
    assert ["ratings-1", "ratings-2"] == names_of(shop)


def test_a_deletion_without_effect_is_noticed(
    shop: FakeKubernetes, open_mesh: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server reports success, and the pod stays. It had one second to end."""
    delete, asked = shop.store.delete, []

    def ignored(place: Any, options: Any, *, dry_run: bool) -> Any:
        if place.kind != "Pod":
            return delete(place, options, dry_run=dry_run)
        asked.append(options["gracePeriodSeconds"])
        return shop.store.get(place)

    monkeypatch.setattr(shop.store, "delete", ignored)
    noticed = pytest.raises(NotInForce, match=r"delete Pod shop/ratings-1: the API server took it, .* no effect")
    with (
        open_mesh(limits=ANYBODY, ready_within_s=0.3) as mesh,
        noticed as raised,
        injected(mesh, delete_pods("ratings")),
    ):
        pytest.fail("must not be entered")
    check_inconclusive(delete_pods("ratings"), raised.value)
    assert [1] == asked
    assert ["ratings-1", "ratings-2"] == names_of(shop)


def test_deployments_are_scaled_and_scaled_back(shop: FakeKubernetes, open_mesh: Open) -> None:
    """Its pods go, and come back."""
    obey(shop)
    with open_mesh(limits=ANYBODY) as mesh, injected(mesh, scale("ratings", 0)):
        assert 0 == shop.object("Deployment", "ratings-v1")["status"]["replicas"]
    assert 2 == shop.object("Deployment", "ratings-v1")["spec"]["replicas"]


def test_a_scaling_that_no_controller_carries_out_is_noticed(shop: FakeKubernetes, open_mesh: Open) -> None:
    """The number is set, and the pods stay. The number is set back."""
    noticed = pytest.raises(NotInForce, match="no effect")
    with open_mesh(limits=ANYBODY, ready_within_s=0.3) as mesh, noticed as raised, injected(mesh, scale("ratings", 0)):
        pytest.fail("must not be entered")
    check_inconclusive(scale("ratings", 0), raised.value)
    assert 2 == shop.object("Deployment", "ratings-v1")["spec"]["replicas"]


def test_pods_that_do_not_become_ready_are_no_scaling(shop: FakeKubernetes, open_mesh: Open) -> None:
    """Nobody has room for the new ones: they are there, but get no requests."""
    obey(shop, ready=2)
    noticed = pytest.raises(NotInForce, match="no effect")
    with open_mesh(limits=ANYBODY, ready_within_s=0.3) as mesh, noticed, injected(mesh, scale("ratings", 5)):
        pytest.fail("must not be entered")
    assert 2 == shop.object("Deployment", "ratings-v1")["spec"]["replicas"]


@pytest.mark.parametrize("theirs", [2, 7])
def test_somebody_who_scales_meanwhile_is_noticed(shop: FakeKubernetes, open_mesh: Open, theirs: int) -> None:
    """A controller that we do not know, or a person: from then on the fault has no effect. Their number stays."""
    obey(shop)
    with open_mesh(limits=ANYBODY) as mesh:
        with injected(mesh, scale("ratings", 1)):
            mesh.check()
            shop.put(deployment(theirs))
            with pytest.raises(MeshDrift, match="scale Deployment shop/ratings-v1: somebody"):
                mesh.check()
        mesh.check()
    assert theirs == shop.object("Deployment", "ratings-v1")["spec"]["replicas"]


@pytest.mark.parametrize("fault", [evict("ratings", 2), delete_pods("ratings", 2), scale("ratings", 0)], ids=str)
def test_a_disruption_budget_is_respected(shop: FakeKubernetes, open_mesh: Open, fault: Fault) -> None:
    """One pod may leave, and the fault would take two: nothing is changed."""
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "ratings"}}}
    metadata = {"name": "ratings", "namespace": "shop"}
    budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    shop.put({**budget, "status": {"disruptionsAllowed": 1}})
    refused = pytest.raises(UsageError, match=r"allows 1 of its pods to leave now, but .* would take 2")
    with open_mesh(limits=ANYBODY) as mesh, refused, injected(mesh, fault):
        pytest.fail("must not be entered")
    assert ["ratings-1", "ratings-2"] == names_of(shop)
    assert [] == shop.objects("ConfigMap")


def test_an_autoscaler_would_scale_back(shop: FakeKubernetes, open_mesh: Open) -> None:
    """Except at 0 replicas, where it does nothing."""
    obey(shop)
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "ratings-v1"}, "maxReplicas": 9}
    metadata = {"name": "ratings", "namespace": "shop"}
    shop.put({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec})
    with open_mesh(limits=ANYBODY) as mesh:
        with pytest.raises(UsageError, match="would scale it back"), injected(mesh, scale("ratings", 1)):
            pytest.fail("must not be entered")
        with injected(mesh, scale("ratings", 0)) as change:
            assert change.proof


@pytest.mark.parametrize(
    ("fault", "why"),
    [(evict("details"), "found none in this mesh"), (evict("productpage"), "has none and would be lost"),
     (evict("ratings", 3), "expected 3 pods of each version, found 2"), (scale("ratings", 2), "has 2 replicas already")],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_done_is_refused(shop: FakeKubernetes, open_mesh: Open, fault: Fault, why: str) -> None:
    """With the reason, before anything is changed."""
    with open_mesh(limits=ANYBODY) as mesh, pytest.raises(UsageError, match=why), injected(mesh, fault):
        pytest.fail("must not be entered")
