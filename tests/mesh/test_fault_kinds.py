"""Each kind of fault on a real Envoy: it hits, it is gone afterwards, and a run notices when it has no effect."""

from __future__ import annotations

import dataclasses
import http.client
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from mesh_world import SUBSETS, Answer, World, routes
from proving import check_hits, check_without_effect, injected

from harness import (
    abort,
    bandwidth_limit,
    black_hole,
    body_reset,
    connection_limit,
    delay,
    grpc_abort,
    header_loss,
    latency,
    outlier_ejection,
    request_limit,
    retries_off,
    retry_storm,
    timeout,
)
from harness.errors import ResourceError
from harness.faults.port import Fault

ROUTES = routes("- name: all\n  route: [{destination: {host: reviews, subset: v1}}]")


def requests(world: World, count: int = 12, **headers: str) -> list[Answer]:
    """Some requests, one after the other."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return world.times(count, "reviews", headers=sent)


def crowd(world: World) -> list[Answer]:
    """Many requests at once, each of which takes a while."""
    with ThreadPoolExecutor(16) as callers:
        asked = [callers.submit(world.get, "reviews", headers={"x-want-delay": "0.2"}) for _ in range(32)]
        return [one.result() for one in asked]


def cut_off(world: World, count: int) -> None:
    """Requests whose answers have large bodies, which may not arrive whole."""
    for _ in range(count):
        with suppress(http.client.IncompleteRead):
            requests(world, 1, x_pad="y" * 4000)


def until_ejected(world: World) -> None:
    """Requests that fail, until nobody is left to send them to; Envoy's main thread ejects, a little later."""
    for _ in range(200):
        (answer,) = requests(world, 1, x_want_status="500")
        if answer.status == 503:
            return
        time.sleep(0.005)


Traffic = Callable[[World], object]
FAULTS: dict[str, tuple[Fault, Traffic]] = {
    "delay": (delay("reviews", "5ms"), requests),
    "latency": (latency("reviews", "2ms:60%, 20ms:40%"), lambda world: requests(world, 60)),
    "abort": (abort("reviews", 503), requests),
    "grpc_abort": (
        grpc_abort("reviews", "UNAVAILABLE"),
        lambda world: requests(world, content_type="application/grpc"),
    ),
    "timeout": (timeout("reviews", "20ms"), lambda world: requests(world, 3, x_want_delay="0.2")),
    "retry_storm": (retry_storm("reviews", 5), lambda world: requests(world, 3, x_want_status="500")),
    "black_hole": (black_hole("reviews"), requests),
    "bandwidth_limit": (bandwidth_limit("reviews", 16), lambda world: requests(world, 6, x_pad="y" * 4000)),
    "body_reset": (body_reset("reviews", "100ms"), lambda world: cut_off(world, 3)),
    "header_loss": (header_loss("reviews", "x-user"), lambda world: requests(world, x_user="jason")),
    "connection_limit": (connection_limit("reviews", 1), crowd),
    "request_limit": (request_limit("reviews", 1), crowd),
    "outlier_ejection": (outlier_ejection("reviews", 1), until_ejected),
}


@pytest.fixture
def shop(world: World) -> World:
    """Reviews has subsets, and one route that leads to v1."""
    world.serve(SUBSETS, ROUTES)
    return world


@pytest.mark.parametrize("kind", FAULTS)
def test_the_fault_hits_and_is_gone_afterwards(shop: World, kind: str) -> None:
    """Envoy counts what it hit, and nothing of it is left."""
    fault, traffic = FAULTS[kind]
    before = shop.mesh.resources()
    check_hits(shop, fault, lambda: traffic(shop))
    assert before == shop.mesh.resources()
    assert {200} == {answer.status for answer in requests(shop, 3)}


@pytest.fixture
def unreachable(shop: World) -> Iterator[World]:
    """Nobody listens at the address of reviews-v1."""
    services = shop.mesh._topology.services
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        moved = [
            dataclasses.replace(
                one, endpoints=tuple(dataclasses.replace(each, port=taken.getsockname()[1]) for each in one.endpoints)
            )
            for one in services
        ]
        shop.mesh.serve_from(moved)
        try:
            yield shop
        finally:
            shop.mesh.serve_from(services)


def test_without_retries_a_call_that_cannot_be_delivered_fails_at_once(
    unreachable: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the proxy tries again, which shows that the fault had no effect."""
    found = check_hits(unreachable, retries_off("reviews"), lambda: requests(unreachable, 4))
    assert 4 == found.hit == found.requests
    check_without_effect(unreachable, retries_off("reviews"), lambda: requests(unreachable, 4), monkeypatch)


def test_without_a_failure_nobody_knows_what_retries_would_have_done(shop: World, monkeypatch) -> None:
    """That is no pass."""
    check_without_effect(shop, retries_off("reviews"), lambda: requests(shop), monkeypatch)


def test_a_storm_multiplies_the_requests_that_arrive(shop: World) -> None:
    """Five retries of three calls make eighteen; the proxy counts each call once."""
    found = check_hits(shop, retry_storm("reviews", 5), lambda: requests(shop, 3, x_want_status="500"))
    assert (3, 3, "6.0 attempts per call") == (found.hit, found.requests, found.why)
    assert 18 == sum(shop.received.values())


def test_the_retries_of_before_are_no_storm(unreachable: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies send calls again by default; they gave up too early for a storm, which shows that it had no effect."""
    storm = retry_storm("reviews", 5)
    found = check_hits(unreachable, storm, lambda: requests(unreachable, 3))
    assert (3, 3, "6.0 attempts per call") == (found.hit, found.requests, found.why)
    check_without_effect(unreachable, storm, lambda: requests(unreachable, 3), monkeypatch)


def test_a_slow_attempt_is_sent_again(shop: World) -> None:
    """Each request is sent three times, whether the service had time to see the attempt or not."""
    storm = retry_storm("reviews", 2, per_try="20ms")
    before = sum(row.attempts for row in shop.mesh.request_counts())
    found = check_hits(shop, storm, lambda: requests(shop, 2, x_want_delay="0.3"))
    assert 2 == found.hit
    assert 6 == sum(row.attempts for row in shop.mesh.request_counts()) - before


def test_requests_wait_by_the_distribution(shop: World) -> None:
    """About 30 % of 100 wait for 60 ms, the others do not, and Envoy counts the ones that did."""
    answers: list[Answer] = []
    found = check_hits(shop, latency("reviews", "60ms:30%"), lambda: answers.extend(requests(shop, 100)))
    assert 3 <= found.hit <= 58  # six standard deviations
    # Envoy's timers go by the time of its last wake-up, so on a busy machine they are early by some milliseconds.
    assert sum(answer.seconds >= 0.03 for answer in answers) >= found.hit


def test_a_limit_reaches_a_subset_with_a_policy_of_its_own(world: World) -> None:
    """The policy of a subset replaces the one of the rule, so the limit is set in both."""
    own = "trafficPolicy: {connectionPool: {http: {http2MaxRequests: 1000}}}"
    world.serve(
        SUBSETS.replace("{name: v1, labels: {version: v1}}", f"{{name: v1, labels: {{version: v1}}, {own}}}"), ROUTES
    )
    before = world.mesh.resources()
    check_hits(world, request_limit("reviews", 1), lambda: crowd(world))
    assert before == world.mesh.resources()


def test_a_header_is_lost_by_the_requests_that_carry_it(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are not hit; if none carries it, no verdict can rely on the fault."""
    loss = header_loss("reviews", "X-Want-Status")
    with injected(shop, loss):
        assert {200} == {answer.status for answer in requests(shop, 3, x_want_status="500")}
    assert {500} == {answer.status for answer in requests(shop, 3, x_want_status="500")}
    found = check_hits(shop, loss, lambda: [*requests(shop, 3, x_want_status="500"), *requests(shop, 4)])
    assert (3, 7) == (found.hit, found.requests)
    check_without_effect(shop, header_loss("reviews", "x-nobody"), lambda: requests(shop), monkeypatch)


def test_a_header_that_the_route_sets_cannot_be_lost(world: World) -> None:
    """It would arrive all the same. One that the route matches can."""
    route = "- match: [{headers: {x-user: {exact: jason}}}]\n  headers: {request: {set: {X-Level: gold}}}\n"
    world.serve(SUBSETS, routes(f"{route}  route: [{{destination: {{host: reviews, subset: v1}}}}]"))
    with (
        pytest.raises(ResourceError, match="sets the request header X-Level"),
        injected(world, header_loss("reviews", "x-level")),
    ):
        pytest.fail("must not be entered")
    found = check_hits(world, header_loss("reviews", "x-user"), lambda: requests(world, 3, x_user="jason"))
    assert 3 == found.hit


def test_nobody_is_left_when_the_black_hole_is_gone(shop: World) -> None:
    """Route and subset are removed in the right order: no request gets a 503 for a missing cluster."""
    with injected(shop, black_hole("reviews")):
        assert {503} == {answer.status for answer in requests(shop, 3)}
    assert {200} == {answer.status for answer in requests(shop, 20)}


def test_a_reset_comes_in_the_body(shop: World) -> None:
    """The caller has the headers and lacks some of the body; what comes after the fault is whole again."""
    with injected(shop, body_reset("reviews", "300ms")), pytest.raises(http.client.IncompleteRead) as raised:
        requests(shop, 20, x_pad="y" * 4000)  # on a busy machine the headers of some may be too late, which is a 504
    assert raised.value.expected
    assert [200] == [answer.status for answer in requests(shop, 1, x_pad="y" * 4000)]
