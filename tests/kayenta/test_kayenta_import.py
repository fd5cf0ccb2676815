"""Kayenta's configurations become objectives of the harness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kayenta_builders import CONFIGS, check_import, document

from harness.cli import main
from harness.errors import JudgeInputError
from harness.judge.kayenta import read_config
from harness.judge.kayenta.importing import objectives_yaml


def imported(given: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """The text read back as YAML, and the text."""
    text = objectives_yaml(read_config(given))
    return yaml.safe_load(text), text


def objective_of(name: str, **canary: Any) -> str:
    """Return the objective that one metric becomes."""
    found: str = imported(document(name, **canary))[0]["objectives"][0]["objective"]
    return found


@pytest.mark.parametrize(
    ("name", "canary", "expected"),
    [
        ("http_errors", {}, "error_rate < +0.5pp"),
        ("5xx responses", {"effectSize": {"allowedIncrease": 1.25}}, "error_rate < +25%"),
        ("latency p99", {}, "latency_p99 < +25%"),
        ("request duration", {"effectSize": {"allowedIncrease": 1.2}}, "latency_p50 < +20%"),
        ("requests", {"direction": "decrease", "effectSize": {"allowedDecrease": 0.8}}, "throughput > -20%"),
        ("memory", {"direction": "increase", "effectSize": {"allowedIncrease": 1.5}}, "gauge:memory < +50%"),
        ("memory", {"direction": "decrease"}, "gauge:memory > -10%"),
        ("cpu usage (%)", {}, "gauge:cpu-usage within 10%"),
        ("database latency", {"direction": "increase"}, "gauge:database-latency < +10%"),
        ("latency", {"direction": "decrease"}, "gauge:latency > -10%"),
        ("latency", {"effectSize": {"measure": "cles", "allowedIncrease": 0.7}}, "latency_p50 < +10%"),
        ("7 dwarfs", {"direction": "decrease", "effectSize": {"allowedDecrease": -1}}, "gauge:metric-7-dwarfs > -10%"),
    ],
)
def test_metrics_become_objectives(name: str, canary: Any, expected: str) -> None:
    """The indicator is guessed from the name, the tolerance comes from the effect size."""
    assert expected == objective_of(name, **canary)


def test_weights_groups_flags_and_thresholds_are_kept() -> None:
    """A group's weight is shared by its metrics; critical, muted and the scores are carried over."""
    given = document("error rate", "latency", weights={"group": 60}, critical=True, muted=True)
    given["classifier"]["scoreThresholds"] = {"pass": 90, "marginal": 50}
    found, text = imported(given)
    assert found["objectives"][0] == {
        "objective": "error_rate < +0.5pp", "weight": 30, "group": "group", "critical": True, "muted": True,
    }  # fmt: skip
    assert found["judge"] == {"pass": 90, "marginal": 50}
    assert "# from scoreThresholds, which Kayenta itself ignores" in text
    assert "# The group weights add to 60, not to 100; here only their ratios count." in text


@pytest.mark.parametrize(
    ("canary", "comment"),
    [
        ({"nanStrategy": "replace"}, "nanStrategy replace is not carried over"),
        ({"mustHaveData": True}, "mustHaveData needs no setting"),
        ({"outliers": {"strategy": "remove"}}, "outliers are not removed here"),
        ({"critical": True, "effectSize": {"criticalIncrease": 2}}, "critical only from a ratio of 2"),
        ({"effectSize": {"measure": "cles"}}, "effectSize cles is a share of pairs"),
        ({}, "Kayenta tolerated no change that it could prove"),
        ({}, "watched it in both directions; here only increase is worse"),
        ({}, "probably an average; the median stands in for it"),
        ({}, "query: prometheus metricName=latency"),
    ],
)
def test_settings_without_a_counterpart_are_commented(canary: Any, comment: str) -> None:
    """A comment at the metric names each setting that was not carried over."""
    assert comment in imported(document(**canary))[1]


def test_metrics_that_become_the_same_objective_are_pointed_out() -> None:
    """Two error counts are one error rate here."""
    assert "the same objective as error count: one of the two can go" in imported(document("error count", "errors"))[1]


def test_hostile_names_stay_in_their_comment() -> None:
    """Line breaks and quotes in names and descriptions do not leave the comment or the text."""
    given = document('latency\nobjectives: []\n"x', groups=['g"\n- {}'])
    given["description"] = "a\nservice: other"
    found, _ = imported(given)
    assert list(found) == ["objectives"]
    assert found["objectives"][0]["group"] == 'g"\n- {}'


def test_rules_that_kayenta_refuses_are_refused() -> None:
    """A string threshold names its field."""
    with pytest.raises(JudgeInputError, match=r"effectSize\.allowedIncrease: expected a number"):
        imported(document(effectSize={"allowedIncrease": "1.1"}))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_sample_configurations_become_objectives_that_parse(path: Path) -> None:
    """Every metric of every sample configuration has an objective."""
    check_import(path)


def test_the_command_prints_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``harness import kayenta FILE`` prints the objectives; a missing file is wrong usage."""
    file = tmp_path / "config.json"
    file.write_text(json.dumps(document("latency")))
    assert main(["import", "kayenta", str(file)]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["objectives"][0]["objective"] == "latency_p50 < +10%"
    assert main(["import", "kayenta", str(tmp_path / "none.json")]) == 2
    assert "none.json: expected a readable text file" in capsys.readouterr().err
