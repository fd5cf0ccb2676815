"""Findings as rows of text for the table of objectives, the breakdown of the score and the cells in pytest-html."""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.judge.indicators import cell_style_of
from harness.model import formatting
from harness.model.record import Record
from harness.model.units import format_percent
from harness.model.verdict import WATCHED, Analysis, Finding, Verdict

_OPENED = 6
"""How many reasons are open at first; more would push the timeline too far down the page."""
_HYPHEN = re.compile(r"(?<!\w)-(?=[\d∞.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """One finding as text.

    label: the verdict, or that the phase was only watched.
    lost_share: its lost points as a share of the most costly finding's, for the bar. opened: whether its reason is open
    at first.
    """

    verdict: Verdict
    label: str
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
    ordered = formatting.worst_first(analysis.findings)
    return tuple(
        _row(
            finding,
            record,
            most,
            opened=place < _OPENED and finding.verdict is ordered[0].verdict is not Verdict.PASS,
        )
        for place, finding in enumerate(ordered)
    )


def counts(analysis: Analysis) -> tuple[tuple[str, int], ...]:
    """Return the number of findings for each label that occurs, worst first."""
    labels = [finding.label for finding in analysis.findings]
    order = [*(str(verdict) for verdict in formatting.WORST_FIRST if verdict is not Verdict.PASS), WATCHED, "pass"]
    return tuple((label, labels.count(label)) for label in order if label in labels)


def unaccounted(analysis: Analysis) -> float:
    """Return the points below 100 that no finding cost: those of a cap by the verdict or a critical objective."""
    left = 100.0 - analysis.score - sum(finding.points_lost for finding in analysis.findings)
    return left if abs(left) >= 0.05 else 0.0


def worst_deviation(record: Record, analysis: Analysis) -> str:
    """Return the largest difference among the findings of the worst verdict as one line, or an empty string."""
    ordered = formatting.worst_first(analysis.findings)
    worst = [f for f in ordered if f.verdict is ordered[0].verdict and f.objective.muted is ordered[0].objective.muted]
    if not worst:
        return ""
    finding = max(worst, key=formatting.severity)
    style = cell_style_of(finding.objective, record.series)
    return minus(
        f"{formatting.indicator(finding.objective)} in {formatting.phase(finding)}: "
        f"{formatting.interval(finding, style)}"
    )


def minus(text: str) -> str:
    """Replace hyphens before numbers with minus signs, which are as wide as plus signs."""
    return _HYPHEN.sub("−", text)


def _kept_together(text: str) -> str:
    """Make spaces non-breaking, so that a line break does not separate a number from its unit."""
    return minus(text).replace(" ", "\xa0")


def _row(finding: Finding, record: Record, most_lost: float, *, opened: bool) -> FindingRow:
    style = cell_style_of(finding.objective, record.series)
    middle, low, high = formatting.differences(finding, style)
    has_interval = finding.difference is not None and not (finding.low is None and finding.high is None)
    whole = formatting.interval(finding, style)
    visible = (
        ""
        if finding.smallest_visible is None
        else formatting.size(finding.smallest_visible, style, relative=finding.relative)
    )
    return FindingRow(
        verdict=finding.verdict,
        label=finding.label,
        sli=formatting.printable(formatting.indicator(finding.objective)),
        objective=formatting.printable(finding.objective.text),
        phase=formatting.printable(formatting.phase(finding)),
        baseline=_kept_together(formatting.estimate(finding.baseline, style)),
        baseline_n=formatting.count(finding.baseline.n) if finding.baseline else "0",
        canary=_kept_together(formatting.estimate(finding.canary, style)),
        canary_n=formatting.count(finding.canary.n) if finding.canary else "0",
        difference=_kept_together(middle if has_interval else whole),
        ends=minus(f"[{low}, {high}]") if has_interval else "",
        confidence=format_percent(finding.confidence),
        tolerance=_kept_together(formatting.tolerance(finding, style)),
        lost=formatting.points(finding.points_lost),
        lost_share=finding.points_lost / most_lost if most_lost > 0 else 0.0,
        weight=format_percent(finding.weight),
        score=formatting.points(finding.score),
        reason=finding.reason,
        missing=finding.missing,
        method=finding.method,
        smallest=_kept_together(visible),
        muted=finding.objective.muted,
        critical=finding.objective.critical,
        opened=opened,
    )
