"""When arrivals are due."""

from __future__ import annotations

import math

import numpy as np
import pytest
from load_runs import plan

from harness.errors import LoadProfileError
from harness.load.planning.schedule import check_stages, count_arrivals, due_times
from harness.model.load import Arrivals, Stage


def stage(seconds: float, start: float, end: float) -> Stage:
    """A stage from three numbers."""
    return Stage(duration_s=seconds, start_rps=start, end_rps=end)


def test_even_arrivals_of_a_constant_rate_have_equal_distances():
    """A rate of 4 a second for 2 seconds is due every quarter of a second, from zero on."""
    assert list(due_times([stage(2, 4, 4)], Arrivals.EVEN, 0)) == pytest.approx(np.arange(8) / 4)


def test_a_ramp_is_due_where_the_integral_of_its_rate_reaches_whole_numbers():
    """From 0 to 10 a second in 10 seconds the k-th arrival is due at the root of 2k."""
    assert list(due_times([stage(10, 0, 10)], Arrivals.EVEN, 0)) == pytest.approx(np.sqrt(2 * np.arange(50)))


def test_a_falling_ramp_mirrors_a_rising_one():
    """From 10 a second to 0 the distances grow towards the end."""
    falling = list(due_times([stage(10, 10, 0)], Arrivals.EVEN, 0))
    assert falling == pytest.approx([10 - math.sqrt(100 - 2 * k) for k in range(50)])


def test_a_pause_between_stages_holds_no_arrival():
    """A stage with rate zero sends nothing and the next one goes on counting where the last one ended."""
    due = list(due_times([stage(1, 10, 10), stage(2, 0, 0), stage(1, 10, 10)], Arrivals.EVEN, 0))
    assert due == pytest.approx([*(np.arange(10) / 10), *(3 + np.arange(10) / 10)])


def test_poisson_arrivals_follow_the_rate_and_the_seed():
    """The same seed gives the same times; counts per second vary as a Poisson process does, distances exponentially."""
    stages = [stage(200, 50, 50)]
    due = np.fromiter(due_times(stages, Arrivals.POISSON, 7), float)
    assert list(due_times(stages, Arrivals.POISSON, 7)) == due.tolist()
    per_second = np.histogram(due, bins=200, range=(0, 200))[0]
    assert per_second.mean() == pytest.approx(50, abs=4 * math.sqrt(50 / 200))
    assert per_second.var() == pytest.approx(50, rel=0.5)
    assert np.diff(due).std() == pytest.approx(1 / 50, rel=0.1)


@pytest.mark.parametrize("arrivals", list(Arrivals))
def test_the_count_of_a_plan_is_that_of_its_schedule(tmp_path, arrivals):
    """What a report calls planned is exactly what the workers walk through together."""
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
def test_impossible_stages_are_refused(stages, words):
    """Lengths of zero, negative or endless rates and a load of nothing are errors before anything starts."""
    with pytest.raises(LoadProfileError, match=words):
        check_stages(stages)
