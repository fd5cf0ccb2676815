"""The pipeline for Brigade with jobs that really run, as processes of this machine: the real release and its real gates."""

from __future__ import annotations

import json
import sys

import brigade_events as made
import pytest
from brigade_events import FIXTURES, Worker, compiled
from checkers import ROOT, run
from gates import Gate

SCENARIO = '''
def test_slow_ratings(canary):
    """The new build is as good as the running one when ratings is slow."""
    canary.run(faults=[delay("ratings", "1s", percent=30)]).require_pass()
'''
PHASES = {"warm-up": "1s", "steady": "5s", "fault": "5s", "recovery": "4s"}
RELEASE = {"steps": [{"weight": "50%"}, {"weight": "100%"}], "scenarios": ["test_scenario.py"]}


@pytest.fixture
def laptop(tmp_path):
    """A project of the demo and the commands of the jobs; makes a worker. The stage ends with the test."""
    source, commands = tmp_path / "src-of-test", tmp_path / "bin"
    for folder in (source, commands):
        folder.mkdir()
    gate = Gate(source)
    gate.configure(phases=PHASES, release=RELEASE)
    gate.scenario(SCENARIO)
    (commands / "harness").write_text(f'#!/bin/sh\nexec {sys.executable} {FIXTURES}/harness_on_a_laptop.py "$@"\n')
    (commands / "curl").write_text("#!/bin/sh\nexit 0\n")
    for path in commands.iterdir():
        path.chmod(0o755)
    variables = {"PYTHONPATH": str(ROOT), "PATH": f"{commands}:{gate.environment['PATH']}"}
    code, said = compiled(tmp_path / "script")
    assert code == 0, said
    worker = Worker(script=tmp_path / "script" / "brigade.js", folder=tmp_path, preload="local-run.js")
    yield gate, lambda event: worker.work(event, LOCAL_SOURCE=str(source), LOCAL_VARIABLES=json.dumps(variables))
    run(sys.executable, "-m", "harness", "release", "down", cwd=tmp_path / "workspace" / "source", PYTHONPATH=str(ROOT))


def recorded(folder):
    """The record of the one release, and the verdicts of its gates."""
    (path,) = (folder / "workspace" / "source" / "reports" / "releases").glob("*/release.json")
    record = json.loads(path.read_text())
    return record["state"], [result["verdict"] for result in record["results"]]


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("canary", "ways"), [("good", {"promote", "hold"}), ("fragile", {"reject", "hold"})])
def test_the_gates_verdicts_decide_which_job_comes_next(tmp_path, laptop, canary, ways):
    """A good canary is promoted and a broken one rejected; a busy machine may leave both undecided, which holds."""
    gate, work = laptop
    gate.canary(canary)

    done = work(made.person(command="release", image="docker.io/shop/reviews:1.4"))

    jobs = [line.split()[1] for line in done.said.splitlines() if line.startswith("JOB ")]
    assert ["deploy", "gate"] == jobs[:2], done.said
    assert "keep-reports" == jobs[-1]
    (way,) = jobs[2:-1]
    assert way in ways, done.said
    state, verdicts = recorded(tmp_path)
    assert {"promote": "promoted", "reject": "rejected", "hold": None}[way] == state["outcome"]
    assert (way == "promote") == (verdicts == ["pass", "pass"])
    assert (way == "hold") == (state["phase"] == "held")
    assert (0 if way == "promote" else 1) == done.code
    assert not list((tmp_path / "src-of-test").glob("reports"))
