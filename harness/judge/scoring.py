"""The score from 0 to 100, and what every lost point was lost for.

Each finding has a score F. If it failed, F = C / sqrt(r), where C is the highest score of a failed run and r says how
many times the tolerated difference the canary is away from its baseline. Otherwise, F = 100 * (1 - p), where p is the
chance of being beyond the tolerance. With ``mean(x)`` for the weighted mean of x over all findings, and ``worst(x)``
for the smallest x of the findings that made the verdict, the run's score is:

    pass           mean(F)                                  at least the pass line P, or the verdict is no pass
    marginal       M + (P - 0.1 - M) * worst(Q) * mean(Q)   from the marginal line M to P; Q = F / 100
    inconclusive   U * mean(Q)                              at most U, normally 75; Q = F / 100
    fail           C * worst(K) * mean(K)                   at most C, normally 49; K = 1 / sqrt(r) for a finding that
                                                            failed, otherwise 1; 0 if a critical objective failed

The score of a failed run therefore falls as the worst objective and the typical one get worse: K halves where a
difference is four times as far from what is tolerated.

r is 1 + (d - m) / max(m, s), and at least 1. d is the observed difference towards worse and m the tolerance: logarithms
of ratios for relative differences, so that half and twice are equally far, otherwise in the indicator's unit. The scale
s is 5 % (of the baseline), so that a tolerance of zero has a severity too. With a fixed
limit, r is the ratio of value and limit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from harness.model.indicator import Direction
from harness.model.judge import JudgeSettings
from harness.model.sums import plain_sum
from harness.model.verdict import Finding, Verdict

FAIL_CAP = 49.0
LEAST_SCALE = 0.05
_STEP = 0.1


def weighted(findings: Sequence[Finding], seconds: Sequence[float]) -> list[Finding]:
    """Return the findings with their weights in the score: an objective's weight, divided by the length of phases."""
    live = [
        index for index, finding in enumerate(findings) if not finding.objective.muted and finding.objective.weight > 0
    ]
    weights = {_key(findings[index]): findings[index].objective.weight for index in live}
    shares = [0.0] * len(findings)
    for key, weight in weights.items():
        own = [index for index in live if _key(findings[index]) == key]
        length = plain_sum(seconds[index] for index in own)
        for index in own:
            part = seconds[index] / length if length > 0 else 1 / len(own)
            shares[index] = weight / plain_sum(weights.values()) * part
    return [replace(finding, weight=share) for finding, share in zip(findings, shares, strict=True)]


def _key(finding: Finding) -> tuple[str, str]:
    return finding.objective.group, finding.objective.text


def scored(findings: Sequence[Finding], verdict: Verdict, settings: JudgeSettings) -> tuple[float, tuple[Finding, ...]]:
    """Return the total score (the module's formula), and the findings with the points that each of them cost.

    Each finding loses ``weight * (100 - score)``. What the total loses beyond that is charged to the findings that made
    the verdict, or to all findings if none of them did (then the requests themselves are in doubt).
    """
    raw = plain_sum(finding.weight * finding.score for finding in findings)
    critical = any(
        finding.objective.critical and finding.verdict is Verdict.FAIL and finding.weight > 0 for finding in findings
    )
    total = 0.0 if critical else min(_total(findings, verdict, settings), 100.0)
    kept = (100 - total) / (100 - raw) if total > raw else 1.0
    culprits = _culprits(findings, verdict, critical=critical)
    blame = plain_sum(findings[index].weight for index in culprits)
    charged = []
    for index, finding in enumerate(findings):
        lost = finding.weight * (100 - finding.score) * kept
        if index in culprits and total < raw:
            lost += (raw - total) * (finding.weight / blame if blame > 0 else 1 / len(culprits))
        charged.append(replace(finding, points_lost=lost))
    return total, tuple(charged)


def _total(findings: Sequence[Finding], verdict: Verdict, settings: JudgeSettings) -> float:
    """Return the score before a critical objective takes all points."""
    parts = [_part(finding, verdict, settings) for finding in findings]
    worst = min((part for part, finding in zip(parts, findings, strict=True) if _made(finding, verdict)), default=1.0)
    mean = plain_sum(finding.weight * part for part, finding in zip(parts, findings, strict=True))
    if verdict is Verdict.PASS:
        return 100 * mean
    if verdict is Verdict.FAIL:
        return fail_cap(settings) * worst * mean
    if verdict is Verdict.INCONCLUSIVE:
        return settings.undecided_cap * mean
    highest = max(settings.pass_score - _STEP, 0.0)
    lowest = min(settings.marginal_score, highest)
    return lowest + (highest - lowest) * worst * mean


def _made(finding: Finding, verdict: Verdict) -> bool:
    return finding.verdict is verdict and not finding.objective.muted


def _part(finding: Finding, verdict: Verdict, settings: JudgeSettings) -> float:
    """Return K of the module's formula for a failed run, otherwise Q: a number in [0, 1]."""
    if verdict is not Verdict.FAIL:
        return finding.score / 100
    if finding.verdict is not Verdict.FAIL:
        return 1.0
    highest = fail_cap(settings)
    return finding.score / highest if highest > 0 else 0.0


def fail_cap(settings: JudgeSettings) -> float:
    """Return the highest score of a failed run: below the marginal line."""
    return min(FAIL_CAP, max(settings.marginal_score - _STEP, 0.0))


def failed_score(finding: Finding, settings: JudgeSettings) -> float:
    """Return the score of a failed finding: the highest one, divided by the square root of how far it is beyond."""
    return fail_cap(settings) / math.sqrt(times_beyond(finding))


def times_beyond(finding: Finding) -> float:
    """Return the difference in multiples of what is tolerated, at least 1: the ``r`` of the module's formula."""
    objective, times = finding.objective, 1.0
    if finding.difference is not None and finding.margin is not None:
        difference, margin = finding.difference, abs(finding.margin)
        if finding.relative:
            difference = math.log1p(difference) if difference > -1 else -math.inf
            margin = math.log1p(margin)
        scale = max(margin, _least_scale(finding))
        beyond = _towards_worse(difference, objective.direction) - margin
        times = max(times, 1 + beyond / scale if scale > 0 else math.inf)
    if objective.limit is not None and finding.canary is not None:
        value, limit = finding.canary.value, objective.limit
        over, under = (limit, value) if objective.direction is Direction.DECREASE else (value, limit)
        if over > under >= 0:
            times = max(times, over / under if under > 0 else math.inf)
    return times


def _towards_worse(difference: float, direction: Direction) -> float:
    """Return the size of a difference, negative if it is towards better."""
    if direction is Direction.EITHER:
        return abs(difference)
    return -difference if direction is Direction.DECREASE else difference


def _least_scale(finding: Finding) -> float:
    if finding.relative:
        return LEAST_SCALE
    return LEAST_SCALE * abs(finding.baseline.value) if finding.baseline is not None else 0.0


def _culprits(findings: Sequence[Finding], verdict: Verdict, *, critical: bool) -> list[int]:
    """Return the numbers of the findings that made the verdict: the critical ones only, if one of those failed the run.

    A failed finding of an objective without weight (``judge.implied``) is charged only if no other finding made the
    verdict.
    """
    live = [index for index, finding in enumerate(findings) if finding.weight > 0]
    made = [index for index in live if findings[index].verdict is verdict] or [
        index for index, finding in enumerate(findings) if finding.verdict is verdict and not finding.objective.muted
    ]
    worst = [index for index in made if critical and findings[index].objective.critical]
    return worst or made or live


def limited(raw: float, verdict: Verdict, settings: JudgeSettings, *, critical: bool) -> float:
    """Return the score of a limits verdict, kept on the verdict's side of each threshold.

    critical: whether a critical objective failed, which leaves no points.
    """
    if verdict is Verdict.PASS:
        return min(raw, 100.0)
    if verdict is Verdict.FAIL:
        return min(raw, 0.0 if critical else fail_cap(settings))
    floor = settings.marginal_floor if verdict is Verdict.MARGINAL else 0.0
    return max(min(raw, settings.undecided_cap), floor)
