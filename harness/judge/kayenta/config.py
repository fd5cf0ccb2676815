"""Read Kayenta's canary configuration, alone or inside a request."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import JudgeInputError
from harness.judge.kayenta.fields import Fields, as_number, parse_document, rejection
from harness.judge.kayenta.schedule import Schedule, read_schedule
from harness.model.json import JsonValue

JUDGE = "NetflixACAJudge-v1.0"
_NAME = re.compile(r"[A-Z,a-z0-9\-_]*")
_CONFIG = (
    "id", "name", "description", "configVersion", "applications", "judge", "metrics", "templates", "classifier",
    "createdTimestamp", "createdTimestampIso", "updatedTimestamp", "updatedTimestampIso",
)  # fmt: skip
_METRIC = ("name", "query", "groups", "analysisConfigurations", "scopeName")
_CANARY = {
    "": ("direction", "nanStrategy", "critical", "muted", "mustHaveData", "effectSize", "outliers"),
    "effectSize": ("measure", "allowedIncrease", "allowedDecrease", "criticalIncrease", "criticalDecrease"),
    "outliers": ("strategy", "outlierFactor"),
}
_TEMPLATED = ("type", "serviceType", "customInlineTemplate", "customFilterTemplate")
_QUERIES = {
    "prometheus": (*_TEMPLATED, "resourceType", "metricName", "labelBindings", "groupByFields", "customFilter"),
    "stackdriver": (
        *_TEMPLATED, "resourceType", "metricType", "crossSeriesReducer", "perSeriesAligner", "groupByFields",
        "customFilter",
    ),
    "datadog": (*_TEMPLATED, "metricName"),
    "newrelic": (*_TEMPLATED, "q", "select"),
    "signalfx": (*_TEMPLATED, "metricName", "queryPairs", "aggregationMethod"),
    "influxdb": (*_TEMPLATED, "metricName", "fields"),
    "wavefront": ("type", "serviceType", "metricName", "summarization", "aggregate"),
    "graphite": ("type", "serviceType", "metricName"),
    "atlas": ("type", "serviceType", "q"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The lowest scores, from 0 to 100, with which a canary passes or is marginal."""

    pass_score: float
    marginal_score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric of a configuration.

    groups: None if the configuration has none, which Kayenta rejects once the metric has values.
    analysis: ``analysisConfigurations`` without changes; ``rules`` reads it when the metric is judged.
    path: the metric's path in the document.
    """

    name: str
    path: str
    groups: tuple[str, ...] | None
    query: Mapping[str, JsonValue]
    analysis: JsonValue
    scope_name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryConfig:
    """A canary configuration.

    group_weights: in percent, or None if the document has no ``classifier``.
    legacy_thresholds: the thresholds in the configuration itself; Kayenta ignores them.
    thresholds, schedule: those of the request that contains the configuration, if there is one.
    """

    name: str
    metrics: tuple[Metric, ...]
    judge: str | None = None
    group_weights: Mapping[str, float] | None = None
    templates: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    config_id: str | None = None
    config_version: str | None = None
    applications: tuple[str, ...] = ()
    legacy_thresholds: Thresholds | None = None
    thresholds: Thresholds | None = None
    schedule: Schedule | None = None
    warnings: tuple[str, ...] = ()


def parse_config(text: str, *, file: str = "configuration") -> CanaryConfig:
    """Return the configuration in ``text`` (YAML if ``file`` ends in .yaml or .yml, else JSON); see ``read_config``."""
    return read_config(parse_document(text, file=file))


def read_config(document: JsonValue) -> CanaryConfig:
    """Return the configuration in a parsed document, which may be a request with ``canaryConfig``.

    Each field that Kayenta ignores becomes a warning. Raises JudgeInputError, with the field's path, for a document
    that Kayenta rejects.
    """
    fields = Fields.of(document, "")
    if "canaryConfig" not in fields.values:
        return _config(fields, request=None)
    config = fields.child("canaryConfig")
    if config is None:
        raise rejection("canaryConfig", "a configuration", None)
    return _config(config, request=fields)


def _config(fields: Fields, *, request: Fields | None) -> CanaryConfig:
    judge, classifier = fields.child("judge"), fields.child("classifier")
    metrics = tuple(_metric(metric) for metric in fields.children("metrics"))
    _check_names(metrics, fields)
    execution = None if request is None else request.child("executionRequest")
    warnings = [] if request is None else request.unknown(("canaryConfig", "executionRequest"))
    return CanaryConfig(
        name=fields.text("name") or "",
        metrics=metrics,
        judge=None if judge is None else judge.text("name"),
        group_weights=None if classifier is None else _weights(classifier),
        templates=fields.text_map("templates"),
        description=fields.text("description") or "",
        config_id=fields.text("id"),
        config_version=fields.text("configVersion"),
        applications=fields.texts("applications") or (),
        legacy_thresholds=None if classifier is None else _thresholds(classifier, "scoreThresholds"),
        thresholds=None if execution is None else _thresholds(execution, "thresholds"),
        schedule=None if execution is None else read_schedule(execution),
        warnings=(*warnings, *_config_warnings(fields, judge, classifier)),
    )


def _metric(fields: Fields) -> Metric:
    name = fields.text("name")
    if not name:
        raise JudgeInputError(f"{fields.at('name')}: Metric config must specify a name.")
    query = fields.child("query")
    if query is not None and query.text("type") not in _QUERIES:
        raise rejection(query.at("type"), f"one of {', '.join(_QUERIES)}", query.values.get("type"))
    analysis = fields.child("analysisConfigurations")
    if analysis is not None:
        for kind in analysis.values:
            analysis.child(kind)  # raises for a value that is not an object
    return Metric(
        name=name,
        path=fields.path,
        groups=fields.texts("groups"),
        query={} if query is None else query.values,
        analysis=fields.values.get("analysisConfigurations"),
        scope_name=fields.text("scopeName"),
    )


def _check_names(metrics: tuple[Metric, ...], fields: Fields) -> None:
    counts = Counter(metric.name for metric in metrics)
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise JudgeInputError(
            f"{fields.at('metrics')}: Metric config name must be unique. '{repeated[0]}' is duplicated."
        )


def _weights(classifier: Fields) -> dict[str, float]:
    weights = classifier.child("groupWeights")
    if weights is None:
        return {}
    return {group: as_number(value, weights.at(group)) for group, value in weights.values.items()}


def _thresholds(fields: Fields, key: str) -> Thresholds | None:
    thresholds = fields.child(key)
    if thresholds is None:
        return None
    passing, marginal = thresholds.number("pass"), thresholds.number("marginal")
    if passing is None or marginal is None:
        return None
    return Thresholds(pass_score=passing, marginal_score=marginal)


def _config_warnings(fields: Fields, judge: Fields | None, classifier: Fields | None) -> list[str]:
    warnings = fields.unknown(_CONFIG)
    name = fields.text("name")
    if not name or not _NAME.fullmatch(name):
        warnings.append(f"{fields.at('name')}: Kayenta stores only names of letters, digits, - and _; found {name!r}")
    if not fields.entries("applications"):
        warnings.append(f"{fields.at('applications')}: Kayenta stores no configuration without an application")
    if judge is not None:
        warnings += judge.unknown(("name", "judgeConfigurations"))
        if judge.values.get("judgeConfigurations"):
            warnings.append(f"{judge.at('judgeConfigurations')}: nothing reads it; tolerance and confidence are fixed")
    if classifier is not None:
        warnings += classifier.unknown(("groupWeights", "scoreThresholds"))
    for metric in fields.children("metrics"):
        warnings += _metric_warnings(metric)
    return warnings


def _metric_warnings(metric: Fields) -> list[str]:
    warnings = metric.unknown(_METRIC)
    query, analysis = metric.child("query"), metric.child("analysisConfigurations")
    if query is not None:
        warnings += query.unknown(_QUERIES[str(query.text("type"))])
    canary = None
    if analysis is not None:
        warnings += analysis.unknown(("canary",))
        canary = analysis.child("canary")
    if canary is not None:
        warnings += canary.unknown(_CANARY[""])
        for key in ("effectSize", "outliers"):
            found = canary.values.get(key)
            if isinstance(found, dict):
                warnings += Fields.of(found, canary.at(key)).unknown(_CANARY[key])
            elif found is not None:
                warnings.append(f"{canary.at(key)}: expected an object, found {found!r}; Kayenta reads its defaults")
    return warnings
