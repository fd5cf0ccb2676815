"""Durations, ratios and rates as people write them: parsed once, formatted once."""

from __future__ import annotations

import math
import re
from enum import StrEnum

from harness.errors import UsageError
from harness.printable import shown

LONGEST_S = 9_223_372_036
"""The longest duration that is accepted, some 292 years: what 64 bits of nanoseconds hold."""
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(us|µs|ms|s|m|h)")


class Unit(StrEnum):
    """The unit of values inside the program. A reading may have any unit, which its series names."""

    SECONDS = "s"
    RATIO = "ratio"
    RATE = "req/s"
    READING = ""

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How people write a difference in this unit."""
        return {"s": ("us", "µs", "ms", "s", "m"), "ratio": ("pp",), "req/s": ("rps",), "": ("",)}[self.value]


def parse_duration(text: str | float, what: str = "duration") -> float:
    """Return the seconds in ``text``: ``250ms``, ``1.5s``, ``1m30s``, or a plain number of seconds.

    what: the name at the start of an error's message; empty for a message without one.
    Raises UsageError for anything else, negative values included.
    """
    label = f"{what}: " if what else ""
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise UsageError(f"{label}expected a duration such as 250ms, 2s or 1m30s, found {shown(text)}")
    if isinstance(text, (int, float)):
        if not 0 <= text <= LONGEST_S:
            raise UsageError(f"{label}expected a duration from 0 s to {LONGEST_S} s, found {shown(text)}")
        return float(text)
    parts = _DURATION_PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise UsageError(f"{label}expected a duration such as 250ms, 2s or 1m30s, found {shown(text)}")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if seconds > LONGEST_S:
        raise UsageError(f"{label}expected a duration from 0 s to {LONGEST_S} s, found {shown(text)}")
    return seconds


def format_duration(seconds: float) -> str:
    """Return a short text of three significant digits: ``2.5 ms``, ``340 µs``, ``2 s``, ``2m10s``."""
    if not math.isfinite(seconds):
        return "no value" if math.isnan(seconds) else "∞" if seconds > 0 else "-∞"
    size = abs(seconds)
    if size >= 120:
        return f"{'-' if seconds < 0 else ''}{int(size // 60)}m{int(size % 60):02d}s"
    if size >= 1 or size == 0:
        return f"{seconds:.3g} s"
    return f"{seconds * 1e3:.3g} ms" if size >= 1e-3 else f"{seconds * 1e6:.3g} µs"


def parse_percent(value: str | float, what: str = "percent") -> float:
    """Return the ratio in [0, 1] of a percentage: ``50``, ``50.0`` and ``"50%"`` are all 0.5.

    what: the name at the start of an error's message; empty for a message without one.
    Raises UsageError for anything else, and for a number between 0 and 1 without a percent sign: it has two meanings.
    """
    label = f"{what}: " if what else ""
    text = value.strip() if isinstance(value, str) else value
    marked = isinstance(text, str) and text.endswith("%")
    try:
        percent = float(text.removesuffix("%") if isinstance(text, str) else text)
    except (TypeError, ValueError, OverflowError):
        percent = math.nan
    if isinstance(value, bool) or not 0 <= percent <= 100:
        raise UsageError(f"{label}expected a percentage from 0 to 100, found {shown(value)}")
    if 0 < percent < 1 and not marked:
        both = f"{percent:.12g}% or {percent * 100:.12g}%"
        raise UsageError(f"{label}expected a percentage with one meaning, found {value!r}: write {both}")
    return percent / 100


def format_percent(ratio: float) -> str:
    """Return a ratio as a percentage of three significant digits at most, or whole: ``0.5 %``, ``2,300 %``."""
    percent = ratio * 100
    return "no value" if math.isnan(percent) else f"{percent:{',.0f' if abs(percent) >= 999.5 else '.3g'}} %"
