"""Cases in which Kayenta misleads, as users reported them: the verdict stays Kayenta's, and a warning explains it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from kayenta_builders import STEADY, USUAL, WORSE, config, document, judged, pair

from harness.judge.kayenta import Judgement, Thresholds, judge_pairs, read_config

NOISY_BASELINE = [1.0, 100.0, 4.0, 101.0, 5.0, 99.0, 2.0, 98.0, 6.0, 103.0, 3.0, 97.0, 1.5, 102.0, 4.5]
QUIET_CANARY = [10.0, 10.1, 10.2, 10.3, 10.4, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 17.5, 17.6, 17.7]


def says(found: Judgement, *parts: str) -> bool:
    """Whether one warning has all the parts."""
    return any(all(part in warning for part in parts) for warning in found.warnings)


def label(found: Judgement) -> str:
    """The class of the first metric."""
    return found.results[0].label.value


def test_spinnaker_6278_a_hundredfold_regression_of_seven_points_in_ten_passes() -> None:
    """Seven of ten points at 100 against 1 pass with mean +6930 %; the eighth turns it into High."""
    effect = {"allowedIncrease": 1.05, "criticalIncrease": 1.1}
    seven = judged([1.0] * 10, [100.0] * 7 + [1.0] * 3, effectSize=effect)
    eight = judged([1.0] * 10, [100.0] * 8 + [1.0] * 2, effectSize=effect)
    assert ["Pass", "High"] == [label(seven), label(eight)]
    assert says(seven, "latency: passed although the mean changed by +6930.0%")
    interval = seven.results[0].found.interval
    assert interval is not None
    assert (99.0, pytest.approx(6.825022991538781e-05)) == (interval.high, interval.low)


def test_kayenta_426_sparse_errors_against_none_pass() -> None:
    """0, 1, 2, 1, 0, 0 errors against none are called Pass: the warning says how few points there are."""
    found = judged([0.0] * 6, [0.0, 1.0, 2.0, 1.0, 0.0, 0.0])
    assert label(found) == "Pass"
    assert says(found, "passed although the mean changed from or to 0")
    assert says(found, "6 baseline and 6 canary points, Kayenta advises at least 50")
    assert says(found, "one mean is 0", "effect thresholds are skipped")


def test_kayenta_799_errors_against_no_errors_are_flagged_once_nan_is_zero() -> None:
    """With replaced gaps the errors are High; with dropped gaps there is no data to compare."""
    gaps, errors = [math.nan] * 5, [1.0, 4.0, 2.0, 3.0, 1.0]
    assert label(judged(gaps, errors, nanStrategy="replace")) == "High"
    dropped = judged(gaps, errors)
    assert (label(dropped), dropped.score.total) == ("Nodata", 0.0)


def test_kayenta_780_a_shape_that_differs_passes() -> None:
    """A baseline that swings between 1 and 100 against a quiet canary passes: only location is tested."""
    found = judged(NOISY_BASELINE, QUIET_CANARY)
    assert label(found) == "Pass"
    assert says(found, "the test asks how tight the interval is")


def test_kayenta_700_replace_lets_a_missing_side_pass() -> None:
    """NanStrategy replace passes a metric without any canary points, and mustHaveData does not help."""
    found = judged(STEADY, [], nanStrategy="replace", mustHaveData=True)
    assert (label(found), found.score.total) == ("Pass", 100.0)
    assert says(found, "one side has no data at all")
    assert says(found, "mustHaveData has no effect")


def test_kayenta_738_different_tag_values_make_two_half_empty_pairs() -> None:
    """Two pairs of one metric, each with one empty side, are recognised as what they are."""
    pairs = [pair(STEADY, [], tags={"version": "1"}), pair([], STEADY, tags={"version": "2"})]
    assert says(judge_pairs(config(), pairs, USUAL), "latency: tag values of baseline and canary differ")


def test_kayenta_619_outlier_removal_can_leave_only_zeros() -> None:
    """The one point that is not 0 is removed as an outlier, and the warning says so."""
    found = judged([0.0] * 60, [0.0] * 59 + [7.0], outliers={"strategy": "remove"})
    assert label(found) == "Pass"
    assert says(found, "1 of 60 canary points were removed as outliers; every value other than 0 is gone")


def test_kayenta_353_an_error_counts_nowhere() -> None:
    """A metric that could not be judged scores 100, even when it is critical."""
    found = judged([10.0], [15.0], critical=True, mustHaveData=True)
    assert (label(found), found.score.total, found.classification) == ("Error", 100.0, "Pass")
    assert says(found, "the test failed (Error)")
    assert says(found, "not shown to be good: latency could not be judged at all")
    assert says(found, "group group: no data in any of its metrics, and yet it counts as 100")


@pytest.mark.parametrize(("points", "chance"), [(2, "23 %"), (3, "5 %"), (4, "1 %")])
def test_kayenta_283_few_points_are_warned_about(points: int, chance: str) -> None:
    """With two to four points the share of innocent canaries that are flagged is named."""
    found = judged(range(points), range(100, 100 + points))
    assert says(found, f"{points} baseline and {points} canary points", f"flagged {chance} by chance")


def test_referee_62_weights_that_do_not_add_to_100() -> None:
    """With weights of 60 passed metrics score 60, with 150 they score 150; both cause a warning."""
    less = judge_pairs(config(weights={"group": 60}), [pair(STEADY, STEADY)], USUAL)
    more = judge_pairs(config(weights={"group": 150}), [pair(STEADY, STEADY)], USUAL)
    assert [60.0, 150.0] == [less.score.total, more.score.total]
    assert says(less, "the weights add to 60, not to 100")
    assert says(more, "the score 150 is outside 0 to 100")


def test_weights_of_absent_groups_are_lost() -> None:
    """A weighted group without a judged metric takes its points with it."""
    found = judge_pairs(config(weights={"group": 60, "gone": 40}), [pair(STEADY, STEADY)], USUAL)
    assert found.score.total == 60.0
    assert says(found, "no judged metric in gone; their 40 points cannot be reached")


def test_an_extra_group_under_full_weights_counts_nothing() -> None:
    """A group without a weight gets what is left of 100, which is 0 here."""
    found = judge_pairs(config(groups=["group", "more"]), [pair(STEADY, WORSE)], USUAL)
    assert says(found, "without a weight: more; each gets what is left, 0")


def test_unequal_arms_are_warned_about() -> None:
    """60 points against 20 are judged, with a warning."""
    assert says(judged(STEADY, STEADY[:20]), "unequal arms: 60 baseline and 20 canary points")


def test_negative_values_turn_the_ratio_around() -> None:
    """-10 to -5 is an increase that the ratio reads as a decrease, so it is never High."""
    found = judged(np.array(STEADY) - 200, np.array(STEADY) - 150)
    assert label(found) == "Pass"
    assert says(found, "negative values", "use the measure cles")
    assert label(judged(np.array(STEADY) - 200, np.array(STEADY) - 150, effectSize={"measure": "cles"})) == "High"


@pytest.mark.parametrize(("scale", "expected"), [(1.0, "High"), (1e-2, "High"), (1e-8, "Pass")])
def test_the_unit_decides_on_tiny_scales(scale: float, expected: str) -> None:
    """The same +30 % is High in one unit and Pass in another; the warning names the largest value."""
    found = judged(np.array(STEADY) * scale, np.array(WORSE) * scale)
    assert expected == label(found)
    assert says(found, "tiny scale") == (scale < 1e-4)


def test_a_trivial_change_is_flagged() -> None:
    """+2 % with little noise is High unless allowedIncrease is set."""
    calm = np.array(STEADY) / 50 + 98
    found = judged(calm, calm * 1.02)
    assert label(found) == "High"
    assert says(found, "flagged at a change of only +2.00%")


def test_a_class_that_rests_on_rounding_is_named() -> None:
    """Nine in ten points at 0: the estimate is 0 but for the search's residue, and High can come of it."""
    generator = np.random.default_rng(3)
    control = np.where(np.arange(210) < 195, 0.0, generator.uniform(1, 3, 210))
    experiment = np.where(np.arange(210) < 175, 0.0, generator.uniform(1, 5, 210))
    found = judged(control, experiment)
    flagged = label(found) in {"High", "Low"}
    interval = found.results[0].found.interval
    assert interval is not None
    assert abs(interval.estimate) < 1e-4
    assert says(found, "residue of rounding") == flagged


def test_correlated_points_are_warned_about() -> None:
    """A flagged metric with correlated points warns that the confidence is lower than it seems."""
    walk = np.cumsum(np.random.default_rng(1).normal(0, 1, 60))
    assert says(judged(walk + 1000, walk[::-1] + 1200), "neighbouring points are correlated")


def test_constant_series_are_warned_about() -> None:
    """Noise decides 10 against 10.0001; the warning counts the results of other draws."""
    found = judged([10.0] * 10, [10.0001] * 10)
    assert says(found, "both sides are constant", "10 other draws say")


def test_gaps_are_warned_about() -> None:
    """Replaced and dropped gaps are counted."""
    some = [*STEADY[:50], *[math.nan] * 10]
    assert says(judged(STEADY, some), "10 of 60 canary points are NaN and were dropped")
    assert says(judged(STEADY, some, nanStrategy="replace"), "10 of 60 canary points are NaN and were judged as 0")


def test_a_score_at_the_marginal_threshold_is_ambiguous() -> None:
    """Labelled Marginal, it ends a run of several judgements all the same."""
    pairs = [pair(STEADY, STEADY, name="a"), pair(STEADY, WORSE, name="b")]
    found = judge_pairs(config("a", "b"), pairs, Thresholds(pass_score=95, marginal_score=50))
    assert found.classification == "Marginal"
    assert says(found, "a score equal to the marginal threshold")


@pytest.mark.parametrize(
    ("canary", "warning"),
    [
        (
            {"direction": "up"},
            "canary.direction: 'up' is none of increase, decrease, either; Kayenta reads it as 'either'",
        ),
        ({"nanStrategy": "zero"}, "Kayenta reads it as 'remove'"),
        ({"outliers": {"strategy": "drop"}}, "Kayenta reads it as 'keep'"),
        ({"effectSize": {"measure": "CLES"}}, "Kayenta reads it as 'meanRatio'"),
        ({"effectSize": {"allowedIncrease": None}}, "allowedIncrease: Kayenta reads null as 0"),
        (
            {"critical": True, "effectSize": {"allowedIncrease": 1.5, "criticalIncrease": 1.2}},
            "criticalIncrease: below allowedIncrease, so every High is critical",
        ),
    ],
)
def test_rules_that_mean_something_else_are_warned_about(canary: Any, warning: str) -> None:
    """Misspelt choices, nulls and crossed thresholds are treated as in Kayenta, with a warning."""
    assert says(judged(STEADY, STEADY, **canary), warning)


def test_old_and_missing_judges_are_named() -> None:
    """The random test judge cannot be reproduced, and scoreThresholds of the configuration are not read."""
    old = document()
    old["judge"]["name"] = "dredd-v1.0"
    old["classifier"]["scoreThresholds"] = {"pass": 80, "marginal": 60}
    found = judge_pairs(read_config(old), [pair(STEADY, STEADY)], USUAL)
    assert says(found, "judge.name: dredd-v1.0 cannot be reproduced")
    assert says(found, "classifier.scoreThresholds: nothing reads it")


def test_a_sound_judgement_has_no_warnings() -> None:
    """Sixty positive points per side and full weights cause no warning."""
    assert judged(STEADY, WORSE, effectSize={"allowedIncrease": 1.1}).warnings == ()
