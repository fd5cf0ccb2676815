"""Warn where Kayenta's judge is known to mislead. Each warning was measured on Kayenta's judge itself.

The result stays Kayenta's. Numbers in the warnings apply to its defaults (confidence 0.98, tolerance 0.25).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from harness.judge.kayenta.classify import Label, Points, Result, judge_pair
from harness.judge.kayenta.config import CanaryConfig, Thresholds
from harness.judge.kayenta.pairs import Pair
from harness.judge.kayenta.rules import Rules
from harness.judge.kayenta.score import Score
from harness.model.sums import plain_sum
from harness.stats.mann_whitney import ROOT_TOLERANCE

FEW_POINTS = 50
OTHER_DRAWS = 10
TINY_SCALE = 100 * ROOT_TOLERANCE
_CHANCE = {1: "by luck of rounding", 2: "23 % by chance", 3: "5 % by chance", 4: "1 % by chance"}
_BIG_CHANGE = 0.25
_SMALL_CHANGE = 0.05
_CORRELATED = 0.3


def metric_cautions(pair: Pair, result: Result, rules: Rules) -> tuple[str, ...]:
    """Return the warnings about one judged pair; they do not contain its name."""
    return (
        *_data(pair, result, rules),
        *_outliers(pair, result, rules),
        *_sizes(result),
        *_values(result, rules),
        *_noise(pair, result, rules),
        *_label(result, rules),
        *_dependence(pair, result),
    )


def _data(pair: Pair, result: Result, rules: Rules) -> Iterator[str]:
    label = result.label
    for side, points in (("baseline", pair.control), ("canary", pair.experiment)):
        gaps = int(np.isnan(points).sum())
        if gaps and rules.replace_nan:
            yield f"{gaps} of {points.size} {side} points are NaN and were judged as 0 (nanStrategy replace)"
        elif gaps and gaps < points.size:
            yield f"{gaps} of {points.size} {side} points are NaN and were dropped; the sides are not aligned in time"
    if label is Label.NODATA:
        yield "without data it is left out of the score, as if it had passed"
    if label is Label.PASS and not min(result.control.count, result.experiment.count):
        yield "one side has no data at all, and nanStrategy replace lets it pass"
    if rules.must_have_data and rules.replace_nan:
        yield "mustHaveData has no effect with nanStrategy replace"
    if label is Label.ERROR:
        yield "the test failed (Error): it counts neither for nor against the canary, even when critical"


def _outliers(pair: Pair, result: Result, rules: Rules) -> Iterator[str]:
    for side, points, kept in (
        ("baseline", pair.control, result.control),
        ("canary", pair.experiment, result.experiment),
    ):
        before = points.size if rules.replace_nan else int((~np.isnan(points)).sum())
        if kept.count < before:
            zeros = kept.count > 0 and kept.max == kept.min == 0
            end = "; every value other than 0 is gone" if zeros else ""
            yield f"{before - kept.count} of {before} {side} points were removed as outliers{end}"


def _sizes(result: Result) -> Iterator[str]:
    control, experiment = result.control.count, result.experiment.count
    fewest, most = min(control, experiment), max(control, experiment)
    if 0 < fewest < FEW_POINTS:
        chance = f"; an innocent canary is flagged {_CHANCE[fewest]}" if fewest in _CHANCE else ""
        yield f"{control} baseline and {experiment} canary points, Kayenta advises at least {FEW_POINTS}{chance}"
    if fewest and most > 1.1 * fewest:
        yield (
            f"unequal arms: {control} baseline and {experiment} canary points; "
            "percentiles of unequal traffic are biased, and lost points are not aligned"
        )


def _values(result: Result, rules: Rules) -> Iterator[str]:
    control, experiment = result.control, result.experiment
    if not control.count or not experiment.count:
        return
    largest = max(abs(control.min), abs(control.max), abs(experiment.min), abs(experiment.max))
    if min(control.min, experiment.min) < 0 and not rules.cles:
        yield "negative values: the ratio of means turns around (-10 to -5 reads as a decrease); use the measure cles"
    if 0 < largest < TINY_SCALE:
        limit = f"the search stops within {ROOT_TOLERANCE:g}, so changes are missed. Scale it up"
        yield f"tiny scale: no value above {largest:.3g}; {limit}"
    if math.isinf(largest):
        yield "infinite values were judged as they are"
    if (control.mean == 0) != (experiment.mean == 0):
        yield "one mean is 0: the ratio is NaN, and the effect thresholds are skipped"


def _noise(pair: Pair, result: Result, rules: Rules) -> Iterator[str]:
    """Warn that the label depends on random noise.

    Kayenta draws new noise for each judgement; this judge uses a fixed seed.
    """
    if not result.found.noisy:
        return
    others = [
        judge_pair(
            pair.name, {}, (), control=pair.control, experiment=pair.experiment, rules=rules, noise_seed=seed
        ).label
        for seed in range(1, OTHER_DRAWS + 1)
    ]
    agreeing = others.count(result.label)
    yield (
        "both sides are constant: Kayenta adds unseeded noise here, ours is seeded; "
        f"{agreeing} of {OTHER_DRAWS} other draws say {result.label} too"
    )


def _label(result: Result, rules: Rules) -> Iterator[str]:
    found, ratio = result.found, result.found.ratio
    if found.interval is None or ratio is None:
        return
    change = result.experiment.mean - result.control.mean
    flagged = found.label in {Label.HIGH, Label.LOW}
    beyond = math.isnan(ratio) or abs(ratio - 1) > _BIG_CHANGE
    if not flagged and beyond and rules.harms(change):
        size = "from or to 0" if math.isnan(ratio) else f"by {ratio - 1:+.1%}"
        asks = "the test asks how tight the interval is, not how big the change"
        yield f"passed although the mean changed {size}: {asks}"
    if flagged and not math.isnan(ratio) and abs(ratio - 1) < _SMALL_CHANGE:
        yield f"flagged at a change of only {ratio - 1:+.2%}: without a tighter effectSize any provable change counts"
    if flagged and abs(found.interval.estimate) <= ROOT_TOLERANCE:
        yield "the estimated shift is 0 within the search's tolerance: this class is a residue of rounding"


def _dependence(pair: Pair, result: Result) -> Iterator[str]:
    if result.label not in {Label.HIGH, Label.LOW}:
        return
    worst = max(_autocorrelation(pair.control), _autocorrelation(pair.experiment))
    if worst > _CORRELATED:
        effect = "innocent canaries are flagged more often than the confidence says"
        yield f"neighbouring points are correlated ({worst:.2f}): {effect}"


def _autocorrelation(points: Points) -> float:
    """Return the correlation of neighbouring points, or 0 for fewer than 20 points or no variance."""
    finite = points[np.isfinite(points)]
    if finite.size < 20:
        return 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        centred = finite - finite.mean()
        spread = float((centred**2).sum())
        value = float((centred[1:] * centred[:-1]).sum()) / spread if spread > 0 else 0.0
    return value if math.isfinite(value) else 0.0


def score_cautions(
    config: CanaryConfig, results: Sequence[Result], score: Score, thresholds: Thresholds
) -> Iterator[str]:
    """Yield warnings about the total score: weights, groups without data, and misleading values."""
    counted = [result for result in results if not result.muted]
    yield from _weights(config, score)
    for name, group in score.groups.items():
        if not group.has_data:
            yield f"group {name}: no data in any of its metrics, and yet it counts as 100"
    for result in counted:
        if not result.groups:
            yield f"{result.name}: in no group, so it never counts towards the score"
    if not counted:
        yield "every metric is muted or missing: the score is 0"
    failed = [result.name for result in counted if result.label is Label.ERROR]
    if failed and score.total >= thresholds.marginal_score:
        yield f"not shown to be good: {', '.join(failed)} could not be judged at all"
    if not 0 <= score.total <= 100:
        yield f"the score {score.total:g} is outside 0 to 100: Kayenta does not clamp it"
    if thresholds.marginal_score > thresholds.pass_score:
        yield "the marginal threshold is above the pass threshold, so nothing is ever Marginal"
    if score.total == thresholds.marginal_score:
        yield "a score equal to the marginal threshold is labelled as reaching it, yet ends a run of several judgements"
    yield from _half_empty(results)


def _weights(config: CanaryConfig, score: Score) -> Iterator[str]:
    weights = config.group_weights or {}
    total = plain_sum(weights.values())
    unweighted = [name for name in score.groups if name not in weights]
    absent = [name for name in weights if name not in score.groups]
    if weights and total != 100:
        yield f"classifier.groupWeights: the weights add to {total:g}, not to 100"
    if unweighted and weights:
        share = (100 - total) / len(unweighted)
        yield f"classifier.groupWeights: without a weight: {', '.join(unweighted)}; each gets what is left, {share:g}"
    if absent:
        lost = sum(weights[name] for name in absent)
        names = ", ".join(absent)
        yield f"classifier.groupWeights: no judged metric in {names}; their {lost:g} points cannot be reached"


def _half_empty(results: Sequence[Result]) -> Iterator[str]:
    for name in dict.fromkeys(result.name for result in results):
        same = [result for result in results if result.name == name]
        sides = {(bool(result.control.count), bool(result.experiment.count)) for result in same}
        if {(True, False), (False, True)} <= sides:
            effect = "each has a pair that is half empty; drop that tag"
            yield f"{name}: tag values of baseline and canary differ, so {effect}"
