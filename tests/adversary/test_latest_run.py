"""Attempts to get the verdict of another scenario or of an older run for that of the newest run."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
from pathlib import Path

import pytest
from recorded import parse_objective, plan, record, samples

from harness import gate, run_folder
from harness.cli import main
from harness.model.samples import CANARY, Samples

PASS, FAIL = 0, 1


def slow(made: Samples) -> Samples:
    """The same requests, with a canary that is far too slow."""
    return dataclasses.replace(made, latency_s=made.latency_s * (1 + 4 * (made.arm == CANARY)))


@pytest.fixture(scope="module")
def bundles(tmp_path_factory) -> dict[str, Path]:
    """A bundle that passes and one that fails."""
    folder = tmp_path_factory.mktemp("bundles")
    wide = dataclasses.replace(
        plan(), objectives=tuple(map(parse_objective, ("latency_p50 < +50%", "error_rate < +9pp")))
    )
    found = {"pass": record(plan=wide), "fail": record(plan=wide, samples=slow(samples()))}
    for name, one in found.items():
        assert name == gate.judge_record(one, folder / name, "sequential").analysis.verdict
    return {name: folder / name for name in found}


@pytest.fixture
def made(bundles, tmp_path):
    """Makes a run with bundles of these verdicts; ``code`` is its exit code, None if it was killed."""

    def make(name: str, *verdicts: str, code: int | None = 0) -> Path:
        run_folder.begin_run(tmp_path / name)
        for number, verdict in enumerate(verdicts):
            shutil.copytree(bundles[verdict], tmp_path / name / f"test-{number}")
        if code is not None:
            run_folder.finish_run(tmp_path / name, code)
        return tmp_path / name

    return make


@pytest.mark.parametrize("command", ["judge", "show"])
def test_a_killed_run_is_not_hidden_by_an_older_pass(tmp_path, made, command, capsys):
    """It has no bundle at all, and is still the latest run: no verdict."""
    made("20261123-0900-aaaa", "pass")
    made("20261123-0901-aaaa", code=None)
    assert 12 == main([command, "latest", "--out", str(tmp_path)])
    assert "an unfinished run" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["judge", "show"])
def test_a_run_that_was_killed_after_its_first_pass_does_not_pass(tmp_path, made, command, capsys):
    """The verdict of one of its scenarios is shown, and the run as a whole has none."""
    made("20261123-0900-aaaa", "pass", code=None)
    assert 12 == main([command, "latest", "--out", str(tmp_path)])
    said = capsys.readouterr()
    assert "PASS" in said.out
    assert "an unfinished run" in said.err


@pytest.mark.parametrize("command", ["judge", "show"])
def test_two_fails_and_a_last_pass_are_a_fail(tmp_path, made, command, capsys):
    """Latest is the run and not its newest test."""
    folder = made("20261123-0900-aaaa", "fail", "fail", "pass", code=1)
    assert FAIL == main([command, "latest", "--out", str(tmp_path)])
    assert "3 scenarios: 2 fail, 1 pass" in capsys.readouterr().out
    assert FAIL == main([command, str(folder)])
    assert PASS == main([command, str(folder / "test-2")])


@pytest.mark.parametrize("command", ["judge", "show"])
@pytest.mark.parametrize("code", [2, 3, 4, 5, 12, 130])
def test_a_run_in_which_a_scenario_had_no_verdict_does_not_pass(tmp_path, made, command, code, capsys):
    """The other scenario has no folder if its service did not start, so the exit code of the run is recorded."""
    made("20261123-0900-aaaa", "pass", code=code)
    assert 12 == main([command, "latest", "--out", str(tmp_path)])
    assert f"ended with exit code {code}" in capsys.readouterr().err


def test_show_has_the_code_of_a_session_that_failed_otherwise(tmp_path, made, capsys):
    """A test may fail by an assertion of its own after its verdict was pass."""
    made("20261123-0900-aaaa", "pass", code=1)
    assert FAIL == main(["show", "latest", "--out", str(tmp_path)])
    assert "exit code 1" in capsys.readouterr().out


def test_an_older_run_without_mark_is_read_and_its_unfinished_scenario_is_trouble(tmp_path, made, capsys):
    """Older versions wrote no run.json, and left the folder of a killed scenario without a manifest."""
    folder = made("20261123-0900-aaaa", "pass")
    (folder / "run.json").unlink()
    assert PASS == main(["show", "latest", "--out", str(tmp_path)])
    (folder / "test-killed" / "logs").mkdir(parents=True)
    assert 12 == main(["show", "latest", "--out", str(tmp_path)])
    assert "test-killed" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", "{", '{"exit_code": "0"}', '{"exit_code": true}'])
def test_a_broken_mark_never_ends_in_a_pass(tmp_path, made, content):
    """A run.json that was cut or edited says nothing about the end of the run."""
    folder = made("20261123-0900-aaaa", "pass")
    (folder / "run.json").write_text(content)
    assert 12 == main(["show", "latest", "--out", str(tmp_path)])


def test_json_of_a_run_with_several_scenarios_has_them_all(tmp_path, made, capsys):
    """One analysis for a bundle, a list for a run with more than one."""
    folder = made("20261123-0900-aaaa", "fail", "pass", code=1)
    assert FAIL == main(["judge", str(folder), "--json"])
    assert ["fail", "pass"] == sorted(one["verdict"] for one in json.loads(capsys.readouterr().out))


def test_runs_are_listed_with_the_unfinished_ones(tmp_path, made, capsys):
    """Time, scenarios, verdicts and the worst of them, for people and for programs."""
    made("20261123-0900-aaaa", "fail", "pass", code=1)
    made("20261123-0901-bbbb", "pass", code=None)
    edited = made("20261123-0902-cccc", "pass")
    (edited / "test-0" / "analysis.json").write_text("{}")
    assert 0 == main(["runs", "--out", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert ["20261123-0900-aaaa", "20261123-0901-bbbb", "20261123-0902-cccc"] == [
        word for line in lines for word in line.split() if word.startswith("2026112")
    ]
    assert "1 fail, 1 pass" in lines[1]
    assert "unfinished" in lines[2]
    assert 0 == main(["runs", "--out", str(tmp_path), "--json"])
    first, second, third = json.loads(capsys.readouterr().out)["runs"]
    assert ("fail", 2, True) == (first["worst"], len(first["scenarios"]), first["finished"])
    assert ("trouble", False) == (second["worst"], second["finished"])
    assert "trouble" == third["worst"]
    assert "analysis.json" in third["scenarios"][0]["trouble"]


def test_no_runs_are_said(tmp_path, capsys):
    """An empty folder is no error of the command."""
    assert 0 == main(["runs", "--out", str(tmp_path)])
    assert "no runs" in capsys.readouterr().out


CONFIG = """
service: api
arms: {baseline: v1, canary: v2}
services: {api: {versions: {v1: {address: "127.0.0.1:1"}, v2: {address: "127.0.0.1:2"}}}}
"""
MARKED = "def test_marked(_harness_test): {}"


def sessions(pytester) -> list[run_folder.RecordedRun]:
    """The runs that pytest left."""
    return list(run_folder.all_runs(pytester.path / "reports"))


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=["alone", "xdist"])
@pytest.mark.parametrize(("body", "code"), [("pass", 12), ("assert 0", 1)])
def test_a_pytest_run_marks_its_start_and_its_end(pytester, args, body, code):
    """With its exit code, with and without workers; a scenario without a verdict is no pass."""
    pytester.makefile(".yaml", harness=CONFIG)
    pytester.makepyfile(MARKED.format(body))
    result = pytester.runpytest_subprocess("-p", "no:locust", *args)
    assert code == result.ret
    (run,) = sessions(pytester)
    assert (True, code) == (run.finished, run.exit_code)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_or_interrupted_pytest_run_stays_unfinished(pytester, number):
    """Nothing more is written, or the interrupt is no end."""
    pytester.makefile(".yaml", harness=CONFIG)
    pytester.makepyfile(f"import os, signal\n{MARKED.format(f'os.kill(os.getpid(), {int(number)})')}")
    pytester.runpytest_subprocess("-p", "no:locust")
    (run,) = sessions(pytester)
    assert not run.finished
    assert 12 == main(["show", "latest", "--out", str(pytester.path / "reports")])


def test_a_pytest_run_without_scenarios_leaves_no_folder(pytester):
    """Nobody's reports folder fills with empty runs."""
    pytester.makepyfile("def test_x(): pass")
    pytester.runpytest_subprocess("-p", "no:locust")
    assert not (pytester.path / "reports").exists()
