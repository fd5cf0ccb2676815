"""What a finding is called in reports: its verdict, or that its phase was only watched."""

from __future__ import annotations

from harness.judge.alpha_spending import watched_phases
from harness.model.record import Record
from harness.model.verdict import Analysis, Finding, Verdict

WATCHED = "watched"
"""No harm was seen in a phase that is too short to show that there is none."""


def label_of(finding: Finding, record: Record, analysis: Analysis) -> str:
    """Return ``watched`` for a pass in a phase that the sequential judge only watches, otherwise the verdict."""
    watched = analysis.judge == "sequential" and finding.phase in watched_phases(record.plan)
    return WATCHED if watched and finding.verdict is Verdict.PASS else str(finding.verdict)
