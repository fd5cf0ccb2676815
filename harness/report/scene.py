"""The input of every section of the HTML report."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.record import Plan, Record
from harness.model.verdict import Analysis, Verdict
from harness.report.buckets import Buckets
from harness.report.facts import Facts
from harness.report.logs import Excerpt, Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A run and its analysis.

    run: the facts of the run. seen: its samples over time. whole: True for a separate page; False for the shorter form
    in a row of pytest-html, which has fewer sections and only the wide charts. moment: the worst one of the canary.
    logs: what its log says around it.
    """

    record: Record
    analysis: Analysis
    run: Facts
    seen: Buckets
    whole: bool
    moment: Moment | None = None
    logs: tuple[Excerpt, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan of the run."""
        return self.record.plan

    @property
    def unsettled(self) -> bool:
        """Whether a reader needs the details: the verdict is not a pass."""
        return self.analysis.verdict is not Verdict.PASS

    @property
    def widths(self) -> tuple[bool, ...]:
        """Which forms of a chart to draw: False for the wide one, True for the narrow one for small screens."""
        return (False, True) if self.whole else (False,)
