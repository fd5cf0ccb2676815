"""A harness notices that it was stopped for a while."""

import time

import pytest

from harness.clients.clock import steady_clock
from harness.runner.stall_detector import BLIND, StallDetector
from harness.runner.timeline import Timeline


class Clocks:
    """A steady clock and a wall clock that the test moves."""

    def __init__(self):
        self.now, self.wall = 1000.0, 1000.0
        self.timeline = Timeline(lambda: self.now, lambda _event: None)
        self.pulse = StallDetector(lambda: self.now, lambda: self.wall, self.timeline)

    def blind(self):
        """Return the seconds of each stall that was reported."""
        return [event.fields["seconds"] for event in self.timeline.events() if event.kind == BLIND]


@pytest.mark.parametrize(
    ("now_s", "wall_s", "blind"),
    [(1.0, 1.0, []), (2.5, 2.5, []), (11.0, 11.0, [10.0]), (1.0, 61.0, [60.0]), (1.0, -59.0, [60.0]), (9.0, 69.0, [8.0, 60.0])],
    ids=["in time", "a little late", "stopped", "asleep", "clock set back", "stopped and asleep"],
)  # fmt: skip
def test_a_look_that_comes_late_is_told_and_so_is_a_clock_that_jumped(now_s, wall_s, blind):
    """If only the process stops, the steady clock goes on; if the machine sleeps, only the wall clock does."""
    clocks = Clocks()
    clocks.now, clocks.wall = clocks.now + now_s, clocks.wall + wall_s
    clocks.pulse.beat(1.0)
    assert blind == clocks.blind()


def test_the_steady_clock_does_not_follow_a_wall_clock_that_is_set(monkeypatch):
    """It starts at the epoch time and then follows the monotonic clock."""
    clock = steady_clock()
    assert abs(clock() - time.time()) < 5
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock() > 1e9
