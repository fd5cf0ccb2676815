"""What ``harness demo`` says at its start and at each of its ends."""

import contextlib
from dataclasses import replace

import pytest
from recorded import record

from harness import gate
from harness.cli import demo, main
from harness.cli.demo_size import Machine
from harness.errors import EnvoyError
from harness.model.record import Event
from harness.model.verdict import Verdict
from harness.runner.deciding import decide
from harness.wiring import judge

BUSY = Machine(load=17.0, cpus=2, share=0.2, late_s=0.02)


@pytest.fixture
def call(monkeypatch, tmp_path):
    """Run the demo without a mesh and without measuring; ``judge`` takes the place of the run."""
    monkeypatch.setattr(demo, "measure", lambda: BUSY)

    def run(judge):
        monkeypatch.setattr(gate, "open_mesh", lambda *_, **__: contextlib.nullcontext())
        monkeypatch.setattr(gate, "judge_scenario", judge)
        return main(["demo", "--seed", "1", "--out", str(tmp_path)])

    return run


def test_a_demo_without_a_verdict_has_a_next_step(call, capsys):
    """After trouble of the machine or of Envoy too, the last line is what to do."""

    def judge(*_, **__):
        raise EnvoyError("the admin port did not answer within 10 s")

    assert 12 == call(judge)
    error, following = capsys.readouterr().err.splitlines()[-2:]
    assert "harness: the admin port did not answer within 10 s" == error
    assert following.startswith("next     this machine is busy (load 17 on 2 CPUs): close other programs")
    assert "demo --canary good --fault delay --seed 1" in following


def test_the_start_says_at_once_what_is_going_on(call, capsys, monkeypatch):
    """The target, and that the machine is measured, are said before it is; then what the run waits for."""
    said = []

    def judge(*_, **__):
        said.append(capsys.readouterr().err)
        raise EnvoyError("no")

    def measure():
        said.append(capsys.readouterr().err)
        return BUSY

    monkeypatch.setattr(demo, "measure", measure)
    call(judge)
    before, waiting = said
    assert ["target local (processes on this machine)", "measuring for"] == [
        before.splitlines()[0],
        before.splitlines()[1][:13],
    ]
    assert "waiting for the local mesh and its services to become ready" in waiting


def test_ctrl_c_says_what_was_reverted(call, capsys):
    """As under pytest."""

    def judge(*_, notify, **__):
        notify(Event(at_s=1.0, kind="rollback", text="delay: removing", fields={}))
        notify(Event(at_s=1.0, kind="rollback", text="delay: removed and verified", fields={"seconds": 0.1}))
        raise KeyboardInterrupt

    assert 130 == call(judge)
    last = capsys.readouterr().err.splitlines()[-3:]
    assert ["these changes were reverted:", "  delay: removed and verified"] == last[:2]


def test_the_demo_of_releases_gets_the_folder_of_recorded_runs(monkeypatch, tmp_path):
    """Without --out it is that of the configuration, else reports."""
    seen = []
    monkeypatch.setattr(demo.demo_release, "run", lambda _, out: seen.append(out) or 0)
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["demo", "--release"])
    assert 0 == main(["demo", "--release", "--out", "elsewhere"])
    assert [tmp_path / "reports", tmp_path / "elsewhere"] == seen


@pytest.mark.parametrize(("verdict", "shown"), [(Verdict.FAIL, True), (Verdict.PASS, False)])
def test_a_demo_that_failed_prints_the_command_that_replays_it(tmp_path, capsys, verdict, shown):
    """A pass has nothing to look into."""
    analysis = replace(decide(record(), judge("sequential")), verdict=verdict)
    outcome = gate.Outcome(record=record(), analysis=analysis, folder=tmp_path / "my runs")
    assert verdict.exit_code == demo._told(outcome, "harness demo", "")
    assert shown == (f"replay   harness replay '{tmp_path}/my runs'\n" in capsys.readouterr().out)
