"""Faults that change the limits of running pods: proven by the kubelet's report, reverted, refused, and noticed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from fake_kubernetes import FakeKubernetes
from shop import Open
from test_cluster_faults import check_inconclusive, injected, owned
from test_cluster_steps import ANYBODY, deployment
from test_deaths_on_a_cluster import BASELINE, CANARY, death

from harness import cpu_limit, memory_limit
from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterRejected, MeshDrift, MeshGuard, NotInForce, UsageError
from harness.faults.port import Fault
from harness.mesh.cluster.recovery.reaping import reap

LIMITS = {"cpu": "500m", "memory": "256Mi"}


def sized(name: str, version: str = "v1", *, app: str = "ratings", **limits: str) -> Any:
    """A pod whose container has limits, and requests of 100m and as much memory as the limit."""
    made = owned(name, version)
    made["metadata"]["labels"]["app"] = app
    own = {"limits": {**LIMITS, **limits}, "requests": {"cpu": "100m", "memory": "256Mi"}}
    made["spec"]["containers"][0]["resources"] = own
    made["status"]["containerStatuses"] = [{"name": "app", "restartCount": 0, "resources": deepcopy(own)}]
    return made


@pytest.fixture
def shop(fake: FakeKubernetes) -> FakeKubernetes:
    """Ratings with a Deployment and two pods with limits, on a server that resizes pods."""
    fake.put(deployment(), sized("ratings-1"), sized("ratings-2"))
    return fake


def limits_of(shop: FakeKubernetes, name: str) -> dict[str, str]:
    """The limits of the pod's container, as its spec has them."""
    return dict(shop.object("Pod", name)["spec"]["containers"][0]["resources"]["limits"])


@pytest.mark.parametrize(
    ("fault", "limits", "requests"),
    [
        (cpu_limit("ratings", "50m"), {"cpu": "50m", "memory": "256Mi"}, {"cpu": "50m", "memory": "256Mi"}),
        (cpu_limit("ratings", "0.2"), {"cpu": "0.2", "memory": "256Mi"}, {"cpu": "100m", "memory": "256Mi"}),
        (memory_limit("ratings", "64Mi"), {"cpu": "500m", "memory": "64Mi"}, {"cpu": "100m", "memory": "64Mi"}),
    ],
    ids=str,
)
def test_running_containers_get_the_limit_and_the_one_of_before(
    shop: FakeKubernetes, open_mesh: Open, fault: Fault, limits: Any, requests: Any
) -> None:
    """The journal knows the limit of before; the sidecar keeps its own, and a request is never above a limit."""
    before = {name: deepcopy(shop.object("Pod", name)["spec"]) for name in ("ratings-1", "ratings-2")}
    with open_mesh(limits=ANYBODY) as mesh:
        with injected(mesh, fault) as change:
            for name in before:
                containers = shop.object("Pod", name)["spec"]["containers"]
                assert {"limits": limits, "requests": requests} == containers[0]["resources"]
                assert before[name]["containers"][1] == containers[1]
            assert "resize Pod shop/ratings-1: done; resize Pod shop/ratings-2: done" == change.proof
            assert shop.objects("ConfigMap")
            mesh.check()
        assert change.rollback.verified
    assert before == {name: shop.object("Pod", name)["spec"] for name in before}
    assert [] == shop.objects("ConfigMap")


def test_a_server_that_cannot_resize_pods_is_told(shop: FakeKubernetes, open_mesh: Open) -> None:
    """By name, with what comes closest, before anything is changed."""
    shop.resizes = False
    refused = pytest.raises(UsageError, match=r"the API server has no pods/resize \(Kubernetes 1\.33")
    with open_mesh(limits=ANYBODY) as mesh, refused, injected(mesh, cpu_limit("ratings", "50m")):
        pytest.fail("must not be entered")
    assert [] == shop.objects("ConfigMap")


def test_a_resize_that_the_server_rejects_changes_nothing(shop: FakeKubernetes, open_mesh: Open) -> None:
    """A dry run tells before the first pod is changed: here the second one is of a quality that must not change."""
    shop.rejected_resizes["ratings-2"] = "Pod QOS Class may not change as a result of resizing"
    refused = pytest.raises(ClusterRejected, match="QOS Class may not change")
    with open_mesh(limits=ANYBODY) as mesh, refused, injected(mesh, cpu_limit("ratings", "50m")):
        pytest.fail("must not be entered")
    assert "500m" == limits_of(shop, "ratings-1")["cpu"]
    assert [] == shop.objects("ConfigMap")


@pytest.mark.parametrize("fault", [cpu_limit("ratings", "50m"), memory_limit("ratings", "64Mi")], ids=str)
def test_a_limit_that_no_kubelet_applies_is_noticed(shop: FakeKubernetes, open_mesh: Open, fault: Fault) -> None:
    """The API server reports success; the pod says why nothing happens. The limit of before is set again."""
    condition = {"type": "PodResizeInProgress", "status": "True", "reason": "Error", "message": "usage above the limit"}
    shop.stuck_resize = condition
    noticed = pytest.raises(NotInForce, match=r"no effect in 0\.3 s: PodResizeInProgress Error usage above the limit")
    with open_mesh(limits=ANYBODY, ready_within_s=0.3) as mesh, noticed as raised, injected(mesh, fault):
        pytest.fail("must not be entered")
    check_inconclusive(fault, raised.value)
    assert LIMITS == limits_of(shop, "ratings-1") == limits_of(shop, "ratings-2")


def test_a_kubelet_that_reports_no_limits_proves_nothing(shop: FakeKubernetes, open_mesh: Open) -> None:
    """It may be older than the API server."""
    shop.stuck_resize = {}
    noticed = pytest.raises(NotInForce, match="no effect")
    with open_mesh(limits=ANYBODY, ready_within_s=0.3) as mesh, noticed, injected(mesh, cpu_limit("ratings", "50m")):
        pytest.fail("must not be entered")


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (cpu_limit("ratings", "500m"), "expected a limit below those of pod ratings-1"),
        (cpu_limit("details", "50m"), "labels app=details, found none in this mesh"),
        (
            memory_limit("reviews", "64Mi"),
            "expected a memory limit of each container, found none of app in pod reviews-1",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_squeezed_is_refused(shop: FakeKubernetes, open_mesh: Open, fault: Fault, why: str) -> None:
    """With the reason, before anything is changed."""
    with open_mesh(limits=ANYBODY) as mesh, pytest.raises(UsageError, match=why), injected(mesh, fault):
        pytest.fail("must not be entered")
    assert [] == shop.objects("ConfigMap")


def test_pods_that_are_about_to_end_are_left_alone(shop: FakeKubernetes, open_mesh: Open) -> None:
    """If no other one is there, nothing could be squeezed."""
    for name in ("ratings-1", "ratings-2"):
        shop.put({**sized(name), "status": {"phase": "Pending"}})
    refused = pytest.raises(UsageError, match="expected pods of ratings that run")
    with open_mesh(limits=ANYBODY) as mesh, refused, injected(mesh, cpu_limit("ratings", "50m")):
        pytest.fail("must not be entered")


def test_somebody_who_resizes_meanwhile_is_noticed(shop: FakeKubernetes, open_mesh: Open) -> None:
    """From then on the fault has another dose. Their limit stays."""
    with open_mesh(limits=ANYBODY) as mesh, injected(mesh, cpu_limit("ratings", "50m")):
        mesh.check()
        shop.put(sized("ratings-2", cpu="2"))
        with pytest.raises(MeshDrift, match="resize Pod shop/ratings-2: somebody"):
            mesh.check()
    assert "2" == limits_of(shop, "ratings-2")["cpu"]
    assert "500m" == limits_of(shop, "ratings-1")["cpu"]


def test_the_reaper_resizes_back(shop: FakeKubernetes, open_mesh: Open, kube: Kubernetes) -> None:
    """From the journal alone; a pod that was replaced meanwhile has the limits of its Deployment."""
    with open_mesh(limits=ANYBODY) as mesh:
        live = injected(mesh, cpu_limit("ratings", "50m"))
        live.__enter__()
        del shop.store.objects["", "pods", "shop", "ratings-2"]
        shop.put(sized("ratings-2", cpu="50m"))
        (done,) = reap(kube, "shop", patience_s=3, living=True)
        assert "" == done.trouble
        assert ("500m", "50m") == (limits_of(shop, "ratings-1")["cpu"], limits_of(shop, "ratings-2")["cpu"])
        live.__exit__(None, None, None)


def out_of_memory(shop: FakeKubernetes, name: str, restarts: int) -> None:
    """The kernel has killed the pod's container so often."""
    made = deepcopy(shop.object("Pod", name))
    ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    made["status"]["containerStatuses"][0] |= {"restartCount": restarts, "lastState": ended}
    shop.put(made)


def test_restarts_by_our_own_squeeze_are_part_of_the_experiment(shop: FakeKubernetes, open_mesh: Open) -> None:
    """They end no run, however many there are; restarts of others count as before."""
    shop.put(sized("details-1", app="details"))
    with open_mesh(limits=ANYBODY) as mesh:
        mesh.check()
        with injected(mesh, memory_limit("ratings", "64Mi")):
            mesh.check()
            out_of_memory(shop, "ratings-1", 9)
            mesh.check()
        out_of_memory(shop, "ratings-1", 10)
        mesh.check()
        out_of_memory(shop, "details-1", 4)
        with pytest.raises(MeshGuard, match="details-1 4 times"):
            mesh.check()


def test_an_arm_that_dies_of_our_squeeze_is_spared_until_it_is_ready_again(
    shop: FakeKubernetes, open_mesh: Open
) -> None:
    """Also by a restart that is only seen when the fault is over; later deaths count."""
    for name, labels in (("reviews-1", BASELINE), ("reviews-3", CANARY)):
        shop.put(sized(name, labels["version"], app="reviews"))
    with open_mesh(limits=ANYBODY) as mesh:
        mesh.watch_arms([BASELINE, CANARY])
        mesh.check()
        with injected(mesh, memory_limit("reviews", "64Mi")):
            out_of_memory(shop, "reviews-3", 1)
            mesh.check()
        out_of_memory(shop, "reviews-3", 2)
        mesh.check()
        mesh.check()
        out_of_memory(shop, "reviews-3", 3)
        assert CANARY == death(mesh).labels
