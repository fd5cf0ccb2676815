"""What a dependency answered is read from spans, where nearly every call has one, and by operation."""

from dataclasses import replace
from itertools import count

import pytest
from recorded import load_report, record

from harness.model.hops import Hop
from harness.model.operations import operation_of
from harness.model.phase import Phase, PhaseKind
from harness.model.spans import Span
from harness.replay.answers import recorded_answers
from harness.replay.playing import Player
from harness.replay.sampling import quantile
from harness.replay.script import Script, StandIn
from harness.replay.span_answers import SIZE, span_answers

ZERO_S = 1_700_000_000
PHASES = (
    Phase(name="steady", kind=PhaseKind.STEADY, start_s=1.0, end_s=5.0),
    Phase(name="fault", kind=PhaseKind.FAULT, start_s=5.0, end_s=9.0),
)
IDS = count()


def calls(number, *, arm="canary", at_s=2.0, ms=20.0, path="/ratings/7", **changes):
    """The spans of so many requests: the arm's own work, and its call to ratings."""
    for _ in range(number):
        trace, start_ns = f"{next(IDS):032x}", int((ZERO_S + at_s) * 1e9)
        made = Span(
            trace_id=trace, span_id="2", parent_id="1", service="ratings", name=f"GET {path}", start_ns=start_ns,
            duration_ns=int(ms * 1e6), status=200, attributes={"version": "v1", SIZE: "64"},
        )  # fmt: skip
        yield replace(made, service="reviews", span_id="1", parent_id="", name="GET /reviews/7", arm=arm)
        yield replace(made, **changes)


def hop(number, *, arm="canary", phase="steady", **changes):
    """What the proxies counted of so many calls."""
    made = Hop(
        phase=phase, arm=arm, caller="reviews-v3", destination="ratings.shop.svc.cluster.local", version="v1",
        calls=number, latency_ms=((0.0, 100.0, number),), statuses=((200, number),), size_bytes=((9.0, 1.0, number),),
    )  # fmt: skip
    return replace(made, **changes)


def recorded(spans, hops=()):
    """A record of a load that began at ``ZERO_S``."""
    return record(
        spans=tuple(spans), hops=tuple(hops), phases=PHASES, load=replace(load_report(), started_at=float(ZERO_S))
    )


def test_spans_stand_for_all_calls_if_nearly_all_have_one():
    """They are exact, where a classic histogram knows the bucket only."""
    found = recorded_answers(recorded(calls(190), [hop(200)]), "ratings")
    answers = {(one.phase, one.arm): one for one in found.overall}
    assert pytest.approx(20.0, rel=1e-3) == quantile(answers["steady", "canary"].latency_ms, 0.5)
    assert (True, ((64.0, 0.0, 190),)) == (found.fine, answers["", ""].size_bytes)
    few = recorded_answers(recorded(calls(150), [hop(200)]), "ratings")
    assert (False, {100.0}) == (few.fine, {width for one in few.answers for _, width, _ in one.latency_ms})


def test_calls_that_a_fault_hit_are_told_by_their_flags():
    """So the fault phase has its own answers, where the histograms mix what was delayed with what was not."""
    spans = [
        *calls(100),
        *calls(100, at_s=6.0, ms=30.0),
        *calls(50, at_s=6.0, ms=2030.0, flags="DI"),
        *calls(50, at_s=6.0, ms=1.0, status=503, flags="FI"),
    ]
    hops = [hop(100), hop(200, phase="fault", injected=100)]
    found = recorded_answers(recorded(spans, hops), "ratings")
    answers = {(one.phase, one.arm): one for one in found.overall}
    assert ((200, 100),) == answers["fault", "canary"].statuses
    assert pytest.approx(30.0, rel=1e-3) == quantile(answers["fault", "canary"].latency_ms, 0.99)
    assert not any("a fault hit calls" in note for note in found.notes)


@pytest.mark.parametrize("changes", [{"flags": "UF"}, {"status": 0}, {"attributes": {}}, {"service": "details"}])
def test_answers_of_proxies_and_calls_without_an_answer_are_left_out(changes):
    """They say nothing about the service."""
    assert {} == span_answers(recorded(calls(300, **changes)), "ratings")


def test_calls_in_no_judged_phase_are_left_out():
    """Such as those of the warm-up."""
    assert {} == span_answers(recorded(calls(300, at_s=0.5)), "ratings")


def test_answers_differ_by_operation_and_arm():
    """A stand-in answers each as recorded; an operation without enough spans gets what all of them have."""
    spans = [
        *calls(120),
        *calls(120, arm="baseline", ms=10.0),
        *calls(150, path="/ratings/7/history", ms=90.0, status=404),
        *calls(3, path="/rare", ms=500.0),
    ]
    found = recorded_answers(recorded(spans, [hop(2000, latency_ms=((5.0, 0.0, 2000),))]), "ratings")
    assert "ratings: answers by operation: GET /ratings/*, GET /ratings/*/history" in found.notes
    one = StandIn(name="r", health="/health", answers=found.answers)
    player = Player(Script(seed=1, stand_ins=(one,)))
    player.controlled("POST", "/phase/steady", {})
    answer = player.answering(one)

    def wait_ms(path, arm="canary"):
        return round(answer("GET", path, {"baggage": f"harness.arm={arm}"}).wait_s * 1000)

    assert (20, 10, 90) == (wait_ms("/ratings/1"), wait_ms("/ratings/2", "baseline"), wait_ms("/ratings/3/history"))
    assert 5 == wait_ms("/rare") == wait_ms("/unknown")
    assert b" 404 " in answer("GET", "/ratings/3/history", {}).head


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/ratings/7", "/ratings/*"),
        ("/api/v1/items/B00X4/parts", "/api/v1/items/*/parts"),
        ("/users/7f1c2f9e-3f4a-4a11-9d57-0c6d1b6a2f11", "/users/*"),
        ("/blobs/deadbeefcafe", "/blobs/*"),
        ("/en/products", "/en/products"),
        ("/", "/"),
    ],
)
def test_ids_in_paths_are_no_part_of_the_operation(path, expected):
    """Names with a digit, such as the version of an API, are."""
    assert f"GET {expected}" == operation_of("GET", path)
