"""Try again while the API server is in trouble, in conflict with others, or starting."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from harness.errors import ClusterConflict, ClusterForbidden, ClusterUnreachable

_FIRST_WAIT_S, _LONGEST_WAIT_S, _STARTING_S = 0.05, 2.0, 60.0
T = TypeVar("T")


def retry(work: Callable[[], T], *, patience_s: float, tell: Callable[[str], object]) -> T:
    """What ``work`` returns, tried again on conflict or trouble for ``patience_s`` seconds; then its last error.

    A lack of rights counts as trouble for a while: an API server that has just started denies everybody
    until it has read its Roles. tell: told of each failure before the next try.
    """
    started, wait_s = time.monotonic(), _FIRST_WAIT_S
    while True:
        try:
            return work()
        except (ClusterConflict, ClusterForbidden, ClusterUnreachable) as error:
            may_s = min(patience_s, _STARTING_S) if isinstance(error, ClusterForbidden) else patience_s
            left_s = started + may_s - time.monotonic()
            if wait_s > left_s:
                raise
            tell(f"{error}; trying again for {left_s:.0f} s")
        time.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries, guards nothing
        wait_s = min(wait_s * 2, _LONGEST_WAIT_S)
