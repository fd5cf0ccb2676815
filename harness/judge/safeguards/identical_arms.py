"""The arms must be two different things: the same requests on both sides are one recording, not two builds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY

ENOUGH = 20
"""So many requests of two builds never have the same latencies by chance."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one objection: both arms hold the same requests."""
    samples = evidence.samples
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
