"""Requests to the API server are repeated while that is useful; the tests set the clock."""

from __future__ import annotations

import pytest

from harness.clients.kubernetes.retry import retry
from harness.errors import ClusterConflict, ClusterError, ClusterForbidden, ClusterUnreachable


class Clock:
    """A clock that moves only in sleep."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.waits_s: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Move the clock without waiting."""
        self.waits_s.append(seconds)
        self.now_s += seconds


def tried(error, *, failures, patience_s, clock):
    """Retry work that fails a number of times. Return its result, the number of calls and the reported texts."""
    calls, told = [], []

    def work():
        calls.append(clock.now_s)
        if len(calls) <= failures:
            raise error
        return "done"

    try:
        result = retry(work, patience_s=patience_s, tell=told.append, clock=lambda: clock.now_s, sleep=clock.sleep)
    except ClusterError as last:
        result = last
    return result, len(calls), told


@pytest.mark.parametrize("error", [ClusterConflict("409"), ClusterForbidden("403"), ClusterUnreachable("503")], ids=str)
def test_trouble_is_tried_again_until_it_is_over(error):
    """The result of the first successful call is returned; a failure is reported once, with a count."""
    result, calls, told = tried(error, failures=3, patience_s=30, clock=Clock())
    assert ("done", 4) == (result, calls)
    assert [f"{error}; trying again for 30 s", f"the same 2 more times: {error}"] == told


def test_an_invalid_request_is_not_tried_again():
    """A request that the server refuses as invalid would be refused the next time too."""
    clock, error = Clock(), ClusterError("400")
    assert (error, 1, []) == tried(error, failures=9, patience_s=30, clock=clock)
    assert [] == clock.waits_s


def test_the_last_error_is_raised_within_the_patience():
    """No wait exceeds the given time."""
    clock, error = Clock(), ClusterUnreachable("503")
    result, calls, _ = tried(error, failures=10**6, patience_s=20, clock=clock)
    assert error is result
    assert 20 >= clock.now_s > 17
    assert calls > 10


def test_a_missing_right_is_tried_again_for_a_minute_only():
    """After a minute an API server has read its Roles, so the right is really missing."""
    clock = Clock()
    tried(ClusterForbidden("403"), failures=10**6, patience_s=600, clock=clock)
    assert 60 >= clock.now_s > 57


def test_waits_grow_and_are_spread():
    """The upper limit of the waits doubles from 50 ms to 2 s, and clients do not wait in step."""
    clock = Clock()
    tried(ClusterConflict("409"), failures=12, patience_s=600, clock=clock)
    limits_s = [min(0.05 * 2**number, 2.0) for number in range(12)]
    assert all(wait_s <= limit_s for wait_s, limit_s in zip(clock.waits_s, limits_s, strict=True))
    assert len(set(clock.waits_s)) == 12


def test_an_interrupt_passes():
    """Ctrl-C ends the retries at once."""
    with pytest.raises(KeyboardInterrupt):
        tried(KeyboardInterrupt(), failures=1, patience_s=30, clock=Clock())
