"""The baseline must work in the steady phase: a broken build is no reference.

Faults may break both arms, so only the steady phases count. Without any, nothing else shows that the baseline works.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Plan
from harness.model.samples import BASELINE, Samples
from harness.model.units import format_percent


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Yield at most one objection for each steady phase, or for each judged phase of a run without steady ones."""
    judged = [phase for phase in evidence.phases if phase.kind.judged]
    steady = [phase for phase in judged if phase.kind is PhaseKind.STEADY]
    for phase in steady or judged:
        share = _failed(evidence.samples, phase)
        ceiling = plan.judge.baseline_error_ceiling
        if share > ceiling:
            yield Objection(
                text=f"the baseline fails {format_percent(share)} of its requests in the {phase.name} phase; expected "
                f"at most {format_percent(ceiling)} (judge.baseline-error-ceiling): a broken baseline is no reference; "
                "repair it, or compare with a build that works",
                no_reference=True,
            )


def _failed(samples: Samples, phase: Phase) -> float:
    """Return the share of the baseline's requests in a phase that failed, 0 without any."""
    requests = failed = 0
    for part in samples.parts():
        own = (part.due_s >= phase.start_s) & (part.due_s < phase.end_s) & (part.arm == BASELINE)
        requests += int(np.count_nonzero(own))
        failed += int(np.count_nonzero(own & part.failed))
    return failed / requests if requests else 0.0
