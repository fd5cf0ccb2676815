"""Tell how far a scenario can be trusted: what its runs of equal builds and its positive controls showed, and its cost.

A run of equal builds must not fail, and a run that makes the canary worse on purpose must. A scenario that breaks one
of these promises more often than chance explains is *advisory*: it still runs and its verdict still counts, but people
are told that the verdict proves less than it says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.history.trends import Point, ScenarioTrend
from harness.model.run_kind import CONTROL, EQUAL
from harness.model.verdict import Verdict
from harness.stats.binomial import binomial_tails
from harness.summary import NO_VERDICT

NEWEST = 50
"""Newest runs of either kind that count, so that a scenario can regain trust."""
MOST_FALSE_ALARMS, LEAST_SEEN = 0.01, 0.95
"""The promises: the share of runs of equal builds that fail, and of positive controls that are noticed."""
UNLIKELY = 0.05
"""A scenario is advisory if its results have at most this chance where a promise is just kept."""
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """The ledger of one scenario.

    equal, false_alarms: runs of equal builds, and how many of them failed. controls, missed: runs with a positive
    control, and how many of them did not fail. seconds: the time under load of all its runs.
    """

    equal: int
    false_alarms: int
    controls: int
    missed: int
    seconds: float

    @property
    def tested(self) -> bool:
        """Whether any run says something about the scenario itself."""
        return self.equal + self.controls > 0

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why the scenario is only advisory; empty if nothing speaks against it."""
        found = []
        if binomial_tails(self.false_alarms, self.equal, MOST_FALSE_ALARMS)[0] <= UNLIKELY + _ROUNDING:
            found.append(f"{self.false_alarms} of {self.equal} runs of equal builds failed")
        if binomial_tails(self.controls - self.missed, self.controls, LEAST_SEEN)[1] <= UNLIKELY + _ROUNDING:
            found.append(f"{self.missed} of {self.controls} positive controls did not fail")
        return tuple(found)

    @property
    def advisory(self) -> bool:
        """Whether the scenario breaks a promise more often than chance explains."""
        return bool(self.doubts)


def trust_of(trend: ScenarioTrend) -> Trust:
    """Return the ledger of a scenario. Ignored runs and runs without a verdict cost time but prove nothing."""
    equal, controls = _verdicts(trend.points, EQUAL), _verdicts(trend.points, CONTROL)
    return Trust(
        equal=len(equal),
        false_alarms=equal.count(Verdict.FAIL.value),
        controls=len(controls),
        missed=len(controls) - controls.count(Verdict.FAIL.value),
        seconds=sum(point.summary.duration_s for point in trend.points),
    )


def _verdicts(points: Sequence[Point], kind: str) -> list[str]:
    counted = (point.summary for point in points if not point.ignored)
    return [one.verdict for one in counted if one.kind == kind and one.verdict != NO_VERDICT][-NEWEST:]
