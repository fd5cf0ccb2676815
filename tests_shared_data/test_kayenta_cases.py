"""The reference judge's own test suites and its users' cases, as numbers."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kayenta_builders import check_import, check_judging
from shared_data import KAYENTA, KAYENTA_CONFIGS

from harness.errors import JudgeInputError
from harness.judge.kayenta import Pair, Thresholds, judge_pairs, read_config
from harness.judge.kayenta.classify import (
    Classification,
    Comparison,
    Label,
    Result,
    add_noise,
    classify,
    classify_by_mean,
    prepare,
)
from harness.judge.kayenta.lookup import ABSENT, lookup, number_at
from harness.judge.kayenta.rules import Rules
from harness.judge.kayenta.schedule import (
    Schedule,
    final_decision,
    in_order_of_judgement,
    lifetime,
    window,
)
from harness.judge.kayenta.score import score, score_label
from harness.model.indicator import Direction
from harness.stats.descriptive import (
    cohen_d,
    iqr_outliers,
    mean_ratio,
    percentile,
    sigma_outliers,
    summary,
)
from harness.stats.mann_whitney import (
    common_language_effect,
    normal_quantile,
    shift_interval,
    standardised_rank_sum,
    zero_in,
)

CASES = json.loads((KAYENTA / "cases.json").read_text())
NO_SUMMARY = summary(np.empty(0))


def of_kind(*kinds: str) -> Any:
    """Parametrize a test over the cases of some kinds."""
    # Some draws need another language's random generator; the file marks them as not portable.
    found = [case for case in CASES if case["kind"] in kinds and case.get("portable", True)]
    return pytest.mark.parametrize("case", found, ids=[case["id"] for case in found])


def points(values: list[Any]) -> Any:
    """Numbers of the file as an array; "NaN" and "Infinity" are text there."""
    return np.array([float(value) for value in values], dtype=np.float64)


def agrees(expected: Any, actual: Any, tolerance: Any, key: str = "default") -> bool:
    """Whether two numbers agree within the file's tolerance for this key."""
    allowed = tolerance.get(key, tolerance.get("default", 0.0)) if isinstance(tolerance, dict) else tolerance
    expected = float(expected)
    return (math.isnan(expected) and math.isnan(actual)) or abs(expected - actual) <= allowed


def rules_of(case: dict[str, Any]) -> Rules:
    """The rules that a case of a classifier names."""
    params, options = case["params"], case["options"]
    low, high = params.get("effect_size_thresholds", (1.0, 1.0))
    critical_low, critical_high = params.get("critical_thresholds", (1.0, 1.0))
    return Rules(
        direction=Direction(options["direction"]),
        replace_nan=options["nan_strategy"] == "replace",
        critical=options["critical"],
        must_have_data=options["must_have_data"],
        cles=params.get("effect_size_measure") == "cles",
        allowed_increase=high,
        allowed_decrease=low,
        critical_increase=critical_high,
        critical_decrease=critical_low,
    )


@of_kind("classifier")
def test_classifier(case: dict[str, Any]) -> None:
    """A pair of series gets the reference's class, critical flag and deviation."""
    control, experiment, rules = points(case["control"]), points(case["experiment"]), rules_of(case)
    expected = case["expected"]
    if case["classifier"] == "mean_inequality":
        assert expected["classification"] == classify_by_mean(control, experiment, rules)
        return
    settings = Comparison(tolerance=case["params"]["tolerance"], confidence=case["params"]["conf_level"])
    found = classify(control, experiment, rules, name=case.get("metric_name", "metric"), settings=settings)
    assert expected.get("classification", found.label) == found.label
    assert expected.get("critical", found.critical) == found.critical
    assert found.ratio is not None
    assert agrees(expected.get("deviation", found.ratio), found.ratio, case["tolerance"])
    assert not expected.get("reason_not_empty") or found.reason


@of_kind("mannwhitney")
def test_rank_interval(case: dict[str, Any]) -> None:
    """Rank sums, quantiles, intervals and roots are the reference's."""
    expected, tolerance = case["expected"], case["tolerance"]
    if case["op"] == "normal_quantile":
        assert agrees(expected["z"], normal_quantile(case["p"]), tolerance)
        return
    x, y = points(case["x"]), points(case["y"])
    if case["op"] == "wilcoxon_diff":
        for point in case["points"]:
            assert agrees(point["expected"], standardised_rank_sum(point["mu"], point["quantile"], x, y), tolerance)
    elif case["op"] == "confidence_interval":
        found = shift_interval(x, y, case["conf_level"])
        assert agrees(expected["ci_lower"], found.low, tolerance, "ci_lower")
        assert agrees(expected["ci_upper"], found.high, tolerance, "ci_upper")
        assert agrees(expected["estimate"], found.estimate, tolerance, "estimate")
    else:
        check_intermediate_values(case, x, y)


def check_intermediate_values(case: dict[str, Any], x: Any, y: Any) -> None:
    """The steps of one search, as the file names them."""
    expected, tolerance = case["expected"], case["tolerance"]
    least, most = float(x.min() - y.max()), float(x.max() - y.min())
    assert agrees(expected["mu_min"], least, tolerance)
    assert agrees(expected["mu_max"], most, tolerance)
    for name, z in (("zlower", expected["z_lower"]), ("zupper", expected["z_upper"]), ("", 0.0)):
        ends = [standardised_rank_sum(mu, z, x, y) for mu in (least, most)]
        root = zero_in(least, most, *ends, lambda mu, z=z: standardised_rank_sum(mu, z, x, y))  # type: ignore[misc]
        assert agrees(expected[f"root_{name}" if name else "estimate"], root, tolerance)
        if name:
            assert agrees(expected[f"f_mumin_{name}"], ends[0], tolerance)
            assert agrees(expected[f"f_mumax_{name}"], ends[1], tolerance)


@of_kind("effect_size")
def test_effect_size(case: dict[str, Any]) -> None:
    """Mean ratio, Cohen's d and common language effect size are the reference's."""
    control, experiment = points(case["control"]), points(case["experiment"])
    measured = {
        "meanRatio": mean_ratio,
        "cohenD": cohen_d,
        "cles": lambda control, experiment: common_language_effect(experiment, control),
    }[case["measure"]](control, experiment)
    assert agrees(case["expected"]["value"], measured, case["tolerance"])


@of_kind("statistics")
def test_statistics(case: dict[str, Any]) -> None:
    """Summaries and percentiles are the reference's."""
    values, expected = points(case["data"]), case["expected"]
    if case["op"] == "percentile":
        assert agrees(expected["value"], percentile(values, case["p"]), case["tolerance"])
        return
    found = summary(values)
    for name, value in expected.items():
        assert agrees(value, float(getattr(found, name)), case["tolerance"], name)


@of_kind("outliers")
def test_outliers(case: dict[str, Any]) -> None:
    """The same points are outliers."""
    values = points(case["data"])
    if case["detector"] == "iqr":
        found = iqr_outliers(values, case["factor"], reduced=case["reduce_sensitivity"])
    else:
        found = sigma_outliers(values, case["factor"])
    assert case["expected"]["outlier_mask"] == found.tolist()


@of_kind("transform")
def test_transform(case: dict[str, Any]) -> None:
    """Gaps and outliers are dropped or replaced in the same way."""
    values, args = points(case["data"]), case.get("args", {})
    if case["op"] == "add_gaussian_noise":
        noisy = add_noise(values, args["mean"], args["stdev"], np.random.default_rng(1))
        assert case["expected"]["length"] == noisy.size
        return
    if case["op"] == "remove_outliers":
        detect = iqr_outliers if args["detector"] == "iqr" else sigma_outliers
        found = values[~detect(values, args["factor"])]
    else:
        found = prepare(values, Rules(replace_nan=case["op"] == "replace_nans"))
    assert case["expected"]["data"] == found.tolist()


@of_kind("random")
def test_random(case: dict[str, Any]) -> None:
    """Noise without spread is none."""
    args = case["args"]
    found = add_noise(np.zeros(args["n"]), args["mean"], args["stdev"], np.random.default_rng(0))
    assert case["expected"]["values"] == found.tolist()


@of_kind("score")
def test_score(case: dict[str, Any]) -> None:
    """Group and summary scores are the reference's."""
    results = [
        Result(
            name=metric["name"],
            groups=tuple(metric["groups"]),
            muted=metric.get("muted", False),
            found=Classification(label=Label(metric["classification"]), critical=metric["critical"], reason="reason"),
            control=NO_SUMMARY,
            experiment=NO_SUMMARY,
        )
        for metric in case["metrics"]
    ]
    found = score(results, case["group_weights"])
    expected = case["expected"]
    assert expected["summary_score"] == found.total
    if "group_scores_sorted" in expected:
        assert expected["group_scores_sorted"] == sorted(group.score for group in found.groups.values())
    if "classification" in expected:
        thresholds = Thresholds(pass_score=case["thresholds"]["pass"], marginal_score=case["thresholds"]["marginal"])
        assert expected["classification"] == score_label(found.total, thresholds)


@of_kind("config_lookup")
def test_config_lookup(case: dict[str, Any]) -> None:
    """Paths into free-form configuration find what the reference's MapUtils finds."""
    for step in case["lookups"]:
        path = tuple(step["path"])
        if step.get("as") == "double":
            assert step["expected"] == number_at(case["data"], path, step["default"], where="")
            continue
        found = lookup(case["data"], path)
        assert step["expected"] == (None if found is ABSENT else found)


@of_kind("config")
def test_config(case: dict[str, Any]) -> None:
    """What the reference refuses to store is refused."""
    with pytest.raises(JudgeInputError) as refused:
        read_config(case["config"])
    assert case["expected"]["error_contains"] in str(refused.value)


@of_kind("schedule")
def test_schedule(case: dict[str, Any]) -> None:
    """Lifetimes and windows of several judgements are the reference's."""
    args, expected = case["args"], case["expected"]
    if case["op"] == "lifetime":
        schedule = Schedule(start_min=args["start_min"], end_min=args["end_min"], lifetime_min=args["lifetime_mins"])
        if expected.get("error"):
            with pytest.raises(JudgeInputError):
                lifetime(schedule)
            return
        assert expected["lifetime_mins"] == lifetime(schedule)
    elif case["op"] == "judgement_windows":
        schedule = Schedule(
            start_min=args["start_min"],
            end_min=args["end_min"],
            begin_after_min=args["begin_after_mins"],
            lookback_min=args["lookback_mins"],
        )
        found = [window(schedule, number + 1, args["interval_mins"]) for number in range(args["judgements"])]
        assert expected["windows_min"] == [[one.start_min, one.end_min] for one in found]
    else:
        check_instants(case)


def check_instants(case: dict[str, Any]) -> None:
    """Windows of a request with a start in wall-clock time."""
    args, expected = case["args"], case["expected"]
    origin = datetime.fromisoformat(args["start_iso"])
    schedule = Schedule(start_min=0.0, control_offset_min=args.get("control_offset_mins", 0))
    found = window(schedule, args["judgement"], args["interval_mins"])
    minutes = {
        "start_iso": found.start_min,
        "experiment_start_iso": found.start_min,
        "end_iso": found.end_min,
        "control_start_iso": found.start_min - found.offset_min,
    }
    for name, instant in expected.items():
        assert datetime.fromisoformat(instant) == origin + timedelta(minutes=minutes[name])


@of_kind("aggregate")
def test_aggregate(case: dict[str, Any]) -> None:
    """The last score decides, as in the reference."""
    args, expected = case["args"], case["expected"]
    if "stage_names" in args:
        assert expected["order"] == list(in_order_of_judgement(args["stage_names"]))
        return
    passed, _ = final_decision(args["final_score"], args["marginal"], args["pass"])
    assert expected["did_pass"] == passed


@of_kind("judge")
@pytest.mark.parametrize("seed", range(3))
def test_judge(case: dict[str, Any], seed: int) -> None:
    """The reference's integration tests end with the same labels, score and decision on any draw."""
    generator, expected, given = np.random.default_rng(seed), case["expected"], case["thresholds"]
    pairs = [
        Pair(name=name, **{side: generator.uniform(span["low"], span["high"], 60) for side, span in sides.items()})
        for name, sides in case["series_uniform"].items()
    ]
    thresholds = Thresholds(pass_score=given["pass"], marginal_score=given["marginal"])
    found = judge_pairs(read_config(case["config"]), pairs, thresholds)
    passed, message = final_decision(found.score.total, given["marginal"], given["pass"])
    assert expected["did_pass"] == passed
    assert expected.get("score", found.score.total) == found.score.total
    assert expected.get("message", message) == message
    labels = {result.name: result.label for result in found.results}
    assert expected.get("metrics", labels) == labels


@pytest.mark.parametrize("path", KAYENTA_CONFIGS, ids=lambda path: path.name)
def test_published_configurations_load_and_judge(path: Path) -> None:
    """Every published configuration is read, and judges series of all its metrics."""
    check_judging(path)


@pytest.mark.parametrize("path", KAYENTA_CONFIGS, ids=lambda path: path.name)
def test_published_configurations_become_objectives_that_parse(path: Path) -> None:
    """Every metric of every published configuration has an objective."""
    check_import(path)
