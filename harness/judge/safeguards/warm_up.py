"""The warm-up is not judged, but a canary that fails there while its baseline works is told.

Failures while a build starts may be what its users get at the next release.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.phase import PhaseKind
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY
from harness.model.units import format_percent

ENOUGH = 20
MORE = 0.05
"""So much more of its requests must the canary fail than the baseline, as a share."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one remark for each warm-up."""
    samples = evidence.samples
    for phase in evidence.phases:
        if phase.kind is not PhaseKind.WARM_UP:
            continue
        inside = (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
        failed = [samples.failed[inside & (samples.arm == arm)] for arm in (BASELINE, CANARY)]
        if min(map(len, failed)) < ENOUGH:
            continue
        shares = [float(each.mean()) for each in failed]
        if shares[CANARY] - shares[BASELINE] > MORE:
            yield Objection(
                text=f"the canary fails {format_percent(shares[CANARY])} of its requests in the {phase.name} phase, "
                f"the baseline {format_percent(shares[BASELINE])}: this phase is not judged, but users may get "
                "the same while the build starts",
                decides=False,
            )
