"""Count hits by the response flag that Envoy gives to the requests that a fault hits."""

from __future__ import annotations

from collections.abc import Iterable

from harness.faults.port import Signals
from harness.model.counts import RequestCount
from harness.model.hit import Hit


def flagged(before: Signals, after: Signals, flag: str) -> Hit:
    """Count the requests with ``flag``, and all requests of the window.

    Requests with the flag belong to the window whenever they end; requests without it are counted over the window
    itself.
    """
    hit = _total(after.settled, flag, carried=True) - _total(before.rows, flag, carried=True)
    passed = _total(after.rows, flag, carried=False) - _total(before.rows, flag, carried=False)
    return Hit(hit=hit, requests=hit + passed)


def _total(rows: Iterable[RequestCount], flag: str, *, carried: bool) -> int:
    return sum(row.total for row in rows if (flag in row.response_flags.split(",")) is carried)
