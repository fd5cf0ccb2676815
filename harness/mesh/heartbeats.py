"""Tell a service that hangs from a machine that is too busy: one arm stops answering while the other one answers."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable

MISSES = 5
"""Checks in a row that an arm must miss, while the other arm answers each of them, before it counts as dead."""


class Heartbeats:
    """Counts the health checks that each workload missed in a row while another workload answered."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """now: returns seconds."""
        self._now = now
        self._missed: Counter[str] = Counter()
        self._answered_at: dict[str, float] = {}

    def silent(self, answers: Iterable[tuple[str, bool]]) -> str:
        """Return the workload that stopped answering, or an empty string.

        answers: the name of each workload and whether it answered the check just made. A check that no workload
        answered says something about the machine, so it counts for none of them.
        """
        seen = dict(answers)
        for name, answered in seen.items():
            if answered or name not in self._answered_at:
                self._answered_at[name] = self._now()
        if not any(seen.values()):
            self._missed.clear()
            return ""
        for name, answered in seen.items():
            self._missed[name] = 0 if answered else self._missed[name] + 1
        return next((name for name, missed in self._missed.items() if missed >= MISSES), "")

    def silent_s(self, name: str) -> float:
        """Return how many seconds ago a workload answered for the last time."""
        return self._now() - self._answered_at[name]
