"""The section ``indicators``: templates are checked with file and line before a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.cli import main
from harness.config import read_config
from harness.errors import ConfigError

FILE = """\
service: reviews
arms: {baseline: v1, canary: v2}
services: {reviews: {versions: {v1: null, v2: null}}}
objectives: [error_rate < +1pp]
indicators:
  slow_queue:
    kind: gauge
    query: max(queue_length{version="{version}"})
    tolerance: +10%
  checkout_errors:
    kind: ratio
    query: sum by (pod) (errors_total{version="{version}"})
    of: sum by (pod) (requests_total{version="{version}"})
    tolerance: +0.5pp
  checkout_time:
    kind: histogram
    query: sum by (pod, le) (seconds_bucket{version="{version}"})
    tolerance: +10%
"""


def written(folder: Path, text: str) -> Path:
    """The file."""
    file = folder / "harness.yaml"
    file.write_text(text)
    return file


def test_tolerances_become_objectives(tmp_path: Path) -> None:
    """An indicator with a tolerance is judged without a line in objectives."""
    config = read_config(written(tmp_path, FILE))
    assert [
        "error_rate < +1pp", "gauge:slow_queue < +10%", "ratio:checkout_errors < +0.5pp",
        "histogram_p99:checkout_time < +10%",
    ] == [one.text for one in config.objectives]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('length{version="{version}"}', 'length{version="{versoin}"}', r":8: indicators\.slow_queue\.query: .*\{versoin\}, did"),
        ('length{version="{version}"}', "length", r":8: indicators\.slow_queue\.query: expected PromQL with \{version\}"),
        ("max(queue_length", "max(queue_total", r":8: indicators\.slow_queue\.query: expected a gauge, found the counter queue_total"),
        ("    of: sum by (pod) (requests_total{version=\"{version}\"})\n", "", r"indicators\.checkout_errors: expected of"),
        ("kind: histogram", "kind: histgram", r"indicators\.checkout_time\.kind: .*histogram"),
        ("tolerance: +0.5pp", "tolerance: +0.5ms", r"indicators\.checkout_errors\.tolerance: "),
        ("error_rate < +1pp", "ratio:checkouts < +1pp", r"objectives\[0\]: .*checkout_errors.*found 'checkouts'"),
    ],
)  # fmt: skip
def test_a_mistake_is_refused_with_its_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Nothing is started for an indicator that could not be measured."""
    assert old in FILE
    with pytest.raises(ConfigError, match=message):
        read_config(written(tmp_path, FILE.replace(old, new)))


def test_cores_are_no_comparison_of_unequal_shares(tmp_path: Path) -> None:
    """A canary with a fifth of the load uses less CPU, whatever it does."""
    with pytest.raises(
        ConfigError, match="equal shares of the load, found 20% for the canary: compare cpu_per_request"
    ):
        read_config(written(tmp_path, FILE.replace("error_rate < +1pp", "cpu < +10%") + "split: 20%\n"))


def test_the_command_lists_meaning_unit_and_query(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a configuration, the queries are those that it sends."""
    assert 0 == main(["indicators", "--config", str(written(tmp_path, FILE))])
    said = capsys.readouterr().out
    assert "server:latency_pNN{reporter}: quantile of the time" in said
    assert "memory: working set of each pod of the arm (gauge, bytes)" in said
    assert 'destination_service_name="reviews",destination_version="v2",response_code=~"5..|0"' in said
    assert "checkout_errors: own indicator of harness.yaml (ratio, ratio)" in said
