"""Proof that the arms are two different things: their endpoints differ, and each arm's own endpoints got its requests.

A mark on an answer says which arm a route meant. It does not say who answered: two names can lead to one process, and
a cluster of a proxy can lead to the endpoints of the other arm.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.record import Record
from harness.model.samples import ARMS
from harness.model.split import SplitBy
from harness.model.verdict import Proof

_REACHED = 0.9
"""The share of an arm's answers that must have come from its own endpoints; retries and edges explain the rest."""
_NAME = "arms differ"
_REMEDY = "see the addresses in harness.yaml, and the subsets and endpoints of the service under test"


def arms_differ(record: Record) -> Iterator[Proof]:
    """At most one proof for each way in which the arms could be one; none where the mesh counts no endpoints."""
    endpoints = record.endpoint_requests
    if not endpoints or record.plan.split_by is SplitBy.MIRROR:
        return
    shared = sorted(set(endpoints.get(ARMS[0], {})) & set(endpoints.get(ARMS[1], {})))
    if shared:
        yield Proof(
            name=_NAME,
            held=False,
            expected="different endpoints for baseline and canary",
            observed=f"both arms are {', '.join(shared)}",
            remedy=_REMEDY,
        )
        return
    aborted = record.proxy_requests.get("", 0)
    for number, arm in enumerate(ARMS):
        own = endpoints.get(arm, {})
        answered = int(((record.samples.arm == number) & (record.samples.status > 0)).sum())
        reached = sum(own.values())
        if answered:
            yield Proof(
                name=f"{_NAME}, {arm}",
                held=reached >= _REACHED * (answered - aborted),
                expected=(
                    f"the {answered} answers of the {arm} from its own endpoints ({', '.join(own) or 'none known'})"
                ),
                observed=f"{reached} requests reached them",
                remedy=_REMEDY,
            )
