"""Compute Kayenta's score: the scores of the groups, their weighted sum and its label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

from harness.errors import JudgeInputError
from harness.judge.kayenta.classify import Label, Result
from harness.judge.kayenta.config import Thresholds
from harness.model.sums import plain_sum

_COUNTED = (Label.PASS, Label.HIGH, Label.LOW, Label.NODATA_FAIL)
NODATA_PERCENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """The share of a group's metrics that passed, in percent. Without data it is 0, but the total counts it as 100."""

    score: float
    has_data: bool
    metrics: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The total and the scores of the groups in order of appearance, both without muted metrics."""

    total: float
    reason: str
    groups: Mapping[str, GroupScore]


def score(results: Sequence[Result], group_weights: Mapping[str, float]) -> Score:
    """Return the score of the results that are not muted; ``group_weights`` are in percent."""
    counted = [result for result in results if not result.muted]
    groups = _group_scores(counted)
    failures = [result for result in counted if result.critical and result.label is not Label.PASS]
    missing = sum(result.label is Label.NODATA for result in counted)
    if failures:
        return Score(total=0.0, reason=f"Canary Failed: {failures[0].found.reason}", groups=groups)
    if counted and missing / len(counted) * 100 >= NODATA_PERCENT:
        reason = f"Canary Failed: {NODATA_PERCENT}% or more metrics returned NODATA"
        return Score(total=0.0, reason=reason, groups=groups)
    return Score(total=round_half_up(_weighted(groups, group_weights)), reason="", groups=groups)


def group_weight(group: str, groups: Mapping[str, GroupScore], group_weights: Mapping[str, float]) -> float:
    """Return a group's weight in percent: its own, or an equal share of what the given weights leave of 100."""
    if group in group_weights:
        return group_weights[group]
    unweighted = sum(name not in group_weights for name in groups)
    return (100 - plain_sum(group_weights.values())) / unweighted


def score_label(total: float, thresholds: Thresholds) -> str:
    """Return Kayenta's label of a score."""
    if total >= thresholds.pass_score:
        return "Pass"
    return "Marginal" if total >= thresholds.marginal_score else "Fail"


def round_half_up(value: float) -> float:
    """Round to two decimals, half away from zero, based on the decimal text: 2.675 becomes 2.68."""
    if not math.isfinite(value):
        return value
    every_digit = Context(prec=400)
    return float(Decimal(repr(value)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP, context=every_digit))


def _group_scores(results: Sequence[Result]) -> dict[str, GroupScore]:
    labels: dict[str, list[Label]] = {}
    for result in results:
        if result.groups is None:
            raise JudgeInputError(f"groups of metric {result.name!r}: expected a list, found none; [] counts nowhere")
        for group in result.groups:
            labels.setdefault(group, []).append(result.label)
    return {group: _group_score(found) for group, found in labels.items()}


def _group_score(labels: Sequence[Label]) -> GroupScore:
    counted = [label for label in labels if label in _COUNTED]
    passed = counted.count(Label.PASS)
    return GroupScore(
        score=passed / len(counted) * 100 if counted else 0.0, has_data=bool(counted), metrics=len(labels)
    )


def _weighted(groups: Mapping[str, GroupScore], group_weights: Mapping[str, float]) -> float:
    total = 0.0
    for name, group in groups.items():
        total += (group.score if group.has_data else 100.0) * (group_weight(name, groups, group_weights) / 100)
    return total
