"""The schedule of Kayenta's standalone analysis: when it judges, which windows, and the final decision.

Times are in minutes, as in the request; a start or an end is relative to the time of the request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from harness.errors import JudgeInputError
from harness.judge.kayenta.fields import Fields, rejection

MOST_JUDGEMENTS = 10_000
"""A week has as many minutes. More windows are a mistake in a unit, and would take hours to judge."""
_MOST_MIN = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The times of a request in minutes; None where the request does not contain them.

    lookback_min: 0 for growing windows, else the length of sliding windows.
    control_offset_min: how much earlier the control's window starts.
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
    """The experiment's window in minutes, without its end; the control's window is ``offset_min`` earlier."""

    start_min: float
    end_min: float
    offset_min: float = 0.0


def lifetime(schedule: Schedule) -> int:
    """Return the length of the analysis in whole minutes: from start to end if there is an end, else the lifetime.

    Raises JudgeInputError if the request has neither.
    """
    if schedule.end_min is not None:
        return math.trunc(schedule.end_min - (schedule.start_min or 0.0))
    if schedule.lifetime_min is None:
        raise JudgeInputError("lifetimeDurationMins: expected a lifetime or an end time, found neither")
    return schedule.lifetime_min


def interval(schedule: Schedule) -> int:
    """Return the minutes between judgements; the lifetime if the interval is absent, 0 or longer than the lifetime."""
    whole = lifetime(schedule)
    return schedule.interval_min if schedule.interval_min and schedule.interval_min <= whole else whole


def judgements(schedule: Schedule) -> int:
    """Return the number of judgements; the remainder of the lifetime is not judged.

    Raises JudgeInputError for a lifetime of less than one minute.
    """
    step = interval(schedule)
    if step == 0:
        raise JudgeInputError("lifetimeDurationMins: expected at least one minute, found 0")
    number = max(0, lifetime(schedule) // step)
    if number > MOST_JUDGEMENTS:
        raise JudgeInputError(
            f"lifetimeDurationMins: expected at most {MOST_JUDGEMENTS:,} judgements, found {number:,} "
            f"in {lifetime(schedule):,} minutes; choose a longer interval"
        )
    return number


def window(schedule: Schedule, number: int, interval_min: int) -> Window:
    """Return the window of judgement ``number`` (from 1): it grows from the start, or slides if there is a lookback.

    A warm-up moves the window only if the request has no end time.
    """
    start = (schedule.start_min or 0.0) + (schedule.begin_after_min if schedule.end_min is None else 0)
    end = start + number * interval_min
    return Window(
        start_min=end - schedule.lookback_min if schedule.lookback_min > 0 else start,
        end_min=end,
        offset_min=float(schedule.control_offset_min),
    )


def windows(schedule: Schedule) -> tuple[Window, ...]:
    """Return the windows of all judgements in order."""
    step = interval(schedule)
    return tuple(window(schedule, number, step) for number in range(1, judgements(schedule) + 1))


def stops(score: float, marginal_score: float | None) -> bool:
    """Return whether a judgement ends the run.

    A score that equals the marginal threshold also ends it, although its label is Marginal.
    """
    return marginal_score is not None and score <= marginal_score


def final_decision(score: float, marginal_score: float | None, pass_score: float | None) -> tuple[bool, str]:
    """Return whether the last score passes the whole run, with Kayenta's message. Earlier scores do not count."""
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
    """Return the names of judgements, such as ``Run Canary #2``, sorted by the number after the last #."""
    return tuple(sorted(names, key=lambda name: int(name.rpartition("#")[2])))


def read_schedule(request: Fields) -> Schedule | None:
    """Return the schedule of a standalone request, or None for a request for a single judgement."""
    if not isinstance(request.values.get("scopes"), list):
        return None
    scopes = list(request.children("scopes"))
    if not scopes:
        raise rejection(request.at("scopes"), "at least one scope", [])
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
    if value is not None and not abs(value) <= _MOST_MIN:
        raise rejection(fields.at(key), "whole minutes", fields.values[key])
    return None if value is None else int(value)


def _instant(fields: Fields, key: str) -> datetime | None:
    value = fields.text(key)
    if not value:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise rejection(fields.at(key), "a time such as 2024-05-01T12:00:00Z", value) from error
