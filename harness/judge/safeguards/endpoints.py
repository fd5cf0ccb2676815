"""Object to an endpoint that is broken or missing in one arm only, however few requests it gets.

An objective about all requests tolerates an endpoint that always fails if it gets less of the load than the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.endpoints import broken, counts_of_samples, missing
from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan

_NAMED = 3


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one objection about endpoints that fail, and one about endpoints without requests of one arm."""
    counts = counts_of_samples(evidence.samples, evidence.phases)
    failing, absent = broken(counts), missing(counts)
    if failing:
        yield Objection(text=f"the canary fails requests that the baseline answers: {_listed(failing)}")
    if absent:
        yield Objection(
            text=f"the arms did not get the same requests: {_listed(absent)}; compare them under the same load"
        )


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return "; ".join(texts[:_NAMED]) + more
