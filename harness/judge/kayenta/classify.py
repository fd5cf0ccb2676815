"""The label of one metric: preparation of its points, short cuts, and the Mann-Whitney test."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from harness.judge.kayenta.rules import Rules
from harness.model.objective import Direction
from harness.stats.descriptive import Summary, iqr_outliers, mean, mean_ratio, summary
from harness.stats.mann_whitney import ShiftInterval, TiedError, common_language_effect, shift_interval

Points = NDArray[np.float64]

NOISE = 1e-5
"""Standard deviation of the noise on a constant series, as a share of its value."""


class Label(StrEnum):
    """Kayenta's classes of a metric."""

    PASS = "Pass"  # noqa: S105 - a class, no password
    HIGH = "High"
    LOW = "Low"
    NODATA = "Nodata"
    NODATA_FAIL = "NodataFailMetric"
    ERROR = "Error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is fixed in Kayenta's code: the share of the estimated shift, the confidence, and names in reasons.

    noise_seed: Kayenta draws noise for constant series without a seed; here the draw is fixed.
    """

    tolerance: float = 0.25
    confidence: float = 0.98
    control_name: str = "Baseline"
    experiment_name: str = "Canary"
    noise_seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """A label and how it came about.

    ratio: mean of the experiment over mean of the control, NaN where one is 0, None after an error.
    interval: of the shift in the metric's unit, None where the test was not needed or failed.
    effect: what the effect thresholds were compared with.
    noisy: both series were constant, so the label rests on drawn noise.
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
    """One judged pair; statistics are of the points after preparation, ``gaps`` counts NaN before it."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] | None = ()
    muted: bool = False
    found: Classification
    control: Summary
    experiment: Summary

    @property
    def label(self) -> Label:
        """The metric's class."""
        return self.found.label

    @property
    def critical(self) -> bool:
        """Whether this result alone fails the canary."""
        return self.found.critical


def prepare(points: Points, rules: Rules) -> Points:
    """The points that are compared: gaps dropped or 0, then outliers removed where asked."""
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
    """The result of one pair of raw series."""
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
    """The label of prepared points, shapes (n,) and (m,), without NaN.

    Raises TiedError where the reference throws, which its judge turns into the class Error.
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
    """The label by comparing means only, Kayenta's yardstick for benchmarks."""
    if control.size == 0 or experiment.size == 0:
        return _without_data(rules, "").label
    difference = mean(experiment) - mean(control)
    if not rules.harms(difference):
        return Label.PASS
    return Label.HIGH if difference > 0 else Label.LOW


def add_noise(points: Points, mean_noise: float, deviation: float, generator: np.random.Generator) -> Points:
    """The points with normal noise; a negative or zero ``deviation`` is fine."""
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
    """High or Low where the interval lies beyond a share of the estimate, and the effect beyond its threshold."""
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
    """Whether the effect reaches the threshold; one that cannot be computed always does."""
    return math.isnan(effect) or effect >= threshold
