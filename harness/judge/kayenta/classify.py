"""Label one metric: prepare its points, handle the simple cases, and apply the Mann-Whitney test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.judge.kayenta.rules import Rules
from harness.model.indicator import Direction
from harness.stats.descriptive import Summary, iqr_outliers, mean, mean_ratio, summary
from harness.stats.mann_whitney import ShiftInterval, TiedError, common_language_effect, shift_interval

Points = NDArray[np.float64]

NOISE = 1e-5
"""The standard deviation of the noise that is added to a constant series, as a share of its value."""


class Label(StrEnum):
    """Kayenta's classes of a metric."""

    PASS = "Pass"  # noqa: S105 - a class, not a password
    HIGH = "High"
    LOW = "Low"
    NODATA = "Nodata"
    NODATA_FAIL = "NodataFailMetric"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Settings that are fixed in Kayenta's code.

    tolerance: the interval must lie beyond this share of the estimated shift. confidence: of that interval.
    control_name, experiment_name: the names of the sides in reasons. noise_seed: the seed of the noise for constant
    series; Kayenta uses none.
    """

    tolerance: float = 0.25
    confidence: float = 0.98
    control_name: str = "Baseline"
    experiment_name: str = "Canary"
    noise_seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A label and the numbers that led to it.

    ratio: the mean of the experiment divided by the mean of the control; NaN if one is 0, None after an error.
    interval: the interval of the shift in the metric's unit; None if the test was not needed or failed.
    effect: the effect size that was compared with the thresholds.
    noisy: whether both series were constant, so that the label depends on random noise.
    """

    label: Label
    reason: str | None = None
    ratio: float | None = 1.0
    critical: bool = False
    interval: ShiftInterval | None = None
    effect: float | None = None
    noisy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One judged pair, with the statistics of the prepared points."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] | None = ()
    muted: bool = False
    found: Classification
    control: Summary
    experiment: Summary

    @property
    def label(self) -> Label:
        """The metric's label."""
        return self.found.label

    @property
    def critical(self) -> bool:
        """Whether this result alone fails the canary."""
        return self.found.critical


def prepare(points: Points, rules: Rules) -> Points:
    """Return the points to compare: drop gaps or replace them with 0, then remove outliers if the rules say so."""
    gaps = np.isnan(points)
    filled = np.where(gaps, 0.0, points) if rules.replace_nan else points[~gaps]
    if not rules.remove_outliers:
        return filled
    with np.errstate(invalid="ignore"):
        return filled[~iqr_outliers(filled, rules.outlier_factor, reduced=True)]


def judge_pair(
    name: str,
    tags: Mapping[str, str],
    groups: tuple[str, ...] | None,
    *,
    control: Points,
    experiment: Points,
    rules: Rules,
    noise_seed: int = 0,
) -> Result:
    """Judge one pair of raw series, shapes (n,) and (m,) with NaN for gaps."""
    control, experiment = prepare(control, rules), prepare(experiment, rules)
    try:
        found = classify(control, experiment, rules, name=name, settings=Comparison(noise_seed=noise_seed))
    except TiedError:
        found = Classification(label=Label.ERROR, reason="Metric Classification Failed", ratio=None)
    return Result(
        name=name,
        tags=tags,
        groups=groups,
        muted=rules.muted,
        found=found,
        control=summary(control),
        experiment=summary(experiment),
    )


def classify(
    control: Points, experiment: Points, rules: Rules, *, name: str, settings: Comparison | None = None
) -> Classification:
    """Label prepared points, shapes (n,) and (m,), which hold no NaN.

    Raises TiedError where Kayenta's classifier throws an exception, which its judge turns into the label Error.
    """
    settings = settings or Comparison()
    if control.size == 0 or experiment.size == 0:
        return _without_data(rules, name)
    if np.array_equal(np.sort(experiment), np.sort(control)):
        reason = f"The {settings.experiment_name} and {settings.control_name} data are identical"
        return Classification(label=Label.PASS, reason=reason)
    if np.unique(np.concatenate((experiment, control))).size == 1:
        return Classification(label=Label.PASS)
    return _compared(control, experiment, rules, name, settings)


def classify_by_mean(control: Points, experiment: Points, rules: Rules) -> Label:
    """Label prepared points by comparing their means only, as Kayenta's benchmark classifier does."""
    if control.size == 0 or experiment.size == 0:
        return _without_data(rules, "").label
    difference = mean(experiment) - mean(control)
    if not rules.harms(difference):
        return Label.PASS
    return Label.HIGH if difference > 0 else Label.LOW


def add_noise(points: Points, mean_noise: float, deviation: float, generator: np.random.Generator) -> Points:
    """Return the points with added normal noise; ``deviation`` may be zero or negative."""
    with np.errstate(over="ignore", invalid="ignore"):
        return points + (generator.standard_normal(points.size) * deviation + mean_noise)


def _without_data(rules: Rules, name: str) -> Classification:
    if rules.replace_nan:
        return Classification(label=Label.PASS)
    reason = f"Missing data for {name}"
    if rules.must_have_data and not rules.critical:
        return Classification(label=Label.NODATA_FAIL, reason=reason)
    return Classification(label=Label.NODATA, reason=reason, critical=rules.critical)


def _compared(control: Points, experiment: Points, rules: Rules, name: str, settings: Comparison) -> Classification:
    noisy = np.unique(experiment).size == 1 and np.unique(control).size == 1
    if noisy:
        generator = np.random.default_rng(settings.noise_seed)
        experiment = add_noise(experiment, 0.0, float(experiment[0]) * NOISE, generator)
        control = add_noise(control, 0.0, float(control[0]) * NOISE, generator)
    interval = shift_interval(experiment, control, settings.confidence)
    ratio = mean_ratio(control, experiment)
    effect = common_language_effect(experiment, control) if rules.cles else ratio
    label = _label(interval, effect, rules, settings.tolerance)
    critical = rules.critical and _is_critical(label, effect, rules)
    reason = None if label is Label.PASS else f"{name} was classified as {label}"
    return Classification(
        label=label,
        reason=f"The metric {reason} (Critical)" if critical else reason,
        ratio=ratio,
        critical=critical,
        interval=interval,
        effect=effect,
        noisy=noisy,
    )


def _label(interval: ShiftInterval, effect: float, rules: Rules, tolerance: float) -> Label:
    """Return High or Low if the interval lies beyond a share of the estimate and the effect beyond its threshold."""
    bound = tolerance * abs(interval.estimate)
    watched = rules.direction
    if watched is not Direction.DECREASE and interval.low > bound and _at_least(effect, rules.allowed_increase):
        return Label.HIGH
    if watched is not Direction.INCREASE and interval.high < -bound and _at_least(-effect, -rules.allowed_decrease):
        return Label.LOW
    return Label.PASS


def _is_critical(label: Label, effect: float, rules: Rules) -> bool:
    if label is Label.HIGH:
        return _at_least(effect, rules.critical_increase)
    return label is Label.LOW and _at_least(-effect, -rules.critical_decrease)


def _at_least(effect: float, threshold: float) -> bool:
    """Return whether the effect reaches the threshold. NaN always does."""
    return math.isnan(effect) or effect >= threshold
