"""Combine the options of the caller with the settings of the profile into a load plan. The caller's options win."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, Unpack

from harness.errors import LoadProfileError
from harness.load.planning.profile_settings import ProfileSettings, read_settings
from harness.load.planning.schedule import check_stages
from harness.model.load import Arrivals, LoadPlan, Stage

DEFAULT_RATE_RPS, DEFAULT_DURATION_S = 10.0, 30.0


class LoadOptions(TypedDict, total=False):
    """Fields of LoadPlan that a caller may choose, or leave to the profile with None."""

    arrivals: Arrivals | None
    seed: int | None
    users: int | None
    processes: int | None
    drain_s: float | None
    trace_share: float | None
    arm_header: str | None
    body_bytes: int | None


def plan_load(
    profile: Path,
    url: str,
    *,
    rate_rps: float | None = None,
    duration_s: float | None = None,
    headers: Mapping[str, str] | None = None,
    **options: Unpack[LoadOptions],
) -> LoadPlan:
    """Return the plan for one profile.

    options: what wins over the profile's settings. If neither caller nor profile
    sets a rate or duration, the plan sends 10 requests per second for 30 s. Raises LoadProfileError for invalid values.
    """
    settings = read_settings(profile)
    stages = resolve_stages(settings, rate_rps=rate_rps, duration_s=duration_s)
    plan = LoadPlan(profile=profile, url=url, stages=stages, headers=dict(headers or {}))
    own = {name: getattr(settings, name) for name in LoadOptions.__annotations__}
    chosen = {name: value for name, value in options.items() if value is not None}
    return replace(plan, **{name: value for name, value in {**own, **chosen}.items() if value is not None})


def resolve_stages(settings: ProfileSettings, *, rate_rps: float | None, duration_s: float | None) -> tuple[Stage, ...]:
    """Return the stages to send.

    With a rate, there is one stage. With only a duration, the profile's stages are cut, or their last rate is held.
    """
    stages = settings.stages
    if rate_rps is not None or not stages:
        rate = rate_rps if rate_rps is not None else settings.rate_rps or DEFAULT_RATE_RPS
        own_s = sum(stage.duration_s for stage in stages) or settings.duration_s or DEFAULT_DURATION_S
        stages = (Stage(duration_s=own_s if duration_s is None else duration_s, start_rps=rate, end_rps=rate),)
    elif duration_s is not None:
        stages = _fit(stages, duration_s)
    check_stages(stages)
    return stages


def _fit(stages: tuple[Stage, ...], duration_s: float) -> tuple[Stage, ...]:
    if duration_s <= 0:
        raise LoadProfileError(f"expected a duration above 0 s, found {duration_s:g} s")
    result, left = [], duration_s
    for stage in stages:
        if left <= 0:
            break
        length = min(left, stage.duration_s)
        end = stage.start_rps + (stage.end_rps - stage.start_rps) * length / stage.duration_s
        result.append(Stage(duration_s=length, start_rps=stage.start_rps, end_rps=end))
        left -= length
    if left > 0:
        last = stages[-1].end_rps
        result.append(Stage(duration_s=left, start_rps=last, end_rps=last))
    return tuple(result)
