"""What a dependency answered is read from the hops of a record, without the calls that a fault hit."""

from dataclasses import replace

from recorded import record

from harness.model.hops import Hop
from harness.replay.answers import recorded_answers

STEADY = Hop(
    phase="steady", arm="canary", caller="reviews-v3", destination="ratings.shop.svc.cluster.local", version="v1",
    calls=10, errors=1, latency_ms=((15.0, 1.0, 10),), size_bytes=((64.0, 1.0, 10),), statuses=((200, 9), (500, 1)),
)  # fmt: skip


def answers_of(*hops):
    """What ratings answered, by phase and arm."""
    found = recorded_answers(record(hops=hops), "ratings")
    return found, {(one.phase, one.arm): one for one in found.answers}


def test_answers_are_kept_by_phase_and_arm_and_for_all():
    """A request of an unknown arm, or in a phase without a record, has an answer too."""
    baseline = replace(STEADY, arm="baseline", latency_ms=((5.0, 1.0, 10),), statuses=((200, 10),), errors=0)
    found, answers = answers_of(STEADY, baseline, replace(STEADY, phase="fault", latency_ms=((90.0, 1.0, 10),)))
    assert {("steady", "canary"), ("steady", "baseline"), ("fault", "canary"), ("", "")} <= set(answers)
    assert ((200, 19), (500, 1)) == answers["steady", ""].statuses == answers["", ""].statuses
    assert ((5.0, 1.0, 10), (15.0, 1.0, 10)) == answers["", ""].latency_ms
    assert ((64.0, 1.0, 10),) == answers["fault", "canary"].size_bytes
    assert (True, (), 30) == (found.fine, found.notes, found.calls)


def test_calls_that_a_fault_hit_are_left_out():
    """What the proxy answered itself has no version; a delayed call that the service answered hides its own time."""
    aborted = replace(STEADY, phase="fault", version="", injected=4, latency_ms=((0.0, 1.0, 4),))
    _, answers = answers_of(STEADY, replace(STEADY, phase="fault"), aborted)
    assert ((15.0, 1.0, 10),) == answers["fault", "canary"].latency_ms
    delayed = replace(STEADY, phase="fault", injected=3, latency_ms=((15.0, 1.0, 7), (2000.0, 100.0, 3)))
    found, answers = answers_of(STEADY, delayed)
    assert ("fault", "canary") not in answers
    assert "a fault hit calls that it answered in fault" in found.notes[0]


def test_coarse_buckets_and_missing_statuses_are_told():
    """A cluster has classic histograms, and an old record no statuses."""
    found, answers = answers_of(replace(STEADY, latency_ms=((10.0, 15.0, 10),), statuses=()))
    assert not found.fine
    assert ((200, 9), (503, 1)) == answers["", ""].statuses
    assert ["exact to the bucket", "no statuses"] == [
        part for note in found.notes for part in ("exact to the bucket", "no statuses") if part in note
    ]


def test_a_service_that_nobody_called_has_no_answers():
    """It cannot be played."""
    assert recorded_answers(record(hops=(STEADY,)), "details") is None
    assert recorded_answers(record(hops=(replace(STEADY, version="", injected=10),)), "ratings") is None
