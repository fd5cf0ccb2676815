"""Draw the run on one time axis: phases, faults, request rate, latencies and errors of both arms, and events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from harness.model import formatting
from harness.model.phase import Phase
from harness.model.record import Event, Plan
from harness.model.units import format_duration
from harness.report.buckets import Buckets, Column
from harness.report.charts import svg
from harness.report.charts.scale import Scale, from_zero, linear, logarithmic

_TOP, _GAP, _FOOT = 40.0, 30.0, 22.0
_LANE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The layout: the time scale, the width of the drawing, and whether it is for a narrow screen."""

    time: Scale
    width: float
    narrow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    title: str
    legend: tuple[tuple[str, str], ...]
    top: float
    values: Scale
    labels: tuple[str, ...]


def timeline(
    plan: Plan, phases: Sequence[Phase], events: Sequence[Event], seen: Buckets, *, narrow: bool = False
) -> Markup:
    """Draw the timeline, 1100 units wide, or 380 for phones, with the same text size."""
    width, left, right = (380.0, 56.0, 10.0) if narrow else (1100.0, 62.0, 16.0)
    time = linear(seen.start_s, seen.end_s, left, width - right, ticks=4 if narrow else 10)
    frame = _Frame(time=time, width=width, narrow=narrow)
    heights = (70.0, 150.0, 60.0, 80.0) if narrow else (80.0, 190.0, 70.0, 90.0)
    tops = [_TOP + 22 + sum(heights[:row]) + row * _GAP for row in range(len(heights))]
    bottom = tops[-1] + heights[-1]
    lane = _LANE if events else 6.0
    parts = [
        svg.joined(_bands(frame, phases, bottom + lane)),
        _rate(frame, plan, seen, tops[0], heights[0]),
        _latency(frame, seen, tops[1], heights[1]),
        _strip(frame, seen, tops[2], heights[2]),
        _errors(frame, seen, tops[3], heights[3]),
        svg.joined(_events(frame, events, bottom)),
        svg.joined(_time_axis(frame, bottom + lane)),
        svg.line(left, _TOP, left, bottom + lane, "cursor"),
    ]
    return svg.drawing(
        width, bottom + lane + _FOOT, _described(phases, seen), *parts,
        class_="timeline " + ("narrow" if narrow else "wide"),
        data_left=left, data_right=width - right, data_width=width,
    )  # fmt: skip


def _described(phases: Sequence[Phase], seen: Buckets) -> str:
    named = ", ".join(f"{p.name} from {p.start_s:.0f} to {p.end_s:.0f} s" for p in phases) or "no phases"
    length = format_duration(seen.end_s - seen.start_s)
    return (
        f"Timeline of {length}: {named}. Planned and sent rate, latency p50 and p99, and error rate of baseline and "
        "canary; the table by phase below holds the numbers."
    )


def _bands(frame: _Frame, phases: Sequence[Phase], bottom: float) -> Iterator[Markup]:
    for index, phase in enumerate(phases):
        start, end = frame.time(phase.start_s), frame.time(phase.end_s)
        kind = "fault" if phase.faults else f"plain-{index % 2}"
        yield svg.rectangle(start, 4, end - start, bottom - 4, f"band {kind}")
        yield svg.line(start, 4, start, bottom, f"edge {kind}")
        room = int((end - start - 8) / 6.6)
        yield svg.text(start + 5, 18, _fitting(phase.name, room), class_="phase-name")
        for row, fault in enumerate(phase.faults[:2]):
            more = f" and {len(phase.faults) - 2} more" if row == 1 and len(phase.faults) > 2 else ""
            yield svg.text(start + 5, 33 + 13 * row, _fitting(fault + more, room), class_="fault-name")


def _rate(frame: _Frame, plan: Plan, seen: Buckets, top: float, height: float) -> Markup:
    values = from_zero([seen.sent_rps, [plan.rate_rps]], top + height, top, at_least=1.0)
    panel = _Panel(
        title="Rate, requests per second", top=top, values=values,
        labels=tuple(formatting.number(t) for t in values.ticks),
        legend=(("planned", "planned"), ("sent", "sent")),
    )  # fmt: skip
    planned_end = min(plan.duration_s, seen.end_s) if plan.duration_s > 0 else seen.end_s
    y = values(plan.rate_rps)
    return _drawn(
        frame, panel,
        svg.polyline(_x(frame, seen.at_s), values.many(seen.sent_rps).tolist(), "line sent"),
        svg.line(frame.time(0.0), y, frame.time(planned_end), y, "line planned"),
    )  # fmt: skip


def _latency(frame: _Frame, seen: Buckets, top: float, height: float) -> Markup:
    values = logarithmic([column for arm in seen.arms for column in (arm.p50_s, arm.p99_s)], top + height, top)
    panel = _Panel(
        title="Latency p50, p99" if frame.narrow else "Latency p50 (thin) and p99 (thick), logarithmic",
        top=top, values=values, labels=tuple(format_duration(t) for t in values.ticks), legend=_ARMS,
    )  # fmt: skip
    lines = [
        svg.polyline(_x(frame, seen.at_s), values.many(column).tolist(), f"line {arm.name} {name}")
        for name in ("p99", "p50")
        for arm in seen.arms
        for column in (arm.p99_s if name == "p99" else arm.p50_s,)
    ]
    return _drawn(frame, panel, *lines)


def _strip(frame: _Frame, seen: Buckets, top: float, height: float) -> Markup:
    """Draw canary compared with baseline by bucket; where either is missing, show no data, not zero."""
    baseline, canary = seen.arms
    percent = (canary.p50_s / np.where(baseline.p50_s > 0, baseline.p50_s, np.nan) - 1) * 100
    finite = np.abs(percent[np.isfinite(percent)])
    most = max(10.0, float(np.quantile(finite, 0.98)) * 1.2 if finite.size else 0.0)
    values = linear(-most, most, top + height, top, ticks=4)
    panel = _Panel(
        title="p50, canary compared with baseline, %", top=top, values=values, legend=(),
        labels=tuple(f"{t:+.3g}" if t else "0" for t in values.ticks),
    )  # fmt: skip
    middle = values(0.0)
    ys = values.many(percent)
    return _drawn(
        frame, panel, *_gaps(frame, seen, percent, top, height),
        svg.area(_x(frame, seen.at_s), np.minimum(ys, middle).tolist(), [middle] * len(ys), "above"),
        svg.area(_x(frame, seen.at_s), [middle] * len(ys), np.maximum(ys, middle).tolist(), "below"),
        svg.line(frame.time.start, middle, frame.time.end, middle, "zero"),
    )  # fmt: skip


def _gaps(frame: _Frame, seen: Buckets, column: Column, top: float, height: float) -> Iterator[Markup]:
    """Mark each stretch without a value."""
    half = seen.width_s / 2
    stretches: list[list[float]] = []
    for at_s in seen.at_s[~np.isfinite(column)].tolist():
        if stretches and at_s - half <= stretches[-1][1] + half / 2:
            stretches[-1][1] = at_s + half
        else:
            stretches.append([at_s - half, at_s + half])
    for start_s, end_s in stretches:
        left, right = frame.time(start_s), frame.time(end_s)
        yield svg.rectangle(left, top, right - left, height, "gap")
        if right - left > 46:
            yield svg.text((left + right) / 2, top + height / 2 - 6, "no data", class_="tick", anchor="middle")


def _errors(frame: _Frame, seen: Buckets, top: float, height: float) -> Markup:
    values = from_zero([arm.errors * 100 for arm in seen.arms], top + height, top, at_least=1.0)
    panel = _Panel(
        title="Error rate, %",
        top=top,
        values=values,
        labels=tuple(formatting.number(t) for t in values.ticks),
        legend=_ARMS,
    )
    lines = [
        svg.polyline(_x(frame, seen.at_s), values.many(arm.errors * 100).tolist(), f"line {arm.name} errors")
        for arm in seen.arms
    ]
    return _drawn(frame, panel, *lines)


_ARMS = (("baseline", "baseline errors"), ("canary", "canary errors"))


def _drawn(frame: _Frame, panel: _Panel, *lines: Markup) -> Markup:
    left, right = frame.time.start, frame.time.end
    grid = [
        svg.line(left, y, right, y, "grid") + svg.text(left - 6, y + 4, label, class_="tick", anchor="end")
        for y, label in zip(panel.values.many(panel.values.ticks).tolist(), panel.labels, strict=True)
    ]
    title = svg.text(left if not frame.narrow else 4, panel.top - 9, panel.title, class_="panel-title")
    return svg.joined([*grid, title, *_legend(frame, panel), *lines])


def _legend(frame: _Frame, panel: _Panel) -> Iterator[Markup]:
    x = frame.time.end
    for name, class_ in reversed(panel.legend):
        x -= 7.0 * len(name)
        yield svg.text(x, panel.top - 9, name, class_="legend")
        yield svg.line(x - 22, panel.top - 13, x - 5, panel.top - 13, f"line {class_}")
        x -= 34


def _events(frame: _Frame, events: Sequence[Event], top: float) -> Iterator[Markup]:
    last = -100.0
    for index, event in enumerate(sorted(events, key=lambda e: e.at_s), start=1):
        x = frame.time(event.at_s)
        mark = svg.element(
            "g",
            svg.element("title", f"{event.at_s:.1f} s {event.kind}: {event.text}"),
            svg.line(x, top + 4, x, top + 12, f"event {_word(event.kind)}"),
            svg.text(x, top + 24, str(index), class_="event-number", anchor="middle") if x - last > 13 else Markup(""),
        )
        last = x if x - last > 13 else last
        yield mark


def _time_axis(frame: _Frame, y: float) -> Iterator[Markup]:
    yield svg.line(frame.time.start, y, frame.time.end, y, "axis")
    for tick in frame.time.ticks:
        x = frame.time(tick)
        yield svg.line(x, y, x, y + 4, "axis")
        anchor = "end" if x > frame.width - 22 else "middle"
        yield svg.text(min(x, frame.width - 2), y + 17, f"{formatting.number(tick)} s", class_="tick", anchor=anchor)


def _x(frame: _Frame, at_s: Column) -> list[float]:
    places: list[float] = frame.time.many(at_s).tolist()
    return places


def _fitting(text: str, room: int) -> str:
    clean = formatting.printable(text)
    return clean if len(clean) <= room else clean[: room - 1] + "…" if room > 3 else ""


def _word(kind: str) -> str:
    return kind if kind.isidentifier() else "other"
