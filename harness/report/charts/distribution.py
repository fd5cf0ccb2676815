"""Draw the latencies of both arms in one phase: the distribution, and the difference at each quantile."""

from __future__ import annotations

from markupsafe import Markup

from harness.model import formatting
from harness.model.units import format_duration, format_percent
from harness.report.charts import svg
from harness.report.charts.scale import Scale, linear, logarithmic, nines
from harness.report.quantiles import Quantiles

_WIDTH, _LEFT, _RIGHT, _TOP = 440.0, 56.0, 428.0, 26.0


def distribution(seen: Quantiles, names: tuple[str, str] = ("baseline", "canary")) -> Markup:
    """Draw the share of requests at least as fast as a latency; upper shares are stretched to make p99 readable.

    names: what the legend calls the two columns, if they are not the arms of one run.
    """
    bottom = 210.0
    highest = float(seen.shares[-1])
    shares = nines(bottom, _TOP, highest=highest)
    times = logarithmic([seen.baseline_s, seen.canary_s], _LEFT, _RIGHT)
    parts = [*_across(shares, [format_percent(t) for t in shares.ticks]), *_down(times, bottom)]
    for name, column in (("baseline", seen.baseline_s), ("canary", seen.canary_s)):
        parts.append(svg.polyline(times.many(column).tolist(), shares.many(seen.shares).tolist(), f"line {name} p99"))
    parts += _legend(names)
    label = f"Distribution of latencies in {seen.phase.name}: {names[0]} n {seen.n[0]:,}, {names[1]} n {seen.n[1]:,}"
    return svg.drawing(_WIDTH, bottom + 24, label, *parts, class_="small")


def difference(seen: Quantiles, title: str = "canary compared with baseline at each quantile") -> Markup:
    """Draw the relative difference between the two columns at each quantile, with its pointwise band."""
    bottom = 210.0
    shares = nines(_LEFT, _RIGHT, highest=float(seen.shares[-1]))
    ends = [float(v) * 100 for column in (seen.low, seen.difference, seen.high) for v in column if abs(v) < 9]
    low, high = min([-10.0, *ends]), max([10.0, *ends])
    values = linear(low, high, bottom, _TOP, ticks=5)
    xs = shares.many(seen.shares).tolist()
    parts = [
        *_across(values, [f"{t:+.3g} %" if t else "0 %" for t in values.ticks]),
        *(svg.text(shares(t), bottom + 17, _percentile(t), class_="tick", anchor="middle") for t in shares.ticks),
    ]
    parts += [
        svg.area(xs, values.many(seen.low * 100).tolist(), values.many(seen.high * 100).tolist(), "spread"),
        svg.line(_LEFT, values(0.0), _RIGHT, values(0.0), "zero"),
        svg.polyline(xs, values.many(seen.difference * 100).tolist(), "line canary p99"),
        svg.text(_LEFT, 14, title, class_="panel-title"),
    ]
    label = f"Difference of latencies in {seen.phase.name}: {title}"
    return svg.drawing(_WIDTH, bottom + 24, label, *parts, class_="small")


def _percentile(share: float) -> str:
    return "min" if share == 0 else f"p{formatting.number(share * 100)}"


def _across(scale: Scale, labels: list[str]) -> list[Markup]:
    return [
        svg.line(_LEFT, y, _RIGHT, y, "grid") + svg.text(_LEFT - 6, y + 4, label, class_="tick", anchor="end")
        for y, label in zip(scale.many(scale.ticks).tolist(), labels, strict=True)
    ]


def _down(scale: Scale, bottom: float) -> list[Markup]:
    return [
        svg.line(x, _TOP, x, bottom, "grid") + svg.text(x, bottom + 17, label, class_="tick", anchor="middle")
        for x, label in zip(scale.many(scale.ticks).tolist(), map(format_duration, scale.ticks), strict=True)
    ]


def _legend(names: tuple[str, str]) -> list[Markup]:
    return [
        svg.text(_LEFT, 14, "share of requests at least as fast", class_="panel-title"),
        svg.line(290, 10, 306, 10, "line baseline p99"),
        svg.text(310, 14, names[0][:9], class_="legend"),
        svg.line(368, 10, 384, 10, "line canary p99"),
        svg.text(388, 14, names[1][:7], class_="legend"),
    ]
