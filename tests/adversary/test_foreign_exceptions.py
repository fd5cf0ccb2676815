"""Try to get an exception that is not ours, or a bug's exit code, out of values that people and programs write."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import recorded

from harness import cli
from harness.bundle import read_analysis, read_bundle, write_analysis, write_bundle
from harness.clients.parquet import read_samples
from harness.clients.request_files import read_requests
from harness.config import read_config
from harness.config.globbing import TooManyEntries, matching
from harness.errors import (
    ConfigError,
    EnvoyError,
    JudgeInputError,
    LoadProfileError,
    MeshError,
    RecordError,
    UsageError,
)
from harness.judge.calibration import read_calibration
from harness.judge.kayenta import parse_config, parse_pairs
from harness.judge.kayenta.importing import objectives_yaml
from harness.judge.objectives import parse_objective
from harness.judge.sequential import SequentialJudge
from harness.load.planning.profile_settings import read_settings
from harness.mesh.cluster.recovery.journal import left_on_disk
from harness.mesh.local.counting import request_counts
from harness.mesh.local.telemetry import REQUESTS
from harness.model.units import format_duration, parse_duration, parse_percent
from harness.routing.istio.schema import RESOURCES
from harness.routing.istio.shapes import problems
from harness.runner.deciding import decide

HUGE = 10**400
UNWRITABLE = pytest.param(10**5000, id="5000 digits")
"""Python itself refuses to write such a number."""
CONFIG = """
service: reviews
arms: {baseline: v2, canary: v3}
services:
  reviews:
    versions:
      v2: {address: "127.0.0.1:1"}
      v3: {address: "127.0.0.1:2"}
"""


@pytest.mark.parametrize(
    "text", ["9" * 400 + "s", HUGE, -HUGE, UNWRITABLE, float("inf"), float("nan"), "1" + "0" * 20 + "h"]
)
def test_huge_durations_are_refused(text: Any) -> None:
    """A duration that no timer can hold is wrong usage, and its message is short."""
    with pytest.raises(UsageError, match="duration") as caught:
        parse_duration(text)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("text", [HUGE, UNWRITABLE, "9" * 400 + "%", "1e999", "nan", float("nan"), [], None])
def test_huge_percentages_are_refused(text: Any) -> None:
    """A percentage that is out of range or no number is wrong usage, and its message is short."""
    with pytest.raises(UsageError, match="percentage") as caught:
        parse_percent(text)
    assert len(str(caught.value)) < 400


def test_infinite_durations_have_a_text() -> None:
    """A time that was never reached can be shown."""
    assert [format_duration(float(text)) for text in ("inf", "-inf", "nan")] == ["∞", "-∞", "no value"]


@pytest.mark.parametrize(
    "line",
    [
        'istio: ["/"]',
        'istio: ["//"]',
        f"split: {'9' * 400}%",
        f"phases: {{steady: {'9' * 400}s}}",
        "split: 1e999",
        "out: 5",
    ],
)
def test_hostile_settings_name_their_line(line: str, tmp_path: Path) -> None:
    """Each is a ConfigError with file and line."""
    path = tmp_path / "harness.yaml"
    path.write_text(CONFIG + line)
    with pytest.raises(ConfigError, match=r"harness.yaml:9: "):
        read_config(path)


@pytest.mark.parametrize("pattern", ["/**", "/**/*.yaml", "/*/*/*/*", "../../../../../../**"])
def test_a_pattern_does_not_walk_through_the_disk(tmp_path: Path, pattern: str) -> None:
    """It ends after so many files and folders, quickly and with the line of the key."""
    for number in range(200):
        (tmp_path / "many" / str(number)).mkdir(parents=True)
    (tmp_path / "harness.yaml").write_text(f'{CONFIG}istio: ["{pattern}"]\n')
    started = time.process_time()
    with pytest.raises(ConfigError, match=r"istio\[0\]: expected (a pattern for at most 20,000|files)"):
        read_config(tmp_path / "harness.yaml")
    assert time.process_time() - started < 5


def test_patterns_match_as_a_shell_does(tmp_path: Path) -> None:
    """Names, wildcards, folders at any depth and files outside; a link to the folder itself ends no search."""
    for name in ("a.yaml", "istio/b.yaml", "istio/deep/c.yaml", "istio/.hidden.yaml", "istio/d.txt"):
        (tmp_path / "project" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "project" / name).touch()
    (tmp_path / "project" / "istio" / "loop").symlink_to(tmp_path / "project")
    (tmp_path / "e.yaml").touch()
    root = tmp_path / "project"
    found = {
        pattern: [path.name for path in matching(root / pattern)]
        for pattern in (
            "a.yaml",
            "*.yaml",
            "istio/*.yaml",
            "istio/**/*.yaml",
            "**/c.yaml",
            "../e.yaml",
            "[ab].yaml",
            "x",
        )
    }
    assert found == {
        "a.yaml": ["a.yaml"], "*.yaml": ["a.yaml"], "istio/*.yaml": ["b.yaml"], "istio/**/*.yaml": ["b.yaml", "c.yaml"],
        "**/c.yaml": ["c.yaml"], "../e.yaml": ["e.yaml"], "[ab].yaml": ["a.yaml"], "x": [],
    }  # fmt: skip
    with pytest.raises(TooManyEntries):
        matching(root / "**", most=3)


def test_huge_numbers_of_istio_are_problems() -> None:
    """A number from the cluster that no float can hold is a problem like any other."""
    fault = {"delay": {"fixedDelay": "1s", "percentage": {"value": HUGE}}}
    resource = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "x"},
        "spec": {"hosts": ["x"], "http": [{"fault": fault, "timeout": "9" * 400 + "s"}]},
    }
    assert len(list(problems(RESOURCES["VirtualService"], resource))) == 2


@pytest.mark.parametrize(
    "literal",
    [
        "{'rate': {[]: 1}}", "{'rate': {{}: 1}}", "{'rate': " + "-" * 3000 + "1}", "{'rate': 1" + "+1" * 3000 + "}",
        "{'rate': " + "-" * 100_000 + "1}", "{'rate': " + "[" * 3000, f"{{'rate': {'9' * 400}}}",
        f"{{'rate': {'9' * 5000}}}",
        f"{{'rate': [[1, {'9' * 400}]]}}", f"{{'duration': {'9' * 400}}}", "{'rate': 1e308}",
        "{'rate': [[1e308, 1e308]]}",
        f"{{'trace_share': {'9' * 400}}}", f"{{'seed': {'9' * 400}}}", "{'rate': '\0'}", "{'rate': 1e999}",
        "{'rate': 1j}",
    ],
)  # fmt: skip
def test_hostile_load_profiles_name_their_line(literal: str, tmp_path: Path) -> None:
    """Each is a LoadProfileError with the file and a line."""
    profile = tmp_path / "browse.py"
    profile.write_text(f"LOADPROFILE = {literal}\n")
    with pytest.raises(LoadProfileError, match=r"browse.py:\d+: ") as caught:
        read_settings(profile)
    assert len(str(caught.value)) < 1000


def test_a_load_profile_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    """It is a LoadProfileError, not an IsADirectoryError."""
    with pytest.raises(LoadProfileError, match="expected a locustfile"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [
        {"excess": {"latency_p50": HUGE}}, {"excess": {"latency_p50": 1e308}}, {"runs": HUGE, "failed": 0},
        {"runs": 10**5000}, {"excess": []},
        {"control": 1}, {"runs": True},
    ],
)  # fmt: skip
def test_hostile_calibrations_are_refused(changed: dict[str, Any]) -> None:
    """Numbers that overflow when they are used are refused when they are read."""
    content = {
        "format_version": 1,
        "environment": "x",
        "runs": 5,
        "failed": 0,
        "excess": {},
        "control": None,
        **changed,
    }
    try:
        text = json.dumps(content)
    except ValueError:
        text = '{"format_version": 1, "runs": ' + "9" * 5000 + "}"
    with pytest.raises(JudgeInputError, match=r"c.json: "):
        read_calibration(text, "c.json")


@pytest.mark.parametrize("text", ["[" * 5000, "null", "[]", "9" * 5000, '"\\ud800"', "\ud800", "\0"])
@pytest.mark.parametrize("read", [lambda text: read_calibration(text, "x"), parse_config, parse_pairs])
def test_hostile_json_is_refused(read: Callable[[str], Any], text: str) -> None:
    """Each reader of JSON raises its own error, except for an empty list of pairs, which is valid."""
    if read is parse_pairs and text == "[]":
        assert read(text).pairs == ()
        return
    with pytest.raises(JudgeInputError):
        read(text)


@pytest.mark.parametrize("weight", [HUGE, float("nan"), 0, True, "1"])
def test_hostile_weights_of_objectives_are_refused(weight: Any) -> None:
    """A weight that no score can hold is wrong usage."""
    with pytest.raises(UsageError, match="weight"):
        parse_objective("latency_p99 < +10%", weight=weight)


@pytest.mark.parametrize("step", ["nan", "inf", "0", "-1", "1e308", "1e11", "x"])
def test_a_hostile_step_is_wrong_usage(step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Harness judge --step ends with 2 and names the option."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["judge", "--kayenta", "x", "--metrics", "y", f"--step={step}"])
    assert ended.value.code == 2
    assert "--step" in capsys.readouterr().err


def test_a_step_that_makes_millions_of_windows_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step in a wrong unit once took more than 20 GB; now the message names the number of judgements."""
    canary = {
        "name": "c",
        "metrics": [{"name": "m", "groups": ["g"], "query": {"type": "prometheus"}}],
        "classifier": {"groupWeights": {"g": 100}},
    }
    pairs = [{"name": "m", "tags": {}, "values": {"control": [1.0] * 12, "experiment": [1.0] * 12}}]
    (tmp_path / "c.json").write_text(json.dumps(canary))
    (tmp_path / "p.json").write_text(json.dumps(pairs))
    command = ["judge", "--kayenta", str(tmp_path / "c.json"), "--metrics", str(tmp_path / "p.json"), "--pass=95"]
    assert cli.main([*command, "--marginal=75", "--interval=1", "--step=1e9"]) == 2
    assert "judgements" in capsys.readouterr().err


def _parquet(path: Path, **columns: Any) -> Path:
    plain = {"time_s": [0.0, 1.0], "latency_s": [0.1, 0.1], "status": [200, 200]}
    pq.write_table(pa.table({**plain, **columns}), path)
    return path


def test_integers_above_2_to_53_are_read(tmp_path: Path) -> None:
    """Times in nanoseconds are rounded to the nearest double, and are no reason to fail."""
    found = read_requests(_parquet(tmp_path / "a.parquet", time_s=pa.array([2**53 + 1, 2**63 - 1], pa.int64())))
    assert list(found["time_s"]) == [float(2**53), float(2**63)]


def test_broken_utf_8_in_parquet_names_column_and_row(tmp_path: Path) -> None:
    """Parquet does not check text; the reader does."""
    raw = pa.array([b"/ok", b"\xff\xfe"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 2, raw.buffers())
    for name in ("endpoint", "status"):
        with pytest.raises(JudgeInputError, match=rf"column {name}: row 2: expected text in UTF-8"):
            read_requests(_parquet(tmp_path / "a.parquet", **{name: broken}))


def test_one_long_name_does_not_take_all_memory(tmp_path: Path) -> None:
    """A name of 10 MB in a file of 1,000 rows would take 40 GB."""
    rows = 1000
    columns = {name: np.zeros(rows) for name in ("time_s", "latency_s", "status")}
    path = _parquet(tmp_path / "a.parquet", **columns, endpoint=["x" * 10_000_000] + ["/"] * (rows - 1))
    with pytest.raises(
        JudgeInputError, match="column endpoint: row 1: expected a short name, found 10000000 characters"
    ):
        read_requests(path)


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("status", pa.array([2**40, 200])), ("status", pa.array([None, 200])), ("status", pa.array(["x", "y"])),
        ("arm", pa.array([None, "canary"])),
        ("operation", pa.Array.from_buffers(pa.string(), 2, pa.array([b"/ok", b"\xff\xfe"], pa.binary()).buffers())),
        ("error", pa.array([[], []])),
    ],
)  # fmt: skip
def test_samples_that_do_not_fit_are_refused(tmp_path: Path, name: str, column: Any) -> None:
    """A value of another type or size is a RecordError, and no value is silently wrapped."""
    plain = {
        "due_s": [0.0, 1.0], "latency_s": [0.1, 0.1], "late_s": [0.0, 0.0], "status": [200, 200], "size": [1, 1],
        "arm": ["baseline", "canary"], "operation": ["/", "/"], "error": ["", ""],
    }  # fmt: skip
    path = tmp_path / "samples.parquet"
    pq.write_table(pa.table({**plain, name: column}), path)
    with pytest.raises(RecordError, match=r"samples.parquet: "):
        read_samples(path)


@pytest.mark.parametrize(
    "content", ["null", "[]", "{}", "5", '"x"', "[" * 5000, "9" * 5000, "\xff", "", '{"files": null}']
)
@pytest.mark.parametrize(
    "name", ["plan.json", "config.json", "facts.json", "timeline.ndjson", "analysis.json", "manifest.json"]
)
def test_bundles_with_other_json_are_refused(tmp_path: Path, name: str, content: str) -> None:
    """A file that is null, a list or lacks keys is a RecordError that names it, also if its hash is right."""
    record = recorded.record()
    write_bundle(record, tmp_path)
    write_analysis(decide(record, SequentialJudge()), tmp_path)
    raw = content.encode("latin-1")
    (tmp_path / name).write_bytes(raw)
    recorded.rehash(tmp_path)
    harmless = (content == "{}" and name == "config.json") or (content == "" and name == "timeline.ndjson")
    if harmless or (name == "config.json" and content.startswith('{"files')):
        read_bundle(tmp_path)
        return
    with pytest.raises(RecordError, match=rf"{name}: "):
        assert (read_bundle(tmp_path), read_analysis(tmp_path)) is None


@pytest.mark.parametrize(
    "line", ["null", "[]", "5", "{}", '{"will_make": null}', '{"will_make": {"format": "1"}}', "\xff", "x"]
)
def test_hostile_journals_name_their_line(tmp_path: Path, line: str) -> None:
    """A journal that cannot be read is a MeshError; only an incomplete last line is ignored."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(line.encode("latin-1") + b'\n{"was_undone": "x"}\n{"will_ma')
    with pytest.raises(MeshError, match=r"journal\.jsonl"):
        left_on_disk(path)


@pytest.mark.parametrize("value", ["NaN", "+Inf"])
def test_a_proxy_that_counts_no_number_is_reported(value: str) -> None:
    """A count that is no number is an error of Envoy; a line that is no sample is skipped."""
    assert request_counts(f"{REQUESTS}{{}} abc") == ()
    with pytest.raises(EnvoyError, match="expected a count"):
        request_counts(f"{REQUESTS}{{}} {value}")


@pytest.mark.parametrize("weight", ["Infinity", "NaN", 10**400])
def test_weights_that_no_objective_can_have_are_refused(weight: Any) -> None:
    """Kayenta reads infinite weights; harness import refuses to turn them into objectives."""
    metric = {"name": "m", "groups": ["g"], "query": {"type": "prometheus", "metricName": "m"}}
    config = {"name": "c", "metrics": [metric], "classifier": {"groupWeights": {"g": weight}}}
    with pytest.raises(JudgeInputError, match=r"groupWeights\.g: expected a finite percentage"):
        objectives_yaml(parse_config(json.dumps(config)))


@pytest.mark.parametrize("row", [b"1,0.1\xff", b"1,0.1,200,\xff"])
def test_a_ragged_row_that_is_not_utf_8_is_refused(row: bytes, tmp_path: Path) -> None:
    """Pyarrow prints an exception that nobody can catch when it reports such a row, so it is not asked to."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"time_s,latency_s,status\n" + row + b"\n")
    with pytest.raises(JudgeInputError, match=r"a\.csv: expected CSV"):
        read_requests(path)
