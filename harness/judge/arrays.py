"""Judge two arms given as plain arrays from any source, without the rest of the harness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import JudgeInputError
from harness.judge.arguments import (
    check_calibration,
    check_numbers,
    check_phases,
    checked_fail_on,
    checked_objectives,
    checked_series,
)
from harness.judge.calibration import Calibration
from harness.judge.columns import Columns, checked_columns
from harness.judge.instances import Instances, instance_warnings
from harness.judge.port import Evidence
from harness.judge.safeguards import guarded, lost_requests, objections
from harness.judge.sequential import FailOn, SequentialJudge
from harness.model.judge import JudgeSettings
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Series
from harness.model.samples import ARMS, BASELINE, CANARY, Samples
from harness.model.verdict import Analysis

_STEADY = "steady"
_LONGEST_S = 7 * 86_400.0
_ENOUGH_TO_OVERLAP = 20  # with this many requests in each arm, arms that do not overlap in time ran separately
_FEW_NAMES = 20
_GAPS, _MOST_LEFT = 7.0, 0.05
_SOME_TIMES, _ROUNDED = 100, 1e-4  # a few times reveal most fine clocks; float64 holds today's seconds to 1e-6


def compare(  # longer than 40 lines because its docstring is the reference for users
    baseline: Columns,
    canary: Columns,
    objectives: Sequence[str | Objective] = (),
    *,
    alpha: float = 0.01,
    horizon_s: float | None = None,
    now_s: float | None = None,
    final: bool | None = None,
    canary_share: float | None = None,
    phases: Mapping[str, float] | None = None,
    fail_on: str = FailOn.BEYOND_TOLERANCE,
    series: Sequence[Series] = (),
    calibration: Calibration | None = None,
    pass_score: float = 95.0,
    marginal_score: float = 75.0,
) -> Analysis:
    """Judge the requests of a canary against those of a baseline that ran at the same time.

    Call it once at the end, or at every look with everything observed so far. The whole run fails a canary that is no
    worse than the baseline with probability ``alpha`` at most, over all objectives, phases and looks.

    Args:
        baseline: columns of equal length n >= 0, one row per request, in any order::

                time_s     float  seconds at which it was due (or sent), on one clock for both arms
                latency_s  float  seconds until it was answered; finite, not negative
                status     int    HTTP status; 0 when no answer came; 0 and 5xx count as errors
                endpoint   str    optional; what ``{endpoint=...}`` of an objective selects
                phase      str    optional; every phase but warm-up is judged on its own; names that
                                  begin with fault or recovery mark phases of that kind
                instance   str    optional; the canary's are searched for the one that harm sits in

        canary: the same columns for the canary.
        objectives: texts such as ``latency_p99 < +10%`` or ``error_rate < +0.5pp`` (the grammar is in
            ``harness.model.objective``), or objectives. Empty: ``harness.judge.objectives.DEFAULT_OBJECTIVES``.
        alpha: the run's chance of failing a canary that is no worse than the baseline, in (0, 0.5).
        horizon_s: planned seconds from the first request to the last. It decides how alpha is spent, so a run
            that is still going on needs it. None: the requests are the whole run.
        now_s: seconds since the first request; None: the time of the last request, or the horizon if the
            requests reach it (``reaches``). An early look leaves out blocks of time that are not over.
        final: whether no more requests will come; None: whether ``now_s`` has reached the horizon. A live
            caller without ``now_s`` gets the final answer a few requests early; give ``now_s`` to avoid that.
        canary_share: the planned share of requests to the canary, in (0, 1); needed for
            ``throughput`` and ``split``. A canary that lacks a tenth of them or more does not pass.
        phases: planned seconds of each phase, in order; None: the observed seconds.
        fail_on: ``beyond-tolerance`` fails harm that is proven and shown to exceed its tolerance (a
            proven smaller one is marginal); ``any-harm`` fails any proven harm.
        series: gauges, with times in seconds since the first request.
        calibration: noise of this environment, learned from equal builds (``harness.judge.calibration``).
        pass_score: the score a pass needs, 0 to 100.
        marginal_score: the lowest score of a marginal verdict, 0 to ``pass_score``.

    Returns:
        The analysis: verdict, reason, score and a finding per objective and phase, with estimates,
        95 % interval (one that holds at every look while the run goes on), points lost, what is
        missing, and the smallest difference that the run would have shown.

    Raises:
        JudgeInputError: a column is missing, of the wrong type, of another length, or holds NaN,
            infinite or negative numbers; the message names arm, column and row (from 1).
        ObjectiveError, UsageError: an objective or argument makes no sense.

    Assumes that both arms get requests of the same kind at the same time, and that the correlation between
    blocks of 1 s (0.5 s in runs under 90 s) dies out well within a phase. Nothing is assumed about the
    distribution of latencies. Latency quantiles leave out requests with an error.

    Sources: Mantel & Haenszel 1959 (blocks as strata); Farrington & Manning 1990 and Koopman 1984
    (restricted rates); Lazarus, Lewis, Stock & Watson 2018 (long-run variance and t quantiles);
    Robbins 1970 and Howard, Ramdas, McAuliffe & Sekhon 2021 (limits that hold at every look);
    Berger 1982 (all objectives must be shown: no correction for passing).
    """
    rule, gauges = checked_fail_on(fail_on), checked_series(series)
    check_calibration(calibration)
    case = prepared(
        baseline,
        canary,
        objectives,
        alpha=alpha,
        horizon_s=horizon_s,
        now_s=now_s,
        final=final,
        canary_share=canary_share,
        phases=phases,
        pass_score=pass_score,
        marginal_score=marginal_score,
    )
    plan = case.plan if calibration is None else calibration.planned(case.plan)
    evidence = replace(case.evidence, series=gauges)
    judged = SequentialJudge(fail_on=rule).judge(evidence, plan, now_s=case.now_s, final=case.final)
    found = *objections(evidence, plan), *lost_requests.objections(evidence, canary_share)
    analysis = guarded(judged, found, plan)
    return replace(analysis, warnings=(*analysis.warnings, *case.warnings))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that a judge is called with, and warnings about it."""

    evidence: Evidence
    plan: Plan
    now_s: float
    final: bool
    warnings: tuple[str, ...] = ()


def prepared(
    baseline: Columns,
    canary: Columns,
    objectives: Sequence[str | Objective] = (),
    *,
    alpha: float = 0.01,
    horizon_s: float | None = None,
    now_s: float | None = None,
    final: bool | None = None,
    canary_share: float | None = None,
    phases: Mapping[str, float] | None = None,
    pass_score: float = 95.0,
    marginal_score: float = 75.0,
) -> Case:
    """Return what ``compare`` passes to the judge. Arguments and errors are the same."""
    check_numbers(
        alpha=alpha,
        canary_share=canary_share,
        horizon_s=horizon_s,
        now_s=now_s,
        pass_score=pass_score,
        marginal_score=marginal_score,
    )
    check_phases(phases)
    judged = checked_objectives(objectives, canary_share)
    arms = [checked_columns(columns, arm) for columns, arm in zip((baseline, canary), ARMS, strict=True)]
    _check_phase_columns(arms)
    _check_overlap(arms)
    _check_span(arms)
    start_s = min((float(arm["time_s"].min()) for arm in arms if len(arm["time_s"])), default=0.0)
    samples = _samples(arms, start_s)
    last_s = float(samples.due_s.max()) if len(samples) else 0.0
    now = _now(now_s, horizon_s, samples.due_s, last_s)
    windows = _seen_phases(arms, samples.due_s, end_s=min(now, horizon_s or now))
    settings = JudgeSettings(alpha=alpha, pass_score=pass_score, marginal_score=marginal_score)
    planned = _planned(windows, phases, horizon_s)
    plan = _plan(planned, judged, settings, share=canary_share, rate_rps=len(samples) / now if now > 0 else 0.0)
    over = final if final is not None else horizon_s is None or now >= horizon_s - 1e-9
    evidence = Evidence(samples=samples, phases=windows, instances=_instances(arms))
    return Case(evidence=evidence, plan=plan, now_s=now, final=over, warnings=instance_warnings(arms))


def _now(now_s: float | None, horizon_s: float | None, due_s: NDArray[np.float64], last_s: float) -> float:
    if now_s is not None:
        return now_s
    is_full = horizon_s is not None and reaches(last_s + clock_step(due_s), len(due_s), horizon_s)
    return max(horizon_s or 0.0, last_s) if is_full else last_s


def clock_step(due_s: NDArray[np.float64]) -> float:
    """Return the seconds between ticks of a clock that times were rounded to: 1, 0.1 or 0.01 s; 0 for a finer clock."""
    if len(due_s) < _ENOUGH_TO_OVERLAP:
        return 0.0
    few = due_s[:: max(len(due_s) // _SOME_TIMES, 1)]
    for step_s, ticks in ((1.0, 1), (0.1, 10), (0.01, 100)):
        if all(np.abs(times * ticks - np.rint(times * ticks)).max() < _ROUNDED for times in (few, due_s)):
            return step_s
    return 0.0


def reaches(last_s: float, requests: int, horizon_s: float) -> bool:
    """Return whether requests that end at ``last_s`` seconds fill the horizon.

    The last request of a complete stream is due shortly before the horizon. With a steady rate, the gap that follows it
    is exponential, so it exceeds ``_GAPS`` mean gaps with probability exp(-7), or 0.1 %. A gap of more than
    ``_MOST_LEFT`` of the horizon is never ignored, however few requests there are.
    """
    left_s = horizon_s - last_s
    return left_s <= min(_GAPS * last_s / max(requests, 1), _MOST_LEFT * horizon_s)


def _seen_phases(
    arms: Sequence[Mapping[str, NDArray[Any]]], due_s: NDArray[np.float64], *, end_s: float
) -> tuple[Phase, ...]:
    """Return the phases that the columns name, or one steady phase to ``end_s`` if they name none."""
    if any("phase" in arm for arm in arms):
        lengths = [len(arm["time_s"]) for arm in arms]
        return _windows(due_s, *_numbered(arms, "phase", _STEADY, lengths))
    last_s = float(due_s.max()) if len(due_s) else 0.0
    end_s = max(end_s, math.nextafter(last_s, math.inf))
    return (Phase(name=_STEADY, kind=PhaseKind.STEADY, start_s=0.0, end_s=end_s),)


def _plan(
    phases: tuple[PhasePlan, ...],
    objectives: tuple[Objective, ...],
    judge: JudgeSettings,
    *,
    share: float | None,
    rate_rps: float,
) -> Plan:
    return Plan(
        scenario="arrays",
        service="",
        target="files",
        phases=phases,
        objectives=objectives,
        canary_share=0.5 if share is None else share,
        rate_rps=rate_rps,
        seed=0,
        judge=judge,
    )


def _samples(arms: Sequence[Mapping[str, NDArray[Any]]], start_s: float) -> Samples:
    """Return the samples of both arms together."""
    lengths = [len(arm["time_s"]) for arm in arms]
    total = sum(lengths)
    operations, operation = _numbered(arms, "endpoint", "", lengths)
    if len(operations) > np.iinfo(np.int16).max:
        raise JudgeInputError(f"column endpoint: expected at most 32,767 different names, found {len(operations):,}")
    due_s = np.concatenate([arm["time_s"] for arm in arms])
    due_s -= start_s
    return Samples(
        due_s=due_s,
        latency_s=np.concatenate([arm["latency_s"] for arm in arms]),
        late_s=np.zeros(total),
        status=np.concatenate([arm["status"] for arm in arms]).astype(np.int16, copy=False),
        arm=np.repeat(np.arange(2, dtype=np.int8), lengths),
        operation=operation,
        error=np.zeros(total, np.int16),
        size=np.zeros(total, np.int32),
        operations=operations,
        errors=("",),
    )


def _numbered(
    arms: Sequence[Mapping[str, NDArray[Any]]], column: str, default: str, lengths: Sequence[int]
) -> tuple[tuple[str, ...], NDArray[np.int16]]:
    """Return the distinct texts of a column in both arms, in order, and each row's number among them."""
    if not any(column in arm for arm in arms) or not sum(lengths):
        return (default,), np.zeros(sum(lengths), np.int16)
    texts = [arm.get(column, np.full(length, default)) for arm, length in zip(arms, lengths, strict=True)]
    return numbered(np.concatenate(texts))


def numbered(texts: NDArray[np.str_]) -> tuple[tuple[str, ...], NDArray[np.int16]]:
    """Return the distinct ``texts`` (shape (n,)) in order, and each one's number among them (shape (n,)).

    A few names are found by searching for one after the other, which is far cheaper than sorting all texts.
    """
    number = np.full(len(texts), -1, np.int16)
    found: list[str] = []
    while len(texts) and len(found) < _FEW_NAMES and number[row := int(np.argmin(number))] < 0:
        number[texts == texts[row]] = len(found)
        found.append(str(texts[row]))
    if len(texts) and number.min() < 0:
        names, place = np.unique(texts, return_inverse=True)
        return tuple(str(name) for name in names), place.astype(np.int16)
    order = sorted(range(len(found)), key=found.__getitem__)
    return tuple(found[place] for place in order), np.argsort(order).astype(np.int16)[number]


def _check_phase_columns(arms: Sequence[Mapping[str, NDArray[Any]]]) -> None:
    with_phases = ["phase" in arm for arm in arms]
    if any(with_phases) and not all(with_phases):
        without = ARMS[with_phases.index(False)]
        raise JudgeInputError(f"{without}: expected a column phase, as the other arm has one, found none")


def _check_overlap(arms: Sequence[Mapping[str, NDArray[Any]]]) -> None:
    times = [arm["time_s"] for arm in arms]
    if min(len(time) for time in times) < _ENOUGH_TO_OVERLAP:
        return
    if times[0].max() < times[1].min() or times[1].max() < times[0].min():
        spans = " and ".join(
            f"{arm} {time.min():.6g} to {time.max():.6g}" for arm, time in zip(ARMS, times, strict=True)
        )
        raise JudgeInputError(
            f"column time_s: expected arms that ran at the same time, found {spans}; if they are two runs of the same "
            "load, let both start at 0"
        )


def _check_span(arms: Sequence[Mapping[str, NDArray[Any]]]) -> None:
    ends = [(float(arm["time_s"].min()), float(arm["time_s"].max())) for arm in arms if len(arm["time_s"])]
    if not ends or max(last for _, last in ends) - min(first for first, _ in ends) <= _LONGEST_S:
        return
    middle = float(np.median(np.concatenate([arm["time_s"] for arm in arms])))
    arm, farthest = max(
        ((name, one["time_s"]) for name, one in zip(ARMS, arms, strict=True) if len(one["time_s"])),
        key=lambda item: float(np.abs(item[1] - middle).max()),
    )
    row = int(np.argmax(np.abs(farthest - middle)))
    raise JudgeInputError(
        f"{arm}: column time_s: row {row + 1}: expected requests within a week of each other, found one at "
        f"{farthest[row]:g} s where most are near {middle:g} s: is a clock or a unit wrong?"
    )


def _windows(due_s: NDArray[np.float64], names: Sequence[str], number: NDArray[np.int16]) -> tuple[Phase, ...]:
    """Return the observed phases, by the times of their requests. Raises JudgeInputError if they overlap."""
    windows = []
    for index, name in enumerate(names if len(due_s) else ()):
        own = due_s[number == index]
        end_s = float(np.nextafter(own.max(), np.inf))
        windows.append(Phase(name=name, kind=kind_of(name), start_s=float(own.min()), end_s=end_s))
    windows.sort(key=lambda phase: phase.start_s)
    for before, after in pairwise(windows):
        if after.start_s < before.end_s:
            raise JudgeInputError(
                f"column phase: expected phases one after the other, found {after.name!r} beginning at "
                f"{after.start_s:.6g} s before {before.name!r} ends at {before.end_s:.6g} s"
            )
    return tuple(windows)


def _instances(arms: Sequence[Mapping[str, NDArray[Any]]]) -> Instances | None:
    """Return which instance of the canary answered each sample, or None if there is no such column."""
    if "instance" not in arms[CANARY]:
        return None
    texts = arms[CANARY]["instance"]
    names, number = numbered(texts)
    other = np.full(len(arms[BASELINE]["time_s"]), -1, np.int16)
    return Instances(names=names, number=np.concatenate([other, number]))


def kind_of(name: str) -> PhaseKind:
    """Return the kind of a phase, by its name."""
    word = name.lower().replace("_", "-").replace(" ", "-")
    if word.startswith("warm"):
        return PhaseKind.WARM_UP
    if word.startswith("fault"):
        return PhaseKind.FAULT
    return PhaseKind.RECOVERY if word.startswith("recover") else PhaseKind.STEADY


def _planned(
    windows: Sequence[Phase], phases: Mapping[str, float] | None, horizon_s: float | None
) -> tuple[PhasePlan, ...]:
    if phases is not None:
        return tuple(
            PhasePlan(name=name, kind=kind_of(name), duration_s=float(seconds)) for name, seconds in phases.items()
        )
    seen = {window.name: window.duration_s for window in windows} or {_STEADY: horizon_s or 0.0}
    if horizon_s is not None and windows:
        last = windows[-1]
        seen[last.name] = max(horizon_s - last.start_s, last.duration_s)
    return tuple(PhasePlan(name=name, kind=kind_of(name), duration_s=seconds) for name, seconds in seen.items())
