"""Series of both sides joined to pairs, as Kayenta's mixer does before the judge sees them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.errors import JudgeInputError
from harness.judge.kayenta.pairs import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSet:
    """One series of one side. Times are epoch milliseconds; a step of 0 is unknown."""

    name: str | None
    values: tuple[float, ...]
    tags: Mapping[str, str] = field(default_factory=dict)
    start_ms: int = 0
    end_ms: int = 0
    step_ms: int = 0

    @property
    def expected_points(self) -> int:
        """How many points its time span should hold."""
        return 0 if self.step_ms == 0 else int((self.end_ms - self.start_ms) / self.step_ms)


def mix_all(names: Sequence[str], control: Sequence[MetricSet], experiment: Sequence[MetricSet]) -> tuple[Pair, ...]:
    """Pairs of all metrics in the configuration's order, one for each set of tags.

    Raises JudgeInputError where a side has no series of a metric or the keys of tags differ.
    """
    pairs: list[Pair] = []
    for name in names:
        ours = [series for series in control if series.name == name]
        theirs = [series for series in experiment if series.name == name]
        for side, found in (("control", ours), ("experiment", theirs)):
            if not found:
                raise JudgeInputError(
                    f"No {side} metrics found for {name} and the metric service did not create a placeholder."
                )
        _check_keys(ours, theirs)
        pairs += _mix_metric(ours, theirs)
    return tuple(pairs)


def mix_one(control: MetricSet, experiment: MetricSet) -> Pair:
    """The pair of two series of equal name and tags, each padded with NaN at its end."""
    for side, series in (("Control", control), ("Experiment", experiment)):
        if not series.name:
            raise JudgeInputError(f"{side} metric set name was not set.")
    if control.name != experiment.name:
        raise JudgeInputError(
            f"Control metric set name '{control.name}' does not match experiment metric set name '{experiment.name}'."
        )
    if dict(control.tags) != dict(experiment.tags):
        raise JudgeInputError(
            f"Control metric set tags {dict(control.tags)} do not match experiment metric set tags {dict(experiment.tags)}."
        )
    return Pair(
        name=str(control.name),
        tags=control.tags,
        control=np.array(_padded(control)),
        experiment=np.array(_padded(experiment)),
        control_start_s=control.start_ms / 1000,
        experiment_start_s=experiment.start_ms / 1000,
        step_s=experiment.step_ms / 1000,
    )


def _mix_metric(control: Sequence[MetricSet], experiment: Sequence[MetricSet]) -> list[Pair]:
    """An untagged series beside tagged ones is only a placeholder: its values are dropped."""
    untagged_control = any(not series.tags for series in control)
    untagged_experiment = any(not series.tags for series in experiment)
    if untagged_control and not untagged_experiment:
        return [mix_one(_blank(control[0], series.tags), series) for series in experiment]
    if untagged_experiment and not untagged_control:
        return [mix_one(series, _blank(experiment[0], series.tags)) for series in control]
    return [
        mix_one(_with_tags(control, tags), _with_tags(experiment, tags))
        for tags in _distinct(series.tags for series in (*control, *experiment))
    ]


def _with_tags(side: Sequence[MetricSet], tags: Mapping[str, str]) -> MetricSet:
    found = [series for series in side if dict(series.tags) == dict(tags)]
    return found[0] if found else _blank(side[0], tags)


def _blank(template: MetricSet, tags: Mapping[str, str]) -> MetricSet:
    return replace(template, tags=tags, values=(math.nan,) * max(0, template.expected_points))


def _padded(series: MetricSet) -> list[float]:
    missing = max(0, series.expected_points - len(series.values))
    return [*map(float, series.values), *([math.nan] * missing)]


def _distinct(tag_maps: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
    return list({tuple(sorted(tags.items())): tags for tags in tag_maps}.values())


def _check_keys(control: Sequence[MetricSet], experiment: Sequence[MetricSet]) -> None:
    ours = {key for series in control for key in series.tags}
    theirs = {key for series in experiment for key in series.tags}
    if ours and theirs and ours != theirs:
        raise JudgeInputError(
            f"Control metrics have different tag keys than the experiment tag set ({sorted(ours)} != {sorted(theirs)})."
        )
