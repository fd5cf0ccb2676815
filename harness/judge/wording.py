"""Findings in words: one sentence that names indicator, phase, both values, the difference and what it means."""

from __future__ import annotations

import math

from harness.model.objective import Objective, SliKind
from harness.model.units import format_duration, format_percent
from harness.model.verdict import Estimate


def value_text(objective: Objective, value: float) -> str:
    """A value of the indicator with its unit."""
    if objective.kind in {SliKind.LATENCY, SliKind.RECOVERY}:
        return format_duration(value)
    if objective.kind in {SliKind.ERROR_RATE, SliKind.SPLIT}:
        return format_percent(value)
    return f"{value:.4g} requests/s" if objective.kind is SliKind.THROUGHPUT else f"{value:.4g}"


def difference_text(objective: Objective, difference: float, *, relative: bool) -> str:
    """A signed difference: ``+12 %``, ``+0.3 pp``, ``+4.2 ms``."""
    sign = "-" if difference < 0 else "+"
    if math.isinf(difference):
        return f"{sign}∞"
    if relative:
        percent = abs(difference) * 100
        return f"{sign}{percent:,.0f} %" if percent >= 1000 else f"{sign}{percent:.3g} %"
    if objective.kind in {SliKind.ERROR_RATE, SliKind.SPLIT}:
        return f"{sign}{abs(difference) * 100:.3g} pp"
    return sign + value_text(objective, abs(difference))


def comparison_text(
    objective: Objective,
    baseline: Estimate | None,
    canary: Estimate,
    difference: float | None,
    limits: tuple[float, float] | None,
    *,
    relative: bool,
) -> str:
    """Both values and the difference with its interval."""
    values = value_text(objective, canary.value)
    if baseline is not None:
        values += f" against {value_text(objective, baseline.value)}"
    if limits is None or (difference is None and limits[0] <= -1):
        return values
    low, high = (difference_text(objective, limit, relative=relative) for limit in limits)
    estimate = "" if difference is None else difference_text(objective, difference, relative=relative) + " "
    return f"{values}: {estimate}[{low}, {high}]"


def tolerance_text(objective: Objective, margin: float | None, *, relative: bool) -> str:
    """What is tolerated: the margin, the limit, or both."""
    parts = []
    if margin is not None:
        parts.append(f"tolerance {difference_text(objective, margin, relative=relative)}")
    if objective.limit is not None:
        parts.append(f"limit {value_text(objective, objective.limit)}")
    return ", ".join(parts)


def count_text(number: float) -> str:
    """A count of requests, rounded up to two significant digits."""
    if not math.isfinite(number):
        return "many more"
    digits = max(len(str(math.ceil(number))) - 2, 0)
    return f"{math.ceil(number / 10**digits) * 10**digits:,}"
