"""Turn a configuration of Kayenta's into objectives of the harness, as text for ``harness.yaml``.

Kayenta's configuration names metrics and queries, but the harness measures requests itself. It therefore guesses the
indicator from a metric's name and query. A comment explains every guess and every setting without a counterpart.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.judge.kayenta.config import CanaryConfig, Metric
from harness.judge.kayenta.fields import rejection
from harness.judge.kayenta.rules import Rules, read_rules
from harness.judge.objectives import parse_objective
from harness.model.indicator import Direction
from harness.model.json import JsonValue
from harness.model.units import format_percent

_KINDS = (
    ("latency", r"laten|duration|response.?time|transaction.?time|ttfb|elapsed|seconds_bucket|(^|\W)p\d\d"),
    ("error_rate", r"error|\b5xx\b|5\d\d|failure|failed|fault|exception"),
    ("throughput", r"throughput|\brps\b|\bqps\b|success|(^|_|\W)requests?(_|\W|$)|\bhits\b"),
)
_NOT_REQUESTS = r"database|\bdb\b|\bgc\b|garbage|cache|queue|kafka|thread|\b4xx\b|bad request"
_QUANTILE = re.compile(
    r"histogram_quantile\(\s*(0?\.\d+)|(?:^|[^a-z0-9])p(\d{2}(?:\.\d)?)(?![0-9])|percentile\D*?(\d{2})", re.I
)
_WORSE = {"latency": Direction.INCREASE, "error_rate": Direction.INCREASE, "throughput": Direction.DECREASE}
_DEFAULTS = {"latency": 0.10, "throughput": 0.10, "gauge": 0.10}
_TAIL = 0.95
_TAIL_TOLERANCE = 0.25
_ERRORS = "+0.5pp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """A metric as the text of an objective, with its settings and notes about the conversion."""

    text: str
    settings: dict[str, JsonValue]
    notes: tuple[str, ...]


def objectives_yaml(config: CanaryConfig) -> str:
    """Return the ``objectives`` and ``judge`` keys for a ``harness.yaml``, with comments on what was not carried over.

    Raises JudgeInputError, with the field's path, for rules that Kayenta rejects.
    """
    lines = [f"# Objectives from Kayenta's configuration {_quoted(config.name or 'without a name')}."]
    lines += [f"# {note}" for note in _config_notes(config)]
    lines.append("objectives:")
    seen: dict[str, str] = {}
    for metric in config.metrics:
        imported = import_metric(metric, config)
        lines.append(f"  # {_one_line(metric.name)}")
        lines += [f"  #   {_one_line(note)}" for note in imported.notes]
        if imported.text in seen:
            lines.append(f"  #   the same objective as {_one_line(seen[imported.text])}: one of the two can go")
        seen.setdefault(imported.text, metric.name)
        settings = "".join(f", {key}: {json.dumps(value)}" for key, value in imported.settings.items())
        lines.append(f"  - {{objective: {json.dumps(imported.text)}{settings}}}")
    if not config.metrics:
        lines[-1] = "# It has no metrics, so there are no objectives."
    lines += _judge_lines(config)
    return "\n".join(lines) + "\n"


def import_metric(metric: Metric, config: CanaryConfig) -> Imported:
    """Convert one metric to an objective. Raises JudgeInputError for rules that Kayenta rejects."""
    rules = read_rules(metric)
    kind, guess = _kind(metric, rules)
    condition, about_tolerance = _condition(kind, rules, metric)
    name = _indicator(kind, metric)
    text = f"{name} {condition}"
    parse_objective(text)
    settings: dict[str, JsonValue] = {"weight": _weight(metric, config)}
    if metric.groups:
        settings["group"] = metric.groups[0]
    settings |= {key: True for key, is_set in (("critical", rules.critical), ("muted", rules.muted)) if is_set}
    notes = (
        f"query: {_query(metric)}",
        guess,
        *about_tolerance,
        *_rule_notes(metric, rules, kind),
        *_place_notes(metric),
    )
    return Imported(text=text, settings=settings, notes=tuple(note for note in notes if note))


def _kind(metric: Metric, rules: Rules) -> tuple[str, str]:
    """Return the kind of indicator and the reason; drop a guess that contradicts the watched direction."""
    gauge = "a gauge, which needs an entry of this name in the section gauges, with PromQL for each arm"
    if re.search(_NOT_REQUESTS, metric.name, re.IGNORECASE):
        return "gauge", f"its name is not about requests: {gauge}"
    for where, text in (("name", metric.name), ("query", _query(metric))):
        kind = next((kind for kind, pattern in _KINDS if re.search(pattern, text, re.IGNORECASE)), None)
        if kind is None:
            continue
        called = kind.replace("_", " ")
        if rules.direction not in {_WORSE[kind], Direction.EITHER}:
            return (
                "gauge",
                f"its {where} looks like {called}, but {rules.direction} is watched, so it is carried over as {gauge}",
            )
        return kind, f"taken for {called} by its {where}; measured by the harness from requests"
    return "gauge", f"no indicator of requests: {gauge}"


def _indicator(kind: str, metric: Metric) -> str:
    if kind == "latency":
        return f"latency_p{_quantile(metric) * 100:g}"
    if kind == "gauge":
        slug = re.sub(r"[^\w:./-]+", "-", metric.name, flags=re.ASCII).strip("-./:")
        return f"gauge:{slug if re.match(r'[A-Za-z_]', slug) else 'metric-' + slug}"
    return kind


def _quantile(metric: Metric) -> float:
    """Return the quantile that a name or query mentions, or the median if there is none, such as for an average."""
    for text in (metric.name, _query(metric)):
        for match in _QUANTILE.finditer(text):
            value = float(match[1]) if match[1] else float(match[2] or match[3]) / 100
            if 0.5 <= value <= 0.999:
                return value
    return 0.5


def _condition(kind: str, rules: Rules, metric: Metric) -> tuple[str, list[str]]:
    """Return the objective's condition as text, with notes."""
    direction = _WORSE.get(kind, rules.direction)
    tolerated, notes = _tolerance(rules, direction)
    if tolerated is None and kind == "error_rate":
        return f"< {_ERRORS}", [*notes, f"tolerance {_ERRORS} is the harness's default"]
    if tolerated is None:
        tail = kind == "latency" and _quantile(metric) >= _TAIL
        tolerated = _TAIL_TOLERANCE if tail else _DEFAULTS.get(kind, 0.10)
        notes.append(f"tolerance {format_percent(tolerated)} is the harness's default")
    percent = f"{tolerated * 100:.6g}%"
    if direction is Direction.EITHER:
        return f"within {percent}", notes
    return (f"< +{percent}" if direction is Direction.INCREASE else f"> -{percent}"), notes


def _tolerance(rules: Rules, direction: Direction) -> tuple[float | None, list[str]]:
    if rules.cles:
        return None, ["effectSize cles is a share of pairs and says nothing about the size of a change"]
    increase, decrease = rules.allowed_increase - 1, 1 - rules.allowed_decrease
    tolerated = {Direction.INCREASE: increase, Direction.DECREASE: decrease}.get(direction, max(increase, decrease))
    if tolerated <= 0:
        return None, ["Kayenta tolerated no change that it could prove"]
    if direction is not Direction.INCREASE and tolerated >= 1:
        return None, [f"allowedDecrease {rules.allowed_decrease:g} tolerates any fall"]
    return tolerated, []


def _rule_notes(metric: Metric, rules: Rules, kind: str) -> Iterator[str]:
    if kind in _WORSE and rules.direction is Direction.EITHER:
        yield f"Kayenta watched it in both directions; here only {_WORSE[kind]} is worse"
    if rules.replace_nan:
        yield "nanStrategy replace is not carried over: missing data is never 0 here, and never a pass"
    if rules.must_have_data:
        yield "mustHaveData needs no setting: without data nothing passes here"
    if rules.remove_outliers:
        yield "outliers are not removed here: quantiles bear them, and they may be the harm"
    beyond = {rules.critical_increase, rules.critical_decrease} - {rules.allowed_increase, rules.allowed_decrease, 1.0}
    if rules.critical and beyond and not rules.cles:
        yield f"critical only from a ratio of {', '.join(f'{one:g}' for one in sorted(beyond))}: here beyond tolerance"
    if kind == "latency" and not _QUANTILE.search(metric.name + " " + _query(metric)):
        yield "it is probably an average; the median stands in for it, add latency_p99 for the tail"


def _place_notes(metric: Metric) -> Iterator[str]:
    if metric.groups and len(metric.groups) > 1:
        yield f"it was in the groups {', '.join(metric.groups)}; an objective has one"
    if not metric.groups:
        yield "it had no group, so Kayenta never counted it; here it counts"
    if metric.scope_name not in {None, "default"}:
        yield f"scope {metric.scope_name} has no counterpart: both arms are those of harness.yaml"


def _config_notes(config: CanaryConfig) -> Iterator[str]:
    if config.description:
        yield _one_line(config.description)
    yield "Queries and templates are not carried over: the harness measures requests itself, by arm."
    weights = config.group_weights or {}
    if weights and sum(weights.values()) != 100:
        yield f"The group weights add to {sum(weights.values()):g}, not to 100; here only their ratios count."
    unused = [group for group in weights if not any(group in (metric.groups or ()) for metric in config.metrics)]
    if unused:
        yield f"No metric is in {', '.join(map(_one_line, unused))}: those weights are gone."
    for warning in config.warnings:
        yield _one_line(warning)


def _judge_lines(config: CanaryConfig) -> list[str]:
    thresholds = config.thresholds or config.legacy_thresholds
    if thresholds is None:
        return ["# Kayenta takes the scores to pass from each request; the harness has defaults for them."]
    origin = "" if config.thresholds else "  # from scoreThresholds, which Kayenta itself ignores"
    sensible = 0 <= thresholds.marginal_score <= thresholds.pass_score <= 100
    line = f"judge: {{pass: {thresholds.pass_score:g}, marginal: {thresholds.marginal_score:g}}}{origin}"
    return [line if sensible else f"# not sensible, so left out: {line}"]


def _weight(metric: Metric, config: CanaryConfig) -> float:
    """Return an equal share of the weight of the metric's group, so that the group keeps its weight in the total."""
    weights = config.group_weights or {}
    for name, value in weights.items():
        if not math.isfinite(value):
            raise rejection(f"classifier.groupWeights.{name}", "a finite percentage", value)
    group = metric.groups[0] if metric.groups else None
    together = sum(other.groups is not None and other.groups[:1] == (group,) for other in config.metrics)
    weight = weights.get(group or "", 0.0) / max(1, together)
    if weight > 0:
        return _short(weight)
    groups = {other.groups[0] for other in config.metrics if other.groups}
    unweighted = max(1, len(groups - set(weights)))
    left = (100 - sum(weights.values())) / unweighted / max(1, together)
    return _short(left) if left > 0 else 1


def _short(weight: float) -> float:
    return int(weight) if weight == int(weight) else float(f"{weight:.6g}")


def _query(metric: Metric) -> str:
    texts = [
        f"{key}={value}"
        for key, value in metric.query.items()
        if key not in {"type", "serviceType"} and value not in ("", [], None)
    ]
    kind = metric.query.get("type", "no query")
    return f"{kind} {' '.join(texts)}".strip()


def _one_line(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def _quoted(text: str) -> str:
    return json.dumps(_one_line(text), ensure_ascii=False)
