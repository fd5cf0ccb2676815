"""Count hits by the response flags that Envoy gives to the requests that a fault hits."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from harness.faults.port import Signals
from harness.model.counts import RequestCount
from harness.model.hit import Hit


def flagged(before: Signals, after: Signals, *flags: str) -> Hit:
    """Count the requests with one of the flags, and all requests of the window.

    Requests with a flag belong to the window whenever they end; requests without it are counted over the window
    itself.
    """
    hit = grown(before.rows, after.settled, lambda row: has_flag(row, *flags))
    passed = grown(before.rows, after.rows, lambda row: not has_flag(row, *flags))
    return Hit(hit=hit, requests=hit + passed)


def growth(before: int | None, after: int, *, most: int) -> int:
    """Return by how much a counter has grown, from 0 to ``most``; a proxy that was restarted begins at zero."""
    return min(max(after - (before or 0), 0), most)


def has_flag(row: RequestCount, *flags: str) -> bool:
    """Return whether the requests of the row have one of the flags."""
    return not set(flags).isdisjoint(row.response_flags.split(","))


def grown(before: Iterable[RequestCount], after: Iterable[RequestCount], counts: Callable[[RequestCount], bool]) -> int:
    """Return by how much the total of the rows that count has grown."""
    return sum(row.total for row in after if counts(row)) - sum(row.total for row in before if counts(row))
