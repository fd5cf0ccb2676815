"""Require that the canary's planned share of the requests was recorded, where a caller of arrays declares it.

Requests that are missing are often those that took too long, so what is left looks fast. In a run of the harness the
proofs of the split and of the load tell; arrays from elsewhere have only their counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.judge.endpoints import counts_of_samples
from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.samples import BASELINE, CANARY
from harness.model.units import format_percent

LEAST = 0.9
"""The canary must have so much of the requests that its share of the baseline's promises."""
SIGMAS = 6.0


def objections(evidence: Evidence, share: float | None) -> Iterator[Objection]:
    """Yield at most one objection. share: what the caller declares, in (0, 1), or None."""
    if share is None:
        return
    totals = counts_of_samples(evidence.samples, evidence.phases).totals
    baseline, canary = float(totals[BASELINE]), float(totals[CANARY])
    expected, everything = baseline * share / (1 - share), baseline + canary
    deviation = SIGMAS * math.sqrt(everything * share * (1 - share))
    if canary < LEAST * expected and canary < everything * share - deviation:
        yield Objection(
            text=f"the canary has {canary:,.0f} requests, {format_percent(canary / everything)} of all; expected "
            f"{format_percent(share)} (canary_share), about {expected:,.0f}: what is missing may have taken too long; "
            "find out where its requests are, or correct the share"
        )
