"""A canary whose successful answers are empty or tiny, while the baseline's are not, does not do its work.

An empty answer or an error page with status 200 is fast and no error, so no other comparison sees it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY
from harness.model.units import format_percent

ENOUGH = 30
"""So many successful answers of each arm to an endpoint say something about the others."""
TINY, USUAL = 0.2, 0.05
"""A body is tiny if it has less than this share of the size that all but a few of the baseline's exceed."""
MOST, SIGMAS = 0.01, 6.0
"""The canary may give so many more tiny answers, as a share of all; and no objection is made within so much chance."""
_NAMED = 3


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Yield at most one objection, which names the endpoints. Bodies that were not recorded count as empty."""
    samples = evidence.samples
    if plan.sizes_may_differ or not samples.size.any():
        return
    judged = np.zeros(len(samples), bool)
    for phase in evidence.phases:
        if phase.kind.judged:
            judged |= (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
    judged &= (samples.status >= 200) & (samples.status < 300) & (samples.error == 0)
    found = []
    for number, name in enumerate(samples.operations):
        own = judged & (samples.operation == number)
        sizes = [samples.size[own & (samples.arm == arm)] for arm in (BASELINE, CANARY)]
        text = _tiny(sizes[BASELINE], sizes[CANARY])
        if text:
            found.append(f"{name}: {text}")
    if found:
        more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield Objection(
            text=f"the canary answers with less than the baseline: {'; '.join(found[:_NAMED])}{more}: does the canary "
            'do what it is for? If it should answer with less, say "sizes_may_differ": True in the load profile'
        )


def _tiny(baseline: NDArray[np.int32], canary: NDArray[np.int32]) -> str:
    """Return what is wrong with the sizes of the canary's bodies, or an empty text."""
    counts = len(baseline), len(canary)
    if min(counts) < ENOUGH:
        return ""
    limit = max(TINY * float(np.quantile(baseline, USUAL)), 1.0)
    shares = [float((each < limit).mean()) for each in (baseline, canary)]
    pooled = (shares[BASELINE] * counts[0] + shares[CANARY] * counts[1]) / sum(counts)
    error = math.sqrt(pooled * (1 - pooled) * (1 / counts[0] + 1 / counts[1]))
    if shares[CANARY] - shares[BASELINE] <= max(MOST, SIGMAS * error):
        return ""
    size = "are empty" if int(canary[canary < limit].max()) <= 0 else f"have less than {math.ceil(limit)} bytes"
    return (
        f"{format_percent(shares[CANARY])} of the canary's successful answers {size}, of the baseline's "
        f"{format_percent(shares[BASELINE])}"
    )
