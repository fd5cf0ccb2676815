"""What a profile and harness.yaml say about expected answers reaches the plan of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import wiring
from harness.config import read_config
from harness.mesh.port import Entry
from harness.model.load import usual_trace_share
from harness.runner.planning import plan_load, plan_run

CONFIG = """\
service: shop
arms: {baseline: v1, canary: v2}
services: {shop: {versions: {v1: {command: [serve, "{port}"]}, v2: {command: [serve2, "{port}"]}}}}
load: {profile: missing, rate: 20}
judge: {baseline-error-ceiling: 25%}
"""
PROFILE = 'LOADPROFILE = {"expected_statuses": [404], "sizes_may_differ": True, "trace_share": 0.5, "drain": 3}\n'


def test_expected_statuses_and_the_ceiling_of_the_baseline_are_planned(tmp_path: Path) -> None:
    """The safeguards read both from the plan, so they are part of the record."""
    (tmp_path / "loadprofiles").mkdir()
    (tmp_path / "loadprofiles" / "missing.py").write_text(PROFILE)
    (tmp_path / "harness.yaml").write_text(CONFIG)
    config = read_config(tmp_path / "harness.yaml")
    scenario = wiring.scenario(config, name="s", seed=1)
    plan = plan_run(scenario, wiring.settings(config, scenario, target="local", manifest={}), target="local")
    assert (404,) == plan.expected_statuses
    assert plan.sizes_may_differ
    assert plan.judge.baseline_error_ceiling == 0.25


def test_what_the_profile_says_of_spans_and_late_answers_is_sent(tmp_path: Path) -> None:
    """As ``harness load`` does."""
    (tmp_path / "loadprofiles").mkdir()
    (tmp_path / "loadprofiles" / "missing.py").write_text(PROFILE)
    (tmp_path / "harness.yaml").write_text(CONFIG)
    config = read_config(tmp_path / "harness.yaml")
    scenario = wiring.scenario(config, name="s", seed=1)
    settings = wiring.settings(config, scenario, target="local", manifest={})
    load = plan_load(plan_run(scenario, settings, target="local"), settings, Entry(url="http://127.0.0.1:1"), owner="o")
    assert (0.5, 3.0) == (load.trace_share, load.drain_s)


@pytest.mark.parametrize(("rate_rps", "share"), [(5.0, 1.0), (200.0, 0.05), (1000.0, 0.01), (5000.0, 0.01)])
def test_ten_requests_a_second_are_traced_unless_the_profile_says_how_many(rate_rps: float, share: float) -> None:
    """So a short fault phase has traces of failed requests, and a high rate does not flood a collector."""
    assert share == usual_trace_share(rate_rps)


def test_a_run_traces_the_usual_share(tmp_path: Path) -> None:
    """The rate of the scenario decides."""
    (tmp_path / "loadprofiles").mkdir()
    (tmp_path / "loadprofiles" / "missing.py").write_text("")
    (tmp_path / "harness.yaml").write_text(CONFIG)
    config = read_config(tmp_path / "harness.yaml")
    scenario = wiring.scenario(config, name="s", seed=1)
    settings = wiring.settings(config, scenario, target="local", manifest={})
    load = plan_load(plan_run(scenario, settings, target="local"), settings, Entry(url="http://127.0.0.1:1"), owner="o")
    assert usual_trace_share(20.0) == load.trace_share
