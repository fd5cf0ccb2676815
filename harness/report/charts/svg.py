"""SVG elements as escaped markup, kept short: a chart takes about ten kilobytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from harness.printable import printable


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
    dots = [
        element("circle", cx=run[0][0], cy=run[0][1], r=1.6, class_=f"{class_} dot") for run in runs if len(run) == 1
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
