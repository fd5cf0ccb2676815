"""When Kayenta's standalone analysis judges, over which windows, and what the last judgement decides.

Times are minutes, as in the request; a start or end is minutes relative to the moment of the request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.errors import JudgeInputError
from harness.judge.kayenta.fields import Fields, refuse


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A request's times in minutes; None is not given.

    lookback_min: 0 judges growing windows, anything else sliding ones of this length.
    control_offset_min: how much earlier the control's window lies.
    """

    start_min: float | None = None
    end_min: float | None = None
    lifetime_min: int | None = None
    begin_after_min: int = 0
    lookback_min: int = 0
    interval_min: int | None = None
    control_offset_min: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One judgement's window of the experiment in minutes, end exclusive; the control's is ``offset_min`` earlier."""

    start_min: float
    end_min: float
    offset_min: float = 0.0


def lifetime(schedule: Schedule) -> int:
    """Whole minutes of the analysis: from start to end where an end is given, else the lifetime given."""
    if schedule.end_min is not None:
        return math.trunc(schedule.end_min - (schedule.start_min or 0.0))
    if schedule.lifetime_min is None:
        raise JudgeInputError("lifetimeDurationMins: expected a lifetime or an end time, found neither")
    return schedule.lifetime_min


def interval(schedule: Schedule) -> int:
    """Minutes between judgements: the lifetime where absent, 0 or longer than it."""
    whole = lifetime(schedule)
    return schedule.interval_min if schedule.interval_min and schedule.interval_min <= whole else whole


def judgements(schedule: Schedule) -> int:
    """How often is judged; the remainder of the lifetime never is."""
    step = interval(schedule)
    if step == 0:
        raise JudgeInputError("lifetimeDurationMins: expected at least one minute, found 0")
    return max(0, lifetime(schedule) // step)


def window(schedule: Schedule, number: int, interval_min: int) -> Window:
    """The window of judgement ``number`` (from 1): growing from the start, or sliding with a lookback.

    A warm-up moves the window only where no end time is given.
    """
    start = (schedule.start_min or 0.0) + (schedule.begin_after_min if schedule.end_min is None else 0)
    end = start + number * interval_min
    return Window(
        start_min=end - schedule.lookback_min if schedule.lookback_min > 0 else start,
        end_min=end,
        offset_min=float(schedule.control_offset_min),
    )


def windows(schedule: Schedule) -> tuple[Window, ...]:
    """The windows of all judgements in order."""
    step = interval(schedule)
    return tuple(window(schedule, number, step) for number in range(1, judgements(schedule) + 1))


def stops(score: float, marginal_score: float | None) -> bool:
    """Whether a judgement ends the run: at the marginal threshold too, although its label says Marginal there."""
    return marginal_score is not None and score <= marginal_score


def final_decision(score: float, marginal_score: float | None, pass_score: float | None) -> tuple[bool, str]:
    """Whether the last score passes the whole run, and Kayenta's message. Earlier scores do not count."""
    if marginal_score is None and pass_score is None:
        return True, "No score thresholds were specified."
    if stops(score, marginal_score):
        return False, f"Final canary score {score} is not above the marginal score threshold."
    if pass_score is None:
        return True, "No pass score threshold was specified."
    if score < pass_score:
        return False, f"Final canary score {score} is below the pass score threshold."
    return True, f"Final canary score {score} met or exceeded the pass score threshold."


def in_order_of_judgement(names: Sequence[str]) -> tuple[str, ...]:
    """Names of judgements such as ``Run Canary #2``, ordered by the number after the last #."""
    return tuple(sorted(names, key=lambda name: int(name.rpartition("#")[2])))


def read_schedule(request: Fields) -> Schedule | None:
    """The schedule of a standalone request, or None for a request whose scopes say all (a single judgement)."""
    if not isinstance(request.values.get("scopes"), list):
        return None
    scopes = list(request.children("scopes"))
    if not scopes:
        raise refuse(request.at("scopes"), "at least one scope", [])
    first = scopes[0]
    start, end = _instant(first, "startTimeIso"), _instant(first, "endTimeIso")
    origin = start or end
    return Schedule(
        start_min=None if start is None else 0.0,
        end_min=None if end is None or origin is None else (end - origin) / timedelta(minutes=1),
        lifetime_min=_minutes(request, "lifetimeDurationMins"),
        begin_after_min=_minutes(request, "beginAfterMins") or 0,
        lookback_min=_minutes(request, "lookbackMins") or 0,
        interval_min=_minutes(request, "analysisIntervalMins"),
        control_offset_min=_minutes(first, "controlOffsetInMinutes") or 0,
    )


def _minutes(fields: Fields, key: str) -> int | None:
    value = fields.number(key)
    if value is not None and not math.isfinite(value):
        raise refuse(fields.at(key), "whole minutes", fields.values[key])
    return None if value is None else int(value)


def _instant(fields: Fields, key: str) -> datetime | None:
    value = fields.text(key)
    if not value:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise refuse(fields.at(key), "a time such as 2024-05-01T12:00:00Z", value) from error
