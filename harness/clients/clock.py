"""A clock for measuring: epoch seconds that nobody sets."""

from __future__ import annotations

import time
from collections.abc import Callable


def steady_clock() -> Callable[[], float]:
    """Epoch seconds as they are now, going on with the monotonic clock.

    The load generator times requests by the monotonic clock. Phases must go by the same one, or requests would be
    counted for another phase after the wall clock was set, or after a laptop slept (both stand still then).
    """
    zero = time.time() - time.monotonic()
    return lambda: zero + time.monotonic()
