"""Reading Kayenta's configurations, requests and metric pairs, and refusing what Kayenta refuses."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from kayenta_builders import CONFIGS, STEADY, USUAL, WORSE, check_judging, document, pair

from harness.errors import JudgeInputError
from harness.judge.kayenta import Thresholds, judge_pairs, parse_config, parse_pairs, read_config, read_pairs

FULL = """\
name: full
description: all fields
configVersion: 1
id: an-id
createdTimestamp: 1552650414234
createdTimestampIso: 2019-03-15T11:46:54.234Z
updatedTimestamp: 1553098513495
updatedTimestampIso: "2019-03-20T16:15:13.495Z"
applications: [app]
judge: {name: NetflixACAJudge-v1.0, judgeConfigurations: {}}
metrics:
  - name: latency
    query:
      {type: prometheus, serviceType: prometheus, metricName: m, resourceType: gce_instance, labelBindings: [a=b],
       groupByFields: [c], customFilterTemplate: t, customInlineTemplate: ""}
    groups: [g]
    scopeName: default
    analysisConfigurations:
      canary:
        direction: increase
        nanStrategy: remove
        critical: false
        muted: false
        mustHaveData: true
        effectSize:
          {measure: meanRatio, allowedIncrease: 1.1, allowedDecrease: 0.9, criticalIncrease: 2, criticalDecrease: 0.5}
        outliers: {strategy: keep, outlierFactor: 3}
templates: {t: "x=${scope}"}
classifier: {groupWeights: {g: "100"}, scoreThresholds: {pass: 95, marginal: 75}}
"""


def test_yaml_with_every_field_is_read_without_a_warning() -> None:
    """All fields of the schema are known; numbers and text turn into each other as Jackson does it."""
    read = parse_config(FULL, file="config.yaml")
    assert read.warnings == ()
    assert ("full", "1", {"g": 100.0}) == (read.name, read.config_version, dict(read.group_weights or {}))
    assert read.legacy_thresholds == Thresholds(pass_score=95, marginal_score=75)
    assert read.thresholds is None


def test_json_and_yaml_read_the_same() -> None:
    """A configuration may have either format."""
    assert parse_config(json.dumps(document()), file="c.json") == parse_config(json.dumps(document()), file="c.yml")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda one: one.update(extensions={}), "extensions"),
        (lambda one: one["judge"].update(speed=1), "judge.speed"),
        (lambda one: one["classifier"].update(scores={}), "classifier.scores"),
        (lambda one: one["metrics"][0].update(weight=2), "metrics[0].weight"),
        (lambda one: one["metrics"][0]["query"].update(sumByFields=[]), "metrics[0].query.sumByFields"),
        (
            lambda one: one["metrics"][0]["analysisConfigurations"].update(other={}),
            "metrics[0].analysisConfigurations.other",
        ),
        (
            lambda one: one["metrics"][0]["analysisConfigurations"]["canary"].update(criticall=True),
            "metrics[0].analysisConfigurations.canary.criticall",
        ),
        (
            lambda one: one["metrics"][0]["analysisConfigurations"]["canary"].update(effectSize={"allowed": 1}),
            "metrics[0].analysisConfigurations.canary.effectSize.allowed",
        ),
    ],
)
def test_unknown_fields_are_warned_about(change: Any, path: str) -> None:
    """A warning names each field that Kayenta does not read, at every level."""
    given = document()
    change(given)
    assert any(warning.startswith(f"{path}: unknown field") for warning in read_config(given).warnings)


@pytest.mark.parametrize(
    ("canary", "field"),
    [
        ({"effectSize": {"allowedIncrease": "1.1"}}, "effectSize.allowedIncrease"),
        ({"effectSize": {"criticalDecrease": True}}, "effectSize.criticalDecrease"),
        ({"effectSize": {"allowedIncrease": 3_000_000_000}}, "effectSize.allowedIncrease"),
        ({"effectSize": {"measure": None}}, "effectSize.measure"),
        ({"critical": "true"}, "critical"),
        ({"muted": 1}, "muted"),
        ({"mustHaveData": "no"}, "mustHaveData"),
        ({"direction": None}, "direction"),
        ({"outliers": {"strategy": "remove", "outlierFactor": 0}}, "outliers.outlierFactor"),
        ({"outliers": {"outlierFactor": "3"}}, "outliers.outlierFactor"),
    ],
)
def test_wrong_types_in_the_rules_are_refused_with_the_field(canary: Any, field: str) -> None:
    """A value on which Kayenta's judge throws ends the judgement with an error that names the field."""
    read = read_config(document(**canary))
    with pytest.raises(JudgeInputError) as refused:
        judge_pairs(read, [pair(STEADY, WORSE)], USUAL)
    assert str(refused.value).startswith(f"metrics[0].analysisConfigurations.canary.{field}: expected")


def test_rules_of_a_metric_without_a_pair_are_not_read() -> None:
    """Kayenta reads rules only when it has numbers to judge by them; the metric is warned about."""
    read = read_config(document("a", "b", critical="true"))
    found = judge_pairs(read, [], USUAL)
    assert "a: the configuration has this metric, the pairs do not: it was not judged" in found.warnings


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.update(metrics={}), "metrics: expected a list"),
        (lambda one: one.update(judge="NetflixACAJudge-v1.0"), "judge: expected an object"),
        (lambda one: one.update(name=[]), "name: expected text"),
        (
            lambda one: one["classifier"].update(groupWeights={"g": "much"}),
            "classifier.groupWeights.g: expected a number",
        ),
        (
            lambda one: one["classifier"].update(groupWeights={"g": None}),
            "classifier.groupWeights.g: expected a number",
        ),
        (lambda one: one["metrics"][0].update(groups="g"), "metrics[0].groups: expected a list"),
        (lambda one: one["metrics"][0].update(name=""), "metrics[0].name: Metric config must specify a name."),
        (
            lambda one: one["metrics"][0]["query"].update(type="oracle"),
            "metrics[0].query.type: expected one of prometheus",
        ),
        (
            lambda one: one["metrics"].append(one["metrics"][0]),
            "metrics: Metric config name must be unique. 'latency' is",
        ),
        (
            lambda one: one["metrics"][0].update(analysisConfigurations={"canary": []}),
            "metrics[0].analysisConfigurations.canary: expected an object",
        ),
    ],
)
def test_wrong_types_in_the_configuration_are_refused_with_the_field(change: Any, message: str) -> None:
    """A value that Kayenta cannot read or store is an error that names its path."""
    given = document()
    change(given)
    with pytest.raises(JudgeInputError) as refused:
        read_config(given)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.pop("classifier"), "classifier: expected an object"),
        (lambda one: one["judge"].update(name="mine"), "judge.name: expected NetflixACAJudge-v1.0, found 'mine'"),
    ],
)
def test_what_the_judge_needs_is_checked_when_judging(change: Any, message: str) -> None:
    """A configuration without it can be read, but judging with it is an error."""
    given = document()
    change(given)
    read = read_config(given)
    with pytest.raises(JudgeInputError) as refused:
        judge_pairs(read, [pair(STEADY, WORSE)], USUAL)
    assert str(refused.value).startswith(message)


def test_requests_contain_thresholds_and_times() -> None:
    """A configuration may be part of an ad-hoc or a standalone request."""
    request = {
        "scopes": [
            {
                "scopeName": "default",
                "controlScope": 0,
                "experimentScope": 1,
                "startTimeIso": "2021-11-17T15:00:00Z",
                "endTimeIso": "2021-11-17T19:00:00Z",
                "controlOffsetInMinutes": "10",
            }
        ],
        "thresholds": {"pass": "95", "marginal": 75},
        "analysisIntervalMins": 30,
        "lookbackMins": 60,
    }
    read = read_config({"canaryConfig": document(), "executionRequest": request})
    assert read.thresholds == Thresholds(pass_score=95, marginal_score=75)
    assert read.schedule is not None
    assert (240, 30, 60, 10) == (
        read.schedule.end_min,
        read.schedule.interval_min,
        read.schedule.lookback_min,
        read.schedule.control_offset_min,
    )


def test_pairs_may_hold_nan_and_numbers_as_text() -> None:
    """NaN, infinities and numbers in quotes are read as Kayenta's archive writes them."""
    text = (
        '[{"name": "m", "tags": {"n": 1}, "values": {"control": [1, NaN, "NaN"], "experiment": ["Infinity", "1.5"]}}]'
    )
    found = parse_pairs(text).pairs[0]
    assert [1.0, True, True] == [found.control[0], *map(math.isnan, found.control[1:])]
    assert found.experiment.tolist() == [math.inf, 1.5]
    assert found.tags == {"n": "1"}


def test_archived_pairs_say_when_their_points_were() -> None:
    """Old archives store start and step with the pair, new ones in a scope of each side."""
    values = {"control": [1], "experiment": [2]}
    old = read_pairs([{"name": "m", "values": values, "startTimeMillis": 1000, "stepMillis": 60000, "attributes": {}}])
    scope = {"startTimeIso": "x", "startTimeMillis": 1000, "stepMillis": 60000}
    new = read_pairs([{"name": "m", "values": values, "scopes": {"control": scope, "experiment": scope}}])
    assert [(one.pairs[0].experiment_start_s, one.pairs[0].step_s) for one in (old, new)] == [(1.0, 60.0)] * 2
    assert (old.warnings, new.warnings) == ((), ())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "pairs: expected a list"),
        ([1], "pairs[0]: expected an object"),
        ([{"values": {"control": [], "experiment": []}}], "pairs[0].name: expected the name"),
        ([{"name": "m"}], "pairs[0].values: expected an object"),
        ([{"name": "m", "values": {"control": [1]}}], "pairs[0].values.experiment: expected a list of numbers"),
        ([{"name": "m", "values": {"control": 1, "experiment": []}}], "pairs[0].values.control: expected a list"),
        (
            [{"name": "m", "values": {"control": [1, None], "experiment": []}}],
            "pairs[0].values.control[1]: expected a number",
        ),
        (
            [{"name": "m", "values": {"control": ["x"], "experiment": []}}],
            "pairs[0].values.control[0]: expected a number",
        ),
        (
            [{"name": "m", "values": {"control": [True], "experiment": []}}],
            "pairs[0].values.control[0]: expected a number",
        ),
        ([{"name": "m", "tags": [], "values": {"control": [], "experiment": []}}], "pairs[0].tags: expected an object"),
    ],
)
def test_wrong_pairs_are_refused_with_the_field(given: Any, message: str) -> None:
    """Anything but a list of pairs of numbers is an error that names the path."""
    with pytest.raises(JudgeInputError) as refused:
        read_pairs(given)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(("key", "found"), [("effectSize", "big"), ("outliers", ["remove"])])
def test_rules_that_are_not_an_object_are_warned_about(key: str, found: Any) -> None:
    """Kayenta ignores them and uses its defaults; a warning says so."""
    warnings = read_config(document(**{key: found})).warnings
    assert any(f".canary.{key}: expected an object, found {found!r}" in warning for warning in warnings)


def test_unknown_fields_of_pairs_are_warned_about() -> None:
    """A field of a pair that nothing reads is named."""
    found = read_pairs([{"name": "m", "values": {"control": [], "experiment": []}, "colour": "red"}])
    assert found.warnings[0].startswith("pairs[0].colour: unknown field")


@pytest.mark.parametrize(
    ("text", "file", "message"),
    [
        ("{", "c.json", "c.json: expected JSON"),
        ('{"name": NaN}', "c.json", "NaN is not a JSON number"),
        ("a: [", "c.yaml", "c.yaml:1: expected valid YAML"),
        ("[]", "c.json", "document: expected an object"),
    ],
)
def test_text_that_cannot_be_parsed_is_refused_with_the_file(text: str, file: str, message: str) -> None:
    """Broken text names the file and what is wrong."""
    with pytest.raises(JudgeInputError) as refused:
        parse_config(text, file=file)
    assert message in str(refused.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_sample_configurations_load_and_judge(path: Path) -> None:
    """Every sample configuration is read, and judges series of all its metrics."""
    check_judging(path)
