"""Draw every difference with its interval on one scale in tolerances, so that the verdict is visible."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from markupsafe import Markup

from harness.judge.indicators import cell_style_of
from harness.model import formatting
from harness.model.indicator import Direction
from harness.model.record import Record
from harness.model.verdict import WATCHED, Finding
from harness.report.charts import svg
from harness.report.charts.scale import Scale, linear

_FARTHEST = 4.0
"""The most tolerances to show on either side; an arrow marks what lies beyond."""
_CHARACTER = 6.7
"""The width of a digit of the chart's text."""


def drawable(finding: Finding) -> bool:
    """Return whether a finding has a difference and a tolerance to compare it with."""
    return finding.difference is not None and not math.isnan(finding.difference) and bool(finding.margin)


def forest(findings: Sequence[Finding], record: Record, *, narrow: bool = False) -> Markup:
    """Draw one row per finding in the given order; right is worse, and the limit is one tolerance from zero."""
    rows = [finding for finding in findings if drawable(finding)]
    width, left, right = (380.0, 14.0, 366.0) if narrow else (1100.0, 320.0, 800.0)
    height, top = (52.0, 34.0) if narrow else (28.0, 34.0)
    scale = _scale(rows, left, right)
    bottom = top + height * len(rows)
    parts = [*_zone(scale, top, bottom), *_axis(scale, bottom)]
    for index, finding in enumerate(rows):
        parts += _row(finding, record, scale, top + height * index, height, narrow=narrow)
    label = f"Differences of {len(rows)} findings in tolerances: " + "; ".join(_description(f, record) for f in rows)
    return svg.drawing(width, bottom + 40, label, *parts, class_="forest " + ("narrow" if narrow else "wide"))


def _description(finding: Finding, record: Record) -> str:
    style = cell_style_of(finding.objective, record.series)
    return (
        f"{formatting.indicator(finding.objective)} in {formatting.phase(finding)} "
        f"{formatting.interval(finding, style)}, tolerance {formatting.tolerance(finding, style)}, {finding.label}"
    )


def _scale(rows: Sequence[Finding], left: float, right: float) -> Scale:
    ends = [end for row in rows for end in _in_tolerances(row) if math.isfinite(end)]
    high = min(max([1.5, *(end * 1.1 for end in ends)]), _FARTHEST)
    low = max(min([-1.5, *(end * 1.1 for end in ends)]), -_FARTHEST)
    return linear(low, high, left, right, ticks=6)


def _in_tolerances(finding: Finding) -> tuple[float, float, float]:
    """Return low limit, difference and high limit in tolerances; positive is worse."""
    factor = (-1.0 if finding.objective.direction is Direction.DECREASE else 1.0) / abs(finding.margin or 1.0)
    low = -math.inf if finding.low is None else finding.low
    high = math.inf if finding.high is None else finding.high
    middle = math.nan if finding.difference is None else finding.difference
    ends = (low, middle, high) if factor > 0 else (high, middle, low)
    return ends[0] * factor, ends[1] * factor, ends[2] * factor


def _zone(scale: Scale, top: float, bottom: float) -> Iterator[Markup]:
    yield svg.rectangle(scale.start, top, scale(1.0) - scale.start, bottom - top, "zone")
    close = scale(1.0) - scale(0.0) < 85
    for value, name, class_, anchor in ((0.0, "no difference", "zero", "end"), (1.0, "tolerance", "limit", "start")):
        yield svg.line(scale(value), top - 4, scale(value), bottom, class_)
        yield svg.text(scale(value), top - 10, name, class_=f"mark-name {class_}", anchor=anchor if close else "middle")
    yield svg.text(
        scale.end, top - (10 if scale.end - scale(1.0) > 120 else 24), "worse →", class_="tick", anchor="end"
    )


def _axis(scale: Scale, bottom: float) -> Iterator[Markup]:
    yield svg.line(scale.start, bottom, scale.end, bottom, "axis")
    for tick in scale.ticks:
        yield svg.line(scale(tick), bottom, scale(tick), bottom + 4, "axis")
        yield svg.text(scale(tick), bottom + 17, formatting.number(tick), class_="tick", anchor="middle")
    yield svg.text(
        (scale.start + scale.end) / 2, bottom + 34, "difference in tolerances", class_="tick", anchor="middle"
    )


def _row(
    finding: Finding, record: Record, scale: Scale, top: float, height: float, *, narrow: bool
) -> Iterator[Markup]:
    style = cell_style_of(finding.objective, record.series)
    y = top + (34 if narrow else height / 2)
    indicator, phase = formatting.indicator(finding.objective), formatting.phase(finding)
    name = f"{formatting.printable(indicator)} in {formatting.printable(phase)}"
    numbers = f"{formatting.interval(finding, style)} of {formatting.tolerance(finding, style)}"
    muted, mark = " muted" if finding.objective.muted else "", formatting.LABEL_MARKS[finding.label]
    yield svg.line(0, top, 1100, top, "grid")
    if finding.objective.direction is Direction.EITHER:
        yield svg.rectangle(scale.start, top, scale(-1.0) - scale.start, height, "beyond")
        yield svg.line(scale(-1.0), top, scale(-1.0), top + height, "limit")
    if narrow:
        yield svg.text(14, top + 14, f"{mark} {_cut(name, 30)}", class_=f"row-name {finding.label}")
        yield svg.text(366, top + 14, formatting.interval(finding, style), class_="row-number", anchor="end")
    else:
        yield svg.text(0, y + 4, f"{mark} {_cut(name, 42)}", class_=f"row-name {finding.label}")
        yield svg.text(1100, y + 4, numbers, class_="row-number", anchor="end")
    yield from _whisker(finding, scale, y, f"{finding.label}{muted}")


def _whisker(finding: Finding, scale: Scale, y: float, class_: str) -> Iterator[Markup]:
    low, middle, high = _in_tolerances(finding)
    if low > scale.high or high < scale.low:
        left = -1.0 if finding.objective.direction is Direction.EITHER else 0.0
        yield from _beyond((low, middle, high), scale, y, class_, marks=(left, 1.0))
        return
    x_low, x_middle, x_high = scale(max(low, scale.low)), scale(middle), scale(min(high, scale.high))
    yield svg.line(x_low, y, x_high, y, f"whisker {class_}")
    for end, x, edge, sign in ((low, x_low, scale.low, 1), (high, x_high, scale.high, -1)):
        beyond = end < edge if sign > 0 else end > edge
        if beyond:
            tail = x + 7 * sign
            arrow = f"M{tail:.1f} {y - 4:.1f}L{x:.1f} {y:.1f}L{tail:.1f} {y + 4:.1f}"
            yield svg.element("path", d=arrow, class_=f"whisker {class_}")
            if math.isfinite(end):
                anchor = None if sign > 0 else "end"
                yield svg.text(x + 10 * sign, y - 5, formatting.number(end), class_="tick end", anchor=anchor)
        else:
            yield svg.line(x, y - 4, x, y + 4, f"whisker {class_}")
    if scale.low <= middle <= scale.high:
        yield _point(x_middle, y, class_)


def _beyond(
    ends: tuple[float, float, float], scale: Scale, y: float, class_: str, *, marks: tuple[float, float]
) -> Iterator[Markup]:
    """Draw an arrow with the numbers of an interval that lies completely off the scale.

    marks: the first and the last vertical line, in tolerances, which the numbers must not cross.
    """
    low, middle, high = map(formatting.number, ends)
    right = ends[1] > 0
    tip, sign = (scale.end, -1) if right else (scale.start, 1)
    room = abs(tip - scale(marks[right])) - 36
    texts = (f"{middle} [{low}, {high}] tolerances", f"{middle} [{low}, {high}]", middle)
    yield svg.element("path", d=f"M{tip:.1f} {y:.1f}l{9 * sign} -5v10Z", class_=f"point {class_}")
    yield svg.line(tip + 9 * sign, y, tip + 26 * sign, y, f"whisker {class_}")
    yield svg.text(
        tip + 32 * sign,
        y + 4,
        next((text for text in texts if len(text) * _CHARACTER <= room), middle),
        class_=f"row-number {class_}",
        anchor="end" if right else None,
    )


def _point(x: float, y: float, class_: str) -> Markup:
    """Draw a different shape for each label, so that readers do not depend on colour."""
    shapes = {
        "pass": f"M{x - 4.5:.1f} {y:.1f}a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0Z",
        WATCHED: f"M{x - 2:.1f} {y - 5:.1f}h4v10h-4Z",
        "fail": f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8Z",
        "marginal": f"M{x:.1f} {y - 5.5:.1f}l5.5 9.5h-11Z",
        "inconclusive": f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
    }
    return svg.element("path", d=shapes[class_.split(maxsplit=1)[0]], class_=f"point {class_}")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
