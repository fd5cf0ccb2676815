"""Draw the breaking points of both arms over the searches of many nights, each with the interval that it lies in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup

from harness.history.searches import Search
from harness.model.breaking_point import BreakingPoint
from harness.model.samples import ARMS
from harness.report.charts import svg
from harness.report.charts.scale import Scale, linear, logarithmic

MOST = 300
"""Newest searches that a chart shows."""
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 1100.0, 70.0, 1080.0, 16.0, 200.0
_APART = 3.0
"""How far the marks of the two arms stand apart, so that neither hides the other."""


def breaking_chart(searches: Sequence[Search]) -> Markup:
    """Draw a mark for each arm and search: a dot where it broke, or an arrow from the most that it withstood."""
    shown = searches[-MOST:]
    points = {arm: [one.point(arm) for one in shown] for arm in ARMS}
    known = [amount for each in points.values() for one in each for amount in (one.withstood, one.broke) if amount]
    amounts = logarithmic([known], _BOTTOM, _TOP)
    nights = linear(-0.5, len(shown) - 0.5, _LEFT, _RIGHT)
    xs = nights.many(np.arange(len(shown))).tolist()
    parts = [*_across(shown[-1], amounts), *_dates(shown, xs)]
    for arm, shift in zip(ARMS, (-_APART, _APART), strict=True):
        places = [x + shift for x in xs]
        middles = [math.nan if one.estimate is None else amounts(one.estimate) for one in points[arm]]
        parts.append(svg.polyline(places, middles, f"line {arm} p50"))
        parts += [
            mark for x, one in zip(places, points[arm], strict=True) for mark in _marks(arm, x, one, amounts)
        ]  # fmt: skip
    label = f"breaking points of {shown[-1].service} under {shown[-1].fault} in {len(shown)} searches, both arms"
    return svg.drawing(_WIDTH, _BOTTOM + 26, label, *parts, class_="trend breaking")


def _marks(arm: str, x: float, point: BreakingPoint, amounts: Scale) -> Iterator[Markup]:
    if point.estimate is not None:
        y = amounts(point.estimate)
        if point.withstood is not None and point.broke is not None:
            yield svg.line(x, amounts(point.withstood), x, amounts(point.broke), f"interval {arm}")
        yield svg.element("circle", cx=x, cy=y, r=3.5, class_=f"dot {arm}")
    elif point.withstood is not None:
        y = amounts(point.withstood)
        yield svg.element("path", d=f"M{x:.1f} {y - 6:.1f}l4 7h-8Z", class_=f"dot {arm}")


def _across(newest: Search, amounts: Scale) -> Iterator[Markup]:
    for tick, y in zip(amounts.ticks, amounts.many(amounts.ticks).tolist(), strict=True):
        yield svg.line(_LEFT, y, _RIGHT, y, "grid")
        yield svg.text(_LEFT - 6, y + 4, newest.show(tick), class_="tick", anchor="end")


def _dates(searches: Sequence[Search], xs: Sequence[float]) -> Iterator[Markup]:
    yield svg.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")
    for place in sorted({round(share * (len(searches) - 1)) for share in np.linspace(0, 1, 7)}):
        anchor = "end" if xs[place] > _RIGHT - 30 else "middle"
        yield svg.text(xs[place], _BOTTOM + 17, searches[place].started[:10], class_="tick", anchor=anchor)
