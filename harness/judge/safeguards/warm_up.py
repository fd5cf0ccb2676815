"""The warm-up is not judged, but a canary that fails there while its baseline works is told, and so is a silent arm.

Failures while a build starts may be what its users get at the next release.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Plan
from harness.model.samples import ARMS, BASELINE, CANARY, Samples
from harness.model.units import format_duration, format_percent

ENOUGH = 20
MORE = 0.05
"""So much more of its requests must the canary fail than the baseline, as a share."""
SILENT_S, WAITING = 2.0, 5
"""An arm is silent if it takes this much longer to answer than usual, while so many requests have waited for half of
that time."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one remark about failures, and one about the silence of each arm, for each warm-up."""
    samples = evidence.samples
    for phase in evidence.phases:
        if phase.kind is PhaseKind.WARM_UP:
            texts = (_failures(samples, phase), *(_silence(samples, phase, arm) for arm in (BASELINE, CANARY)))
            yield from (Objection(text=text, decides=False) for text in texts if text)


def _failures(samples: Samples, phase: Phase) -> str:
    """Say how much more often the canary failed than the baseline; an empty text if it did not."""
    inside = (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
    failed = [samples.failed[inside & (samples.arm == arm)] for arm in (BASELINE, CANARY)]
    if min(map(len, failed)) < ENOUGH:
        return ""
    shares = [float(each.mean()) for each in failed]
    if shares[CANARY] - shares[BASELINE] <= MORE:
        return ""
    return (
        f"the canary fails {format_percent(shares[CANARY])} of its requests in the {phase.name} phase, "
        f"the baseline {format_percent(shares[BASELINE])}: this phase is not judged, but users may get "
        "the same while the build starts"
    )


def _silence(samples: Samples, phase: Phase, arm: int) -> str:
    """Say for how long an arm answered nothing although requests waited; an empty text if it never did.

    Requests that the load generator itself sent late did not wait for the arm.
    """
    own = samples.where((samples.arm == arm) & (samples.status > 0))
    if not len(own):
        return ""
    answered_s, sent_s = np.sort(own.due_s + own.latency_s), own.due_s + own.late_s
    from_s = np.concatenate([[phase.start_s], answered_s[:-1]])
    began = (from_s >= phase.start_s) & (from_s < phase.end_s)
    longest = int(np.argmax(np.where(began, answered_s - from_s, 0.0)))
    start_s, end_s = float(from_s[longest]), float(answered_s[longest])
    usual_s = float(np.median(own.latency_s))
    waiting = int(np.count_nonzero((sent_s >= start_s) & (sent_s < end_s - usual_s - SILENT_S / 2)))
    if end_s - start_s < usual_s + SILENT_S or waiting < WAITING:
        return ""
    return (
        f"the {ARMS[arm]} answered nothing for {format_duration(end_s - start_s)} from {format_duration(start_s)} of "
        f"the run on, in the {phase.name} phase, while at least {waiting} requests waited: this phase is not judged, "
        "but users may wait as long while the build starts"
    )
