"""A canary whose successful answers are all empty, while the baseline's are not, does not do its work."""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY
from harness.model.units import format_percent

ENOUGH = 30
"""So many successful answers of each arm say something about the others."""
ALL, FEW = 0.99, 0.5
"""Shares of empty answers: of a canary that answers nothing, and of a baseline for which that is unusual."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one objection."""
    samples = evidence.samples
    answered = (samples.status >= 200) & (samples.status < 300)
    sizes = [samples.size[answered & (samples.arm == arm)] for arm in (BASELINE, CANARY)]
    if min(map(len, sizes)) < ENOUGH:
        return
    empty = [float((each == 0).mean()) for each in sizes]
    if empty[CANARY] >= ALL and empty[BASELINE] <= FEW:
        yield Objection(
            text=f"{format_percent(empty[CANARY])} of the canary's successful answers are empty, of the baseline's "
            f"{format_percent(empty[BASELINE])}: does the canary do what it is for?"
        )
