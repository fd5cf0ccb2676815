"""From what a person asks for, and what the profile asks for, to a load plan: the person wins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import LoadProfileError
from harness.load.planning.profile_settings import ProfileSettings, read_settings
from harness.load.planning.schedule import check_stages
from harness.model.load import LoadPlan, Stage

DEFAULT_RATE_RPS, DEFAULT_DURATION_S = 10.0, 30.0


def plan_load(
    profile: Path,
    url: str,
    *,
    rate_rps: float | None = None,
    duration_s: float | None = None,
    headers: Mapping[str, str] | None = None,
    **asked: Any,
) -> LoadPlan:
    """A plan for one profile; ``asked`` are other fields of LoadPlan, None where nothing was asked for.

    Without any rate 10 requests per second are sent, for 30 s. Raises LoadProfileError for impossible values.
    """
    settings = read_settings(profile)
    fields = {
        "arrivals": settings.arrivals,
        "seed": settings.seed,
        "users": settings.users,
        "processes": settings.processes,
        "drain_s": settings.drain_s,
        "trace_share": settings.trace_share,
        "arm_header": settings.arm_header,
    }
    fields |= {name: value for name, value in asked.items() if value is not None}
    stages = stages_of(settings, rate_rps=rate_rps, duration_s=duration_s)
    chosen: dict[str, Any] = {name: value for name, value in fields.items() if value is not None}
    return LoadPlan(profile=profile, url=url, stages=stages, headers=dict(headers or {}), **chosen)


def stages_of(settings: ProfileSettings, *, rate_rps: float | None, duration_s: float | None) -> tuple[Stage, ...]:
    """The stages of the profile, unless a rate is asked for; a duration alone cuts them or holds the last rate."""
    stages = settings.stages
    if rate_rps is not None or not stages:
        rate = rate_rps if rate_rps is not None else settings.rate_rps or DEFAULT_RATE_RPS
        own_s = sum(stage.duration_s for stage in stages) or settings.duration_s or DEFAULT_DURATION_S
        stages = (Stage(duration_s=own_s if duration_s is None else duration_s, start_rps=rate, end_rps=rate),)
    elif duration_s is not None:
        stages = _fitted(stages, duration_s)
    check_stages(stages)
    return stages


def _fitted(stages: tuple[Stage, ...], duration_s: float) -> tuple[Stage, ...]:
    if duration_s <= 0:
        raise LoadProfileError(f"expected a duration above 0 s, found {duration_s:g} s")
    fitted, left = [], duration_s
    for stage in stages:
        if left <= 0:
            break
        length = min(left, stage.duration_s)
        end = stage.start_rps + (stage.end_rps - stage.start_rps) * length / stage.duration_s
        fitted.append(Stage(duration_s=length, start_rps=stage.start_rps, end_rps=end))
        left -= length
    if left > 0:
        last = stages[-1].end_rps
        fitted.append(Stage(duration_s=left, start_rps=last, end_rps=last))
    return tuple(fitted)
