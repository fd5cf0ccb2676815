"""Draw the difference of an objective over the runs of a scenario, with its stored intervals and changes of level."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import numpy as np
from markupsafe import Markup

from harness.history.changes import shown
from harness.history.trends import Reading, Trend
from harness.report.charts import svg
from harness.report.charts.scale import Scale, linear

MOST = 300
"""Newest runs that a chart shows."""
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 1100.0, 70.0, 1090.0, 16.0, 150.0


def trend_chart(trend: Trend) -> Markup:
    """Draw one objective: a line with its intervals as a band, the tolerance, and a mark where the level changed."""
    readings = [one for one in trend.readings if _finite(one.judged.difference)][-MOST:]
    factor, unit = _unit(readings)
    middle = _column([one.judged.difference for one in readings], factor)
    low, high = (
        _column([one.judged.low for one in readings], factor),
        _column([one.judged.high for one in readings], factor),
    )
    limit = _limit(readings, factor)
    values = _values(middle, low, high, limit)
    runs = linear(0.0, max(len(readings) - 1.0, 1.0), _LEFT, _RIGHT)
    xs = runs.many(np.arange(len(readings))).tolist()
    parts = [*_across(values, unit)]
    parts += [svg.area(xs, values.many(low).tolist(), values.many(high).tolist(), "spread")]
    parts += [svg.line(_LEFT, values(0.0), _RIGHT, values(0.0), "zero")]
    if limit is not None:
        parts.append(svg.line(_LEFT, values(limit), _RIGHT, values(limit), "limit"))
    parts += [svg.polyline(xs, values.many(middle).tolist(), "line canary p50")]
    parts += [_mark(one, x, y) for one, x, y in zip(readings, xs, values.many(middle).tolist(), strict=True)]
    parts += [*_dates(readings, xs), *_changes(trend, readings, xs)]
    label = f"{trend.key} in {len(readings)} runs, canary against baseline; {len(trend.changes)} changes of level"
    return svg.drawing(_WIDTH, _BOTTOM + 26, label, *parts, class_="trend")


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _column(values: Sequence[float | None], factor: float) -> list[float]:
    return [math.nan if value is None or not math.isfinite(value) else value * factor for value in values]


def _unit(readings: Sequence[Reading]) -> tuple[float, str]:
    newest = readings[-1].judged if readings else None
    if newest is None or not (newest.relative or newest.unit == "ratio"):
        return 1.0, newest.unit if newest else ""
    return 100.0, "%" if newest.relative else "pp"


def _limit(readings: Sequence[Reading], factor: float) -> float | None:
    newest = readings[-1].judged if readings else None
    if newest is None or newest.margin is None:
        return None
    return abs(newest.margin) * factor * (-1 if newest.worse == "decrease" else 1)


def _values(middle: Sequence[float], low: Sequence[float], high: Sequence[float], limit: float | None) -> Scale:
    """Return a scale over the middle 98 % of the intervals, so that one wild night does not flatten the others."""
    ends = np.array([*middle, *low, *high], dtype=np.float64)
    ends = ends[np.isfinite(ends)]
    edges = [float(edge) for edge in np.quantile(ends, (0.01, 0.99))] if ends.size else []
    wanted = [0.0, *edges, *([] if limit is None else [limit])]
    room = (max(wanted) - min(wanted)) * 0.08 or 1.0
    return linear(min(wanted) - room, max(wanted) + room, _BOTTOM, _TOP, ticks=4)


def _across(values: Scale, unit: str) -> Iterator[Markup]:
    for tick, y in zip(values.ticks, values.many(values.ticks).tolist(), strict=True):
        yield svg.line(_LEFT, y, _RIGHT, y, "grid")
        yield svg.text(_LEFT - 6, y + 4, f"{tick:+.3g} {unit}" if tick else "0", class_="tick", anchor="end")


def _mark(reading: Reading, x: float, y: float) -> Markup:
    """Mark a verdict other than pass by its shape, and an ignored run by a ring."""
    if reading.point.ignored:
        return svg.element("circle", cx=x, cy=y, r=4.0, class_="ignored")
    shapes = {
        "fail": f"M{x - 3.5:.1f} {y - 3.5:.1f}h7v7h-7Z",
        "marginal": f"M{x:.1f} {y - 4.5:.1f}l4.5 8h-9Z",
        "inconclusive": f"M{x:.1f} {y - 4.5:.1f}l4 4.5l-4 4.5l-4 -4.5Z",
    }
    shape = shapes.get(reading.judged.verdict)
    return svg.element("path", d=shape, class_=f"point {reading.judged.verdict}") if shape else Markup("")


def _dates(readings: Sequence[Reading], xs: Sequence[float]) -> Iterator[Markup]:
    yield svg.line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")
    for place in sorted({round(share * (len(readings) - 1)) for share in np.linspace(0, 1, 7)}) if readings else []:
        date = datetime.fromtimestamp(readings[place].point.summary.started_s, UTC)
        anchor = "end" if xs[place] > _RIGHT - 30 else "middle"
        yield svg.text(xs[place], _BOTTOM + 17, f"{date:%Y-%m-%d}", class_="tick", anchor=anchor)


def _changes(trend: Trend, readings: Sequence[Reading], xs: Sequence[float]) -> Iterator[Markup]:
    places = {one.point.position: x for one, x in zip(readings, xs, strict=True)}
    for change in trend.changes:
        x = places.get(change.began.point.position)
        if x is None:
            continue
        word = {True: "fail", False: "pass", None: "other"}[change.worse]
        yield svg.line(x, _TOP - 4, x, _BOTTOM, f"change {word}")
        text = f"{shown(change.point.before, change)} → {shown(change.point.after, change)}"
        end = "end" if x > _RIGHT - 150 else None
        yield svg.text(x + (-4 if end else 4), _TOP - 4, text, class_=f"change-name {word}", anchor=end)
