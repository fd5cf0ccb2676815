"""Ask for what shows little, a fault that disturbs nobody or a tolerance that nothing exceeds: it is said, not refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from recorded import record

from harness import abort
from harness.cli import main
from harness.judge.sequential import SequentialJudge
from harness.model.record import Record
from harness.report import page, terminal
from harness.runner.deciding import decide

ROOT = Path(__file__).parents[2]
EMPTY = "callers get an empty answer that says success: is an error meant?"
WIDE = "a tolerance of +10,000 % hardly excludes anything; is it in percent?"


def with_abort(status: int) -> Record:
    """A whole run whose fault answers calls with this status."""
    fault = abort("ratings", status, percent=30)
    made = record()
    counts = tuple(replace(one, fault=str(fault), declared=fault.declared("abort-0")) for one in made.fault_counts)
    phases = tuple(replace(one, faults=(str(fault),) if one.faults else ()) for one in made.plan.phases)
    return replace(made, fault_counts=counts, plan=replace(made.plan, phases=phases))


@pytest.mark.parametrize(("status", "said"), [(200, True), (302, True), (404, False), (503, False)])
def test_an_abort_that_says_success_is_named_in_the_verdict_and_the_report(status: int, said: bool) -> None:
    """Callers take it for an answer, so it tests what they do with an empty one."""
    made = with_abort(status)
    analysis = decide(made, SequentialJudge())
    assert said == (f"abort(ratings, {status}, 30 %): {EMPTY}" in analysis.warnings)
    for shown in (page.render(made, analysis), terminal.render(made, analysis)):
        assert said == (EMPTY in " ".join(shown.split()))


def test_the_plan_of_a_run_says_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything has been started."""
    project(tmp_path, monkeypatch)
    assert main(["plan", "--target", "local", "--abort", "ratings=200@30"]) == 0
    said = capsys.readouterr().out
    assert f"abort(ratings, 200, 30 %): {EMPTY}" in said
    assert WIDE in said
    main(["plan", "--target", "local", "--abort", "ratings=503@30"])
    assert EMPTY not in capsys.readouterr().out


def test_the_plan_of_a_scenario_says_both(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """``pytest --harness-plan`` shows them next to the phases of each run."""
    project(pytester.path, monkeypatch)
    pytester.makepyfile(
        "from harness import abort\ndef test_it(canary):\n    canary.run(faults=[abort('ratings', 200)])\n"
    )
    said = pytester.runpytest_subprocess("-p", "no:locust", "--harness-plan", "--harness-target=local").stdout.str()
    assert f"abort(ratings, 200, 100 %): {EMPTY}" in said
    assert WIDE in said


def project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's configuration with a tolerance of +10000 %."""
    settings = yaml.safe_load((ROOT / "harness.yaml").read_text())
    settings |= {"istio": [str(ROOT / "harness/demo/project/istio/*.yaml")]}
    settings["load"] |= {"folders": [str(ROOT / "loadprofiles")]}
    settings["objectives"] = ["error_rate < +1pp", "latency_p50 < +10000%"]
    (folder / "harness.yaml").write_text(yaml.safe_dump(settings))
    monkeypatch.chdir(folder)
