"""Injected delays and aborts: which requests they affect, how often, and which they do not."""

from __future__ import annotations

from collections import Counter

from mesh_world import SUBSETS, World, routes


def test_an_abort_answers_itself_and_the_service_never_sees_it(world: World) -> None:
    """All requests get the status and Envoy's text; nothing arrives."""
    world.serve(
        routes("""
        - fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
          route: [{destination: {host: reviews}}]
        """)
    )
    answers = world.times(5, "reviews")
    assert {(answer.status, answer.body) for answer in answers} == {(555, "fault filter abort")}
    assert sum(world.received.values()) == 0


def test_a_grpc_abort_is_a_200_with_the_status_in_a_header(world: World) -> None:
    """Callers by gRPC read the status by its number."""
    world.serve(
        routes("""
        - fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 100}}}
          route: [{destination: {host: reviews}}]
        """)
    )
    answer = world.get("reviews", headers={"content-type": "application/grpc"})
    assert (answer.status, answer.headers["grpc-status"]) == (200, "14")


def test_a_delay_holds_the_request_and_then_sends_it_on(world: World) -> None:
    """The answer is the service's, later."""
    world.serve(
        routes("""
        - fault: {delay: {fixedDelay: 300ms, percentage: {value: 100}}}
          route: [{destination: {host: reviews}}]
        """)
    )
    answer = world.get("reviews")
    assert answer.status == 200
    assert 0.15 <= answer.seconds


def test_the_deprecated_percent_of_a_delay_still_counts(world: World) -> None:
    """Older files write ``percent``."""
    world.serve(
        routes("""
        - fault: {delay: {fixedDelay: 200ms, percent: 100}}
          route: [{destination: {host: reviews}}]
        """)
    )
    assert world.get("reviews").seconds >= 0.1


def test_a_percentage_hits_that_share(world: World) -> None:
    """25 % of 400 requests are aborted, within what chance allows (six standard deviations)."""
    world.serve(
        routes("""
        - fault: {abort: {httpStatus: 503, percentage: {value: 25}}}
          route: [{destination: {host: reviews}}]
        """)
    )
    aborted = sum(answer.status == 503 for answer in world.times(400, "reviews"))
    assert 48 <= aborted <= 152


def test_a_percentage_of_zero_injects_nothing(world: World) -> None:
    """0 is a way to switch a fault off."""
    world.serve(
        routes("""
        - fault: {abort: {httpStatus: 503, percentage: {value: 0}}, delay: {fixedDelay: 5s, percentage: {value: 0}}}
          route: [{destination: {host: reviews}}]
        """)
    )
    assert {answer.status for answer in world.times(10, "reviews")} == {200}


def test_delay_and_abort_together_come_one_after_the_other(world: World) -> None:
    """An aborted request is delayed first."""
    world.serve(
        routes("""
        - fault:
            delay: {fixedDelay: 200ms, percentage: {value: 100}}
            abort: {httpStatus: 503, percentage: {value: 100}}
          route: [{destination: {host: reviews}}]
        """)
    )
    answer = world.get("reviews")
    assert answer.status == 503
    assert answer.seconds >= 0.1


def test_a_delay_is_paid_before_the_timeout_starts(world: World) -> None:
    """As in Istio the time-out holds for the rest of the way only."""
    world.serve(
        routes("""
        - fault: {delay: {fixedDelay: 600ms, percentage: {value: 100}}}
          timeout: 300ms
          route: [{destination: {host: reviews}}]
        """)
    )
    assert world.get("reviews").status == 200


def test_an_abort_is_not_retried(world: World) -> None:
    """Retries are for what the service answers."""
    world.serve(
        routes("""
        - fault: {abort: {httpStatus: 503, percentage: {value: 50}}}
          retries: {attempts: 5, retryOn: "5xx"}
          route: [{destination: {host: reviews}}]
        """)
    )
    statuses = Counter(answer.status for answer in world.times(100, "reviews"))
    assert 20 <= statuses[503] <= 80


def test_marks_of_route_and_destination_are_on_aborted_answers_too(world: World) -> None:
    """The destination is chosen before the fault, so its headers tell which arm a request would have gone to."""
    world.serve(
        SUBSETS,
        routes("""
        - fault: {abort: {httpStatus: 503, percentage: {value: 50}}}
          headers: {response: {set: {x-harness-fault: run/0}}}
          route:
          - destination: {host: reviews, subset: v1}
            weight: 50
            headers: {response: {set: {x-harness-arm: baseline}}}
          - destination: {host: reviews, subset: v2}
            weight: 50
            headers: {response: {set: {x-harness-arm: canary}}}
        """),
    )
    answers = world.times(120, "reviews")
    seen = Counter((answer.headers["x-harness-arm"], answer.status) for answer in answers)
    assert set(seen) == {("baseline", 200), ("baseline", 503), ("canary", 200), ("canary", 503)}
    assert {answer.headers["x-harness-fault"] for answer in answers} == {"run/0"}
    arms = {"reviews-v1": "baseline", "reviews-v2": "canary"}
    assert all(arms[item.workload] == item.headers["x-harness-arm"] for item in answers if item.status == 200)
