"""Traffic policies of DestinationRules: pools, ejection, balancing, and which policy takes precedence."""

from __future__ import annotations

import threading
from collections import Counter

from mesh_world import SUBSETS, World, routes, topology

from harness.clients.processes.child import wait_until
from harness.mesh.local.clusters import clusters, members
from harness.routing.istio import policies
from harness.routing.istio.reading import read_resources

V1_ONLY = "- retries: {attempts: 0}\n  route: [{destination: {host: reviews, subset: v1}}]"


def _rule(policy: str, subset_policy: str = "") -> str:
    own = f", trafficPolicy: {subset_policy}" if subset_policy else ""
    return f"""
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {{name: reviews}}
    spec:
      host: reviews
      trafficPolicy: {policy}
      subsets: [{{name: v1, labels: {{version: v1}}{own}}}]
    """


def _at_once(world: World, count: int) -> Counter:
    """Statuses of requests half a second long: one that has arrived, and then the others at the same time."""
    statuses: list[int] = []

    def call() -> None:
        statuses.append(world.get("reviews", headers={"x-want-delay": "0.5"}).status)

    threads = [threading.Thread(target=call) for _ in range(count)]
    threads[0].start()
    wait_until(lambda: sum(world.received.values()) > 0, timeout_s=60)
    for thread in threads[1:]:
        thread.start()
    for thread in threads:
        thread.join()
    return Counter(statuses)


def test_a_full_pool_answers_503(world: World) -> None:
    """One connection and one waiting request: of six at once two are served, the rest overflow (UO)."""
    pool = "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 1}}}"
    world.serve(_rule(pool), routes(V1_ONLY))
    before = _flagged(world, "UO")
    assert _at_once(world, 6) == {200: 2, 503: 4}
    assert _flagged(world, "UO") - before == 4


def test_a_limit_of_requests_holds_for_all_connections(world: World) -> None:
    """``http2MaxRequests`` bounds the requests under way, with HTTP/1 too."""
    world.serve(_rule("{connectionPool: {http: {http2MaxRequests: 2}}}"), routes(V1_ONLY))
    assert _at_once(world, 5) == {200: 2, 503: 3}


def test_a_subsets_policy_replaces_that_part_of_the_rules(world: World) -> None:
    """The subset's pool counts; without it the rule's would."""
    tight = "{connectionPool: {http: {http2MaxRequests: 1}}}"
    world.serve(_rule(tight, "{connectionPool: {http: {http2MaxRequests: 10}}}"), routes(V1_ONLY))
    assert _at_once(world, 4) == {200: 4}
    world.received.clear()
    world.serve(_rule(tight, "{loadBalancer: {simple: RANDOM}}"), routes(V1_ONLY))
    assert _at_once(world, 4) == {200: 1, 503: 3}


def test_settings_of_the_port_replace_all_others(world: World) -> None:
    """Port-level settings inherit nothing, as in Istio."""
    policy = """{connectionPool: {http: {http2MaxRequests: 1}},
                 portLevelSettings: [{port: {number: 9080}, loadBalancer: {simple: RANDOM}}]}"""
    world.serve(_rule(policy), routes(V1_ONLY))
    assert _at_once(world, 4) == {200: 4}


def test_an_endpoint_that_keeps_failing_is_ejected(world: World) -> None:
    """After three consecutive 5xx responses v1 gets no requests for the ejection time; the others still do."""
    world.serve("""
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {name: reviews}
        spec:
          host: reviews
          trafficPolicy:
            loadBalancer: {simple: ROUND_ROBIN}
            outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 100}
        """)
    bad = {"x-want-status": "500", "x-only-on": "reviews-v1"}
    first = Counter(answer.status for answer in world.times(9, "reviews", headers=bad))
    assert first[500] > 0

    def ejected() -> bool:  # by Envoy's main thread, which may be late
        world.received.clear()
        world.times(20, "reviews", headers=bad)
        return world.received["reviews-v1"] == 0

    assert wait_until(ejected, timeout_s=20)


def test_an_arm_loses_the_endpoint_that_the_other_arms_calls_ejected(world: World) -> None:
    """Both share one Envoy, which counts one ejection and not whose it was: so arms cannot be told apart here."""
    policy = (
        "{outlierDetection: {consecutive5xxErrors: 1, interval: 1s, baseEjectionTime: 300s, maxEjectionPercent: 100}}"
    )
    world.serve(_rule(policy).replace("reviews", "ratings"))
    assert 200 == world.get("ratings", caller="reviews-v2").status

    def ejected() -> bool:
        world.get("ratings", caller="reviews-v3", headers={"x-want-status": "500"})
        return world.get("ratings", caller="reviews-v2").status == 503

    assert wait_until(ejected, timeout_s=60)
    active = world.mesh._envoy.admin.stats("outlier_detection.ejections_active")
    assert [1] == [value for name, value in active.items() if "ratings" in name and value]
    assert not [name for name in active if "reviews-v3" in name]


def test_aborts_do_not_eject(world: World) -> None:
    """A response of the proxy itself does not count against the endpoint."""
    world.serve(
        _rule("{outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 30s, maxEjectionPercent: 100}}"),
        routes("""
        - match: [{headers: {x-abort: {}}}]
          fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
          route: [{destination: {host: reviews, subset: v1}}]
        - route: [{destination: {host: reviews, subset: v1}}]
        """),
    )
    assert {answer.status for answer in world.times(5, "reviews", headers={"x-abort": "1"})} == {503}
    assert world.get("reviews").status == 200


def test_a_limit_of_requests_per_connection_opens_new_ones(world: World) -> None:
    """Envoy accepts the policy and requests still succeed."""
    pool = """{connectionPool: {tcp: {connectTimeout: 300ms, idleTimeout: 5s, maxConnectionDuration: 10s,
               tcpKeepalive: {time: 10s, interval: 5s, probes: 3}},
               http: {maxRequestsPerConnection: 1, maxRetries: 3, idleTimeout: 4s}}}"""
    world.serve(_rule(pool), routes(V1_ONLY))
    assert {answer.status for answer in world.times(5, "reviews")} == {200}


def test_clusters_are_named_as_istiod_names_them(tmp_path) -> None:
    """The name contains host, port and subset; a subset holds the endpoints with its labels."""
    file = tmp_path / "rule.yaml"
    file.write_text(SUBSETS)
    made = clusters(members(read_resources([file]), topology({"reviews-v2": 1}).services, namespace="default"))
    endpoints = {item["name"]: len(item["load_assignment"]["endpoints"][0]["lb_endpoints"]) for item in made}
    assert {name: count for name, count in endpoints.items() if "reviews" in name} == {
        "outbound|9080||reviews.default.svc.cluster.local": 1,
        "outbound|9080|v1|reviews.default.svc.cluster.local": 0,
        "outbound|9080|v2|reviews.default.svc.cluster.local": 1,
        "outbound|9080|v3|reviews.default.svc.cluster.local": 0,
        "outbound|9080|gone|reviews.default.svc.cluster.local": 0,
    }


def test_defaults_are_istios() -> None:
    """No limits, ten seconds to connect, the least loaded endpoint first."""
    fields = policies.cluster_fields({})
    assert (fields["connect_timeout"], fields["lb_policy"]) == ("10s", "LEAST_REQUEST")
    assert fields["circuit_breakers"]["thresholds"][0]["max_connections"] == 2**32 - 1


def _flagged(world: World, flag: str) -> int:
    return sum(row.total for row in world.mesh.request_counts() if flag in row.response_flags.split(","))
