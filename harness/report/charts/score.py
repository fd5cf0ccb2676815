"""Draw the score on a scale from 0 to 100 with both thresholds."""

from __future__ import annotations

import math

from markupsafe import Markup

from harness.model import formatting
from harness.report.charts import svg
from harness.report.charts.scale import linear


def meter(score: float, *, marginal_score: float, pass_score: float) -> Markup:
    """Draw a bar with three zones (fail, marginal, pass) and a pointer at the score."""
    scale = linear(0.0, 100.0, 8.0, 312.0)
    zones = ((0.0, marginal_score, "fail"), (marginal_score, pass_score, "marginal"), (pass_score, 100.0, "pass"))
    parts = [svg.rectangle(scale(low), 22, scale(high) - scale(low), 10, f"meter {name}") for low, high, name in zones]
    for threshold, name, anchor in ((marginal_score, "marginal", "end"), (pass_score, "pass", "middle")):
        parts.append(svg.line(scale(threshold), 18, scale(threshold), 36, "threshold"))
        shift = 4 if anchor == "end" else 0
        parts.append(
            svg.text(
                scale(threshold) + shift, 49, f"{name} {formatting.points(threshold)}", class_="tick", anchor=anchor
            )
        )
    if math.isfinite(score):
        x = scale(score)
        parts.append(svg.element("path", d=f"M{x:.1f} 21l-6 -10h12Z", class_="pointer"))
    thresholds = f"marginal from {formatting.points(marginal_score)}, pass from {formatting.points(pass_score)}"
    label = f"Score {formatting.points(score)} of 100; {thresholds}"
    return svg.drawing(320, 54, label, *parts, class_="score")
