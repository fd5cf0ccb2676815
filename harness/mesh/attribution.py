"""Attribute requests to the Service that callers name, where a route sends them to another one for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.model.counts import RequestCount
from harness.routing.port import Destination

_UNKNOWN = ("", "unknown", "latest")
"""What Istio's metrics say of a workload without a version."""


def attributed(rows: Iterable[RequestCount], destinations: Sequence[Destination]) -> tuple[RequestCount, ...]:
    """Return the rows with the Service that callers name, and with the version that its destination selects."""
    moved = {one.name: one for one in destinations if one.name != one.host}
    totals: Counter[RequestCount] = Counter()
    for row in rows:
        to = moved.get(row.destination_service)
        if to is None:
            named = row
        else:
            version = to.version if row.destination_version in _UNKNOWN else row.destination_version
            named = replace(row, destination_service=to.host, destination_version=version)
        totals[replace(named, total=0)] += row.total
    return tuple(replace(row, total=total) for row, total in totals.items())
