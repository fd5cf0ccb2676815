"""The arms must be two different things: the same requests on both sides are one recording, not two builds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY, Samples

ENOUGH = 20
"""So many requests of two builds never have the same latencies by chance."""
SHARED, UNIQUE = 0.5, 0.99
"""Shares of the smaller arm's requests: in both arms at the same time with the same latency, and without a double in
its own arm, which tells precise times from rounded ones."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one objection: both arms hold the same requests, or one holds a part of the other's."""
    yield from tuple(_equal(evidence.samples)) or _part(evidence.samples)


def _part(samples: Samples) -> Iterator[Objection]:
    moments = [
        samples.due_s[arm] + 1j * samples.latency_s[arm] for arm in (samples.arm == BASELINE, samples.arm == CANARY)
    ]
    smaller = min(map(len, moments))
    if smaller < ENOUGH:
        return
    distinct = [np.unique(each) for each in moments]
    if any(len(own) < UNIQUE * len(each) for own, each in zip(distinct, moments, strict=True)):
        return
    shared = len(np.intersect1d(distinct[0], distinct[1], assume_unique=True))
    if shared > SHARED * smaller:
        yield Objection(
            text=f"{shared} of {smaller} requests are in both arms, at the same time and with the same latency: this "
            "is a part of one recording under two names; give the requests of the canary",
            no_reference=True,
        )


def _equal(samples: Samples) -> Iterator[Objection]:
    arms = [samples.arm == arm for arm in (BASELINE, CANARY)]
    count = int(arms[0].sum())
    if count < ENOUGH or count != int(arms[1].sum()):
        return
    rows = [np.lexsort((samples.latency_s[arm], samples.due_s[arm])) for arm in arms]
    for column in (samples.latency_s, samples.status):
        first, second = (column[arm][order] for arm, order in zip(arms, rows, strict=True))
        if not np.array_equal(first, second):
            return
    yield Objection(
        text=f"both arms hold the same {count} requests with the same latencies: this is one recording under two "
        "names; give the requests of the canary",
        no_reference=True,
    )
