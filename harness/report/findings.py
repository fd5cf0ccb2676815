"""Findings as rows of text for the table of objectives, the breakdown of the score and the cells in pytest-html."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model.record import Record
from harness.model.units import format_percent
from harness.model.verdict import Analysis, Finding, Verdict
from harness.report import words

_OPENED = 6
"""How many reasons are open at first; more would push the timeline too far down the page."""
_HYPHEN = re.compile(r"(?<!\w)-(?=[\d∞.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One finding as text.

    lost_share: its lost points as a share of the most costly finding's, for the bar. opened: whether its reason is open
    at first.
    """

    verdict: Verdict
    sli: str
    objective: str
    phase: str
    baseline: str
    baseline_n: str
    canary: str
    canary_n: str
    difference: str
    ends: str
    confidence: str
    tolerance: str
    lost: str
    lost_share: float
    weight: str
    score: str
    reason: str
    missing: str
    method: str
    smallest: str
    muted: bool
    critical: bool
    opened: bool


def finding_rows(record: Record, analysis: Analysis) -> tuple[FindingRow, ...]:
    """Return all findings as rows, worst first."""
    most = max((finding.points_lost for finding in analysis.findings), default=0.0)
    ordered = words.worst_first(analysis.findings)
    return tuple(
        _row(
            finding, record, most, opened=place < _OPENED and finding.verdict is ordered[0].verdict is not Verdict.PASS
        )
        for place, finding in enumerate(ordered)
    )


def counts(analysis: Analysis) -> tuple[tuple[Verdict, int], ...]:
    """Return the number of findings for each verdict that occurs, worst first."""
    verdicts = [finding.verdict for finding in analysis.findings]
    return tuple((v, verdicts.count(v)) for v in words.WORST_FIRST if v in verdicts)


def unaccounted(analysis: Analysis) -> float:
    """Return the points below 100 that no finding cost: those of a cap by the verdict or a critical objective."""
    left = 100.0 - analysis.score - sum(finding.points_lost for finding in analysis.findings)
    return left if abs(left) >= 0.05 else 0.0


def worst_deviation(record: Record, analysis: Analysis) -> str:
    """Return the largest difference among the findings of the worst verdict as one line, or an empty string."""
    ordered = words.worst_first(analysis.findings)
    worst = [f for f in ordered if f.verdict is ordered[0].verdict and f.objective.muted is ordered[0].objective.muted]
    if not worst:
        return ""
    finding = max(worst, key=words.severity)
    unit = words.unit(finding.objective, record)
    return minus(f"{words.indicator(finding.objective)} in {words.phase(finding)}: {words.interval(finding, unit)}")


def minus(text: str) -> str:
    """Replace hyphens before numbers with minus signs, which are as wide as plus signs."""
    return _HYPHEN.sub("−", text)


def _kept_together(text: str) -> str:
    """Make spaces non-breaking, so that a line break does not separate a number from its unit."""
    return minus(text).replace(" ", "\xa0")


def _row(finding: Finding, record: Record, most_lost: float, *, opened: bool) -> FindingRow:
    unit = words.unit(finding.objective, record)
    middle, low, high = words.differences(finding, unit)
    has_interval = finding.difference is not None and not (finding.low is None and finding.high is None)
    whole = words.interval(finding, unit)
    visible = (
        ""
        if finding.smallest_visible is None
        else words.size(finding.smallest_visible, unit, relative=finding.relative)
    )
    return FindingRow(
        verdict=finding.verdict,
        sli=words.printable(words.indicator(finding.objective)),
        objective=words.printable(finding.objective.text),
        phase=words.printable(words.phase(finding)),
        baseline=_kept_together(words.estimate(finding.baseline, unit)),
        baseline_n=words.count(finding.baseline.n) if finding.baseline else "0",
        canary=_kept_together(words.estimate(finding.canary, unit)),
        canary_n=words.count(finding.canary.n) if finding.canary else "0",
        difference=_kept_together(middle if has_interval else whole),
        ends=minus(f"[{low}, {high}]") if has_interval else "",
        confidence=format_percent(finding.confidence),
        tolerance=_kept_together(words.tolerance(finding, unit)),
        lost=words.points(finding.points_lost),
        lost_share=finding.points_lost / most_lost if most_lost > 0 else 0.0,
        weight=format_percent(finding.weight),
        score=words.points(finding.score),
        reason=finding.reason,
        missing=finding.missing,
        method=finding.method,
        smallest=_kept_together(visible),
        muted=finding.objective.muted,
        critical=finding.objective.critical,
        opened=opened,
    )
