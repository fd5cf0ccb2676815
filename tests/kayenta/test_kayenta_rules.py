"""Kayenta's judge on small series: labels, effect sizes, group scores, rounding, thresholds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from kayenta_builders import STEADY, USUAL, WORSE, config, document, judged, pair

from harness.errors import JudgeInputError
from harness.judge.kayenta import Thresholds, judge_pairs, read_config
from harness.judge.kayenta.classify import Label, prepare
from harness.judge.kayenta.rules import Rules
from harness.judge.kayenta.score import round_half_up, score_label


def label_of(control: Any, experiment: Any, **canary: Any) -> str:
    """Kayenta's class of one metric."""
    return judged(control, experiment, **canary).results[0].label.value


@pytest.mark.parametrize(
    ("canary", "expected"),
    [
        ({}, "High"),
        ({"direction": "increase"}, "High"),
        ({"direction": "decrease"}, "Pass"),
        ({"effectSize": {"allowedIncrease": 1.2}}, "High"),
        ({"effectSize": {"allowedIncrease": 1.4}}, "Pass"),
        ({"effectSize": {"measure": "cles", "allowedIncrease": 0.99}}, "High"),
        ({"effectSize": {"measure": "cles", "allowedIncrease": 1.01}}, "Pass"),
    ],
)
def test_a_shift_is_flagged_in_the_watched_direction_beyond_the_effect_size(canary: Any, expected: str) -> None:
    """+30 % is High unless only decreases are watched or the effect threshold is higher."""
    assert expected == label_of(STEADY, WORSE, **canary)


@pytest.mark.parametrize(
    ("canary", "expected"),
    [
        ({}, "Low"),
        ({"direction": "increase"}, "Pass"),
        ({"effectSize": {"allowedDecrease": 0.9}}, "Low"),
        ({"effectSize": {"allowedDecrease": 0.5}}, "Pass"),
    ],
)
def test_a_fall_is_low(canary: Any, expected: str) -> None:
    """-23 % is Low in the same way."""
    assert expected == label_of(WORSE, STEADY, **canary)


def test_critical_metrics_fail_the_canary_only_beyond_the_critical_effect() -> None:
    """A critical High sets the score to 0; below criticalIncrease it is an ordinary High."""
    failed = judged(STEADY, WORSE, critical=True)
    assert (0.0, "Fail") == (failed.score.total, failed.classification)
    assert failed.score.reason == "Canary Failed: The metric latency was classified as High (Critical)"
    spared = judged(STEADY, WORSE, critical=True, effectSize={"criticalIncrease": 1.5})
    assert not spared.results[0].critical
    assert spared.results[0].found.reason == "latency was classified as High"


@pytest.mark.parametrize(
    ("canary", "expected", "critical"),
    [
        ({}, "Nodata", False),
        ({"critical": True}, "Nodata", True),
        ({"mustHaveData": True}, "NodataFailMetric", False),
        ({"mustHaveData": True, "critical": True}, "Nodata", True),
        ({"nanStrategy": "replace"}, "Pass", False),
        ({"nanStrategy": "replace", "mustHaveData": True}, "Pass", False),
    ],
)
def test_an_empty_side(canary: Any, expected: str, critical: bool) -> None:
    """A side without points is Nodata, NodataFailMetric or Pass, by the rules; the ratio is 1."""
    result = judged(STEADY, [], **canary).results[0]
    assert (expected, critical, 1.0) == (result.label.value, result.critical, result.found.ratio)


def test_a_side_of_nan_alone_has_no_data_unless_replaced() -> None:
    """A side of NaN alone is empty when gaps are dropped, and zeros when they are replaced."""
    assert label_of(STEADY, [math.nan] * 60) == "Nodata"
    assert label_of(STEADY, [math.nan] * 60, nanStrategy="replace") == "Low"


def test_equal_series_pass_in_any_order() -> None:
    """The same points in another order are identical data."""
    result = judged([1, 2, 3], [3, 1, 2]).results[0]
    assert (Label.PASS, "The Canary and Baseline data are identical") == (result.label, result.found.reason)
    assert result.found.interval is None


def test_one_distinct_value_passes_whatever_the_counts() -> None:
    """Constant and equal series of different lengths pass without a test."""
    result = judged([1, 1, 1], [1, 1]).results[0]
    assert (Label.PASS, None, 1.0) == (result.label, result.found.reason, result.found.ratio)


def test_a_zero_mean_has_no_ratio_and_skips_the_effect_thresholds() -> None:
    """With a baseline of 0 the ratio is NaN, and allowedIncrease does not protect."""
    result = judged([0.0] * 5, [54.9, 54.5, 55.1, 55.6, 57.4], effectSize={"allowedIncrease": 9.0}).results[0]
    assert result.label is Label.HIGH
    assert result.found.ratio is not None
    assert math.isnan(result.found.ratio)


def test_one_point_a_side_may_be_an_error_that_counts_nowhere() -> None:
    """The test fails when all ranks are tied; the metric is an Error, never critical, without ratio and interval."""
    labels = {label_of([10.0 + step], [15.0 + step], critical=True) for step in range(20)}
    assert "Error" in labels
    failed = judge_pairs(
        config("a", critical=True),
        [pair([10.0], [15.0], name="a")],
        USUAL,
    )
    assert (Label.ERROR, False, None, None) == (
        failed.results[0].label,
        failed.results[0].critical,
        failed.results[0].found.ratio,
        failed.results[0].found.interval,
    )
    assert (100.0, "Pass") == (failed.score.total, failed.classification)


def test_constant_series_get_seeded_noise() -> None:
    """Two constant series are told apart with the same noise each time."""
    first, second = judged([1.0] * 5, [10.0] * 5), judged([1.0] * 5, [10.0] * 5)
    assert first == second or first.results[0].found == second.results[0].found
    assert first.results[0].label is Label.HIGH


def test_outliers_are_removed_only_when_asked_and_one_a_tail() -> None:
    """Of 60 points at most one goes on each side, however wild the others are."""
    wild = [*STEADY[:57], 1e6, 2e6, 3e6]
    assert prepare(np.array(wild), Rules()).size == 60
    kept = prepare(np.array(wild), Rules(remove_outliers=True))
    assert sorted(set(wild) - set(kept)) == [3e6]


def test_group_scores_and_weights() -> None:
    """A group's score is its share of passed metrics; groups without a weight share what is left of 100."""
    both = config("a", "b", groups=["one", "two"], weights={"one": 60})
    found = judge_pairs(both, [pair(STEADY, STEADY, name="a"), pair(STEADY, WORSE, name="b")], USUAL)
    assert {name: group.score for name, group in found.groups.items()} == {"one": 50.0, "two": 50.0}
    assert found.score.total == 50.0


def test_muted_metrics_are_reported_and_do_not_count() -> None:
    """A muted High leaves no trace in score and groups; with nothing else the score is 0."""
    found = judged(STEADY, WORSE, muted=True, critical=True)
    assert (Label.HIGH, 0.0, {}, "Fail") == (
        found.results[0].label,
        found.score.total,
        found.groups,
        found.classification,
    )


def test_half_of_the_metrics_without_data_fail_the_canary() -> None:
    """At 50 % Nodata the score is 0 with Kayenta's reason; below it they count as good."""
    pairs = [pair(STEADY, STEADY, name="a"), pair(STEADY, [], name="b")]
    half = judge_pairs(config("a", "b"), pairs, USUAL)
    assert (0.0, "Canary Failed: 50% or more metrics returned NODATA") == (half.score.total, half.score.reason)
    third = judge_pairs(config("a", "b", "c"), [*pairs, pair(STEADY, STEADY, name="c")], USUAL)
    assert third.score.total == 100.0


def test_scores_are_rounded_half_up_on_their_decimal_text() -> None:
    """2.675 is 2.68 although its double lies below; infinities stay."""
    assert [round_half_up(value) for value in (2.675, 100 / 3, 1.005, -2.675)] == [2.68, 33.33, 1.01, -2.68]
    assert round_half_up(1e300) == 1e300
    assert round_half_up(math.inf) == math.inf


@pytest.mark.parametrize(("score", "expected"), [(95, "Pass"), (94.99, "Marginal"), (75, "Marginal"), (74.99, "Fail")])
def test_thresholds_are_inclusive(score: float, expected: str) -> None:
    """A score equal to a threshold reaches it."""
    assert expected == score_label(score, USUAL)


def test_a_pair_counts_in_each_group_of_its_metric() -> None:
    """One High in two groups lowers both."""
    found = judge_pairs(
        config("a", groups=["x", "y"], weights={"x": 50, "y": 50}), [pair(STEADY, WORSE, name="a")], USUAL
    )
    assert (0.0, ["x", "y"]) == (found.score.total, list(found.groups))


def test_several_tag_sets_are_several_results() -> None:
    """Pairs of one metric with different tags are judged one by one, in the same group."""
    pairs = [pair(STEADY, STEADY, tags={"zone": "a"}), pair(STEADY, WORSE, tags={"zone": "b"})]
    found = judge_pairs(config(), pairs, USUAL)
    assert [(dict(result.tags), result.label.value) for result in found.results] == [
        ({"zone": "a"}, "Pass"),
        ({"zone": "b"}, "High"),
    ]
    assert found.score.total == 50.0


def test_a_pair_without_a_metric_is_refused() -> None:
    """A pair of an unknown metric ends the judgement with an error, as in Kayenta."""
    with pytest.raises(
        JudgeInputError, match="Could not find metric config for 'other'; metrics of the configuration: latency"
    ):
        judge_pairs(config(), [pair(STEADY, STEADY, name="other")], Thresholds(pass_score=1, marginal_score=0))


def test_a_metric_without_groups_is_refused_unless_muted() -> None:
    """Missing groups are an error, an empty list counts nowhere, and a muted metric needs no groups."""
    without = document()
    del without["metrics"][0]["groups"]
    with pytest.raises(JudgeInputError, match="groups of metric 'latency'"):
        judge_pairs(read_config(without), [pair(STEADY, STEADY)], USUAL)
    without["metrics"][0]["analysisConfigurations"]["canary"]["muted"] = True
    assert judge_pairs(read_config(without), [pair(STEADY, STEADY)], USUAL).groups == {}
    assert judge_pairs(config(groups=[]), [pair(STEADY, STEADY)], USUAL).score.total == 0.0
