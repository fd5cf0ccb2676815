"""SVG elements as escaped markup, kept short: a chart takes about ten kilobytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from markupsafe import Markup, escape

from harness.model.formatting import number
from harness.printable import printable
from harness.report.charts.scale import Scale


def element(name: str, *children: Markup | str, **attributes: float | str | None) -> Markup:
    """Return an element; ``class_`` becomes ``class``, ``stroke_width`` ``stroke-width``; None omits an attribute."""
    text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(_text(child) for child in children)
    markup = f"<{name}{text}>{inside}</{name}>" if inside else f"<{name}{text}/>"
    return Markup(markup)  # noqa: S704 - all parts are escaped above


def joined(parts: Iterable[Markup]) -> Markup:
    """Return the parts joined in order."""
    return Markup("").join(parts)


def drawing(
    width: float, height: float, label: str, *children: Markup, class_: str = "", **data: float | str
) -> Markup:
    """Return a drawing that scales to the available width; screen readers read ``label``."""
    return element(
        "svg",
        element("title", label),
        *children,
        class_=f"chart {class_}".strip(),
        viewBox=f"0 0 {coordinate(width)} {coordinate(height)}",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
        **data,
    )


def plot(left: float, right: float, bottom: float, *children: Markup) -> Markup:
    """Return the part of a chart that moves when a reader zooms into a time: what lies outside of it is cut off."""
    width = max(right - left, 1.0)
    return element(
        "svg", *children, class_="plot", x=left, y=0.0, width=width, height=bottom,
        viewBox=f"{coordinate(left)} 0 {coordinate(width)} {coordinate(bottom)}",
        preserveAspectRatio="none", aria_hidden="true",
    )  # fmt: skip


def time_axis(time: Scale, y: float, width: float) -> Iterator[Markup]:
    """Return the axis at the bottom; the script writes other ticks when a reader zooms."""
    yield line(time.start, y, time.end, y, "axis")
    ticks = []
    for tick in time.ticks:
        x = time(tick)
        anchor = "end" if x > width - 22 else "middle"
        ticks.append(line(x, y, x, y + 4, "axis"))
        label = f"{number(tick)} s"
        ticks.append(text(min(x, width - 2), y + 17, label, class_="tick", anchor=anchor))
    yield element("g", *ticks, class_="time-ticks", data_y=y)


def timing(time: Scale, width: float) -> dict[str, float | str]:
    """Return what the script needs to know of a chart over time: its edges in the drawing, and their times."""
    return {
        "data_left": time.start, "data_right": time.end, "data_width": width,
        "data_from": f"{time.low:.4f}", "data_to": f"{time.high:.4f}",
    }  # fmt: skip


def text(x: float, y: float, content: str, *, class_: str = "", anchor: str | None = None) -> Markup:
    """Return text that starts (``anchor`` None), ends (``end``) or is centred (``middle``) at a point."""
    return element("text", content, x=x, y=y, class_=class_ or None, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str) -> Markup:
    """Return a rectangle; a negative size becomes zero."""
    return element("rect", x=x, y=y, width=max(width, 0.0), height=max(height, 0.0), class_=class_)


def polyline(xs: Sequence[float], ys: Sequence[float], class_: str) -> Markup:
    """Return a line through the finite points; a missing value breaks it, and an isolated point becomes a dot."""
    runs = _runs(xs, ys)
    path = "".join("M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in run) for run in runs if len(run) > 1)
    dots = [  # a very short line with round ends stays round when a reader zooms
        element("path", d=f"M{coordinate(run[0][0])} {coordinate(run[0][1])}h.01", class_=f"{class_} dot")
        for run in runs
        if len(run) == 1
    ]
    return joined([element("path", d=path, class_=class_)] if path else []) + joined(dots)


def area(xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], class_: str) -> Markup:
    """Return the band between two lines; a missing value of either breaks it."""
    lower, upper = (
        _runs(xs, [low + 0 * high for low, high in zip(lows, highs, strict=True)]),
        _runs(xs, [high + 0 * low for low, high in zip(lows, highs, strict=True)]),
    )
    bands = []
    for there, back in zip(lower, upper, strict=True):
        points = [*there, *reversed(back)]
        bands.append("M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points) + "Z")
    return element("path", d="".join(bands), class_=class_) if bands else Markup("")


def coordinate(value: float) -> str:
    """Format a coordinate with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def _attribute(value: float | str) -> str:
    return coordinate(value) if isinstance(value, (int, float)) else _text(value)


def _text(value: Markup | str) -> str:
    return str(escape(value if isinstance(value, Markup) else printable(value)))


def _runs(xs: Sequence[float], ys: Sequence[float]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            runs[-1].append((float(x), float(y)))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
