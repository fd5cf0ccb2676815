"""Measured error rates of the search for changes of level, on seeded nightly histories."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from harness.stats import change_points as module
from harness.stats.change_points import change_points

NIGHTS, HISTORIES = 200, 100
NOISE = 0.03
"""A night's standard deviation, 3 % of the baseline, with the tails of Student's t with 5 degrees of freedom."""


def history(random: np.random.Generator, *, step: float = 0.0, at: int = NIGHTS) -> np.ndarray:
    """The differences of 200 nights; from ``at`` on they are higher by ``step``."""
    values = random.standard_t(5, NIGHTS) * NOISE / np.sqrt(5 / 3)
    values[at:] += step
    return values


def test_flat_histories_raise_no_alarm() -> None:
    """At most 2 of 100 flat histories of 200 nights alarm; over 1,000 of them it is some 1 %."""
    random = np.random.default_rng(20261128)
    alarms = [bool(change_points(history(random))) for _ in range(10 * HISTORIES)]
    assert sum(alarms[:HISTORIES]) <= 2
    assert sum(alarms) <= 20


def test_a_step_of_ten_percent_is_found_within_five_nights() -> None:
    """At least 90 of 100 steps of +10 % are found in the first five nights, and the start is at most two nights off."""
    random = np.random.default_rng(7)
    found = 0
    for _ in range(HISTORIES):
        at = int(random.integers(60, 190))
        points = [one for one in change_points(history(random, step=0.10, at=at)) if one.found >= at]
        if points and points[0].found < at + 5:
            found += 1
            assert abs(points[0].start - at) <= 2
            assert points[0].shift == pytest.approx(0.10, abs=0.06)
    assert found >= 90


def test_the_same_history_gives_the_same_changes_night_by_night() -> None:
    """What was found on a night stays found when more nights come, so that an owner is told once."""
    values = history(np.random.default_rng(3), step=0.10, at=100)
    (whole,) = [one for one in change_points(values) if one.start > 90]
    for end in range(whole.found + 1, NIGHTS, 10):
        assert (whole.start, whole.found) in [(one.start, one.found) for one in change_points(values[:end])]


def test_two_steps_and_a_recovery_are_three_changes() -> None:
    """After a change the search starts again at it."""
    random = np.random.default_rng(5)
    values = random.normal(0, 0.01, 240) + np.repeat([0.0, 0.1, 0.2, 0.0], 60)
    starts = [one.start for one in change_points(values)]
    assert [round(start / 60) * 60 for start in starts] == [60, 120, 180]


def test_rare_values_and_ties_are_no_change() -> None:
    """An error rate that is zero on most nights does not alarm when two nights in a row are not."""
    values = np.zeros(120)
    values[[20, 50, 51, 90]] = 0.01
    assert change_points(values) == ()
    assert change_points(np.zeros(500)) == ()
    assert change_points(np.array([1.0, 2.0])) == ()


def test_small_shifts_are_left_out() -> None:
    """A shift below what a night can resolve is not reported, however certain it is."""
    values = np.random.default_rng(1).normal(0, 0.001, 100) + np.repeat([0.0, 0.01], 50)
    assert len(change_points(values)) == 1
    assert change_points(values, smallest=0.05) == ()


@pytest.mark.parametrize(("new", "old"), [(4, 40), (5, 30), (3, 9)])
def test_thresholds_are_exact(new: int, old: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold is the largest statistic whose exact two-sided tail probability is at most the level."""
    monkeypatch.setattr(module, "LEVEL", 0.02)
    module._largest_deficit.cache_clear()
    limit = module._largest_deficit(new, old)
    module._largest_deficit.cache_clear()
    random = np.random.default_rng(1)
    order = random.random((200_000, new + old)).argsort(axis=1) < new
    ranks = (order * np.arange(new + old)).sum(axis=1) - new * (new - 1) / 2
    tail = (np.minimum(ranks, new * old - ranks) <= limit).mean()
    assert tail <= 0.022
    assert (np.minimum(ranks, new * old - ranks) <= limit + 1).mean() > 0.02 * 0.9


def test_partitions_count_small_cases() -> None:
    """The number of partitions agrees with counting them one by one."""
    for total, parts, largest in product(range(8), range(1, 4), range(1, 5)):
        counted = {tuple(sorted(one)) for one in product(range(largest + 1), repeat=parts) if sum(one) == total}
        assert module._partitions(total, parts, largest) == len(counted)
