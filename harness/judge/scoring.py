"""The score from 0 to 100, and what every lost point was lost for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.model.judge import JudgeSettings
from harness.model.verdict import Finding, Verdict

FAIL_CAP = 49.0


def weighted(findings: Sequence[Finding], seconds: Sequence[float]) -> list[Finding]:
    """Return the findings with their weights in the score: an objective's weight, divided by the length of phases."""
    live = [
        index for index, finding in enumerate(findings) if not finding.objective.muted and finding.objective.weight > 0
    ]
    weights = {_key(findings[index]): findings[index].objective.weight for index in live}
    shares = [0.0] * len(findings)
    for key, weight in weights.items():
        own = [index for index in live if _key(findings[index]) == key]
        length = sum(seconds[index] for index in own)
        for index in own:
            part = seconds[index] / length if length > 0 else 1 / len(own)
            shares[index] = weight / sum(weights.values()) * part
    return [replace(finding, weight=share) for finding, share in zip(findings, shares, strict=True)]


def _key(finding: Finding) -> tuple[str, str]:
    return finding.objective.group, finding.objective.text


def scored(findings: Sequence[Finding], verdict: Verdict, settings: JudgeSettings) -> tuple[float, tuple[Finding, ...]]:
    """The total score, and the findings with the points that each of them cost.

    The score is the weighted mean of the findings' scores, within the limits that the verdict sets (see ``limited``).
    What the cap takes is charged to the findings that made the verdict, or to all findings if none of them did (then
    the requests themselves are in doubt).
    """
    raw = sum(finding.weight * finding.score for finding in findings)
    critical = any(
        finding.objective.critical and finding.verdict is Verdict.FAIL and finding.weight > 0 for finding in findings
    )
    total = limited(raw, verdict, settings, critical=critical)
    kept = (100 - total) / (100 - raw) if total > raw else 1.0
    culprits = _culprits(findings, verdict, critical=critical and total == 0)
    blame = sum(findings[index].weight for index in culprits)
    charged = []
    for index, finding in enumerate(findings):
        lost = finding.weight * (100 - finding.score) * kept
        if index in culprits and total < raw:
            lost += (raw - total) * (finding.weight / blame if blame > 0 else 1 / len(culprits))
        charged.append(replace(finding, points_lost=lost))
    return total, tuple(charged)


def _culprits(findings: Sequence[Finding], verdict: Verdict, *, critical: bool) -> list[int]:
    """Numbers of the findings that made the verdict: the critical ones only, if one of those failed the run.

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
    """The score that a verdict allows: a score on the other side of a threshold would contradict it.

    critical: whether a critical objective failed, which leaves no points.
    """
    if verdict is Verdict.PASS:
        return min(raw, 100.0)
    if verdict is Verdict.FAIL:
        return min(raw, 0.0 if critical else min(FAIL_CAP, max(settings.marginal_score - 0.1, 0.0)))
    floor = settings.marginal_floor if verdict is Verdict.MARGINAL else 0.0
    return max(min(raw, settings.undecided_cap), floor)
