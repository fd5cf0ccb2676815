"""Whether a run was looked after all the time: a harness that was stopped, suspended or starved has not."""

from __future__ import annotations

from collections.abc import Callable

from harness.model.units import format_duration
from harness.runner.timeline import Timeline

BLIND = "blind"
"""The kind of event that tells of a moment in which nobody looked; its field ``seconds`` is how long."""
NOTED_S = 3.0
"""A look that comes later than this is told; how long a run may be blind is decided by a proof."""


class StallDetector:
    """Asked at each look after a run whether the look came when it should."""

    def __init__(self, now: Callable[[], float], wall: Callable[[], float], timeline: Timeline) -> None:
        """now: the run's clock. wall: one that goes on while the machine sleeps. Both in epoch seconds."""
        self._now, self._wall, self._timeline = now, wall, timeline
        self._last, self._ahead_s = now(), wall() - now()

    def start(self) -> None:
        """Looks are due from now on."""
        self._last, self._ahead_s = self._now(), self._wall() - self._now()

    def beat(self, planned_s: float) -> None:
        """A look that should come ``planned_s`` after the one before; one much later is noted."""
        now, ahead_s = self._now(), self._wall() - self._now()
        late_s, jump_s = now - self._last - planned_s, abs(ahead_s - self._ahead_s)
        self._last, self._ahead_s = now, ahead_s
        if late_s > NOTED_S:
            text = (
                f"nobody looked after the run for {format_duration(late_s)}: the harness was stopped or starved of CPU"
            )
            self._timeline.note(BLIND, text, seconds=round(late_s, 3))
        if jump_s > NOTED_S:
            text = f"the machine slept, or its clock was set by {format_duration(jump_s)}"
            self._timeline.note(BLIND, text, seconds=round(jump_s, 3))
