"""No endpoint may be broken or missing in one arm only, however few requests it gets.

An objective about all requests tolerates an endpoint that always fails if it gets less of the load than the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import ARMS, BASELINE, CANARY
from harness.model.units import format_percent

ENOUGH = 30
"""So many requests of an endpoint in each arm show a difference of ``MOST`` by chance once in 20,000 times."""
MOST = 0.5
"""The canary may not fail so much more of an endpoint's requests than the baseline, as a share of all of them."""
EXPECTED = 20.0
"""An arm that should have got so many requests of an endpoint has none by chance less than once in 10**8 times."""
_NAMED = 3


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one objection about endpoints that fail, and one about endpoints without requests of one arm."""
    samples = evidence.samples
    judged = np.zeros(len(samples), bool)
    for phase in evidence.phases:
        if phase.kind.judged:
            judged |= (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
    broken, missing = [], []
    totals = [int((judged & (samples.arm == arm)).sum()) for arm in (BASELINE, CANARY)]
    for number, name in enumerate(samples.operations):
        own = judged & (samples.operation == number)
        failed = [samples.failed[own & (samples.arm == arm)] for arm in (BASELINE, CANARY)]
        if min(map(len, failed)) >= ENOUGH and failed[CANARY].mean() - failed[BASELINE].mean() > MOST:
            shares = [format_percent(float(each.mean())) for each in (failed[CANARY], failed[BASELINE])]
            broken.append(f"{name}: {shares[0]} against {shares[1]}")
        for arm, other in ((BASELINE, CANARY), (CANARY, BASELINE)):
            expected = len(failed[other]) / max(totals[other], 1) * totals[arm]
            if not len(failed[arm]) and expected >= EXPECTED:
                missing.append(f"{name} has none of the {ARMS[arm]}")
    if broken:
        yield Objection(text=f"the canary fails requests that the baseline answers: {_listed(broken)}")
    if missing:
        yield Objection(
            text=f"the arms did not get the same requests: {_listed(missing)}; compare them under the same load"
        )


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
