"""Match conditions decide which requests a route takes."""

from __future__ import annotations

import pytest
from mesh_world import SUBSETS, World, request, routes

MATCHED = """
- match:
  - {condition}
  route: [{{destination: {{host: reviews, subset: v2}}}}]
- route: [{{destination: {{host: reviews, subset: v1}}}}]
"""


@pytest.mark.parametrize(
    ("condition", "meeting", "missing"),
    [
        ("uri: {exact: /a}", [("/a", {}), ("/a?q=1", {})], [("/a/", {}), ("/A", {}), ("/ab", {})]),
        ("uri: {prefix: /a}", [("/a", {}), ("/a/b", {}), ("/ab", {})], [("/b", {}), ("/A", {})]),
        ("uri: {regex: '/a[0-9]+'}", [("/a1", {}), ("/a12?x", {})], [("/a", {}), ("/a1/b", {}), ("/xa1", {})]),
        ("{uri: {prefix: /a}, ignoreUriCase: true}", [("/A/b", {}), ("/a", {})], [("/b", {})]),
        ("headers: {end-user: {exact: jason}}", [("/", {"End-User": "jason"})], [("/", {"end-user": "jasonx"}), ("/", {})]),
        ("headers: {end-user: {prefix: ja}}", [("/", {"end-user": "jason"})], [("/", {"end-user": "xja"})]),
        ("headers: {end-user: {regex: 'j.*n'}}", [("/", {"end-user": "jason"})], [("/", {"end-user": "jasonx"})]),
        ("headers: {end-user: {}}", [("/", {"end-user": "anybody"})], [("/", {})]),
        ("headers: {end-user: {regex: '*'}}", [("/", {"end-user": "anybody"})], [("/", {})]),
        ("headers: {a: {exact: '1'}, b: {exact: '2'}}", [("/", {"a": "1", "b": "2"})], [("/", {"a": "1"})]),
        ("withoutHeaders: {end-user: {exact: jason}}", [("/", {}), ("/", {"end-user": "x"})], [("/", {"end-user": "jason"})]),
        ("withoutHeaders: {end-user: {}}", [("/", {})], [("/", {"end-user": "x"})]),
        ("queryParams: {q: {exact: '1'}}", [("/?q=1", {}), ("/?a=b&q=1", {})], [("/?q=2", {}), ("/", {})]),
        ("queryParams: {q: {prefix: a}}", [("/?q=abc", {})], [("/?q=b", {})]),
        ("scheme: {exact: http}", [("/", {})], []),
        ("{uri: {prefix: /a}, headers: {x: {exact: y}}}", [("/a", {"x": "y"})], [("/a", {}), ("/b", {"x": "y"})]),
        ("authority: {exact: 'reviews:9080'}", [("/", {})], []),
        ("authority: {exact: 'other'}", [], [("/", {})]),
        ("headers: {':authority': {prefix: reviews}}", [("/", {})], []),
        ("withoutHeaders: {host: {prefix: reviews}}", [], [("/", {})]),
    ],
)  # fmt: skip
def test_a_match_takes_the_requests_that_meet_it_and_no_others(
    world: World, condition: str, meeting: list, missing: list
) -> None:
    """Requests that meet the condition go to v2, all others on to the next route."""
    world.serve(SUBSETS, routes(MATCHED.format(condition=condition)))
    assert [world.get("reviews", path, headers=headers).workload for path, headers in meeting] == ["reviews-v2"] * len(
        meeting
    )
    assert [world.get("reviews", path, headers=headers).workload for path, headers in missing] == ["reviews-v1"] * len(
        missing
    )


def test_a_method_match_looks_at_the_method(world: World) -> None:
    """Only the method named is taken."""
    world.serve(SUBSETS, routes(MATCHED.format(condition="method: {exact: POST}")))
    assert world.get("reviews", method="POST", body="x").workload == "reviews-v2"
    assert world.get("reviews", method="GET").workload == "reviews-v1"


def test_the_blocks_of_a_match_are_alternatives(world: World) -> None:
    """A request that meets any block is taken."""
    world.serve(
        SUBSETS,
        routes("""
        - match: [{uri: {exact: /a}}, {headers: {end-user: {exact: jason}}}]
          route: [{destination: {host: reviews, subset: v2}}]
        - route: [{destination: {host: reviews, subset: v1}}]
        """),
    )
    assert world.get("reviews", "/a").workload == "reviews-v2"
    assert world.get("reviews", "/b", headers={"end-user": "jason"}).workload == "reviews-v2"
    assert world.get("reviews", "/b").workload == "reviews-v1"


def test_source_labels_choose_the_caller(world: World) -> None:
    """A route with source labels holds for the calls of workloads that carry them, and for no others."""
    world.serve(
        routes(
            """
            - match: [{sourceLabels: {app: reviews, version: v3}}]
              fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
              route: [{destination: {host: ratings}}]
            - route: [{destination: {host: ratings}}]
            """,
            host="ratings",
        )
    )
    statuses = {v: world.get("ratings", caller=f"reviews-{v}").status for v in ("v1", "v2", "v3")}
    assert statuses == {"v1": 200, "v2": 200, "v3": 418}


def test_source_namespace_is_the_callers(world: World) -> None:
    """A route for another namespace's callers is not taken."""
    world.serve(SUBSETS, routes(MATCHED.format(condition="sourceNamespace: elsewhere")))
    assert world.get("reviews").workload == "reviews-v1"
    world.serve(SUBSETS, routes(MATCHED.format(condition="sourceNamespace: default")))
    assert world.get("reviews").workload == "reviews-v2"


def test_the_port_is_the_services(world: World) -> None:
    """A match on a port means the port of the service in the mesh."""
    world.serve(SUBSETS, routes(MATCHED.format(condition="port: 9080")))
    assert world.get("reviews").workload == "reviews-v2"
    world.serve(SUBSETS, routes(MATCHED.format(condition="port: 80")))
    assert world.get("reviews").workload == "reviews-v1"


def test_a_service_with_no_route_for_a_request_answers_404(world: World) -> None:
    """Where no route takes a request, Envoy answers 404, as in Istio."""
    world.serve(routes("- match: [{uri: {exact: /a}}]\n  route: [{destination: {host: reviews}}]"))
    assert world.get("reviews", "/b").status == 404


def test_without_routes_for_a_caller_the_service_stays_reachable(world: World) -> None:
    """A VirtualService all of whose routes are for other callers leaves the service to its default."""
    world.serve(routes("- match: [{sourceLabels: {app: nobody}}]\n  directResponse: {status: 418}"))
    assert world.get("reviews").status == 200


def test_without_resources_every_version_of_a_service_answers(world: World) -> None:
    """A host without a VirtualService routes to all endpoints."""
    assert {answer.workload for answer in world.times(40, "reviews")} == {"reviews-v1", "reviews-v2", "reviews-v3"}


@pytest.mark.parametrize(
    "name",
    [
        "reviews",
        "reviews:9080",
        "reviews.default",
        "reviews.default.svc",
        "reviews.default.svc.cluster.local",
        "reviews:80",
    ],
)
def test_every_way_to_write_a_service_reaches_it(world: World, name: str) -> None:
    """The listener of a workload selects the service by Host header, with or without a port."""
    world.serve(SUBSETS, routes("- route: [{destination: {host: reviews, subset: v2}}]"))
    answer = request(world.mesh.outbound("productpage-v1"), headers={"host": name})
    assert (answer.workload, answer.seen["headers"]["host"]) == ("reviews-v2", name)


def test_the_authority_is_the_host_that_was_called(world: World) -> None:
    """At the listener for all services a condition on the authority sees the Host as it was sent."""
    world.serve(SUBSETS, routes(MATCHED.format(condition="authority: {exact: reviews.default}")))
    answers = [
        request(world.mesh.outbound("productpage-v1"), headers={"host": h}) for h in ("reviews.default", "reviews")
    ]
    assert [answer.workload for answer in answers] == ["reviews-v2", "reviews-v1"]


def test_an_unknown_host_is_answered_502(world: World) -> None:
    """A host outside the mesh cannot be reached, as with REGISTRY_ONLY."""
    assert request(world.mesh.outbound("productpage-v1"), headers={"host": "example.org"}).status == 502


def test_a_service_called_by_its_url_sees_its_own_name(world: World) -> None:
    """The Host that arrives is the service's, as if it had been called by name."""
    assert world.get("reviews").seen["headers"]["host"] == "reviews:9080"


def test_a_host_of_the_callers_own_is_kept_at_the_url_of_a_service(world: World) -> None:
    """A workload that sends a Host of its own, such as that of a tenant, is seen with it, and routed by it."""
    world.serve(SUBSETS, routes(MATCHED.format(condition="authority: {prefix: tenant}")))
    hosts = ("tenant.example.com", "tenant.example.com:8080", "other.example.com", "reviews")
    answers = {host: world.get("reviews", headers={"host": host}) for host in hosts}
    assert {host: answer.seen["headers"]["host"] for host, answer in answers.items()} == {host: host for host in hosts}
    assert [answer.workload for answer in answers.values()] == ["reviews-v2", "reviews-v2", "reviews-v1", "reviews-v1"]
    assert "x-harness-call" not in answers["reviews"].seen["headers"]


def test_a_wildcard_host_holds_for_every_service_it_covers(world: World) -> None:
    """``*.default.svc.cluster.local`` is a host like any other."""
    world.serve("""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: all}
        spec:
          hosts: ["*.default.svc.cluster.local"]
          http: [{directResponse: {status: 418}}]
        """)
    assert [world.get(service).status for service in ("reviews", "ratings")] == [418, 418]
