"""What every judge offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.model.phase import Phase
from harness.model.record import Plan, Series
from harness.model.samples import Samples
from harness.model.verdict import Analysis
from harness.stats.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that has been seen so far. ``phases`` holds the windows that have begun, the last one cut at now.

    table: the same samples already reduced (``harness.stats.table``), for callers that look often or
    have more samples than memory; judges that can take it then leave ``samples`` alone.
    """

    samples: Samples
    phases: tuple[Phase, ...]
    series: tuple[Series, ...] = ()
    table: Table | None = None


class Judge(Protocol):
    """Called the same way at every look at a running test and once more at its end."""

    @property
    def name(self) -> str:
        """The name it is chosen by."""
        ...

    def judge(self, evidence: Evidence, plan: Plan, *, now_s: float, final: bool) -> Analysis:
        """Everything seen so far, the plan, and now (seconds since the first due request) give an analysis.

        ``final`` says that nothing more will come. Same input, same bytes. Raises JudgeInputError
        for numbers that no judge can take; too little evidence is a verdict, never an error.
        """
        ...
