"""Make a distribution of delays from routes, each of which has one delay.

A route is chosen before its fault draws, so the routes must share the requests out among themselves. They do so by the
last two digits of ``x-request-id``: proxies give every request one, a random UUID, and services pass it on. Each delay
gets so many of the 256 buckets as its share needs, and the percentage of its fault makes the share exact.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.routing.port import DelayShare

REQUEST_ID = "x-request-id"
BUCKETS = 256
_DIGITS = "0123456789abcdef"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """Requests that may wait for ``delay_s``. regex: of their id. share: of these requests that wait, in (0, 1]."""

    delay_s: float
    regex: str
    share: float


def buckets(delays: Sequence[DelayShare]) -> Iterator[Bucket]:
    """Yield a bucket for each delay. The shares must not add up to more than 1.

    If rounding up would need more than 256 buckets, the last delays get less than their share, by 1/256 at most.
    """
    start = 0
    for index, delay in enumerate(delays):
        wanted = delay.share * BUCKETS
        later = len(delays) - index - 1
        size = min(max(1, math.ceil(wanted - 1e-9)), BUCKETS - start - later)
        yield Bucket(delay_s=delay.delay_s, regex=_regex(start, start + size), share=min(1.0, wanted / size))
        start += size


def _regex(start: int, end: int) -> str:
    """Return the expression for ids that end with a number from ``start`` up to, but without, ``end``."""
    parts = []
    for first in range(16):
        low, high = max(start, 16 * first), min(end, 16 * first + 16)
        if low < high:
            parts.append(f"{_DIGITS[first]}[{_DIGITS[low - 16 * first]}-{_DIGITS[high - 1 - 16 * first]}]")
    return f".*({'|'.join(parts)})"
