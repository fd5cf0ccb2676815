"""Decide whether an arm left its tolerance under a fault, against its own steady phase. Pure functions.

The arm's requests of the steady phase are the baseline, and those of the probe are the canary, of the judge that gates
releases. Both begin at zero on one time axis; they were sent one after the other, so nothing that they share cancels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY, Samples, concatenated
from harness.model.verdict import Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one arm did under one amount.

    broke: whether it left a tolerance; None if that is not decided. requests: of the arm under the fault. failed: the
    share of them that failed. findings: one for each objective. waited_s: for how long each request waited for a CPU;
    None if that is not known. doubt: why what was found is not believed, or empty.
    """

    broke: bool | None
    requests: int
    failed: float
    findings: tuple[Finding, ...]
    waited_s: float | None = None
    doubt: str = ""

    @property
    def worst(self) -> Finding | None:
        """The finding that decided, or the first one."""
        order = {Verdict.FAIL: 0, Verdict.MARGINAL: 1, Verdict.INCONCLUSIVE: 2, Verdict.PASS: 3}
        return min(self.findings, key=lambda one: order[one.verdict], default=None)


def outcome(
    steady: Samples,
    probe: Samples,
    arm: int,
    objectives: Sequence[Objective],
    *,
    seconds: float,
    settings: JudgeSettings,
) -> Outcome:
    """Compare an arm under a fault with itself in the steady phase.

    steady, probe: samples of these phases only, with due times in seconds since the phase began. arm: ``BASELINE`` or
    ``CANARY``. seconds: the length of the probe.
    """
    first, second = (_only(samples, arm, seconds) for samples in (steady, probe))
    if not len(first) or not len(second):
        return Outcome(broke=None, requests=len(second), failed=0.0, findings=())
    both = concatenated([_as(first, BASELINE), _as(second, CANARY)])
    share = len(second) / len(both)
    phase = Phase(name="probe", kind=PhaseKind.STEADY, start_s=0.0, end_s=seconds)
    plan = Plan(
        scenario="probe",
        service="",
        target="",
        phases=(PhasePlan(name="probe", kind=PhaseKind.STEADY, duration_s=seconds),),
        objectives=tuple(objectives),
        canary_share=share,
        rate_rps=len(both) / seconds,
        seed=0,
        judge=settings,
    )
    evidence = Evidence(samples=both, phases=(phase,))
    analysis = SequentialJudge().judge(evidence, plan, now_s=seconds, final=True)
    verdicts = {finding.verdict for finding in analysis.findings if not finding.objective.muted}
    broke = True if Verdict.FAIL in verdicts else False if verdicts == {Verdict.PASS} else None
    return Outcome(broke=broke, requests=len(second), failed=float(second.failed.mean()), findings=analysis.findings)


def phase_samples(samples: Samples, window: Phase) -> Samples:
    """Return the samples that were due in a phase, with due times since it began."""
    inside = samples.where((samples.due_s >= window.start_s) & (samples.due_s < window.end_s))
    return replace(inside, due_s=inside.due_s - window.start_s)


def _only(samples: Samples, arm: int, seconds: float) -> Samples:
    return samples.where((samples.arm == arm) & (samples.due_s < seconds))


def _as(samples: Samples, arm: int) -> Samples:
    return replace(samples, arm=np.full(len(samples), arm, np.int8))
