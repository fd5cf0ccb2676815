"""Safeguards: what forbids a pass whatever the objectives say, checked after every judge.

An objective looks at what it was written for. A canary that answers 404 to everything is as fast and as free of 5xx as
its baseline, so no objective about latency or errors sees it. Each safeguard is a pure function of the samples or,
without them, of the answers that the server side has counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.judge.port import Evidence
from harness.judge.safeguards import (
    baseline_health,
    bodies,
    coverage,
    endpoints,
    identical_arms,
    live_traffic,
    lost_requests,
    status_mix,
    success,
    warm_up,
)
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.verdict import Analysis, Verdict

__all__ = ["Objection", "guarded", "lost_requests", "objections"]


def objections(evidence: Evidence, plan: Plan) -> tuple[Objection, ...]:
    """Return every reason why these samples must not pass, the most basic first."""
    return (
        *identical_arms.objections(evidence, plan),
        *baseline_health.objections(evidence, plan),
        *success.objections(evidence, plan),
        *status_mix.objections(evidence, plan),
        *endpoints.objections(evidence, plan),
        *bodies.objections(evidence, plan),
        *live_traffic.objections(evidence, plan),
        *warm_up.objections(evidence, plan),
    )


def guarded(analysis: Analysis, found: Sequence[Objection], plan: Plan) -> Analysis:
    """Return the analysis with the objections applied: each becomes a warning, and the verdict is inconclusive.

    A fail stays a fail unless an objection says that the comparison has no reference. Warnings also name what the plan
    does not judge, and tolerances that exclude nothing.
    """
    unjudged = coverage.not_judged(plan)
    said = (*coverage.wide_tolerances(plan), *unjudged, *(objection.text for objection in found))
    warned = replace(
        analysis,
        warnings=tuple(dict.fromkeys((*analysis.warnings, *said))),
        reason="; ".join((analysis.reason, *unjudged)) if analysis.verdict is Verdict.PASS else analysis.reason,
    )
    deciding = [each for each in found if each.decides and (each.no_reference or analysis.verdict is not Verdict.FAIL)]
    if not deciding or (analysis.verdict is Verdict.FAIL and _limit_failed(analysis)):
        return warned
    reason = deciding[0].text
    if analysis.verdict is not Verdict.PASS:
        reason += f"; the judge alone said {analysis.verdict}: {analysis.reason}"
    score = min(analysis.score, plan.judge.undecided_cap)
    return replace(warned, verdict=Verdict.INCONCLUSIVE, reason=reason, score=score)


def _limit_failed(analysis: Analysis) -> bool:
    """Whether an objective with a fixed limit failed: that needs no reference."""
    failed = [each.objective for each in analysis.findings if each.verdict is Verdict.FAIL]
    return any(objective.limit is not None and not objective.muted for objective in failed)
