"""The due times of arrivals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from load_runs import plan

from harness.errors import LoadProfileError
from harness.load.planning.schedule import check_stages, count_arrivals, due_times
from harness.model.load import Arrivals, Stage


def stage(seconds: float, start: float, end: float) -> Stage:
    """Return a stage."""
    return Stage(duration_s=seconds, start_rps=start, end_rps=end)


def test_even_arrivals_of_a_constant_rate_are_equally_spaced():
    """At 4 per second for 2 seconds, arrivals are due every quarter of a second from zero on."""
    assert list(due_times([stage(2, 4, 4)], Arrivals.EVEN, 0)) == pytest.approx(np.arange(8) / 4)


def test_a_ramp_is_due_where_the_integral_of_its_rate_reaches_whole_numbers():
    """From 0 to 10 per second in 10 seconds, the k-th arrival is due at the square root of 2k."""
    assert list(due_times([stage(10, 0, 10)], Arrivals.EVEN, 0)) == pytest.approx(np.sqrt(2 * np.arange(50)))


def test_a_falling_ramp_mirrors_a_rising_one():
    """From 10 per second to 0, the intervals grow towards the end."""
    falling = list(due_times([stage(10, 10, 0)], Arrivals.EVEN, 0))
    assert falling == pytest.approx([10 - math.sqrt(100 - 2 * k) for k in range(50)])


def test_a_pause_between_stages_has_no_arrival():
    """A stage with rate zero sends nothing, and the next stage continues from the count before it."""
    due = list(due_times([stage(1, 10, 10), stage(2, 0, 0), stage(1, 10, 10)], Arrivals.EVEN, 0))
    assert due == pytest.approx([*(np.arange(10) / 10), *(3 + np.arange(10) / 10)])


def test_poisson_arrivals_follow_the_rate_and_the_seed():
    """The same seed gives the same times; counts and intervals vary like those of a Poisson process."""
    stages = [stage(200, 50, 50)]
    due = np.fromiter(due_times(stages, Arrivals.POISSON, 7), float)
    assert list(due_times(stages, Arrivals.POISSON, 7)) == due.tolist()
    per_second = np.histogram(due, bins=200, range=(0, 200))[0]
    assert per_second.mean() == pytest.approx(50, abs=4 * math.sqrt(50 / 200))
    assert per_second.var() == pytest.approx(50, rel=0.5)
    assert np.diff(due).std() == pytest.approx(1 / 50, rel=0.1)


@pytest.mark.parametrize("arrivals", list(Arrivals))
def test_the_planned_count_equals_the_length_of_the_schedule(tmp_path, arrivals):
    """The report's planned count is exactly the number of due times."""
    load = plan(tmp_path, "http://x", rate=33.3, seconds=3.1, arrivals=arrivals, seed=3)
    assert sum(1 for _ in due_times(load.stages, arrivals, 3)) == count_arrivals(load)


@pytest.mark.parametrize(
    ("stages", "words"),
    [
        ([stage(0, 1, 1)], "duration above 0 s"),
        ([stage(1, -1, 1)], "found -1"),
        ([stage(1, 1, math.inf)], "found inf"),
        ([stage(1, 0, 0)], "above 0, found none"),
        ([], "above 0, found none"),
    ],
)
def test_invalid_stages_are_rejected(stages, words):
    """Zero durations, negative or infinite rates and an empty load are errors before anything starts."""
    with pytest.raises(LoadProfileError, match=words):
        check_stages(stages)
