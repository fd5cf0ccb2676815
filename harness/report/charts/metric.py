"""Draw a metric of both arms over time, as the metrics server reported it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from harness.model import formatting
from harness.model.json import JsonObject, JsonValue
from harness.model.phase import Phase
from harness.model.record import Series
from harness.report.charts import svg
from harness.report.charts.scale import from_zero, linear

MOST_POINTS = 300
_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 440.0, 56.0, 428.0, 26.0, 150.0


def metric(series: Sequence[Series], phases: Sequence[Phase], *, end_s: float) -> Markup:
    """Draw series of one name and unit, one line per arm; phases with faults are bands, as in the timeline."""
    thinned = [_thinned(one) for one in series]
    times = linear(min([0.0, *(at_s[0] for at_s, _ in thinned if at_s)]), end_s, _LEFT, _RIGHT, ticks=4)
    values = from_zero([v for _, v in thinned], _BOTTOM, _TOP, at_least=1e-9)
    moving = [
        svg.rectangle(times(p.start_s), _TOP, times(p.end_s) - times(p.start_s), _BOTTOM - _TOP, "band fault")
        for p in phases
        if p.faults
    ]
    moving += [
        svg.polyline(times.many(at_s).tolist(), values.many(column).tolist(), f"line {_arm(one.arm)} p99")
        for one, (at_s, column) in zip(series, thinned, strict=True)
    ]
    parts = [
        svg.line(_LEFT, y, _RIGHT, y, "grid")
        + svg.text(_LEFT - 6, y + 4, formatting.number(tick), class_="tick", anchor="end")
        for tick, y in zip(values.ticks, values.many(values.ticks).tolist(), strict=True)
    ]
    parts += [svg.plot(_LEFT, _RIGHT, _BOTTOM, *moving), *svg.time_axis(times, _BOTTOM, _WIDTH)]
    parts.append(svg.line(_LEFT, _TOP, _LEFT, _BOTTOM, "cursor"))
    title = f"{series[0].name}, {series[0].unit}" if series[0].unit else series[0].name
    parts.append(svg.text(_LEFT, 14, formatting.printable(title)[:32], class_="panel-title"))
    for place, one in enumerate(reversed(series[:2])):
        x = 368 - 78 * place
        parts.append(svg.line(x, 10, x + 16, 10, f"line {_arm(one.arm)} p99"))
        parts.append(svg.text(x + 20, 14, one.arm or "all", class_="legend"))
    label = f"{title} over time: " + ", ".join(one.arm or "both arms" for one in series)
    return svg.drawing(_WIDTH, _BOTTOM + 24, label, *parts, class_="small timed", **svg.timing(times, _WIDTH))


def readings(series: Sequence[Series]) -> JsonObject:
    """Return what the shared cursor shows of these series: their arms, times and values."""
    rows: list[JsonValue] = []
    for one in series:
        at_s, column = _thinned(one)
        values: list[JsonValue] = [float(f"{value:.4g}") if math.isfinite(value) else None for value in column]
        rows.append([one.arm or "all", [round(at, 1) for at in at_s], values])
    return {"unit": series[0].unit, "rows": rows}


def _arm(name: str) -> str:
    return name if name in ("baseline", "canary") else "sent"


def _thinned(series: Series) -> tuple[list[float], list[float]]:
    """Keep every k-th point, at most 300, so that a gap stays a gap. A reading without a time is left out."""
    known = [(at, value) for at, value in zip(series.at_s, series.values, strict=False) if math.isfinite(at)]
    step = int(np.ceil(max(len(known), 1) / MOST_POINTS))
    return [at for at, _ in known[::step]], [value for _, value in known[::step]]
