"""Judge metric pairs as Kayenta's NetflixACAJudge-v1.0 does, and warn where that judge is known to mislead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.errors import JudgeInputError
from harness.judge.kayenta.cautions import metric_cautions, score_cautions
from harness.judge.kayenta.classify import Result, judge_pair
from harness.judge.kayenta.config import JUDGE, CanaryConfig, Metric, Thresholds
from harness.judge.kayenta.pairs import Pair
from harness.judge.kayenta.rules import read_rules, rule_warnings
from harness.judge.kayenta.schedule import Schedule, Window, final_decision, stops, windows
from harness.judge.kayenta.score import GroupScore, Score, score, score_label

_OTHER_JUDGES = ("dredd-v1.0", "RemoteJudge-v1.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Holds Kayenta's judgement. ``classification`` is Pass, Marginal or Fail; the harness adds the ``warnings``."""

    score: Score
    classification: str
    results: tuple[Result, ...]
    warnings: tuple[str, ...]

    @property
    def groups(self) -> dict[str, GroupScore]:
        """The scores of the groups in order of appearance."""
        return dict(self.score.groups)


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Holds the judgements of several windows; the last one decides."""

    windows: tuple[Window, ...]
    judgements: tuple[Judgement, ...]
    passed: bool
    message: str


def judge_pairs(config: CanaryConfig, pairs: Sequence[Pair], thresholds: Thresholds) -> Judgement:
    """Judge metric pairs once, with the same rules and the same score as Kayenta.

    Raises JudgeInputError, with the field's path, for what Kayenta rejects.
    """
    weights = _checked_weights(config)
    metrics = {metric.name: metric for metric in config.metrics}
    results = tuple(_judge(metrics, pair, number) for number, pair in enumerate(pairs))
    total = score(results, weights)
    return Judgement(
        score=total,
        classification=score_label(total.total, thresholds),
        results=results,
        warnings=(
            *config.warnings,
            *_judge_warnings(config, thresholds),
            *_per_metric(metrics, pairs, results),
            *score_cautions(config, results, total, thresholds),
        ),
    )


def judge_windows(config: CanaryConfig, pairs: Sequence[Pair], thresholds: Thresholds, schedule: Schedule) -> Course:
    """Judge growing or sliding windows until one scores no more than the marginal score.

    This is what Kayenta's standalone analysis does. The minutes of a window count from the first point of each side.
    Raises JudgeInputError for pairs without a step, or when there is no whole interval to judge.
    """
    judged: list[Judgement] = []
    seen: list[Window] = []
    start = schedule.start_min or 0.0
    for window in windows(schedule):
        cut = [_cut(pair, window, start) for pair in pairs]
        judged.append(judge_pairs(config, cut, thresholds))
        seen.append(window)
        if stops(judged[-1].score.total, thresholds.marginal_score):
            break
    if not judged:
        raise JudgeInputError("lifetimeDurationMins: expected at least one whole interval, found none to judge")
    passed, message = final_decision(judged[-1].score.total, thresholds.marginal_score, thresholds.pass_score)
    return Course(windows=tuple(seen), judgements=tuple(judged), passed=passed, message=message)


def _judge(metrics: dict[str, Metric], pair: Pair, number: int) -> Result:
    metric = metrics.get(pair.name)
    if metric is None:
        known = ", ".join(metrics) or "none"
        raise JudgeInputError(
            f"pairs[{number}].name: Could not find metric config for {pair.name!r}; "
            f"metrics of the configuration: {known}"
        )
    return judge_pair(
        pair.name,
        pair.tags,
        metric.groups,
        control=pair.control,
        experiment=pair.experiment,
        rules=read_rules(metric),
    )


def _checked_weights(config: CanaryConfig) -> dict[str, float]:
    if config.group_weights is None:
        raise JudgeInputError("classifier: expected an object (may be empty: {}), found none; Kayenta's judge needs it")
    if config.judge is not None and config.judge not in (JUDGE, *_OTHER_JUDGES):
        raise JudgeInputError(f"judge.name: expected {JUDGE}, found {config.judge!r}; no other judge can be reproduced")
    return dict(config.group_weights)


def _judge_warnings(config: CanaryConfig, thresholds: Thresholds) -> Iterator[str]:
    if config.judge != JUDGE:
        found = "no judge is named" if config.judge is None else f"{config.judge} cannot be reproduced"
        yield f"judge.name: {found}; judged as {JUDGE}"
    if config.legacy_thresholds not in {None, thresholds}:
        yield "classifier.scoreThresholds: nothing reads it; the request's thresholds decide"


def _per_metric(metrics: dict[str, Metric], pairs: Sequence[Pair], results: Sequence[Result]) -> Iterator[str]:
    """Yield the warnings about metrics and their rules; merge equal warnings about several pairs into one."""
    named: dict[str, list[str]] = {}
    for name, metric in metrics.items():
        judged = [(pair, result) for pair, result in zip(pairs, results, strict=True) if pair.name == name]
        if not judged:
            yield f"{name}: the configuration has this metric, the pairs do not: it was not judged"
            continue
        yield from rule_warnings(metric)
        for pair, result in judged:
            tags = "".join(f" {key}={value}" for key, value in sorted(pair.tags.items()))
            for caution in metric_cautions(pair, result, read_rules(metric)):
                named.setdefault(caution, []).append(name + tags)
    for caution, names in named.items():
        yield f"{', '.join(names)}: {caution}"


def _cut(pair: Pair, window: Window, start_min: float) -> Pair:
    """Return the points of a pair inside a window; each side's first point counts as the start of its first window."""
    if not pair.step_s or pair.step_s < 0:
        raise JudgeInputError(
            f"stepMillis of pair {pair.name!r}: expected a step above 0, which windows need, found none"
        )
    first = max(0, round((window.start_min - start_min) * 60 / pair.step_s))
    last = max(0, round((window.end_min - start_min) * 60 / pair.step_s))
    return replace(pair, control=pair.control[first:last], experiment=pair.experiment[first:last])
