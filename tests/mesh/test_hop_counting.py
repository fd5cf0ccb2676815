"""Envoy's statistics tell what each workload calls, and they agree with what Prometheus scrapes."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from mesh_world import World, routes

from harness.clients.http import http_get
from harness.clients.processes.child import wait_until
from harness.clients.prometheus_text import parse_samples
from harness.mesh.cluster.hop_counting import PATH, HopCounter
from harness.model.hops import HopTotal
from harness.runner.hop_log import grown


def new(world: World, before: tuple[HopTotal, ...]) -> dict[tuple[str, str, str], HopTotal]:
    """What was counted since, by caller, called service and version."""
    return {
        (hop.caller, hop.destination.split(".")[0], hop.version): hop for hop in grown(before, world.mesh.hop_totals())
    }


def test_calls_errors_and_latencies_are_counted_by_hop(world: World) -> None:
    """Injected failures are no errors of the hop; an injected delay is part of its latency."""
    world.serve(
        routes(
            """
            - match: [{headers: {x-abort: {}}}]
              fault: {abort: {httpStatus: 500, percentage: {value: 100}}}
              route: [{destination: {host: ratings}}]
            - match: [{headers: {x-delay: {}}}]
              fault: {delay: {fixedDelay: 100ms, percentage: {value: 100}}}
              route: [{destination: {host: ratings}}]
            - route: [{destination: {host: ratings}}]
            """,
            host="ratings",
        )
    )
    before = world.mesh.hop_totals()
    world.times(3, "ratings", caller="reviews-v2")
    world.times(2, "ratings", caller="reviews-v2", headers={"x-want-status": "503"})
    world.times(2, "ratings", caller="reviews-v2", headers={"x-delay": "1"})
    world.times(4, "ratings", caller="reviews-v3", headers={"x-abort": "1"})
    found = new(world, before)
    own = found["reviews-v2", "ratings", "v1"]
    assert (7, 2, 2) == (own.calls, own.errors, own.injected)
    assert 7 == sum(own.latency_ms.values()) == sum(own.size_bytes.values())
    assert {200: 5, 503: 2} == own.statuses
    assert 2 == sum(count for (low, _), count in own.latency_ms.items() if 90 <= low < 200)
    aborted = found["reviews-v3", "ratings", ""]
    assert (4, 0, 4) == (aborted.calls, aborted.errors, aborted.injected)
    assert ("reviews", "v3") == (aborted.app, aborted.caller_version)


def test_a_call_that_its_caller_gives_up_is_no_fast_answer(world: World) -> None:
    """Envoy gives it the status 0 and the time until then, which can be 0 ms."""
    world.serve("")
    before, parts = world.mesh.hop_totals(), urlsplit(world.mesh.url("reviews-v2", "ratings"))

    def given_up() -> int:
        with socket.create_connection((parts.hostname, parts.port)) as call:
            call.sendall(b"GET / HTTP/1.1\r\nHost: ratings\r\nx-want-delay: 1\r\n\r\n")
        hops = [one for one in grown(before, world.mesh.hop_totals()) if one.caller == "reviews-v2"]
        assert all(sum(one.given_up_ms.values()) == one.statuses.get(0, 0) for one in hops)
        assert all(sum(one.latency_ms.values()) == one.calls for one in hops)
        return sum(one.statuses.get(0, 0) for one in hops)

    assert wait_until(lambda: given_up() > 0, timeout_s=60)


def test_the_proxys_own_retries_are_counted_as_attempts(world: World) -> None:
    """A call that the proxy sends three times is one call and three attempts."""
    world.serve(
        routes(
            """
            - retries: {attempts: 2, retryOn: 5xx, perTryTimeout: 1s}
              route: [{destination: {host: ratings}}]
            """,
            host="ratings",
        )
    )
    before = world.mesh.hop_totals()
    world.get("ratings", caller="reviews-v2")
    world.get("ratings", caller="reviews-v2", headers={"x-want-status": "500"})
    hop = new(world, before)["reviews-v2", "ratings", "v1"]
    assert (2, 4, 1) == (hop.calls, hop.attempts, hop.errors)


def test_the_metrics_of_istio_tell_the_same_as_envoys_own(world: World) -> None:
    """A cluster's sidecars show only the former: calls, errors, statuses, attempts and latencies by destination."""
    counter = HopCounter("loadgenerator", "loadgenerator")

    def shown() -> dict[tuple[str, str, str], HopTotal]:
        url = f"{world.mesh.metrics_url}?{PATH.partition('?')[2]}"
        http_get(url, timeout_s=10)  # makes Envoy merge the histograms of its threads for the next answer
        page = parse_samples(http_get(url, timeout_s=10).decode())
        return {(one.caller, one.destination.split(".")[0], one.version): one for one in counter.read({"all": page})}

    world.serve("")
    world.get("ratings", caller="reviews-v2")
    before, first = world.mesh.hop_totals(), shown()
    world.times(3, "ratings", caller="reviews-v2")
    world.times(2, "ratings", caller="reviews-v2", headers={"x-want-status": "503"})
    own, key = new(world, before), ("reviews-v2", "ratings", "v1")
    (seen,) = grown([first[key]], [shown()[key]])
    assert (5, 2, {200: 3, 503: 2}) == (seen.calls, seen.errors, seen.statuses)
    assert own[key].attempts == seen.attempts
    assert own[key].statuses == seen.statuses
    assert 5 == sum(seen.latency_ms.values()) == sum(seen.size_bytes.values())
