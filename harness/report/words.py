"""Numbers, units and verdicts as every report writes them: one place, so that no two reports disagree."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.model.objective import Direction, Objective, SliKind
from harness.model.record import Record
from harness.model.units import format_duration, format_percent
from harness.model.verdict import Estimate, Finding, Verdict

WORST_FIRST = (Verdict.FAIL, Verdict.MARGINAL, Verdict.INCONCLUSIVE, Verdict.PASS)
MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.MARGINAL: "▲", Verdict.INCONCLUSIVE: "?"}
NO_VALUE = "no data"

_SECONDS, _RATIO, _RATE = "s", "ratio", "req/s"
_UNITS = {
    SliKind.LATENCY: _SECONDS,
    SliKind.RECOVERY: _SECONDS,
    SliKind.ERROR_RATE: _RATIO,
    SliKind.SPLIT: _RATIO,
    SliKind.THROUGHPUT: _RATE,
}


def printable(text: str) -> str:
    """``text`` without control characters: a service's name must not steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def count(number: int) -> str:
    """``12,345``."""
    return f"{number:,}"


def number(value: float) -> str:
    """Three significant digits without an exponent where that stays short."""
    if not math.isfinite(value):
        return "no value" if math.isnan(value) else "∞" if value > 0 else "-∞"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def unit(objective: Objective, record: Record) -> str:
    """``s``, ``ratio``, ``req/s``, or for a gauge the unit its series were recorded in (may be empty)."""
    if objective.kind is not SliKind.GAUGE:
        return _UNITS[objective.kind]
    name = objective.name.removeprefix("gauge:")
    return next((series.unit for series in record.series if series.name == name), "")


def value(number_: float, unit_: str) -> str:
    """A value with its unit: ``38 ms``, ``0.12 %``, ``200 req/s``."""
    if math.isnan(number_):
        return NO_VALUE
    if not math.isfinite(number_):
        return number(number_)
    if unit_ == _SECONDS:
        return format_duration(number_)
    if unit_ == _RATIO:
        return format_percent(number_)
    return f"{number(number_)} {unit_}".strip()


def estimate(estimate_: Estimate | None, unit_: str) -> str:
    """One arm's value, or ``no data``."""
    return NO_VALUE if estimate_ is None else value(estimate_.value, unit_)


def indicator(objective: Objective) -> str:
    """The indicator's name with its labels: ``error_rate{endpoint=/checkout}``."""
    labels = ",".join(f"{key}={text}" for key, text in objective.labels.items())
    return objective.name + (f"{{{labels}}}" if labels else "")


def differences(finding: Finding, unit_: str) -> tuple[str, str, str]:
    """Difference, low and high end of its interval, in one unit and with the digits the interval deserves.

    The unit stands behind the first only. Absent and non-finite ends are ``no data`` and ``∞``.
    """
    ends = (finding.difference, finding.low, finding.high)
    factor, suffix = _scale([end for end in ends if end is not None], unit_, relative=finding.relative)
    digits = _digits([None if end is None else end * factor for end in ends])
    middle, low, high = (NO_VALUE if end is None else _signed(end * factor, digits) for end in ends)
    return f"{middle} {suffix}".strip() if finding.difference is not None else middle, low, high


def interval(finding: Finding, unit_: str) -> str:
    """``+60 % [+44, +79]``; ``no data`` where an arm has none, ``not compared`` where a limit alone counts."""
    if finding.difference is None:
        return NO_VALUE if finding.canary is None else "not compared"
    middle, low, high = differences(finding, unit_)
    return middle if finding.low is None and finding.high is None else f"{middle} [{low}, {high}]"


def tolerance(finding: Finding, unit_: str) -> str:
    """What is still acceptable: ``+10 %``, ``±2 pp``, ``< 500 ms``."""
    parts = []
    if finding.margin is not None:
        sign = {Direction.INCREASE: "+", Direction.DECREASE: "-", Direction.EITHER: "±"}[finding.objective.direction]
        parts.append(sign + size(finding.margin, unit_, relative=finding.relative))
    if finding.objective.limit is not None:
        relation = ">" if finding.objective.direction is Direction.DECREASE else "<"
        parts.append(f"{relation} {value(finding.objective.limit, unit_)}")
    return ", ".join(parts) or "none"


def size(difference: float, unit_: str, *, relative: bool) -> str:
    """A difference without its sign: ``6 %``, ``0.2 pp``, ``3 ms``."""
    factor, suffix = _scale([difference], unit_, relative=relative)
    return f"{number(abs(difference) * factor)} {suffix}".strip()


def severity(finding: Finding) -> float:
    """How far the difference went into the bad direction, in tolerances (1 is at the limit); -inf without one."""
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
    """The phase's name; a finding of none is about all of the run."""
    return finding.phase or "whole run"


def points(points_: float) -> str:
    """Points of the score with one decimal at most."""
    return f"{points_:.1f}".removesuffix(".0")


def _scale(values: Sequence[float], unit_: str, *, relative: bool) -> tuple[float, str]:
    if relative:
        return 100.0, "%"
    if unit_ == _RATIO:
        return 100.0, "pp"
    if unit_ != _SECONDS:
        return 1.0, unit_
    largest = max((abs(v) for v in values if math.isfinite(v)), default=0.0)
    if largest == 0 or largest >= 1:
        return 1.0, "s"
    return (1e3, "ms") if largest >= 1e-3 else (1e6, "µs")


def _digits(ends: Sequence[float | None]) -> int:
    """Decimals that show half the interval's width (or, without one, the value) with two significant digits."""
    finite = [end for end in ends if end is not None and math.isfinite(end)]
    size = (max(finite) - min(finite)) / 2 if len(finite) > 1 else abs(finite[0]) / 10 if finite else 0.0
    return 0 if size <= 0 else min(max(1 - math.floor(math.log10(size)), 0), 4)


def _signed(value_: float, digits: int) -> str:
    if not math.isfinite(value_):
        return NO_VALUE if math.isnan(value_) else "+∞" if value_ > 0 else "-∞"
    text = f"{value_:+,.{digits}f}"
    return text.replace("-", "+") if float(text.replace(",", "")) == 0 else text
