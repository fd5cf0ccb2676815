"""The faults that are worth trying come from what a service calls, the riskiest first."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recorded import FAULT, fault_count, record, samples

from harness import bundle
from harness.cli import main
from harness.config import read_config
from harness.faults import known_faults
from harness.model.hops import Hop
from harness.model.record import Record
from harness.runner.suite import Dependency, dependencies, trials

ROOT = Path(__file__).parents[2]
CONFIG = read_config(ROOT / "harness.yaml")


def route(**fields: Any) -> Any:
    """A VirtualService of ratings with one route."""
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "ratings", "namespace": "default"},
        "spec": {"hosts": ["ratings"], "http": [{"route": [{"destination": {"host": "ratings"}}], **fields}]},
    }


def hop(destination: str, calls: int) -> Hop:
    """Calls of the baseline in the steady phase."""
    return Hop(
        phase="steady",
        arm="baseline",
        caller="reviews-v2",
        destination=f"{destination}.default",
        version="",
        calls=calls,
    )


def failing(share: float) -> Record:
    """A run in which ratings failed and so did this share of the baseline's requests under the fault."""
    made = samples()
    in_fault = (made.due_s >= 12) & (made.due_s < 22) & (made.arm == 0)
    status = np.where(in_fault & (np.arange(len(made)) % 100 < 100 * share), 503, made.status).astype(np.int16)
    counts = (fault_count("baseline", hit=200), fault_count("canary", hit=200))
    return record(
        samples=replace(made, status=status), fault_counts=counts, hops=(hop("reviews", 500), hop("ratings", 1000))
    )


def test_the_risk_grows_with_calls_without_timeouts_and_without_fallbacks() -> None:
    """Each is said in words."""
    (unknown,) = dependencies(CONFIG, (), ())
    assert ("ratings", 2.0, "calls per request not known, no timeout") == (unknown.name, unknown.risk, unknown.why)
    (limited,) = dependencies(CONFIG, (route(timeout="400ms"),), ())
    assert (1.0, "calls per request not known, timeout 400 ms") == (limited.risk, limited.why)
    (known,) = dependencies(CONFIG, (route(),), [failing(0.0)])
    assert (4.0, "2 calls per request, no timeout") == (known.risk, known.why)
    (exposed,) = dependencies(CONFIG, (route(),), [failing(0.9)])
    assert (8.0, "2 calls per request, no timeout, no fallback seen in slow ratings") == (exposed.risk, exposed.why)


def test_a_delay_goes_just_beyond_a_known_timeout() -> None:
    """A shorter one would show nothing about it."""
    found = [str(one.fault) for one in trials([Dependency(name="ratings", wait_s=0.4)], target="local")]
    assert "delay(ratings, 440 ms, 50 %)" in found


@pytest.mark.parametrize("target", ["local", "cluster"])
def test_every_trial_is_a_fault_that_the_target_knows_and_its_source_makes(target: str) -> None:
    """The riskiest dependency comes first, and each kind only where it can be injected."""
    made = trials([Dependency(name="details"), Dependency(name="ratings", calls=5.0)], target=target)
    assert sorted((one.risk for one in made), reverse=True) == [one.risk for one in made]
    assert "ratings" == made[0].dependency.name
    for one in made:
        assert target in known_faults()[one.fault.kind].usage.meshes
        call = ast.parse(one.source, mode="eval").body
        assert isinstance(call, ast.Call)
        assert isinstance(call.func, ast.Name)
        values = [ast.literal_eval(arg) for arg in call.args]
        options = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
        function = getattr(__import__("harness"), call.func.id)
        assert one.fault == function(*values, **options)


def test_the_command_writes_a_scenario_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the mark that lets all of them share a steady phase; a file that is there stays."""
    file, config = tmp_path / "test_suite.py", ["--config", str(ROOT / "harness.yaml")]
    assert 0 == main(["suite", "--write", str(file), "--most", "3", *config])
    text = file.read_text()
    assert 3 == text.count("  # calls per request not known, no timeout")
    assert "@pytest.mark.harness_matrix" in text
    compile(text, str(file), "exec")
    assert 2 == main(["suite", "--write", str(file), *config])
    assert text == file.read_text()
    assert 0 == main(["suite", *config])
    assert "abort(ratings, 503, 50 %)" in capsys.readouterr().out


def test_a_run_without_the_fault_says_nothing_about_a_fallback() -> None:
    """Requests that fail for other reasons are no evidence."""
    made = failing(0.9)
    others = tuple(replace(count, host="details") for count in made.fault_counts)
    (found,) = dependencies(CONFIG, (), [replace(made, fault_counts=others)])
    assert "" == found.fails_without
    assert FAULT in {count.fault for count in others}


def test_services_that_only_a_recorded_run_knows_are_tried_too() -> None:
    """The proxies counted calls to details, which harness.yaml does not name; other destinations are no services."""
    made = record(hops=(hop("reviews", 500), hop("details", 250), hop("PassthroughCluster", 9), hop("silent", 0)))
    found = dependencies(CONFIG, (), [made])
    assert {"ratings", "details"} == {one.name for one in found}
    assert 0.5 == next(one.calls for one in found if one.name == "details")
    assert "details" in {one.dependency.name for one in trials(found, target="local")}


def test_a_run_of_another_service_teaches_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its dependencies are not those of the service under test."""
    made = record()
    folder = tmp_path / "bundle"
    bundle.write_bundle(replace(made, plan=replace(made.plan, service="ratings")), folder)
    assert 2 == main(["suite", "--config", str(ROOT / "harness.yaml"), "--learn", str(folder)])
    assert "expected a run of reviews, found one of ratings" in capsys.readouterr().err
