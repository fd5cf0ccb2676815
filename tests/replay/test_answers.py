"""What a dependency answered is read from the hops of a record, without the calls that a fault hit."""

from dataclasses import replace
from random import Random

import pytest
from recorded import record

from harness.faults import abort, delay, retry_storm, timeout
from harness.model.hops import Hop
from harness.model.record import FaultCount
from harness.replay.answers import recorded_answers
from harness.replay.sampling import BinSampler, StatusSampler

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


def test_a_call_that_its_caller_gave_up_takes_longer_here_too():
    """Half of the calls ended after 400 ms without an answer, and some at once: no stand-in answers those so early."""
    waited = ((0.0, 1.0, 2), (400.0, 10.0, 5))
    hop = replace(
        STEADY,
        calls=14,
        errors=7,
        latency_ms=(*waited, (15.0, 1.0, 7)),
        given_up_ms=waited,
        statuses=((0, 7), (200, 7)),
    )
    found, answers = answers_of(hop)
    played = answers["steady", "canary"]
    assert ((200, 7),) == played.statuses
    (low, _, quick), (late_ms, _, late) = played.latency_ms
    assert (15.0, 820.0) == (low, late_ms)
    assert 14 * 7 / 12 == pytest.approx(quick)
    assert 14 * 5 / 12 == pytest.approx(late)
    assert "callers gave up 7 of 14 calls" in found.notes[-1]


def test_a_record_that_does_not_tell_how_long_callers_waited_is_named():
    """Older versions counted the calls that were given up, but not apart from how long the others took."""
    cut_off = replace(STEADY, calls=14, errors=7, latency_ms=((0.0, 1.0, 14),), statuses=((0, 7), (200, 7)))
    found, _ = answers_of(cut_off)
    assert "callers gave up 7 calls, and the record does not tell how long they waited" in found.notes[-1]
    found, _ = answers_of(replace(cut_off, given_up_ms=((0.0, 1.0, 7),)))
    assert not [note for note in found.notes if "does not tell" in note]


def test_a_service_for_which_nobody_waited_answers_too_late():
    """The stand-in of a service that hung does not fail for want of an answer, and is no faster than it was."""
    hung = ((250.0, 250.0, 10),)
    found, answers = answers_of(replace(STEADY, errors=10, latency_ms=hung, given_up_ms=hung, statuses=((0, 10),)))
    assert ((1000.0, 0.0, 10),) == answers["steady", "canary"].latency_ms
    assert 1000.0 == BinSampler(found.answers[0].latency_ms, Random(1)).draw()
    assert 200 == StatusSampler(found.answers[0].statuses, Random(1)).draw()


@pytest.mark.parametrize(
    ("fault", "own"),
    [
        (retry_storm("ratings", 3, per_try="14ms"), False),
        (timeout("ratings", "500ms"), False),
        (delay("ratings", "2s", percent=30, inbound=True), False),
        (abort("ratings", 503, percent=30), True),
    ],
    ids=str,
)
def test_a_fault_that_leaves_no_flag_on_calls_spoils_its_phase(fault, own):
    """The time of a call includes that of its retries, and nobody can tell the answers of the proxy from others."""
    declared = fault.declared("1")
    count = FaultCount(
        phase="fault", fault=declared.text, host=declared.host, caller="reviews-v3", arm="canary", requests=10, hit=4,
        dose=declared.dose, declared=declared,
    )  # fmt: skip
    during = replace(STEADY, phase="fault", latency_ms=((140.0, 10.0, 10),), statuses=((200, 6), (504, 4)))
    found = recorded_answers(record(hops=(STEADY, during), fault_counts=(count,)), "ratings")
    assert own == any(one.phase == "fault" for one in found.answers)
    assert own == (not found.notes)
