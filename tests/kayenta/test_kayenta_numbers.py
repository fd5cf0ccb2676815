"""Numbers of the Kayenta judge that can be computed by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from kayenta_builders import document

from harness.errors import JudgeInputError
from harness.judge.kayenta import read_config
from harness.judge.kayenta.classify import Comparison, add_noise, classify, classify_by_mean, prepare
from harness.judge.kayenta.lookup import ABSENT, lookup, number_at
from harness.judge.kayenta.rules import Rules
from harness.judge.kayenta.schedule import in_order_of_judgement
from harness.model.indicator import Direction
from harness.stats.descriptive import Summary, cohen_d, iqr_outliers, mean_ratio, percentile, sigma_outliers, summary
from harness.stats.mann_whitney import (
    ROOT_TOLERANCE,
    TiedError,
    common_language_effect,
    normal_quantile,
    shift_interval,
    standardised_rank_sum,
)

LOW, HIGH = np.array([1.0, 2.0, 3.0, 4.0]), np.array([11.0, 12.0, 13.0, 14.0])


def numbers(*values: float) -> Any:
    """Some numbers as an array."""
    return np.array(values, dtype=np.float64)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), (0, 0, 0, 0, 0)),
        ((4,), (4, 4, 4, 0, 1)),
        ((1, 2, 3, 4), (1, 4, 2.5, math.sqrt(5 / 3), 4)),  # squares of 1.5, 0.5, 0.5, 1.5 add to 5
    ],
)
def test_summaries(values: tuple[float, ...], expected: tuple[float, ...]) -> None:
    """Minimum, maximum, mean, standard deviation with n - 1, and count; all 0 without values."""
    names = ("min", "max", "mean", "std", "count")
    assert summary(numbers(*values)) == Summary(**dict(zip(names, expected, strict=True)))


@pytest.mark.parametrize(("percent", "expected"), [(0, 10), (25, 17.5), (50, 25), (90, 37), (100, 40)])
def test_percentiles_interpolate(percent: float, expected: float) -> None:
    """Of 10, 20, 30, 40 the percentile p stands at position 1 + 3 p."""
    assert percentile(numbers(40, 10, 30, 20), percent) == pytest.approx(expected)


def test_a_percentile_of_nothing_is_nan() -> None:
    """No values have no percentile."""
    assert math.isnan(percentile(numbers(), 50))


def test_effect_sizes() -> None:
    """Means 4.5 and 3 have the ratio 1.5; means 2 and 6 with standard deviations of sqrt 2 are 4 / sqrt 2 apart."""
    assert mean_ratio(numbers(2, 4), numbers(3, 6)) == 1.5
    assert math.isnan(mean_ratio(numbers(0, 0), numbers(3, 6)))
    assert cohen_d(numbers(1, 3), numbers(5, 7)) == pytest.approx(4 / math.sqrt(2))


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [((2,), (1, 2, 3), 0.5), ((3,), (1, 2, 3), 2.5 / 3), ((5, 6), (1, 2), 1), ((1, 2), (5, 6), 0), ((1,), (1,), 0.5)],
)
def test_the_common_language_effect_counts_pairs(x: Any, y: Any, expected: float) -> None:
    """The effect is the share of pairs in which x is above y; ties count half."""
    assert common_language_effect(numbers(*x), numbers(*y)) == pytest.approx(expected)


def test_outliers_by_quartiles() -> None:
    """1, 2, 3, 4, 100 has the quartiles 2 and 4, so its fences are -1 and 7."""
    values = numbers(1, 2, 3, 4, 100)
    assert iqr_outliers(values, 1.5).tolist() == [False, False, False, False, True]
    assert iqr_outliers(values, 48).tolist() == [False] * 5  # 4 + 48 * 2 is 100, which is not beyond 100


def test_outliers_by_quartiles_are_one_on_a_side_when_the_fences_are_moved_out() -> None:
    """The 99th percentile of two equal largest values is that value, so neither lies beyond it."""
    assert iqr_outliers(numbers(1, 2, 3, 4, 100), 1.5, reduced=True).tolist() == [False] * 4 + [True]
    assert iqr_outliers(numbers(1, 2, 3, 4, 100, 100), 1.5, reduced=True).tolist() == [False] * 6


def test_outliers_by_standard_deviations() -> None:
    """Nine zeros and a ten have mean 1 and standard deviation 3: the ten is exactly three of them away."""
    values = numbers(*[0] * 9, 10)
    assert sigma_outliers(values, 2.9).tolist() == [False] * 9 + [True]
    assert sigma_outliers(values, 3).tolist() == [False] * 10
    assert sigma_outliers(numbers(), 3).size == 0


def test_gaps_are_dropped_or_replaced() -> None:
    """NaN is dropped, or becomes 0 with nanStrategy replace."""
    values = numbers(math.nan, 7, math.nan, 8)
    assert prepare(values, Rules()).tolist() == [7, 8]
    assert prepare(values, Rules(replace_nan=True)).tolist() == [0, 7, 0, 8]


def test_noise_without_spread_is_its_mean() -> None:
    """Noise of deviation 0 adds its mean to every point."""
    assert add_noise(numbers(1, 2), 3.0, 0.0, np.random.default_rng(1)).tolist() == [4, 5]


def test_standardised_rank_sums() -> None:
    """Ranks 1 and 2 of 4 are 2 below expectation, variance 5/3; with three of four values tied the variance is 1."""
    assert standardised_rank_sum(0, 0, numbers(1, 2), numbers(3, 4)) == pytest.approx(-1.5 / math.sqrt(5 / 3))
    assert standardised_rank_sum(2, 0, numbers(3, 4), numbers(3, 4)) == pytest.approx(-1.5 / math.sqrt(5 / 3))
    assert standardised_rank_sum(0, 0.25, numbers(1, 1), numbers(1, 2)) == pytest.approx(-0.5 - 0.25)
    with pytest.raises(TiedError):
        standardised_rank_sum(0, 0, numbers(1, 1), numbers(1))


def test_normal_quantiles() -> None:
    """The quantiles that every table has."""
    found = [normal_quantile(p) for p in (0.5, 0.975, 0.01)]
    assert found == pytest.approx([0, 1.959964, -2.326348], abs=1e-6)


def test_the_interval_of_a_pure_shift() -> None:
    """Differences lie between 7 and 13, symmetric about 10; at 98 % four points a side exclude none of them."""
    found = shift_interval(HIGH, LOW, 0.98)
    assert (found.low, found.high) == (7, 13)
    assert found.estimate == pytest.approx(10, abs=ROOT_TOLERANCE)


def test_a_lower_confidence_narrows_the_interval_to_the_next_differences() -> None:
    """At 90 % the root lies where a second pair of points changes places, at 8 and 12."""
    found = shift_interval(HIGH, LOW, 0.90)
    assert (found.low, found.high) == pytest.approx((8, 12), abs=ROOT_TOLERANCE)


@pytest.mark.parametrize(
    ("direction", "allowed", "expected"),
    [
        ("either", 1, "High"),
        ("increase", 5, "High"),
        ("increase", 5.01, "Pass"),
        ("decrease", 1, "Pass"),
    ],
)
def test_a_proven_increase_is_high_from_the_allowed_ratio(direction: str, allowed: float, expected: str) -> None:
    """The means are 12.5 and 2.5: the ratio is 5, and the interval from 7 is beyond a quarter of the shift of 10."""
    rules = Rules(direction=Direction(direction), allowed_increase=allowed)
    found = classify(LOW, HIGH, rules, name="m")
    assert (found.label, found.ratio) == (expected, 5)


@pytest.mark.parametrize(
    ("direction", "allowed", "expected"),
    [("either", 1, "Low"), ("decrease", 0.2, "Low"), ("decrease", 0.19, "Pass"), ("increase", 1, "Pass")],
)
def test_a_proven_decrease_is_low_down_to_the_allowed_ratio(direction: str, allowed: float, expected: str) -> None:
    """With the sides swapped the ratio is 0.2."""
    rules = Rules(direction=Direction(direction), allowed_decrease=allowed)
    found = classify(HIGH, LOW, rules, name="m")
    assert (found.label, found.ratio) == (expected, 0.2)


@pytest.mark.parametrize(("tolerance", "expected"), [(0.69, "High"), (0.71, "Pass")])
def test_the_interval_must_lie_beyond_a_share_of_the_shift(tolerance: float, expected: str) -> None:
    """The interval begins at 7, the shift is 10: a share of 0.7 decides."""
    found = classify(LOW, HIGH, Rules(), name="m", settings=Comparison(tolerance=tolerance))
    assert expected == found.label


@pytest.mark.parametrize(("critical_increase", "expected"), [(5, True), (5.01, False)])
def test_a_critical_metric_is_critical_from_its_own_ratio(critical_increase: float, expected: bool) -> None:
    """A High of ratio 5 fails the canary alone where the critical ratio is at most 5."""
    found = classify(LOW, HIGH, Rules(critical=True, critical_increase=critical_increase), name="m")
    assert (found.label, found.critical) == ("High", expected)


@pytest.mark.parametrize(
    ("control", "experiment", "direction", "expected"),
    [
        ((1, 2), (3,), "either", "High"),
        ((1, 2), (1,), "either", "Low"),
        ((1, 2), (1.5,), "either", "Pass"),
        ((1, 2), (3,), "decrease", "Pass"),
        ((), (3,), "either", "Nodata"),
    ],
)
def test_comparing_means_only(control: Any, experiment: Any, direction: str, expected: str) -> None:
    """Any difference of the means in a watched direction counts."""
    found = classify_by_mean(numbers(*control), numbers(*experiment), Rules(direction=Direction(direction)))
    assert expected == found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ((), {"a": {"b": 1, "n": None}, "list": [{"x": 1}, {"y": 2}, {"x": 3}]}),
        (("a", "b"), 1),
        (("a", "n"), None),
        (("a", "c"), ABSENT),
        (("a", "b", "c"), ABSENT),
        (("list", "x"), [1, 3]),
        (("list", "z"), ABSENT),
    ],
)
def test_paths_into_free_form_configuration(path: tuple[str, ...], expected: object) -> None:
    """Objects are entered by name, lists are mapped over, and absent is not null."""
    given: Any = {"a": {"b": 1, "n": None}, "list": [{"x": 1}, {"y": 2}, {"x": 3}]}
    assert lookup(given, path) == expected


def test_numbers_in_free_form_configuration() -> None:
    """A missing number is the default and null is 0; text is refused with its path."""
    given: Any = {"a": {"b": 1.5, "n": None, "t": "1"}}
    found = [number_at(given, ("a", name), 7.0, where="canary") for name in ("b", "n", "absent")]
    assert found == [1.5, 0, 7]
    with pytest.raises(JudgeInputError, match=r"canary\.a\.t"):
        number_at(given, ("a", "t"), 7.0, where="canary")


def test_two_metrics_of_one_name_are_refused() -> None:
    """The repeated name is in the message."""
    with pytest.raises(JudgeInputError, match=r"must be unique\. 'cpu' is duplicated"):
        read_config(document("cpu", "memory", "cpu"))


def test_judgements_are_ordered_by_number() -> None:
    """The tenth comes after the second."""
    names = ("Run Canary #10", "Run Canary #2", "Run Canary #1")
    assert in_order_of_judgement(names) == ("Run Canary #1", "Run Canary #2", "Run Canary #10")
