"""Detect whether the harness was stopped, suspended or starved of CPU during a run.

While it stood still, no abort condition was checked and no phase could end on time.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.model.units import format_duration
from harness.runner.timeline import Timeline

BLIND = "blind"
"""The kind of the event that reports a stall; its field ``seconds`` is how long it took."""
NOTED_S = 3.0
"""A tick that is later than this is noted; a proof decides how long a run may stall."""


class StallDetector:
    """Compares the time of each tick of the run with the time when it was due."""

    def __init__(self, now: Callable[[], float], wall: Callable[[], float], timeline: Timeline) -> None:
        """now: the clock of the run. wall: a clock that goes on while the machine sleeps. Both return epoch seconds."""
        self._now, self._wall, self._timeline = now, wall, timeline
        self._last, self._ahead_s = now(), wall() - now()

    def start(self) -> None:
        """Expect ticks from now on."""
        self._last, self._ahead_s = self._now(), self._wall() - self._now()

    def beat(self, planned_s: float) -> None:
        """Note a stall if this tick comes much later than ``planned_s`` seconds after the one before."""
        now, ahead_s = self._now(), self._wall() - self._now()
        late_s, jump_s = now - self._last - planned_s, abs(ahead_s - self._ahead_s)
        self._last, self._ahead_s = now, ahead_s
        if late_s > NOTED_S:
            text = (
                f"the run was not supervised for {format_duration(late_s)}: the harness was stopped or starved of CPU"
            )
            self._timeline.note(BLIND, text, seconds=round(late_s, 3))
        if jump_s > NOTED_S:
            text = f"the machine slept, or its clock was set by {format_duration(jump_s)}"
            self._timeline.note(BLIND, text, seconds=round(jump_s, 3))
