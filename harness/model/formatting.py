"""Numbers, units, differences and verdicts as text: one place, so that reasons and reports agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.units import Unit, format_duration, format_percent
from harness.model.verdict import WATCHED, Estimate, Finding, Verdict
from harness.printable import printable as printable_text

WORST_FIRST = (Verdict.FAIL, Verdict.MARGINAL, Verdict.INCONCLUSIVE, Verdict.PASS)
MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.MARGINAL: "▲", Verdict.INCONCLUSIVE: "?"}
LABEL_MARKS = {**{str(verdict): mark for verdict, mark in MARKS.items()}, WATCHED: "○"}
"""The marks of findings, by their labels."""
NO_VALUE = "no data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How an indicator's values are shown: their unit, and the text of one value with its unit."""

    unit: str
    show: Callable[[float], str]


def printable(text: str) -> str:
    """``text`` in one line without control characters: a service's name must not steer a terminal."""
    return printable_text(text).replace("\n", " ").replace("\t", " ")


def count(number: int) -> str:
    """``12,345``."""
    return f"{number:,}"


def counted(number_: int, noun: str) -> str:
    """Return a number with its noun, such as "1 run" or "3,000 runs"."""
    return f"{count(number_)} {noun}{'' if number_ == 1 else 's'}"


def number(value: float) -> str:
    """Return three significant digits without an exponent where that stays short."""
    if not math.isfinite(value):
        return "no value" if math.isnan(value) else "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def in_unit(number_: float, unit: str) -> str:
    """Return a number with its unit: ``38 ms``, ``0.12 %``, ``200 req/s``, ``2 cores``."""
    if unit == Unit.SECONDS:
        return format_duration(number_)
    if unit == Unit.RATIO:
        return format_percent(number_)
    return f"{number(number_)} {unit}".strip()


def value(number_: float, style: Style) -> str:
    """Return a value of an indicator: ``38 ms``, ``0.12 %``, ``200 requests/s``."""
    if math.isnan(number_):
        return NO_VALUE
    return style.show(number_) if math.isfinite(number_) else number(number_)


def estimate(estimate_: Estimate | None, style: Style) -> str:
    """Return one arm's value, or ``no data``."""
    return NO_VALUE if estimate_ is None else value(estimate_.value, style)


def difference(amount: float, style: Style, *, relative: bool) -> str:
    """Return a signed difference with the digits that its size deserves: ``+12 %``, ``+0.3 pp``, ``+4.2 ms``."""
    sign = "-" if amount < 0 else "+"
    if math.isinf(amount):
        return f"{sign}∞"
    if relative:
        percent = abs(amount) * 100
        return f"{sign}{percent:,.0f} %" if percent >= 1000 else f"{sign}{percent:.3g} %"
    if style.unit == Unit.RATIO:
        return f"{sign}{abs(amount) * 100:.3g} pp"
    return sign + style.show(abs(amount))


def comparison(
    baseline: Estimate,
    canary: Estimate,
    middle: float | None,
    limits: tuple[float, float],
    style: Style,
    *,
    relative: bool,
) -> str:
    """Return both values and their difference with its interval: ``41 ms against 38 ms: +7.9 % [+5.1 %, +11 %]``."""
    values = f"{style.show(canary.value)} against {style.show(baseline.value)}"
    if middle is None and limits[0] <= -1:
        return values
    low, high = (difference(limit, style, relative=relative) for limit in limits)
    found = "" if middle is None else difference(middle, style, relative=relative) + " "
    return f"{values}: {found}[{low}, {high}]"


def rounded_count(number_: float) -> str:
    """Return a count of requests, rounded up to two significant digits."""
    if not math.isfinite(number_):
        return "many more"
    digits = max(len(str(math.ceil(number_))) - 2, 0)
    return f"{math.ceil(number_ / 10**digits) * 10**digits:,}"


def indicator(objective: Objective) -> str:
    """Return the indicator's name with its labels: ``error_rate{endpoint=/checkout}``."""
    labels = ",".join(f"{key}={text}" for key, text in objective.labels.items())
    return objective.name + (f"{{{labels}}}" if labels else "")


def differences(finding: Finding, style: Style) -> tuple[str, str, str]:
    """Difference, low and high end of its interval, in one unit and with the digits the interval deserves.

    Only the first has the unit. Absent and non-finite ends are ``no data`` and ``∞``.
    """
    ends = (finding.difference, finding.low, finding.high)
    factor, suffix = _scale([end for end in ends if end is not None], style.unit, relative=finding.relative)
    digits = _digits([None if end is None else end * factor for end in ends])
    middle, low, high = (NO_VALUE if end is None else _signed(end * factor, digits) for end in ends)
    return f"{middle} {suffix}".strip() if finding.difference is not None else middle, low, high


def interval(finding: Finding, style: Style) -> str:
    """``+60 % [+44, +79]``; ``no data`` where an arm has none, ``not compared`` where a limit alone counts."""
    if finding.difference is None:
        return NO_VALUE if finding.canary is None else "not compared"
    middle, low, high = differences(finding, style)
    return middle if finding.low is None and finding.high is None else f"{middle} [{low}, {high}]"


def tolerance(finding: Finding, style: Style) -> str:
    """Return the tolerance as people read it: ``+10 %``, ``±2 pp``, ``< 500 ms``."""
    parts = []
    if finding.margin is not None:
        sign = {Direction.INCREASE: "+", Direction.DECREASE: "-", Direction.EITHER: "±"}[finding.objective.direction]
        parts.append(sign + size(finding.margin, style, relative=finding.relative))
    if finding.objective.limit is not None:
        relation = ">" if finding.objective.direction is Direction.DECREASE else "<"
        parts.append(f"{relation} {value(finding.objective.limit, style)}")
    return ", ".join(parts) or "none"


def size(amount: float, style: Style, *, relative: bool) -> str:
    """Return a difference without its sign: ``6 %``, ``0.2 pp``, ``3 ms``."""
    factor, suffix = _scale([amount], style.unit, relative=relative)
    return f"{number(abs(amount) * factor)} {suffix}".strip()


def severity(finding: Finding) -> float:
    """Return how far the difference went in the bad direction, in tolerances (1 is at the limit), or -inf."""
    if finding.difference is None or math.isnan(finding.difference):
        return -math.inf
    worse = {Direction.INCREASE: 1.0, Direction.DECREASE: -1.0}.get(finding.objective.direction)
    size = abs(finding.difference) if worse is None else worse * finding.difference
    return size / abs(finding.margin) if finding.margin else size


def worst_first(findings: Iterable[Finding]) -> list[Finding]:
    """Fail, marginal, inconclusive, pass; within each the muted last, then the most costly, then the farthest out."""
    return sorted(
        findings,
        key=lambda f: (WORST_FIRST.index(f.verdict), f.objective.muted, -round(f.points_lost, 1), -severity(f)),
    )


def phase(finding: Finding) -> str:
    """Return the phase's name, or the words for the whole run."""
    return finding.phase or "whole run"


def points(points_: float) -> str:
    """Return points of the score with one decimal at most."""
    return f"{points_:.1f}".removesuffix(".0")


def _scale(values: Sequence[float], unit: str, *, relative: bool) -> tuple[float, str]:
    if relative:
        return 100.0, "%"
    if unit == Unit.RATIO:
        return 100.0, "pp"
    if unit != Unit.SECONDS:
        return 1.0, unit
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest == 0 or largest >= 1:
        return 1.0, "s"
    return (1e3, "ms") if largest >= 1e-3 else (1e6, "µs")


def _digits(ends: Sequence[float | None]) -> int:
    """Return the decimals for two significant digits of half the interval's width, or of the value without one."""
    finite = [end for end in ends if end is not None and math.isfinite(end)]
    size = (max(finite) - min(finite)) / 2 if len(finite) > 1 else abs(finite[0]) / 10 if finite else 0.0
    return 0 if size <= 0 else min(max(1 - math.floor(math.log10(size)), 0), 4)


def _signed(value_: float, digits: int) -> str:
    if not math.isfinite(value_):
        return NO_VALUE if math.isnan(value_) else "+∞" if value_ > 0 else "-∞"
    text = f"{value_:+,.{digits}f}"
    return text.replace("-", "+") if float(text.replace(",", "")) == 0 else text
