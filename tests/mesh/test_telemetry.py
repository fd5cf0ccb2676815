"""The proxies count requests under Istio's metric names."""

from __future__ import annotations

import urllib.request
from collections import Counter

import pytest
from mesh_world import SUBSETS, World, request, routes

from harness.clients.prometheus_text import parse_samples
from harness.model.counts import RequestCount

ISTIO_LABELS = {
    "reporter", "source_workload", "source_workload_namespace", "source_principal", "source_app", "source_version",
    "source_cluster", "source_canonical_service", "source_canonical_revision",
    "destination_workload", "destination_workload_namespace", "destination_principal", "destination_app",
    "destination_version", "destination_service", "destination_service_name", "destination_service_namespace",
    "destination_cluster", "destination_canonical_service", "destination_canonical_revision",
    "request_protocol", "response_code", "grpc_response_status", "response_flags", "connection_security_policy",
}  # fmt: skip
RATINGS = "ratings.default.svc.cluster.local"


def _new(world: World, before: tuple[RequestCount, ...]) -> dict[tuple[str, ...], int]:
    """Return the requests counted since: caller, service, version, status and flags to a number."""
    totals: Counter = Counter()
    for sign, rows in ((1, world.mesh.request_counts()), (-1, before)):
        for row in rows:
            if row.reporter == "endpoint":
                continue
            key = (
                row.source_workload,
                row.destination_service,
                row.destination_version,
                row.response_code,
                row.response_flags,
            )
            totals[key] += sign * row.total
    return {key: count for key, count in totals.items() if count}


def test_requests_are_counted_by_caller_version_status_and_flag(world: World) -> None:
    """A response counts for the version that sent it; an injected abort has no version, as in Istio."""
    world.serve(
        routes(
            """
            - match: [{headers: {x-abort: {}}}]
              fault: {abort: {httpStatus: 500, percentage: {value: 100}}}
              route: [{destination: {host: ratings}}]
            - match: [{headers: {x-delay: {}}}]
              fault: {delay: {fixedDelay: 50ms, percentage: {value: 100}}}
              route: [{destination: {host: ratings}}]
            - match: [{headers: {x-both: {}}}]
              fault:
                delay: {fixedDelay: 50ms, percentage: {value: 100}}
                abort: {httpStatus: 503, percentage: {value: 100}}
              route: [{destination: {host: ratings}}]
            - route: [{destination: {host: ratings}}]
            """,
            host="ratings",
        )
    )
    before = world.mesh.request_counts()
    world.times(3, "ratings", caller="reviews-v2")
    world.times(2, "ratings", caller="reviews-v3", headers={"x-want-status": "404"})
    world.times(4, "ratings", caller="reviews-v3", headers={"x-abort": "1"})
    world.get("ratings", caller="reviews-v3", headers={"x-delay": "1"})
    world.get("ratings", caller="reviews-v3", headers={"x-both": "1"})
    assert _new(world, before) == {
        ("reviews-v2", RATINGS, "v1", "200", "-"): 3,
        ("reviews-v3", RATINGS, "v1", "404", "-"): 2,
        ("reviews-v3", RATINGS, "unknown", "500", "FI"): 4,
        ("reviews-v3", RATINGS, "v1", "200", "DI"): 1,
        ("reviews-v3", RATINGS, "unknown", "503", "DI,FI"): 1,
    }


@pytest.mark.parametrize(
    "answer",
    [
        "directResponse: {status: 418}",
        "redirect: {uri: /x}",
        "match: [{uri: {exact: /nope}}]\n  directResponse: {status: 418}",
    ],
)
def test_a_proxys_own_response_counts_for_the_called_host(world: World, answer: str) -> None:
    """There is no cluster to name the service; Istio falls back to the Host, and so does this."""
    world.serve(routes(f"- {answer}"))
    before = world.mesh.request_counts()
    world.get("reviews")
    request(world.mesh.outbound("productpage-v1"), headers={"host": "reviews.default"})
    assert {(caller, service) for caller, service, *_ in _new(world, before)} == {
        ("loadgenerator", "reviews:9080"),
        ("productpage-v1", "reviews.default"),
    }


def test_grpc_is_recognised_by_its_content_type(world: World) -> None:
    """Istio's ``request_protocol`` and ``grpc_response_status`` of an aborted call."""
    world.serve(
        routes(
            """
        - fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}
          route: [{destination: {host: details}}]
        """,
            host="details",
        )
    )
    world.get("details", method="POST", headers={"content-type": "application/grpc+proto"}, body="x")
    world.get("details")
    with urllib.request.urlopen(world.mesh.metrics_url) as answer:
        labels = [
            item.labels for item in parse_samples(answer.read().decode()) if item.name == "envoy_istio_requests_total"
        ]
    found = [one for one in labels if one["destination_service_name"] == "details" and one["response_flags"] == "FI"]
    assert {(one["request_protocol"], one["grpc_response_status"]) for one in found} == {("grpc", "14"), ("http", "")}
    assert {one["destination_service_namespace"] for one in found} == {"unknown"}


def test_a_missing_endpoint_is_flagged_uh(world: World) -> None:
    """No healthy upstream: counted for the service, without a version."""
    world.serve(SUBSETS, routes("- route: [{destination: {host: reviews, subset: gone}}]"))
    before = world.mesh.request_counts()
    world.get("reviews")
    service = "reviews.default.svc.cluster.local"
    assert _new(world, before) == {("loadgenerator", service, "unknown", "503", "UH"): 1}


def test_metrics_have_istios_names_labels_and_buckets(world: World) -> None:
    """Only the leading ``envoy_`` differs from what a cluster's Prometheus scrapes."""
    world.get("ratings", caller="reviews-v2")
    with urllib.request.urlopen(world.mesh.metrics_url) as answer:
        samples = list(parse_samples(answer.read().decode()))
    total = next(
        item
        for item in samples
        if item.name == "envoy_istio_requests_total" and item.labels["source_workload"] == "reviews-v2"
    )
    assert set(total.labels) >= ISTIO_LABELS
    assert (total.labels["reporter"], total.labels["destination_service_name"]) == ("source", "ratings")
    assert (total.labels["destination_workload"], total.labels["source_version"]) == ("ratings-v1", "v2")
    bounds = {
        float(item.labels["le"]) for item in samples if item.name == "envoy_istio_request_duration_milliseconds_bucket"
    }
    istio = {
        0.5,
        1,
        5,
        10,
        25,
        50,
        100,
        250,
        500,
        1000,
        2500,
        5000,
        10000,
        30000,
        60000,
        300000,
        600000,
        1800000,
        3600000,
    }
    assert bounds == istio | {float("inf")}


def test_escaped_labels_are_read() -> None:
    """Quotes, backslashes and commas inside a label's value do not end it."""
    (sample,) = parse_samples('# TYPE a counter\na{x="1,\\"b\\"",y="\\\\n"} 3\n')
    assert (sample.name, sample.labels, sample.value) == ("a", {"x": '1,"b"', "y": "\\n"}, 3.0)
