"""The pipeline for Brigade with jobs that really run, as processes of this machine; the gate sends real load."""

from __future__ import annotations

import json
import sys

import brigade_events as made
import pytest
from brigade_events import FIXTURES, Worker, compiled
from checkers import ROOT
from gates import Gate

SCENARIO = '''
def test_slow_ratings(canary):
    """The new build is as good as the running one when ratings is slow."""
    canary.run(faults=[delay("ratings", "1s", percent=30)]).require_pass()
'''
DECISION = {"pass": "promote", "marginal": "hold", "inconclusive": "hold"}


@pytest.mark.parametrize(
    ("canary", "expected"), [("good", {"pass", "inconclusive"}), ("errors", {"fail", "inconclusive"})]
)
def test_the_gates_verdict_decides_which_job_comes_next(tmp_path, canary, expected):
    """A good canary passes and a broken one fails; a busy machine may leave both inconclusive, which holds."""
    code, said = compiled(tmp_path / "script")
    assert code == 0, said
    source, commands = tmp_path / "src-of-test", tmp_path / "bin"
    source.mkdir()
    gate = Gate(source)
    gate.configure()
    gate.canary(canary)
    gate.scenario(SCENARIO)
    commands.mkdir()
    (commands / "harness").write_text(f'#!/bin/sh\nexec {sys.executable} {FIXTURES}/harness_on_a_laptop.py "$@"\n')
    for name in ("executor", "curl"):
        (commands / name).write_text("#!/bin/sh\nexit 0\n")
    for path in commands.iterdir():
        path.chmod(0o755)
    variables = {"PYTHONPATH": str(ROOT), "PATH": f"{commands}:{gate.environment['PATH']}"}
    worker = Worker(script=tmp_path / "script" / "brigade.js", folder=tmp_path, preload="local-run.js")
    event = made.person(command="release", image="docker.io/shop/reviews:1.4")

    done = worker.work(event, LOCAL_SOURCE=str(source), LOCAL_VARIABLES=json.dumps(variables))

    work = tmp_path / "workspace" / "source"
    recorded = [json.loads(path.read_text())["verdict"] for path in work.glob("reports/*/*/analysis.json")]
    assert 1 == len(recorded), done.said
    assert recorded[0] in expected, done.said
    jobs = [line.split()[1] for line in done.said.splitlines() if line.startswith("JOB ")]
    assert ["deploy", "gate", DECISION.get(recorded[0], "reject"), "keep-reports"] == jobs, done.said
    assert (0 if recorded[0] == "pass" else 1) == done.code
    assert "deploy --image docker.io/shop/reviews:1.4" == (work / "steps").read_text().splitlines()[0]
    assert not list(source.glob("reports"))
