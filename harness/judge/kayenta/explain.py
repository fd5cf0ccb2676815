"""Turn one of Kayenta's results into a finding of the harness, with a reason."""

from __future__ import annotations

import math

import numpy as np

from harness.judge.indicators import indicator_of
from harness.judge.kayenta.classify import Comparison, Label, Result
from harness.judge.kayenta.pairs import Pair
from harness.model.objective import Objective
from harness.model.verdict import Estimate, Finding, Verdict

METHOD = "Mann-Whitney interval of the shift between interval points, as in Kayenta"


def finding(
    objective: Objective,
    phase: str,
    result: Result,
    pair: Pair,
    *,
    requests: tuple[int, int],
    scale: float,
    weight: float,
) -> Finding:
    """Return the finding of one objective in one phase.

    requests: the numbers of requests of baseline and canary. scale: the factor from the objective's unit to the unit
    of ``pair``. weight: the result's share of the total score, in [0, 1].
    """
    interval = result.found.interval
    verdict = {Label.PASS: Verdict.PASS, Label.HIGH: Verdict.FAIL, Label.LOW: Verdict.FAIL}.get(
        result.label, Verdict.INCONCLUSIVE
    )
    control = result.control.mean / scale if result.control.count else None
    return Finding(
        objective=objective,
        phase=phase,
        baseline=None if control is None else Estimate(value=control, n=requests[0]),
        canary=None if not result.experiment.count else Estimate(value=result.experiment.mean / scale, n=requests[1]),
        difference=None if interval is None else interval.estimate / scale,
        low=None if interval is None else interval.low / scale,
        high=None if interval is None else interval.high / scale,
        relative=False,
        confidence=Comparison().confidence,
        margin=_margin(objective, control),
        verdict=verdict,
        reason=_reason(objective, result, scale),
        score=100.0 if verdict is Verdict.PASS else 0.0,
        weight=weight,
        missing=_missing(pair) if verdict is Verdict.INCONCLUSIVE else "",
        method=METHOD,
    )


def _margin(objective: Objective, control: float | None) -> float | None:
    """Return the tolerated change in the objective's unit."""
    if control is None:
        return objective.absolute
    return max((objective.relative or 0.0) * abs(control), objective.absolute or 0.0)


def unjudged_finding(objective: Objective, why: str) -> Finding:
    """Return the finding of an objective that Kayenta cannot judge; ``why`` is the reason."""
    return Finding(
        objective=objective,
        phase="",
        baseline=None,
        canary=None,
        difference=None,
        low=None,
        high=None,
        relative=False,
        confidence=Comparison().confidence,
        margin=None,
        verdict=Verdict.INCONCLUSIVE,
        reason=why,
        missing="another judge, or mute this objective",
        method=METHOD,
    )


def _reason(objective: Objective, result: Result, scale: float) -> str:
    found, interval = result.found, result.found.interval
    points = f"{result.control.count} and {result.experiment.count} points"
    if interval is None:
        return f"{found.label}: {found.reason or 'one side without data, or no difference'} ({points})"
    ratio = "" if found.ratio is None or math.isnan(found.ratio) else f", mean {found.ratio - 1:+.1%}"
    show = indicator_of(objective).show
    low, estimate, high = (show(value / scale) for value in (interval.low, interval.estimate, interval.high))
    return f"{found.label}: shift {estimate} ({low} to {high} at 98 %){ratio}; {points}"


def _missing(pair: Pair) -> str:
    sides = [
        side
        for side, points in (("baseline", pair.control), ("canary", pair.experiment))
        if not np.isfinite(points).any()
    ]
    return f"points of {' and '.join(sides)}" if sides else "points that differ from one another"
