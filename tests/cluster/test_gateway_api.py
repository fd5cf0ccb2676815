"""A cluster whose services are routed by HTTPRoutes: split, proven in the proxies, counted, and reverted."""

from __future__ import annotations

from typing import Any

import fake_store
import pytest
from fake_kubernetes import FakeKubernetes
from http_routes import backend, http_route, selecting
from shop import Open, arm_pod, route_to
from test_arm_pods import upstreams

from harness.errors import MeshError, ResourceError
from harness.routing.port import Split
from harness.runner.counts import endpoint_requests

ARMS = ({"app": "reviews", "version": "v1"}, {"app": "reviews", "version": "v3"})
SPLIT = Split(host="reviews", namespace="shop", baseline=ARMS[0], canary=ARMS[1], canary_share=0.2, owner="r1")


@pytest.fixture
def shop(fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> FakeKubernetes:
    """The shop on a server with the Gateway API; an HTTPRoute routes reviews instead of Istio's resources."""
    monkeypatch.setitem(fake_store.PLURALS, ("gateway.networking.k8s.io", "httproutes"), "HTTPRoute")
    for key in [key for key in fake.store.objects if key[1] in ("virtualservices", "destinationrules")]:
        fake.store.objects.pop(key)
    fake.put(
        http_route("reviews"),
        selecting("reviews", app="reviews"),
        arm_pod("reviews-1", ip="10.0.0.1", app="reviews", version="v1"),
        arm_pod("reviews-3", ip="10.0.0.3", app="reviews", version="v3"),
        arm_pod("loadgenerator-1", app="loadgenerator"),
    )
    return fake


def test_a_split_is_made_proven_and_undone(shop: FakeKubernetes, open_mesh: Open) -> None:
    """Services of the arms come before the rule, and go after it."""
    before = shop.object("HTTPRoute", "reviews")["spec"]
    names = {item["metadata"]["name"] for item in shop.objects("Service")}
    with open_mesh() as mesh:
        with mesh.changed(mesh.routing.split(mesh.resources(), SPLIT), name="split") as live:
            rules = shop.object("HTTPRoute", "reviews")["spec"]["rules"]
            assert ["harness-r1-split-0", None] == [rule.get("name") for rule in rules]
            made = {item["metadata"]["name"] for item in shop.objects("Service")} - names
            assert {"harness-r1-baseline", "harness-r1-canary"} == made
        assert live.rollback is not None
        assert live.rollback.verified
    assert before == shop.object("HTTPRoute", "reviews")["spec"]
    assert names == {item["metadata"]["name"] for item in shop.objects("Service")}


def test_a_rule_that_proxies_never_get_is_not_live(shop: FakeKubernetes, open_mesh: Open) -> None:
    """An istiod that ignores the names of rules, or does not serve HTTPRoutes, is found out, and all is reverted."""
    shop.deaf_pods.add("loadgenerator-1")
    before = shop.object("HTTPRoute", "reviews")["spec"]
    with (
        open_mesh() as mesh,
        pytest.raises(MeshError, match="lacks harness-r1-split-0"),
        mesh.changed(mesh.routing.split(mesh.resources(), SPLIT), name="split"),
    ):
        pytest.fail("the split counts as live")
    assert before == shop.object("HTTPRoute", "reviews")["spec"]


def test_a_virtual_service_next_to_an_http_route_is_refused(shop: FakeKubernetes, open_mesh: Open) -> None:
    """Proxies ignore one of the two, so nothing is changed."""
    shop.put(route_to("reviews"))
    with open_mesh() as mesh, pytest.raises(ResourceError, match="found some of istio and gateway api"):
        mesh.routing.split(mesh.resources(), SPLIT)


def test_requests_to_the_services_of_the_arms_count_for_the_service(shop: FakeKubernetes, open_mesh: Open) -> None:
    """The load generator's proxy sends to the Service of an arm; the run asks for requests to reviews."""
    versions: Any = [selecting(f"reviews-{arm['version']}", **arm) for arm in ARMS]
    shop.put(*versions)
    shop.put(http_route("reviews", {"backendRefs": [backend("reviews-v1"), backend("reviews-v3")]}))
    sent = upstreams(v1=("10.0.0.1", 70), v3=("10.0.0.3", 30))
    for status, version in zip(sent["cluster_statuses"], ("v1", "v3"), strict=True):
        status["name"] = f"outbound|9080||reviews-{version}.shop.svc.cluster.local"
    shop.upstreams["loadgenerator-1"] = sent
    with open_mesh() as mesh:
        mesh.watch_arms(ARMS)
        found = endpoint_requests((), mesh.request_counts(), service="reviews", arms={"v1": "baseline", "v3": "canary"})
    assert found == {"baseline": {"pod reviews-1 (10.0.0.1)": 70}, "canary": {"pod reviews-3 (10.0.0.3)": 30}}
