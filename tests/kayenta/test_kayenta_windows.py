"""Growing and sliding windows around Kayenta's judge."""

from __future__ import annotations

import numpy as np
import pytest
from kayenta_builders import STEADY, USUAL, WORSE, config, pair

from harness.errors import JudgeInputError
from harness.judge.kayenta import Schedule, judge_windows
from harness.judge.kayenta.schedule import final_decision, interval, judgements, windows

LATE = [*STEADY[:40], *np.array(STEADY[40:]) * 1.5]
"""Sixty minutes, the last twenty of them 50 % slower."""


def spans(schedule: Schedule) -> list[tuple[float, float]]:
    """The windows as start and end."""
    return [(window.start_min, window.end_min) for window in windows(schedule)]


def test_windows_grow_from_the_start() -> None:
    """Without a lookback each judgement covers everything since the start; a remainder is not judged."""
    assert spans(Schedule(lifetime_min=70, interval_min=20)) == [(0, 20), (0, 40), (0, 60)]


def test_windows_slide_with_a_lookback_and_wait_for_the_warm_up() -> None:
    """A lookback fixes the window's length; a warm-up moves windows only without an end time."""
    assert spans(Schedule(lifetime_min=30, interval_min=10, lookback_min=15, begin_after_min=5)) == [
        (0, 15),
        (10, 25),
        (20, 35),
    ]
    assert spans(Schedule(end_min=20, interval_min=10, begin_after_min=5)) == [(0, 10), (0, 20)]


@pytest.mark.parametrize(("given", "expected"), [(None, 30), (0, 30), (90, 30), (10, 10)])
def test_the_interval_is_at_most_the_lifetime(given: int | None, expected: int) -> None:
    """An absent, zero or longer interval is the lifetime."""
    assert expected == interval(Schedule(lifetime_min=30, interval_min=given))


def test_no_lifetime_and_no_time_at_all_are_refused() -> None:
    """A schedule needs an end or a lifetime of at least a minute."""
    for schedule in (Schedule(), Schedule(lifetime_min=0)):
        with pytest.raises(JudgeInputError, match="lifetimeDurationMins"):
            judgements(schedule)


def test_a_run_stops_at_the_first_window_that_is_not_above_marginal() -> None:
    """A healthy run is judged in every window; a bad one ends in its first."""
    growing = Schedule(lifetime_min=60, interval_min=20)
    good = judge_windows(config(), [pair(STEADY, STEADY, step_s=60)], USUAL, growing)
    assert (3, True) == (len(good.judgements), good.passed)
    assert good.message == "Final canary score 100.0 met or exceeded the pass score threshold."
    bad = judge_windows(config(), [pair(STEADY, WORSE, step_s=60)], USUAL, growing)
    assert (1, False) == (len(bad.judgements), bad.passed)


def test_sliding_windows_see_a_late_regression_that_growing_ones_dilute() -> None:
    """A regression in the last third is High in the last sliding window, and not in the growing one."""
    both = [pair(STEADY, LATE, step_s=60)]
    growing = judge_windows(config(), both, USUAL, Schedule(lifetime_min=60, interval_min=20))
    sliding = judge_windows(config(), both, USUAL, Schedule(lifetime_min=60, interval_min=20, lookback_min=20))
    assert [growing.passed, sliding.passed] == [True, False]
    assert len(sliding.judgements) == 3


def test_windows_need_a_step() -> None:
    """Pairs without a step cannot be divided into windows."""
    with pytest.raises(JudgeInputError, match="stepMillis of pair 'latency'"):
        judge_windows(config(), [pair(STEADY, STEADY)], USUAL, Schedule(lifetime_min=60))


@pytest.mark.parametrize(
    ("score", "marginal", "passing", "expected"),
    [(75, 75, 75, False), (80, 75, 95, False), (95, 75, 95, True), (80, 75, None, True), (0, None, None, True)],
)
def test_the_last_score_decides(score: float, marginal: float | None, passing: float | None, expected: bool) -> None:
    """At the marginal threshold a run fails, although its label says Marginal."""
    assert expected == final_decision(score, marginal, passing)[0]
