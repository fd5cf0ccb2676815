"""Ambient mode: a fault that no proxy would carry out is refused, with the reason and the way out."""

from __future__ import annotations

from typing import Any

import fake_store
import pytest
from fake_kubernetes import FakeKubernetes
from shop import Open, pod

from harness.errors import MeshError


def ambient(fake: FakeKubernetes, *, waypoint: str = "", sidecars: bool = False) -> None:
    """Put the namespace into ambient mode, where pods have no sidecars unless they keep them."""
    labels = {"canary-harness": "enabled", "istio.io/dataplane-mode": "ambient"}
    labels |= {"istio.io/use-waypoint": waypoint} if waypoint else {}
    fake.put({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}})
    for found in fake.objects("Pod"):
        if not sidecars or found["metadata"]["name"] == "reviews-3":
            fake.put({**found, "spec": {"containers": [{"name": "app"}]}})


def _serve_gateway_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(fake_store.PLURALS, (fake_store.ISTIO, "gateways"))
    monkeypatch.setitem(fake_store.PLURALS, ("gateway.networking.k8s.io", "gateways"), "Gateway")


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({}, "without a waypoint: no proxy reads routes there"),
        ({"waypoint": "shop-gate"}, "with a label for the waypoint shop-gate, but namespace shop has no such Gateway"),
        ({"sidecars": True}, r"mixed data planes: 3 pods with sidecars, .*\(reviews-3\)"),
    ],
    ids=["no waypoint", "waypoint", "mixed"],
)
@pytest.mark.parametrize("prove", [True, False])
def test_what_would_do_nothing_is_refused(
    fake: FakeKubernetes, open_mesh: Open, how: dict[str, Any], reason: str, *, prove: bool
) -> None:
    """Nothing is changed, whether proxies are asked or not, and the command that adds sidecars is named."""
    ambient(fake, **how)
    with pytest.raises(MeshError, match=reason) as refused, open_mesh(prove=prove):
        pass
    assert "kubectl label namespace shop istio.io/dataplane-mode- istio-injection=enabled" in str(refused.value)
    assert [call for call in fake.calls if call.method != "GET"] == []


@pytest.mark.parametrize(
    ("waypoint", "reason"),
    [
        (("istio-waypoint", ""), "shop-gate of class istio-waypoint: it serves all callers and drops routes"),
        (("istio-waypoint", "all"), "shop-gate of class istio-waypoint: it serves all callers and drops routes"),
        (("istio-waypoint", "workload"), "class istio-waypoint for workload .*does not serve calls to Services"),
        (
            ("kgateway", ""),
            "shop-gate of class kgateway, which is not istio-waypoint: whether it reads VirtualServices",
        ),
    ],
)
def test_the_class_of_a_waypoint_is_read(
    fake: FakeKubernetes, open_mesh: Open, monkeypatch: pytest.MonkeyPatch, waypoint: tuple[str, str], reason: str
) -> None:
    """The label of a Service names it here; each class is refused for a reason of its own."""
    _serve_gateway_api(monkeypatch)
    ambient(fake)
    service = fake.object("Service", "reviews")
    fake.put({**service, "metadata": {**service["metadata"], "labels": {"istio.io/use-waypoint": "shop-gate"}}})
    kind, serves = waypoint
    gateway = {"name": "shop-gate", "namespace": "shop", "labels": {"istio.io/waypoint-for": serves} if serves else {}}
    fake.put({"apiVersion": "v1", "kind": "Gateway", "metadata": gateway, "spec": {"gatewayClassName": kind}})
    with pytest.raises(MeshError, match=reason), open_mesh():
        pass


def test_a_waypoint_whose_class_may_not_be_read_is_refused(
    fake: FakeKubernetes, open_mesh: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says which right is missing."""
    _serve_gateway_api(monkeypatch)
    ambient(fake, waypoint="shop-gate")
    may = fake.may
    monkeypatch.setattr(fake, "may", lambda *asked: asked[3] != "gateways" and may(*asked))
    with pytest.raises(MeshError, match=r"could not be read \(no right to get gateways"), open_mesh():
        pass


def test_pods_that_stay_out_of_ambient_keep_their_sidecars(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Sidecars in an ambient namespace carry out routes as ever; waypoints and our own pods are no callers."""
    ambient(fake, sidecars=True)
    fake.put(pod("reviews-3", app="reviews", version="v3"))
    for name, labels in (("gate-1", {"gateway.networking.k8s.io/gateway-name": "gate"}), ("harness-reaper-1", {})):
        fake.put({**pod(name, **labels), "spec": {"containers": [{"name": "app"}]}})
    with open_mesh() as mesh:
        mesh.check()
