"""Judge a build that no running build can be compared with, as in the first release of a service.

Absolute limits are checked as ``LimitsJudge`` does. A tolerated difference, such as ``latency_p99 < +10%``, is applied
to the build itself: after a fault it must be back within the tolerance of its own steady phase. That comparison has no
statistics, so at worst it makes the run marginal, and a person decides. An objective with neither limit nor recovery
phase decides nothing; a run in which none decides is inconclusive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.judge.indicators import indicator_of
from harness.judge.limits import LimitsJudge
from harness.judge.port import Evidence
from harness.judge.time_series import Span, points_of
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Plan
from harness.model.samples import CANARY
from harness.model.verdict import Analysis, Finding, Verdict

NOTE = "no build was running: only limits and the build's own steady phase were judged, not a difference"


class AloneJudge:
    """Judges the canary by limits and by its own steady phase. The baseline is not considered."""

    name = "alone"

    def __init__(self, *, window_s: float = 5.0) -> None:
        """window_s: the length of the window of one check."""
        self._limits = LimitsJudge(window_s=window_s)

    def judge(self, evidence: Evidence, plan: Plan, *, now_s: float, final: bool) -> Analysis:
        """Return the checks so far as an analysis; see ``harness.judge.port.Judge``."""
        own = [_of_itself(evidence, objective, now_s) for objective in plan.objectives]
        fixed = [_muted_unless_limited(objective) for objective in plan.objectives]
        asked = replace(plan, objectives=(*fixed, *(one for one in own if one is not None)))
        found = self._limits.judge(evidence, asked, now_s=now_s, final=final)
        mild = tuple(_mild(finding) if finding.objective in own else finding for finding in found.findings)
        verdict = _verdict(mild, final=final) if found.verdict is Verdict.FAIL else found.verdict
        return replace(
            found,
            judge=self.name,
            findings=mild,
            verdict=verdict,
            score=max(found.score, plan.judge.marginal_floor) if verdict is Verdict.MARGINAL else found.score,
            reason=found.reason if verdict is found.verdict else _reason(mild, verdict),
            warnings=(NOTE, *(one for one in found.warnings if "difference to the baseline" not in one)),
        )


def _muted_unless_limited(objective: Objective) -> Objective:
    usable = objective.limit is not None and indicator_of(objective).in_interval is not None
    return objective if usable else replace(objective, muted=True)


def _of_itself(evidence: Evidence, objective: Objective, now_s: float) -> Objective | None:
    """Return the objective with a limit from the build's own steady phase, for the phase after the fault."""
    steady = _phase(evidence.phases, PhaseKind.STEADY)
    recovery = _phase(evidence.phases, PhaseKind.RECOVERY)
    unusable = objective.interaction or objective.muted or indicator_of(objective).in_interval is None
    if steady is None or recovery is None or not objective.tolerates or unusable or "phase" in objective.labels:
        return None
    span = Span(start_s=steady.start_s, end_s=min(steady.end_s, now_s))
    (value,) = points_of(evidence, objective, CANARY, [span]).values if span.end_s > span.start_s else (math.nan,)
    if math.isnan(value):  # no data, so there is nothing to compare with
        return None
    tolerated = max(abs(float(value)) * (objective.relative or 0.0), objective.absolute or 0.0)
    limit = float(value) + (-tolerated if objective.direction is Direction.DECREASE else tolerated)
    return replace(
        objective,
        text=f"{objective.text} of its own steady phase",
        relative=None,
        absolute=None,
        limit=limit,
        critical=False,
        labels={**objective.labels, "phase": recovery.name},
    )


def _phase(phases: Sequence[Phase], kind: PhaseKind) -> Phase | None:
    return next((phase for phase in phases if phase.kind is kind), None)


def _mild(finding: Finding) -> Finding:
    return replace(finding, verdict=Verdict.MARGINAL) if finding.verdict is Verdict.FAIL else finding


def _verdict(findings: Sequence[Finding], *, final: bool) -> Verdict:
    """Return the verdict of findings one of which may have been made milder."""
    found = {finding.verdict for finding in findings if not finding.objective.muted}
    worst = next(kind for kind in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.MARGINAL) if kind in found)
    return worst if final or worst is Verdict.FAIL else Verdict.INCONCLUSIVE


def _reason(findings: Sequence[Finding], verdict: Verdict) -> str:
    shown = [one for one in findings if one.verdict in (verdict, Verdict.MARGINAL) and not one.objective.muted]
    return "; ".join(f"{one.objective.text}: {one.reason}" for one in shown)
