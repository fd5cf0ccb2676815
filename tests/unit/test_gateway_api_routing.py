"""HTTPRoutes of the Gateway API: found, split, changed and shown as pure edits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from http_routes import backend, http_route, selecting

from harness.errors import ResourceError, UsageError
from harness.mesh.attribution import attributed
from harness.model.counts import RequestCount
from harness.model.declared import Declared, Scope
from harness.model.split import SplitBy
from harness.model.step import Edit
from harness.routing.edits import applied_all, undone_all
from harness.routing.gateway_api.api import GatewayApiRouting
from harness.routing.governed import GovernedRouting
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Aim, NotExpressible, PolicyChange, Retries, RouteChange, Split

API = GatewayApiRouting()
V1, V3 = {"app": "reviews", "version": "v1"}, {"app": "reviews", "version": "v3"}
ALL = selecting("reviews", app="reviews")
BY_VERSION = (selecting("reviews-v1", **V1), selecting("reviews-v3", **V3))
SPLIT = Split(host="reviews", namespace="shop", baseline=V1, canary=V3, canary_share=0.2, owner="r1")


def split_rules(resources: Any, split: Split = SPLIT) -> list[Any]:
    """The rules that a split inserts."""
    return [item.entry for edit in API.split(resources, split) for item in edit.insert]


def aim(host: str = "reviews", **scope: Any) -> Aim:
    """An injection for all callers of a host."""
    said = Declared(id="f-0", kind="f", host=host, text="the fault", scope=Scope(every_caller=True, **scope))
    return Aim(declared=said, namespace="shop", owner="r1", index=0, workload_labels={"app": host})


def test_a_rule_is_split_between_the_services_of_the_arms() -> None:
    """The clone stands before its original, keeps its matches and filters, and marks the answers of each arm."""
    original = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/reviews"}}],
        "filters": [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "a", "value": "1"}]}}],
        "backendRefs": [backend("reviews-v1")],
    }
    route = http_route("reviews", original)
    (edit,) = API.split((route, ALL, *BY_VERSION), SPLIT)
    assert ("HTTPRoute", "shop", "reviews", ("spec", "rules")) == (*edit.place, edit.list_at)
    (item,) = edit.insert
    assert item.before == original
    assert {"name": "harness-r1-split-0", **{name: original[name] for name in ("matches", "filters")}} == {
        name: value for name, value in item.entry.items() if name != "backendRefs"
    }
    first, second = item.entry["backendRefs"]
    assert [("reviews-v1", 80), ("reviews-v3", 20)] == [(each["name"], each["weight"]) for each in (first, second)]
    marks = [each["filters"][0]["responseHeaderModifier"]["set"] for each in (first, second)]
    assert [[{"name": "x-harness-arm", "value": arm}] for arm in ("baseline", "canary")] == marks


def test_services_of_the_arms_are_made_where_they_are_missing_and_removed_again() -> None:
    """With the ports of the Service that is split, before the rule that leads to them."""
    resources = (http_route("reviews"), ALL)
    edits = API.split(resources, SPLIT)
    assert ["Service", "Service", "HTTPRoute"] == [edit.kind for edit in edits]
    made: Any = edits[1].create
    assert V3 == made["spec"]["selector"]
    assert [{"name": "http", "port": 9080, "targetPort": 8080}] == made["spec"]["ports"]
    after = applied_all(edits, resources, namespace="shop")
    assert len(after) == 4
    assert sorted(map(str, undone_all(edits, after, namespace="shop"))) == sorted(map(str, resources))


def test_only_test_traffic_is_split_by_header() -> None:
    """Each match gets the header; a rule without matches takes every path."""
    split = replace(SPLIT, test_headers={"x-test": {"prefix": "a.b"}})
    (rule,) = split_rules((http_route("reviews"), *BY_VERSION), split)
    assert [{"headers": [{"type": "RegularExpression", "name": "x-test", "value": "a\\.b.*"}]}] == rule["matches"]


def test_the_load_generator_chooses_the_arm_by_header() -> None:
    """One clone for each arm, each with a backend of its own and no weight."""
    rules = split_rules((http_route("reviews"), *BY_VERSION), replace(SPLIT, by=SplitBy.HEADER))
    assert ["harness-r1-split-0", "harness-r1-split-1"] == [rule["name"] for rule in rules]
    assert [["reviews-v1"], ["reviews-v3"]] == [[each["name"] for each in rule["backendRefs"]] for rule in rules]
    assert ["baseline", "canary"] == [rule["matches"][0]["headers"][0]["value"] for rule in rules]
    assert all("weight" not in rule["backendRefs"][0] for rule in rules)


def test_copies_are_sent_by_mirror() -> None:
    """The baseline answers; the canary gets its share of copies."""
    (rule,) = split_rules((http_route("reviews"), *BY_VERSION), replace(SPLIT, by=SplitBy.MIRROR))
    assert ["reviews-v1"] == [each["name"] for each in rule["backendRefs"]]
    (mirror,) = [each["requestMirror"] for each in rule["filters"] if each["type"] == "RequestMirror"]
    assert {"name": "reviews-v3", "port": 9080} == mirror["backendRef"]
    assert {"numerator": 200_000, "denominator": 1_000_000} == mirror["fraction"]


def test_the_arm_is_added_to_the_baggage_that_the_rule_sets() -> None:
    """A backend may have one filter that changes requests, so the one that is there is extended."""
    own = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "Baggage", "value": "x=1"}]}}
    route = http_route("reviews", {"backendRefs": [backend("reviews", filters=[own])]})
    (rule,) = split_rules((route, *BY_VERSION), replace(SPLIT, arm_in_baggage=True))
    filters = rule["backendRefs"][1]["filters"]
    assert ["RequestHeaderModifier", "ResponseHeaderModifier"] == sorted(each["type"] for each in filters)
    assert [{"name": "baggage", "value": "x=1,harness.arm=canary"}] == filters[0]["requestHeaderModifier"]["set"]


ADMIN = {"matches": [{"headers": [{"name": "x-admin", "value": "1"}]}], "backendRefs": [backend("admin")]}


@pytest.mark.parametrize(
    ("resources", "split", "words"),
    [
        ((ALL,), SPLIT, "expected an HTTPRoute that routes it, found none"),
        ((http_route("reviews"), http_route("reviews"), ALL), SPLIT, "expected one HTTPRoute for reviews, found"),
        (
            (http_route("reviews"),),
            SPLIT,
            "expected a Service with this name, found none: the ports of the arms are unknown",
        ),
        ((http_route("reviews", ADMIN), *BY_VERSION), SPLIT, "has no rule that leads to it"),
        (
            (http_route("reviews", {"backendRefs": [backend("reviews"), backend("other")]}), *BY_VERSION),
            SPLIT,
            "sends to other.shop.svc.cluster.local too",
        ),
        (
            (
                http_route("reviews", {"backendRefs": [backend("reviews"), backend("p", kind="InferencePool")]}),
                *BY_VERSION,
            ),
            SPLIT,
            "sends to something that is no Service too",
        ),
        (
            (http_route("reviews", {"backendRefs": [backend("reviews")]}, ADMIN), *BY_VERSION),
            replace(SPLIT, test_headers={"x-test": {"exact": "1"}}),
            "which rule is more specific would change",
        ),
        (
            (http_route("reviews", *[{"backendRefs": [backend("reviews")]}] * 9), *BY_VERSION),
            SPLIT,
            "has 9 rules, and the run would add 9: an HTTPRoute may have 16",
        ),
        (
            (
                http_route("reviews", {"backendRefs": [backend("reviews"), backend("reviews-v9", port=1)]}),
                selecting("reviews-v9", app="reviews"),
                *BY_VERSION,
            ),
            SPLIT,
            "its backends differ in port or filters",
        ),
    ],
    ids=["none", "two", "no ports", "elsewhere", "mixed", "no Service", "headers", "too many", "differ"],
)
def test_what_cannot_be_split_is_refused_with_the_reason(resources: Any, split: Split, words: str) -> None:
    """Before anything is changed."""
    with pytest.raises(ResourceError, match=words):
        API.split(resources, split)


def test_arms_need_different_labels() -> None:
    """As with every routing API."""
    with pytest.raises(UsageError, match="different labels for the arms"):
        API.split((http_route("reviews"), *BY_VERSION), replace(SPLIT, canary=V1))


def test_a_route_at_a_gateway_is_found_by_gateway_and_service() -> None:
    """Routes of other Gateways, and routes that lead elsewhere, do not count."""
    bound = http_route("reviews", parentRefs=[{"name": "public", "namespace": "edge"}])
    for gateway, found in (("public", True), ("edge/public", True), ("shop/public", False), ("mesh", False)):
        route = API.governing((bound,), host="reviews", namespace="shop", gateway=gateway).route
        assert (route is not None) is found, gateway
    assert API.governing((bound,), host="ratings", namespace="shop", gateway="public").route is None


def test_a_time_out_is_set_on_every_rule() -> None:
    """The time-out of each attempt must not be longer than the one of the request, so a longer one goes."""
    rule = {"backendRefs": [backend("reviews")], "timeouts": {"request": "2s", "backendRequest": "1s"}}
    made = API.change((http_route("reviews", rule),), RouteChange(timeout_s=0.4), aim())
    assert isinstance(made, Edit)
    (item,) = made.insert
    assert ("harness-r1-fault-0-0", {"request": "400ms"}) == (item.name, item.entry["timeouts"])
    assert made.declared == aim().declared
    with pytest.raises(ResourceError, match="already has a timeout of 2s"):
        API.change((http_route("reviews", rule),), RouteChange(timeout_s=3.0), aim())


@pytest.mark.parametrize(
    ("change", "scope", "words"),
    [
        (
            RouteChange(delay_s=1.0),
            {},
            "HTTPRoutes have time-outs only: a delay or an abort can be injected in the called",
        ),
        (RouteChange(abort_status=503), {}, "HTTPRoutes have time-outs only"),
        (RouteChange(abort_grpc="UNAVAILABLE"), {}, "HTTPRoutes have time-outs only"),
        (RouteChange(retries=Retries(attempts=0)), {}, "HTTPRoutes have time-outs only"),
        (RouteChange(subset="gone"), {}, "HTTPRoutes have time-outs only"),
        (RouteChange(timeout_s=0.4, retries=Retries(attempts=0)), {}, "HTTPRoutes have time-outs only"),
        (RouteChange(timeout_s=0.4), {"labels": V1}, "cannot tell callers apart"),
        (PolicyChange(policy={}), {}, "has no field for it"),
    ],
)
def test_what_the_api_has_no_field_for_is_said_with_the_way_out(change: Any, scope: Any, words: str) -> None:
    """A VirtualService would be ignored where an HTTPRoute routes, so the answer is not another object."""
    made = GovernedRouting((IstioRouting(), API)).change((http_route("reviews"),), change, aim(**scope))
    if isinstance(change, PolicyChange):
        assert isinstance(made, Edit)
        assert made.kind == "DestinationRule"
    else:
        assert isinstance(made, NotExpressible)
        assert words in made.why
    own = API.change((http_route("reviews"),), change, aim(**scope))
    assert isinstance(own, NotExpressible)
    assert words in own.why


def test_a_policy_that_no_request_would_meet_is_refused() -> None:
    """The rules lead to Services of versions, and a DestinationRule for the host is about its own pods only."""
    route = http_route("reviews", {"backendRefs": [backend("reviews-v1"), backend("reviews-v3")]})
    both = GovernedRouting((IstioRouting(), API))
    made = both.change((route, *BY_VERSION), PolicyChange(policy={}), aim())
    assert isinstance(made, NotExpressible)
    assert "go to reviews-v1.shop.svc.cluster.local, reviews-v3.shop.svc.cluster.local" in made.why


def test_a_delay_goes_to_the_called_sides_proxies() -> None:
    """An EnvoyFilter works whatever routes the requests."""
    both = GovernedRouting((IstioRouting(), API))
    made = both.change((http_route("reviews"),), RouteChange(delay_s=1.0), aim(side="host"))
    assert isinstance(made, Edit)
    assert made.kind == "EnvoyFilter"


def test_services_that_a_policy_would_not_reach_are_refused() -> None:
    """A DestinationRule for the host says nothing about Services that the split makes."""
    both = GovernedRouting((IstioRouting(), API))
    rule = {"kind": "DestinationRule", "metadata": {"name": "r", "namespace": "shop"}, "spec": {"host": "reviews"}}
    with pytest.raises(ResourceError, match="DestinationRule r: defines how proxies connect to reviews"):
        both.split((http_route("reviews"), ALL, rule), SPLIT)
    assert 1 == len(both.split((http_route("reviews"), ALL, rule, *BY_VERSION), SPLIT))


def test_the_edit_shows_as_routes_and_clusters() -> None:
    """By the names of rules and of new Services, so a proof finds them in each proxy."""
    resources = (http_route("reviews"), ALL)
    edits = API.split(resources, SPLIT)
    shown = [API.footprint(edit, resources[0], namespace="shop") for edit in edits]
    assert [
        ("clusters", "|harness-r1-baseline.shop.svc.cluster.local"),
        ("clusters", "|harness-r1-canary.shop.svc.cluster.local"),
        ("routes", "harness-r1-split-0"),
    ] == [(trace.part, trace.name) for each in shown for trace in each.traces]
    assert {"x-harness-arm"} == shown[-1].marks
    assert 2 == len(shown[-1].destinations)


def test_requests_to_the_services_of_versions_count_for_the_service_that_callers_name() -> None:
    """With the version that the Service selects, where the proxies do not know it."""
    route = http_route("reviews", {"backendRefs": [backend("reviews-v1"), backend("reviews-v3")]})
    destinations = API.destinations((route, *BY_VERSION), namespace="shop")
    rows = [
        RequestCount(
            source_workload="a", source_version="", destination_service=f"{name}.shop.svc.cluster.local",
            destination_version=version, response_code="200", response_flags="-", total=total,
        )
        for name, version, total in (
            ("reviews-v1", "unknown", 5), ("reviews-v1", "v1", 7), ("reviews-v3", "", 2), ("ratings", "v1", 1)
        )
    ]  # fmt: skip
    found = {(row.destination_service, row.destination_version): row.total for row in attributed(rows, destinations)}
    assert found == {
        ("reviews.shop.svc.cluster.local", "v1"): 12,
        ("reviews.shop.svc.cluster.local", "v3"): 2,
        ("ratings.shop.svc.cluster.local", "v1"): 1,
    }
