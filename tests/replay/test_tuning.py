"""What a machine adds to the answers of a stand-in is measured by the proxies and taken off again."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from harness.model.hops import HopTotal
from harness.replay.answers import Recorded
from harness.replay.playing import taken_off
from harness.replay.sampling import BinSampler, quantile
from harness.replay.script import Answers
from harness.replay.tuning import FEWEST, SHARES, Tuning

RECORDED = tuple((12.0 + step / 2, 0.5, count) for step, count in enumerate((2, 8, 20, 30, 25, 15, 10, 6, 4, 2, 1)))


def tuning(latency_ms=((20.0, 0.0, 1),), overhead_ms=0.5, spoiled=()):
    """A tuning of ratings, which took this long in the record."""
    answers = Answers(statuses=((200, 1),), latency_ms=latency_ms)
    recorded = Recorded(service="ratings", answers=(answers,), fine=True, notes=())
    return Tuning({"ratings": recorded}, overhead_ms, spoiled=spoiled)


def total(latency_ms, **changes):
    """What the proxies have counted of calls to ratings so far."""
    made = HopTotal(
        caller="reviews-v2", caller_version="v2", app="reviews", destination="ratings", version="v1",
        calls=sum(latency_ms.values()), latency_ms=latency_ms,
    )  # fmt: skip
    return replace(made, **changes)


def off_ms(found, latency_ms=20.0):
    """What is taken off an answer."""
    return pytest.approx(taken_off(found["ratings"], latency_ms))


def test_quantiles_become_those_of_the_record_whatever_the_machine_adds():
    """A machine that adds 2 ms, and more to some answers, changes no quantile by more than 3 % after ten rounds."""
    tuned, draws, noise = tuning(RECORDED), BinSampler(RECORDED, Random(1)), Random(2)
    correction, seen = ((0.0, 0.5),), Counter()
    for _ in range(10):
        measured = []
        for latency in (draws.draw() for _ in range(1000)):
            wait = latency - taken_off(correction, latency)
            measured.append(wait + 2.0 + noise.expovariate(2.0))
        seen.update((int(value * 4) / 4, 0.25) for value in measured)
        correction = tuned.tuned([total(dict(seen))], "steady")["ratings"]
    measured.sort()
    found = [measured[int(share * len(measured))] / quantile(RECORDED, share) for share in SHARES]
    assert all(0.97 < one < 1.03 for one in found), found


def test_retries_make_no_answer_faster():
    """Calls take longer under them, and the service does not: what is right before the phase stays, and after it too."""
    answers = Answers(statuses=((200, 1),), latency_ms=((20.0, 0.0, 1),))
    recorded = Recorded(service="ratings", answers=(answers,), fine=True, notes=())
    tuned = Tuning({"ratings": recorded}, 0.5, spoiled={"ratings"})
    steady = {(23.0, 0.0): FEWEST}
    tuned.tuned([total(steady)], "steady")
    retried = {**steady, (60.0, 0.0): FEWEST}
    assert {} == tuned.tuned([total(retried)], "fault")
    after = {**retried, (20.0, 0.0): FEWEST}
    assert off_ms(tuned.tuned([total(after)], "recovery")) == 0.5 + 0.6 * 3.0


def test_a_correction_needs_enough_calls():
    """Those of earlier rounds count too."""
    tuned, few = tuning(), FEWEST - 40
    assert {} == tuned.tuned([total({(23.0, 0.0): few})], "warm-up")
    assert off_ms(tuned.tuned([total({(23.0, 0.0): few + 40})], "steady")) == 0.5 + 0.6 * 3.0


def test_an_answer_takes_some_time_and_is_never_slowed_down():
    """However much the machine adds, or however little."""
    assert off_ms(tuning().tuned([total({(900.0, 0.0): FEWEST})], "steady")) == 16.0
    assert off_ms(tuning().tuned([total({(1.0, 0.0): FEWEST})], "steady")) == 0.0


def test_calls_that_a_fault_hit_tell_nothing():
    """Their latency is that of the fault."""
    tuned, before = tuning(), total({(23.0, 0.0): FEWEST})
    tuned.tuned([before], "steady")
    late = {**before.latency_ms, (2000.0, 0.0): FEWEST}
    assert {} == tuned.tuned([total(late, injected=FEWEST)], "fault")
    assert {"ratings"} == set(tuned.tuned([total({**late, (23.0, 0.0): 3 * FEWEST}, injected=FEWEST)], "recovery"))


@pytest.mark.parametrize(("latency_ms", "expected"), [(5.0, 1.0), (10.0, 1.0), (15.0, 2.0), (20.0, 3.0), (99.0, 3.0)])
def test_a_correction_is_interpolated(latency_ms, expected):
    """In proportion between two latencies, and the same beyond the first and the last."""
    assert expected == taken_off(((10.0, 1.0), (20.0, 3.0)), latency_ms)


def test_equal_latencies_have_one_correction():
    """A record in which all calls took the same time has equal quantiles."""
    assert taken_off(((20.0, 1.0), (20.0, 2.0)), 20.0) in (1.0, 2.0)


def test_calls_that_were_given_up_do_not_look_fast():
    """A machine that made callers give up at once has not made the stand-in faster."""
    tuned, given_up = tuning(), {(0.0, 1.0): FEWEST}
    found = tuned.tuned([total({(23.0, 0.0): FEWEST, **given_up}, given_up_ms=given_up)], "steady")
    assert off_ms(found) == 0.5 + 0.6 * 3.0


def test_a_fault_without_a_flag_does_not_make_a_stand_in_faster():
    """The time of a call under a retry storm is that of all attempts; nothing of it is left when the fault is over."""
    tuned, first = tuning(spoiled={"ratings"}), {(23.0, 0.0): FEWEST}
    assert {"ratings"} == set(tuned.tuned([total(first)], "steady"))
    during = first | {(80.0, 0.0): FEWEST}
    assert {} == tuned.tuned([total(during)], "fault")
    last = during | {(80.0, 0.0): FEWEST + 50}
    assert {} == tuned.tuned([total(last)], "fault 2")
    assert {} == tuned.tuned([total(last | {(23.0, 0.0): 2 * FEWEST - 1})], "recovery")
