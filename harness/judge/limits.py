"""Check fixed limits as Flagger and Argo Rollouts do: the canary alone, window by window.

Each window of a judged phase is one check of each objective that has an absolute limit. An objective fails with its
``failed_checks``-th failed check (they add up, as for Flagger's ``threshold`` and Argo's ``failureLimit``), or if every
check failed; otherwise the last window decides whether it passes. A window without data is no success: an objective
without data in a phase, or in the last window, is inconclusive. The baseline is not considered, so a fault that hits
both arms can fail a good canary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.judge.indicators import indicator_of
from harness.judge.port import Evidence
from harness.judge.scoring import limited
from harness.judge.time_series import Points, Span, check_samples, judged_phases, points_of, reads_samples, spans_of
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY
from harness.model.sums import plain_sum
from harness.model.verdict import Analysis, Estimate, Finding, Verdict

WINDOW_S = 10.0
FAILED_CHECKS = 5
ALPHA = 1.0
"""No bound: nothing limits how often a good canary fails."""

_METHOD = "fixed limit, checked by window"
_WORST = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.MARGINAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checks:
    """The checks of one objective in one phase, in order: values of the canary and the baseline, NaN without data."""

    phase: str
    points: Points
    baseline: Points
    failed: int
    blind: int
    last_failed: bool
    last_blind: bool

    @property
    def count(self) -> int:
        """The number of checks, with or without data."""
        return int(self.points.values.size)


class LimitsJudge:
    """Judges absolute limits only. An objective without one is inconclusive, so the run cannot pass.

    window_s: the length of the window of one check. failed_checks: the number of failed checks that fails an objective.
    """

    name = "limits"

    def __init__(self, *, window_s: float = WINDOW_S, failed_checks: int = FAILED_CHECKS) -> None:
        """Choose the window and the number of failed checks that fails an objective."""
        self.window_s = window_s
        self.failed_checks = failed_checks

    def judge(self, evidence: Evidence, plan: Plan, *, now_s: float, final: bool) -> Analysis:
        """Return the checks so far as an analysis; see ``harness.judge.port.Judge``."""
        check_samples(evidence.samples)
        findings: list[Finding] = []
        for objective in plan.objectives:
            findings += self._findings(evidence, objective, now_s=now_s, final=final)
        counted = [finding for finding in findings if not finding.objective.muted]
        verdict = next((kind for kind in _WORST if any(finding.verdict is kind for finding in counted)), Verdict.PASS)
        if not counted or (not final and verdict is not Verdict.FAIL):
            verdict = Verdict.INCONCLUSIVE
        score, weighed = _scored(findings, verdict, plan)
        return Analysis(
            verdict=verdict,
            reason=_reason(counted, verdict, final=final),
            score=score,
            findings=weighed,
            judge=self.name,
            alpha=ALPHA,
            decided_at_s=now_s,
            final=final,
            warnings=(*_warnings(plan.objectives), *reads_samples(evidence)),
        )

    def _findings(self, evidence: Evidence, objective: Objective, *, now_s: float, final: bool) -> list[Finding]:
        why = _obstacle(objective)
        if why is not None:
            return [_finding(objective, None, Verdict.INCONCLUSIVE, why, missing="a limit, or mute this objective")]
        phases = [phase for phase in judged_phases(objective, evidence.phases) if phase.start_s < now_s]
        checked = [
            _checks(evidence, objective, phase.name, spans_of(phase, self.window_s, until_s=now_s)) for phase in phases
        ]
        if not checked:
            reason = "no phase in which it holds has begun"
            return [_finding(objective, None, Verdict.INCONCLUSIVE, reason, missing="a judged phase")]
        failed = sum(one.failed for one in checked)
        seen = sum(one.count - one.blind for one in checked)
        broken = failed >= self.failed_checks or (final and 0 < failed == seen)
        return [self._finding(objective, one, broken=broken, is_last=one is checked[-1]) for one in checked]

    def _finding(self, objective: Objective, checks: Checks, *, broken: bool, is_last: bool) -> Finding:
        if broken and checks.failed:
            verdict = Verdict.FAIL
        elif checks.blind == checks.count or (is_last and checks.last_blind):
            verdict = Verdict.INCONCLUSIVE
        elif is_last and checks.last_failed:
            verdict = Verdict.MARGINAL
        else:
            verdict = Verdict.PASS
        missing = (
            f"a window of {self.window_s:g} s with requests of the canary" if verdict is Verdict.INCONCLUSIVE else ""
        )
        return _finding(objective, checks, verdict, self._explained(objective, checks), missing=missing)

    def _explained(self, objective: Objective, checks: Checks) -> str:
        if checks.blind == checks.count:
            return (
                f"none of {checks.count} checks had data" if checks.count else f"no whole window of {self.window_s:g} s"
            )
        show = indicator_of(objective).show
        worst = np.nanmin if objective.direction is Direction.DECREASE else np.nanmax
        text = f"{checks.failed} of {checks.count} checks beyond {show(objective.limit or 0.0)}"
        text += f" (worst {show(float(worst(checks.points.values)))}; {self.failed_checks} fail it)"
        text += ", the last one too" if checks.last_failed else ""
        return text + (f"; {checks.blind} without data" if checks.blind else "")


def _obstacle(objective: Objective) -> str | None:
    """Return why an objective cannot be checked against a limit, or None if it can."""
    if objective.limit is None:
        return "it has no absolute limit, such as latency_p99 < 500ms"
    if indicator_of(objective).in_interval is None:
        return f"{objective.name} has no value in a window of time"
    return None


def _checks(evidence: Evidence, objective: Objective, phase: str, spans: Sequence[Span]) -> Checks:
    points = points_of(evidence, objective, CANARY, spans)
    values, limit = points.values, objective.limit or 0.0
    blind = np.isnan(values)
    failed = values < limit if objective.direction is Direction.DECREASE else values > limit
    return Checks(
        phase=phase,
        points=points,
        baseline=points_of(evidence, objective, BASELINE, spans),
        failed=int(failed.sum()),
        blind=int(blind.sum()),
        last_failed=bool(failed[-1:].any()),
        last_blind=bool(blind[-1:].any()) or not values.size,
    )


def _finding(objective: Objective, checks: Checks | None, verdict: Verdict, reason: str, *, missing: str) -> Finding:
    return Finding(
        objective=objective,
        phase="" if checks is None else checks.phase,
        baseline=None if checks is None else _mean(checks.baseline),
        canary=None if checks is None else _mean(checks.points),
        difference=None,
        low=None,
        high=None,
        relative=False,
        confidence=1.0 - ALPHA,
        margin=None,
        verdict=verdict,
        reason=reason,
        score=100.0 if verdict is Verdict.PASS else 0.0,
        missing=missing,
        method=_METHOD,
    )


def _mean(points: Points) -> Estimate | None:
    if np.isnan(points.values).all():
        return None
    return Estimate(value=float(np.nanmean(points.values)), n=points.requests)


def _scored(findings: Sequence[Finding], verdict: Verdict, plan: Plan) -> tuple[float, tuple[Finding, ...]]:
    """Return the score, within the limits of the verdict, and the findings with the points that each of them cost."""
    rows = [0.0 if finding.objective.muted else finding.objective.weight for finding in findings]
    per_objective = [sum(other.objective is finding.objective for other in findings) for finding in findings]
    total = plain_sum(row / count for row, count in zip(rows, per_objective, strict=True))
    weights = [row / count / total if total else 0.0 for row, count in zip(rows, per_objective, strict=True)]
    lost = [weight * (100 - finding.score) for finding, weight in zip(findings, weights, strict=True)]
    score = 100.0 - plain_sum(lost) if total else 0.0
    critical = any(
        finding.verdict is Verdict.FAIL and finding.objective.critical and not finding.objective.muted
        for finding in findings
    )
    allowed = limited(score, verdict, plan.judge, critical=critical)
    kept = (100 - allowed) / (100 - score) if allowed > score else 1.0
    guilty = [loss > 0 and finding.verdict is not Verdict.PASS for loss, finding in zip(lost, findings, strict=True)]
    extra = max(score - allowed, 0.0) / sum(guilty) if any(guilty) else 0.0
    return allowed, tuple(
        replace(finding, weight=weight, points_lost=round(loss * kept + extra * mine, 9))
        for finding, weight, loss, mine in zip(findings, weights, lost, guilty, strict=True)
    )


def _reason(counted: Sequence[Finding], verdict: Verdict, *, final: bool) -> str:
    if not counted:
        return "every objective is muted"
    shown_findings = [finding for finding in counted if finding.verdict is verdict]
    if verdict is Verdict.PASS:
        return "every limit held in the last window, and none failed too often"
    if not final and verdict is Verdict.INCONCLUSIVE:
        return "limits hold so far" if not shown_findings else f"so far: {_listed(shown_findings)}"
    return _listed(shown_findings)


def _listed(findings: Sequence[Finding]) -> str:
    """List the reasons, each one once, after the objectives and phases that have it."""
    places: dict[str, list[str]] = {}
    for finding in findings:
        place = f"{finding.objective.text}{f' [{finding.phase}]' if finding.phase else ''}"
        places.setdefault(finding.reason, []).append(place)
    return "; ".join(f"{', '.join(named)}: {reason}" for reason, named in places.items())


def _warnings(objectives: Sequence[Objective]) -> list[str]:
    return [
        f"{objective.text}: only its limit is judged, not the difference to the baseline"
        for objective in objectives
        if objective.limit is not None and objective.tolerates
    ]
