"""A clock in epoch seconds that is not affected when the wall clock is set."""

from __future__ import annotations

import time
from collections.abc import Callable


def steady_clock() -> Callable[[], float]:
    """Return a clock that starts at the current epoch time and then advances with the monotonic clock.

    The load generator times requests with the monotonic clock. Phases must use the same clock: otherwise, after the
    wall clock is set or a laptop wakes from sleep (the monotonic clock stops during sleep), requests would be assigned
    to a wrong phase.
    """
    zero = time.time() - time.monotonic()
    return lambda: zero + time.monotonic()
