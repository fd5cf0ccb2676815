"""The score from 0 to 100: where every lost point went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.model.verdict import Finding, Verdict

FAIL_CAP = 49.0


def weighted(findings: Sequence[Finding], seconds: Sequence[float]) -> list[Finding]:
    """Findings with their share of the total: objectives count by weight, and groups by those of theirs; then phases by length."""
    live = [index for index, finding in enumerate(findings) if not finding.objective.muted]
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


def scored(
    findings: Sequence[Finding], verdict: Verdict, *, pass_score: float, marginal_score: float
) -> tuple[float, tuple[Finding, ...]]:
    """The total score and the findings with the points each took from 100.

    The weighted mean of the findings' scores, capped by the verdict so that the thresholds agree
    with it; 0 when a critical objective failed. What a cap takes is charged to the findings that
    made the verdict, or to all where none of them did (a doubt about the requests themselves).
    """
    raw = sum(finding.weight * finding.score for finding in findings)
    total = min(raw, _cap(findings, verdict, pass_score, marginal_score))
    culprits = [index for index, finding in enumerate(findings) if finding.verdict is verdict and finding.weight > 0]
    if verdict is Verdict.FAIL and total == 0:
        critical = [index for index in culprits if findings[index].objective.critical]
        culprits = critical or culprits
    culprits = culprits or [index for index, finding in enumerate(findings) if finding.weight > 0]
    blame = sum(findings[index].weight for index in culprits)
    charged = []
    for index, finding in enumerate(findings):
        lost = finding.weight * (100 - finding.score)
        if index in culprits:
            lost += (raw - total) * finding.weight / blame
        charged.append(replace(finding, points_lost=lost))
    return total, tuple(charged)


def _cap(findings: Sequence[Finding], verdict: Verdict, pass_score: float, marginal_score: float) -> float:
    if verdict is Verdict.PASS:
        return 100.0
    if verdict is not Verdict.FAIL:
        return min(75.0, max(pass_score - 0.1, 0.0))
    counted = [finding.objective for finding in findings if finding.verdict is Verdict.FAIL and finding.weight > 0]
    if any(objective.critical for objective in counted):
        return 0.0
    return min(FAIL_CAP, max(marginal_score - 0.1, 0.0))
