"""The interface of a judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.judge.instances import Instances
from harness.model.phase import Phase
from harness.model.record import FaultCount, Plan, Series
from harness.model.samples import Samples
from harness.model.verdict import Analysis
from harness.stats.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that has been observed so far. ``phases`` are those that have begun; the last one ends now.

    table: the same samples, already reduced (``harness.stats.table``), for callers that look often or have more samples
    than memory. A judge that can use the table then ignores ``samples``. fault_counts: what the faults hit, which is
    known at the end of a run only. instances: which instance answered each sample, if that is known.
    """

    samples: Samples
    phases: tuple[Phase, ...]
    series: tuple[Series, ...] = ()
    table: Table | None = None
    fault_counts: tuple[FaultCount, ...] = ()
    instances: Instances | None = None


class Judge(Protocol):
    """Called in the same way at every look at a running test and at its end."""

    @property
    def name(self) -> str:
        """The name that the configuration uses."""
        ...

    def judge(self, evidence: Evidence, plan: Plan, *, now_s: float, final: bool) -> Analysis:
        """Return an analysis of everything observed so far, ``now_s`` seconds after the first due request.

        final: whether no more evidence will come. The same input gives the same bytes. Raises JudgeInputError for
        numbers that no judge can use. Too little evidence is a verdict, not an error.
        """
        ...
