"""Read the rules for judging one metric from the ``canary`` part of its analysis configuration."""

from __future__ import annotations

from dataclasses import dataclass

from harness.judge.kayenta.config import Metric
from harness.judge.kayenta.fields import rejection
from harness.judge.kayenta.lookup import Absent, flag_at, lookup, number_at, text_at
from harness.model.indicator import Direction

_CHOICES = (
    (("direction",), ("increase", "decrease", "either"), "either"),
    (("nanStrategy",), ("remove", "replace"), "remove"),
    (("outliers", "strategy"), ("keep", "remove"), "keep"),
    (("effectSize", "measure"), ("meanRatio", "cles"), "meanRatio"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules for judging one metric.

    replace_nan: whether gaps become 0 and a missing side passes; otherwise gaps are dropped.
    allowed_*, critical_*: thresholds on the effect size, which is a ratio of means or, with ``cles``, the share of
    pairs in which the experiment is higher.
    """

    direction: Direction = Direction.EITHER
    replace_nan: bool = False
    remove_outliers: bool = False
    outlier_factor: float = 3.0
    critical: bool = False
    must_have_data: bool = False
    muted: bool = False
    cles: bool = False
    allowed_increase: float = 1.0
    allowed_decrease: float = 1.0
    critical_increase: float = 1.0
    critical_decrease: float = 1.0

    def harms(self, change: float) -> bool:
        """Return whether the metric is watched for a change of this sign."""
        return change != 0 and self.direction in {
            Direction.EITHER,
            Direction.INCREASE if change > 0 else Direction.DECREASE,
        }


def read_rules(metric: Metric) -> Rules:
    """Return the metric's rules.

    Raises JudgeInputError, with the field's path, where Kayenta's judge would throw an exception.
    """
    where, analysis = f"{metric.path}.analysisConfigurations", metric.analysis

    def text(*path: str, default: str) -> str:
        return text_at(analysis, ("canary", *path), default, where=where)

    def flag(*path: str) -> bool:
        return flag_at(analysis, ("canary", *path), where=where)

    def number(*path: str, default: float) -> float:
        return number_at(analysis, ("canary", *path), default, where=where)

    direction = text("direction", default="either")
    cles = text("effectSize", "measure", default="meanRatio") == "cles"
    neutral = 0.5 if cles else 1.0
    rules = Rules(
        direction=Direction(direction) if direction in set(Direction) else Direction.EITHER,
        replace_nan=text("nanStrategy", default="remove") == "replace",
        remove_outliers=text("outliers", "strategy", default="keep") == "remove",
        outlier_factor=number("outliers", "outlierFactor", default=3.0),
        critical=flag("critical"),
        must_have_data=flag("mustHaveData"),
        muted=flag("muted"),
        cles=cles,
        allowed_increase=number("effectSize", "allowedIncrease", default=neutral),
        allowed_decrease=number("effectSize", "allowedDecrease", default=neutral),
        critical_increase=number("effectSize", "criticalIncrease", default=neutral),
        critical_decrease=number("effectSize", "criticalDecrease", default=neutral),
    )
    if rules.remove_outliers and not rules.outlier_factor > 0:
        raise rejection(f"{where}.canary.outliers.outlierFactor", "a number above 0", rules.outlier_factor)
    return rules


def rule_warnings(metric: Metric) -> list[str]:
    """Return warnings about rules that Kayenta reads differently from what they seem to say."""
    where, analysis = f"{metric.path}.analysisConfigurations.canary", metric.analysis
    warnings = []
    for path, choices, default in _CHOICES:
        found = lookup(analysis, ("canary", *path))
        if found is not Absent.ABSENT and found not in choices:
            known = ", ".join(choices)
            warnings.append(
                f"{'.'.join((where, *path))}: {found!r} is none of {known}; Kayenta reads it as {default!r}"
            )
    warnings += [
        f"{where}.effectSize.{key}: Kayenta reads null as 0, not as the default"
        for key in ("allowedIncrease", "allowedDecrease", "criticalIncrease", "criticalDecrease")
        if lookup(analysis, ("canary", "effectSize", key)) is None
    ]
    return warnings + _crossed(metric, where)


def _crossed(metric: Metric, where: str) -> list[str]:
    given = lookup(metric.analysis, ("canary", "effectSize"))
    rules = read_rules(metric)
    if not isinstance(given, dict) or not rules.critical:
        return []
    warnings = []
    if "criticalIncrease" in given and rules.critical_increase < rules.allowed_increase:
        warnings.append(f"{where}.effectSize.criticalIncrease: below allowedIncrease, so every High is critical")
    if "criticalDecrease" in given and rules.critical_decrease > rules.allowed_decrease:
        warnings.append(f"{where}.effectSize.criticalDecrease: above allowedDecrease, so every Low is critical")
    return warnings
