"""Compute trends of a history: verdicts and differences of each scenario, changes, flakiness, time and cost.

Everything is computed from stored verdicts and intervals; no verdict changes. Ignored runs are left out of every
computation and stay visible in the lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from harness.history.index import History
from harness.stats.change_points import ChangePoint, change_points
from harness.summary import NO_VERDICT, Judged, Summary

RECENT = 20
"""Newest runs of a scenario that flakiness looks at."""
FLAKY_FLIPS = 3
"""Changes of the verdict among them, with the same commit before and after, that make a scenario flaky."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One scenario in one run. position: that of the run in the history."""

    position: int
    summary: Summary
    ignored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One objective in one run, with the stored difference and interval."""

    point: Point
    judged: Judged


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of level of an objective: the readings at which it began and at which it was noticed."""

    began: Reading
    found: Reading
    point: ChangePoint
    worse: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """One objective of a scenario over its runs, oldest first, and the changes of its level."""

    key: str
    readings: tuple[Reading, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioTrend:
    """One scenario over its runs, oldest first. flips: changes of verdict among the newest runs at the same commit."""

    name: str
    points: tuple[Point, ...]
    trends: tuple[Trend, ...]
    flips: int

    @property
    def flaky(self) -> bool:
        """Whether the verdict changes too often without a change of the code."""
        return self.flips >= FLAKY_FLIPS

    @property
    def duration_s(self) -> float:
        """The median duration of a run."""
        return median([point.summary.duration_s for point in self.points]) if self.points else 0.0

    @property
    def requests(self) -> int:
        """All requests that its runs sent."""
        return sum(point.summary.requests for point in self.points)


def scenario_trends(history: History) -> tuple[ScenarioTrend, ...]:
    """Return every scenario of the history, by name."""
    points: dict[str, list[Point]] = {}
    for position, entry in enumerate(history.runs):
        ignored = entry.run in history.ignored
        for summary in entry.scenarios:
            name = summary.test or summary.scenario
            points.setdefault(name, []).append(Point(position=position, summary=summary, ignored=ignored))
    return tuple(_trend(name, own) for name, own in sorted(points.items()))


def _trend(name: str, points: Sequence[Point]) -> ScenarioTrend:
    readings: dict[str, list[Reading]] = {}
    for point in points:
        for judged in point.summary.objectives:
            readings.setdefault(judged.key, []).append(Reading(point=point, judged=judged))
    trends = tuple(Trend(key=key, readings=tuple(own), changes=_changes(own)) for key, own in sorted(readings.items()))
    return ScenarioTrend(name=name, points=tuple(points), trends=trends, flips=_flips(points))


def _changes(readings: Sequence[Reading]) -> tuple[Change, ...]:
    """Return the changes of level among the readings that count.

    A change is reported only if it is at least half of what a typical night's interval resolves, and a night whose
    interval is over three times as wide as a typical one says too little to count.
    """
    counted = [one for one in readings if not one.point.ignored and _is_number(one.judged.difference)]
    widths = [half for one in counted if (half := _half_width(one.judged)) is not None]
    typical = median(widths) if widths else 0.0
    informative = [one for one in counted if (_half_width(one.judged) or 0.0) <= 3 * typical]
    values = np.array([one.judged.difference for one in informative], dtype=np.float64)
    found = change_points(values, smallest=typical / 2)
    return tuple(_change(informative, point) for point in found)


def _change(readings: Sequence[Reading], point: ChangePoint) -> Change:
    worse = {"increase": point.shift > 0, "decrease": point.shift < 0}.get(readings[point.found].judged.worse)
    return Change(began=readings[point.start], found=readings[point.found], point=point, worse=worse)


def _half_width(judged: Judged) -> float | None:
    low, high = judged.low, judged.high
    if low is None or high is None or not math.isfinite(high - low):
        return None
    return (high - low) / 2


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _flips(points: Sequence[Point]) -> int:
    counted = [p.summary for p in points if not p.ignored and p.summary.verdict != NO_VERDICT][-RECENT:]
    return sum(old.verdict != new.verdict and old.commit == new.commit for old, new in pairwise(counted))
