"""The baseline must work in the steady phase: a broken build is no reference.

Faults may break both arms, so only the steady phases count. Without any, nothing else shows that the baseline works.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.phase import PhaseKind
from harness.model.record import Plan
from harness.model.samples import BASELINE
from harness.model.units import format_percent


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Yield at most one objection for each steady phase, or for each judged phase of a run without steady ones."""
    samples = evidence.samples
    judged = [phase for phase in evidence.phases if phase.kind.judged]
    steady = [phase for phase in judged if phase.kind is PhaseKind.STEADY]
    for phase in steady or judged:
        own = (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s) & (samples.arm == BASELINE)
        share = float(samples.failed[own].mean()) if own.any() else 0.0
        ceiling = plan.judge.baseline_error_ceiling
        if share > ceiling:
            yield Objection(
                text=f"the baseline fails {format_percent(share)} of its requests in the {phase.name} phase; expected "
                f"at most {format_percent(ceiling)} (judge.baseline-error-ceiling): a broken baseline is no reference; "
                "repair it, or compare with a build that works",
                no_reference=True,
            )
