"""What every section of the HTML report is made from."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.record import Plan, Record
from harness.model.verdict import Analysis, Verdict
from harness.report.buckets import Buckets
from harness.report.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A run and its analysis.

    run: the run in words. seen: its samples over time. whole: True for the page of its own, False for the shorter
    form in a row of pytest-html, which shows fewer sections and only the wide charts.
    """

    record: Record
    analysis: Analysis
    run: Facts
    seen: Buckets
    whole: bool

    @property
    def plan(self) -> Plan:
        """What was planned."""
        return self.record.plan

    @property
    def unsettled(self) -> bool:
        """Whether a reader has to look at the details: every verdict but a pass."""
        return self.analysis.verdict is not Verdict.PASS

    @property
    def widths(self) -> tuple[bool, ...]:
        """For each form of a chart, whether it is the narrow one, for small screens."""
        return (False, True) if self.whole else (False,)
