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
from harness.report.comparison import Comparison

_TOP, _GAP, _FOOT = 40.0, 30.0, 22.0
_LANE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """The layout: the time scale, the width of the drawing, and whether it is for a narrow screen."""

    time: Scale
    width: float
    narrow: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drawn:
    """A panel: what stays when a reader zooms, what moves, and texts on top."""

    still: Markup
    lines: Markup
    labels: Markup


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    title: str
    legend: tuple[tuple[str, str], ...]
    top: float
    values: Scale
    labels: tuple[str, ...]


def timeline(
    plan: Plan,
    phases: Sequence[Phase],
    events: Sequence[Event],
    seen: Buckets,
    compared: Comparison,
    *,
    narrow: bool = False,
) -> Markup:
    """Draw the timeline, 1100 units wide, or 380 for phones, with the same text size."""
    width, left, right = (380.0, 56.0, 10.0) if narrow else (1100.0, 62.0, 16.0)
    time = linear(seen.start_s, seen.end_s, left, width - right, ticks=4 if narrow else 10)
    frame = _Frame(time=time, width=width, narrow=narrow)
    heights = (70.0, 150.0, 60.0, 80.0) if narrow else (80.0, 190.0, 70.0, 90.0)
    tops = [_TOP + 22 + sum(heights[:row]) + row * _GAP for row in range(len(heights))]
    bottom, lane = tops[-1] + heights[-1], _LANE if events else 6.0
    panels = [
        _rate(frame, plan, seen, tops[0], heights[0]),
        _latency(frame, seen, tops[1], heights[1]),
        _strip(frame, compared, tops[2], heights[2]),
        _errors(frame, seen, tops[3], heights[3]),
    ]
    moving = [
        *_bands(frame, phases, bottom + lane),
        *(panel.lines for panel in panels),
        *_events(frame, events, bottom),
    ]
    parts = [
        *(panel.still for panel in panels),
        svg.plot(time.start, time.end, bottom + lane, *moving),
        *(panel.labels for panel in panels),
        *_names(frame, phases),
        *_numbers(frame, events, bottom),
        *svg.time_axis(time, bottom + lane, width),
        svg.line(left, _TOP, left, bottom + lane, "cursor"),
    ]
    return svg.drawing(
        width, bottom + lane + _FOOT, _described(phases, seen, compared), *parts,
        class_="timeline timed " + ("narrow" if narrow else "wide"), **svg.timing(time, width),
    )  # fmt: skip


def _described(phases: Sequence[Phase], seen: Buckets, compared: Comparison) -> str:
    named = ", ".join(f"{p.name} from {p.start_s:.0f} to {p.end_s:.0f} s" for p in phases) or "no phases"
    length = format_duration(seen.end_s - seen.start_s)
    return (
        f"Timeline of {length}: {named}. Planned and sent rate, latency p50 and p99, {compared.title}, error rate of "
        "baseline and canary; the table by phase below holds the numbers."
    )


def _bands(frame: _Frame, phases: Sequence[Phase], bottom: float) -> Iterator[Markup]:
    for index, phase in enumerate(phases):
        start, end = frame.time(phase.start_s), frame.time(phase.end_s)
        kind = "fault" if phase.faults else f"plain-{index % 2}"
        yield svg.rectangle(start, 4, end - start, bottom - 4, f"band {kind}")
        yield svg.line(start, 4, start, bottom, f"edge {kind}")


def _names(frame: _Frame, phases: Sequence[Phase]) -> Iterator[Markup]:
    """Write the names of phases and faults; the script moves them when a reader zooms, so they carry times and text."""
    for phase in phases:
        rows = [(18.0, phase.name, "phase-name")]
        for row, fault in enumerate(phase.faults[:2]):
            more = f" and {len(phase.faults) - 2} more" if row == 1 and len(phase.faults) > 2 else ""
            rows.append((33.0 + 13 * row, fault + more, "fault-name"))
        start, room = frame.time(phase.start_s), int((frame.time(phase.end_s) - frame.time(phase.start_s) - 8) / 6.6)
        for y, name, class_ in rows:
            yield svg.element(
                "text", _fitting(name, room), x=start + 5, y=y, class_=class_,
                data_from=f"{phase.start_s:.3f}", data_to=f"{phase.end_s:.3f}",
                data_full=formatting.printable(name)[:200],
            )  # fmt: skip


def _rate(frame: _Frame, plan: Plan, seen: Buckets, top: float, height: float) -> _Drawn:
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


def _latency(frame: _Frame, seen: Buckets, top: float, height: float) -> _Drawn:
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


def _strip(frame: _Frame, compared: Comparison, top: float, height: float) -> _Drawn:
    """Draw canary compared with baseline; where either is missing, show no data, not zero."""
    finite = np.abs(compared.values[np.isfinite(compared.values)])
    limit = 0.0 if compared.tolerance is None else abs(compared.tolerance) * 1.15
    most = max(
        limit, 1e-3 if finite.size and limit else 1.0, float(np.quantile(finite, 0.98)) * 1.2 if finite.size else 0
    )
    values = linear(-most, most, top + height, top, ticks=4)
    title = compared.short_title if frame.narrow else compared.title
    if compared.tolerance is not None and not frame.narrow:
        title += f" (decided{' in ' + compared.phase if compared.phase else ''})"
    panel = _Panel(
        title=_fitting(title, 40 if frame.narrow else 140),
        top=top, values=values, legend=() if compared.tolerance is None else (("tolerance", "limit"),),
        labels=tuple(f"{t:+.3g}" if t else "0" for t in values.ticks),
    )  # fmt: skip
    middle = values(0.0)
    ys, xs = values.many(compared.values), _x(frame, compared.at_s)
    worse, better = ("above", "below") if compared.higher_is_worse else ("below", "above")
    shapes = [
        *_gaps(frame, compared, top, height),
        svg.area(xs, np.minimum(ys, middle).tolist(), [middle] * len(ys), worse),
        svg.area(xs, [middle] * len(ys), np.maximum(ys, middle).tolist(), better),
        svg.line(frame.time.start, middle, frame.time.end, middle, "zero"),
    ]
    if compared.tolerance is not None:
        y = values(compared.tolerance)
        shapes.append(svg.line(frame.time.start, y, frame.time.end, y, "limit"))
    return _drawn(frame, panel, *shapes)


def _gaps(frame: _Frame, compared: Comparison, top: float, height: float) -> Iterator[Markup]:
    """Mark each stretch without a value."""
    half = compared.width_s / 2
    stretches: list[list[float]] = []
    for at_s in compared.at_s[~np.isfinite(compared.values)].tolist():
        if stretches and at_s - half <= stretches[-1][1] + half / 2:
            stretches[-1][1] = at_s + half
        else:
            stretches.append([at_s - half, at_s + half])
    for start_s, end_s in stretches:
        left, right = frame.time(start_s), frame.time(end_s)
        shape = svg.element("title", f"no data from {start_s:.1f} to {end_s:.1f} s")
        yield svg.element("rect", shape, x=left, y=top, width=right - left, height=height, class_="gap")


def _errors(frame: _Frame, seen: Buckets, top: float, height: float) -> _Drawn:
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


def _drawn(frame: _Frame, panel: _Panel, *lines: Markup) -> _Drawn:
    left, right = frame.time.start, frame.time.end
    grid = [
        svg.line(left, y, right, y, "grid") + svg.text(left - 6, y + 4, label, class_="tick", anchor="end")
        for y, label in zip(panel.values.many(panel.values.ticks).tolist(), panel.labels, strict=True)
    ]
    title = svg.text(left if not frame.narrow else 4, panel.top - 9, panel.title, class_="panel-title")
    return _Drawn(still=svg.joined(grid), lines=svg.joined(lines), labels=svg.joined([title, *_legend(frame, panel)]))


def _legend(frame: _Frame, panel: _Panel) -> Iterator[Markup]:
    x = frame.time.end
    for name, class_ in reversed(panel.legend):
        x -= 7.0 * len(name)
        yield svg.text(x, panel.top - 9, name, class_="legend")
        yield svg.line(x - 22, panel.top - 13, x - 5, panel.top - 13, f"line {class_}")
        x -= 34


def _events(frame: _Frame, events: Sequence[Event], top: float) -> Iterator[Markup]:
    for event in sorted(events, key=lambda e: e.at_s):
        x = frame.time(event.at_s)
        title = svg.element("title", f"{event.at_s:.1f} s {event.kind}: {event.text}")
        yield svg.element("g", title, svg.line(x, top + 4, x, top + 12, f"event {_word(event.kind)}"))


def _numbers(frame: _Frame, events: Sequence[Event], top: float) -> Iterator[Markup]:
    """Write the numbers of the events where there is room; zooming in makes more room."""
    last = -100.0
    for index, event in enumerate(sorted(events, key=lambda e: e.at_s), start=1):
        x = frame.time(event.at_s)
        seen = x - last > 13
        last = x if seen else last
        yield svg.element(
            "text", str(index), x=x, y=top + 24, class_="event-number", text_anchor="middle",
            data_at=f"{max(event.at_s, frame.time.low):.3f}", style=None if seen else "display:none",
        )  # fmt: skip


def _x(frame: _Frame, at_s: Column) -> list[float]:
    places: list[float] = frame.time.many(at_s).tolist()
    return places


def _fitting(text: str, room: int) -> str:
    clean = formatting.printable(text)
    return clean if len(clean) <= room else clean[: room - 1] + "…" if room > 3 else ""


def _word(kind: str) -> str:
    return kind if kind.isidentifier() else "other"
