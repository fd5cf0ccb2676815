"""The command ``harness judge --kayenta``: output, exit codes, errors."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from json_schemas import require_fit
from kayenta_builders import STEADY, WORSE, document

from harness.cli import main

GIVEN = ("--pass", "95", "--marginal", "75")


def written(folder: Path, config: Any, pairs: Any) -> list[str]:
    """The arguments for a configuration and pairs, written to files."""
    (folder / "config.json").write_text(config if isinstance(config, str) else json.dumps(config))
    (folder / "pairs.json").write_text(pairs if isinstance(pairs, str) else json.dumps(pairs))
    return ["judge", "--kayenta", str(folder / "config.json"), "--metrics", str(folder / "pairs.json")]


def pairs_of(control: Any, experiment: Any, name: str = "latency", **more: Any) -> list[Any]:
    """One pair as Kayenta archives it."""
    return [{"name": name, "tags": {"zone": "a"}, "values": {"control": control, "experiment": experiment}, **more}]


@pytest.mark.parametrize(
    ("experiment", "threshold", "code", "classification"),
    [(STEADY, "95", 0, "Pass"), (WORSE, "95", 1, "Fail")],
)
def test_json_has_kayentas_words_and_the_exit_code(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    experiment: Any,
    threshold: str,
    code: int,
    classification: str,
) -> None:
    """The document has exactly the agreed keys; Pass is 0, Fail is 1."""
    arguments = written(tmp_path, document(), pairs_of(STEADY, experiment))
    assert code == main([*arguments, "--pass", threshold, "--marginal", "75", "--json"])
    found = json.loads(capsys.readouterr().out)
    require_fit(found, "harness.kayenta/1")
    assert list(found) == ["score", "classification", "reason", "groups", "results", "warnings"]
    assert (classification, {"group": found["score"]}) == (found["classification"], found["groups"])
    result = found["results"][0]
    assert list(result) == ["name", "tags", "classification", "critical", "reason", "ratio", "interval"]
    assert ("latency", {"zone": "a"}, False) == (result["name"], result["tags"], result["critical"])


def test_marginal_is_10(tmp_path: Path) -> None:
    """A score between the thresholds exits with 10."""
    both = [*pairs_of(STEADY, STEADY, "a"), *pairs_of(STEADY, WORSE, "b")]
    arguments = written(tmp_path, document("a", "b"), both)
    assert main([*arguments, "--pass", "95", "--marginal", "50"]) == 10


def test_nan_is_read_and_written_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pairs may hold NaN with or without quotes; the output is strict JSON with "NaN" as text."""
    text = json.dumps(pairs_of([0.0, "NaN", math.nan, 0.0, 0.0], [1.0, 4.0, 2.0, 3.0, 1.0]))
    assert main([*written(tmp_path, document(nanStrategy="replace"), text), *GIVEN, "--json"]) == 1
    out = capsys.readouterr().out
    found = json.loads(out, parse_constant=pytest.fail)
    require_fit(found, "harness.kayenta/1")
    assert found["results"][0]["ratio"] == "NaN"


def test_yaml_configurations_are_read_by_their_name(tmp_path: Path) -> None:
    """A configuration may be YAML."""
    file = tmp_path / "config.yaml"
    file.write_text("classifier: {groupWeights: {g: 100}}\nmetrics: [{name: latency, groups: [g]}]\n")
    arguments = written(tmp_path, document(), pairs_of(STEADY, STEADY))
    arguments[2] = str(file)
    assert main([*arguments, *GIVEN]) == 0


def test_the_table_is_readable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Verdict first, then groups, metrics in columns, and warnings."""
    assert main([*written(tmp_path, document(critical=True), pairs_of(STEADY, WORSE[:40])), *GIVEN]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "Fail, score 0.00 (pass from 95, marginal from 75; NetflixACAJudge-v1.0)",
        "Canary Failed: The metric latency was classified as High (Critical)",
    ]
    assert any(line.split() == ["group", "100", "%", "0.00"] for line in lines)
    row = next(line for line in lines if line.startswith("latency{zone=a}"))
    assert "High (critical)" in row
    assert "+30." in row or "+29." in row or "+31." in row
    assert "  - latency zone=a: unequal arms: 60 baseline and 40 canary points" in "\n".join(lines)


def test_thresholds_come_from_a_request_or_are_required(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A request contains its own thresholds; scoreThresholds of a configuration alone are quoted but never used."""
    config = document()
    config["classifier"]["scoreThresholds"] = {"pass": 80, "marginal": 60}
    assert main(written(tmp_path, config, pairs_of(STEADY, STEADY))) == 2
    assert "--pass: expected a score, found None" in (message := capsys.readouterr().err)
    assert "which Kayenta ignores, say 80 and 60" in message
    request = {"canaryConfig": config, "executionRequest": {"thresholds": {"pass": 95, "marginal": 75}}}
    assert main(written(tmp_path, request, pairs_of(STEADY, STEADY))) == 0


@pytest.mark.parametrize(
    ("config", "pairs", "message"),
    [
        (
            document(effectSize={"allowedIncrease": "1.1"}),
            pairs_of(STEADY, WORSE),
            "effectSize.allowedIncrease: expected",
        ),
        (document(), pairs_of(STEADY, WORSE, "other"), "Could not find metric config for 'other'"),
        (document(), pairs_of(STEADY, ["x"]), "pairs[0].values.experiment[0]: expected a number"),
        (document(), {}, "pairs: expected a list"),
        ("{", [], "config.json: expected JSON"),
        (document(), "[", "pairs.json: expected JSON"),
    ],
)
def test_what_kayenta_refuses_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, config: Any, pairs: Any, message: str
) -> None:
    """The command exits with 2 and prints one line on standard error that names the field."""
    assert main([*written(tmp_path, config, pairs), *GIVEN]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.out == ""


def test_windows_are_judged_on_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--interval judges growing windows, --lookback sliding ones; the document adds the windows and the decision."""
    late = [*STEADY[:40], *(value * 1.5 for value in STEADY[40:])]
    arguments = [*written(tmp_path, document(), pairs_of(STEADY, late, stepMillis=60_000)), *GIVEN, "--interval", "20"]
    assert main([*arguments, "--json"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--lookback", "20", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    require_fit(found, "harness.kayenta/1")
    assert [(one["start_min"], one["end_min"], one["score"]) for one in found["intervals"]] == [
        (0.0, 20.0, 100.0),
        (20.0, 40.0, 100.0),
        (40.0, 60.0, 0.0),
    ]
    assert not found["passed"]
    assert main(arguments) == 0
    assert "0 to 20 min" in capsys.readouterr().out


def test_a_real_process_prints_the_same(tmp_path: Path) -> None:
    """The command as users start it: JSON on standard output, nothing else, and the exit code."""
    arguments = [*written(tmp_path, document(), pairs_of(STEADY, WORSE)), *GIVEN, "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "harness", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert (1, "") == (done.returncode, done.stderr)
    assert json.loads(done.stdout)["results"][0]["classification"] == "High"


def test_with_json_warnings_also_go_to_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each warning is in the document and on standard error; standard output holds only the document."""
    main([*written(tmp_path, document(), pairs_of(STEADY[:5], WORSE[:5])), *GIVEN, "--json"])
    printed = capsys.readouterr()
    warnings = json.loads(printed.out)["warnings"]
    assert any("Kayenta advises at least 50" in warning for warning in warnings)
    assert [f"warning: {warning}" for warning in warnings] == printed.err.splitlines()


def test_a_pair_without_a_metric_is_named_by_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error for a pair of an unknown metric names its position in the file and the known metrics."""
    pairs = [*pairs_of(STEADY, STEADY), *pairs_of(STEADY, STEADY, "latencies")]
    assert main([*written(tmp_path, document(), pairs), *GIVEN]) == 2
    assert "pairs[1].name: Could not find metric config for 'latencies'" in capsys.readouterr().err
