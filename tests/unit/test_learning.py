"""A calibration that runs keep up to date: where it is allowed, from every verdict, by machine and age."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import recorded

from harness import gate, wiring
from harness.config import read_config
from harness.errors import ConfigError, JudgeInputError
from harness.judge.calibration import read_calibration
from harness.judge.learned_noise import LearnedRun, known_on, updated
from harness.model.phase import Phase, PhaseKind
from harness.model.record import Record
from harness.runner.learning import known_noise, learn_from, machine

FILE = Path("calibration.json")


def run_of(number: int, *, day: str = "2026-11-20", on: str = "ci-1", noise: float = 0.02) -> LearnedRun:
    """One of many runs."""
    return LearnedRun(
        run=f"run-{number}", day=day, machine=on, load=number / 10, rate_rps=100.0, excess={"latency_p50": noise}
    )


def file_after(*runs: LearnedRun, text: str | None = None) -> str:
    """The file after these runs, one after the other."""
    for run in runs:
        text = updated(text, run, FILE, environment="shop on local")
    assert text is not None
    return text


def record_of(number: int, *, slower: float = 1.0, noise: float = 0.2) -> Record:
    """A run of a minute whose canary is slower, in which the arms take turns at being slow for seconds."""
    samples = recorded.samples(6000, seed=number)
    due_s = np.linspace(0, 60, 6000, endpoint=False)
    turn = np.random.default_rng(number).standard_normal(61)[due_s.astype(np.int64)]
    factor = np.where(samples.arm == 1, slower * np.exp(noise * turn), 1.0)
    steady = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=60.0)
    facts = {"run": f"run-{number}", "started": f"2026-11-{number:02d}T03:00:00+00:00", "load_average": [1.5, 1, 1]}
    changed = replace(samples, due_s=due_s, latency_s=samples.latency_s * factor)
    return replace(recorded.record(), samples=changed, phases=(steady,), manifest=facts)


def test_three_runs_of_any_verdict_are_a_calibration(tmp_path: Path) -> None:
    """The file that was not there names dates, machine and load; noise around the mean is learned, the mean is not."""
    found = {}
    for slower in (1.0, 1.5):
        file = tmp_path / f"{slower}" / "calibration.json"
        assert known_noise(file) is None
        for number in (10, 11, 12):
            assert learn_from(record_of(number, slower=slower), file) == ""
        known = known_noise(file)
        assert known is not None
        assert f"noise of 3 runs from 2026-11-10 to 2026-11-12 on {machine()}, load 1.5 to 1.5" in str(known)
        found[slower] = known.excess["latency_p50"]
        assert read_calibration(file.read_text(), file).excess == known.excess
    assert found[1.0] > 0.01
    assert found[1.5] == pytest.approx(found[1.0], rel=0.25)
    calm = tmp_path / "calm.json"
    for number in (10, 11, 12):
        learn_from(record_of(number, noise=0.0), calm)
    assert known_noise(calm).excess["latency_p50"] < found[1.0] / 3


def test_two_runs_say_nothing_yet() -> None:
    """Nor does the same run twice, nor the runs of another machine."""
    text = file_after(run_of(1), run_of(2), run_of(2), run_of(3, on="ci-2"))
    for name, said in (("ci-1", "noise of 2 runs"), ("ci-2", "noise of 1 run "), ("ci-3", "nothing learned on ci-3")):
        known = known_on(name, text, FILE)
        assert known.excess == {}
        assert said in str(known)


def test_no_run_counts_for_more_than_three_times_the_median() -> None:
    """Harm that begins late in one run is no reason to expect such noise in the next one."""
    text = file_after(*(run_of(number) for number in range(1, 10)), run_of(10, noise=50.0))
    assert known_on("ci-1", text, FILE).excess["latency_p50"] == pytest.approx(0.02 * (9 + 3) / 10)


def test_old_runs_are_forgotten() -> None:
    """What a machine was like three months before its newest run no longer counts, nor do more than thirty runs."""
    text = file_after(*(run_of(number, day="2026-05-01", noise=9.0) for number in range(5)))
    text = file_after(*(run_of(number) for number in range(10, 50)), text=text)
    known = known_on("ci-1", text, FILE)
    assert known.excess["latency_p50"] == pytest.approx(0.02)
    assert "noise of 30 runs from 2026-11-20" in str(known)


def test_what_equal_builds_showed_stays_in_force() -> None:
    """The larger noise counts, and how many equal runs failed is still said."""
    measured = {"format_version": 1, "environment": "ours", "runs": 5, "failed": 0, "control": None}
    for size, expected in ((0.5, 0.5), (0.001, 0.02)):
        text = json.dumps({**measured, "excess": {"latency_p50": size, "error_rate": 0.3}})
        known = known_on("ci-1", file_after(*map(run_of, range(4)), text=text), FILE)
        assert known.excess == {"error_rate": 0.3, "latency_p50": expected}
        assert "5 runs, 0 of them failed" in str(known)
        assert known_on("ci-9", file_after(run_of(1), text=text), FILE).excess["latency_p50"] == size


def test_a_file_that_is_no_calibration_is_left_as_it_is(tmp_path: Path) -> None:
    """The run keeps its verdict; the note says what was not learned."""
    file = tmp_path / "calibration.json"
    file.write_text("mine")
    assert learn_from(record_of(1), file).startswith("the noise of this run was not learned: ")
    assert file.read_text() == "mine"
    broken = json.loads(file_after(run_of(1)))
    for learned in ("none", [1], [{**broken["learned"][0], "day": "today"}], [{**broken["learned"][0], "load": -1}]):
        with pytest.raises(JudgeInputError, match="learned: expected the runs"):
            known_on("ci-1", json.dumps({**broken, "learned": learned}), FILE)


def test_a_short_steady_phase_adds_nothing(tmp_path: Path) -> None:
    """Ten seconds say little about noise."""
    short = replace(record_of(1), phases=(Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=10.0),))
    assert learn_from(short, tmp_path / "calibration.json") == ""
    assert list(tmp_path.iterdir()) == []


START = """\
service: shop
arms: {baseline: v1, canary: v2}
services:
  shop: {versions: {v1: {command: [a]}, v2: {command: [b]}}}
"""


def test_updating_needs_a_file_to_update(tmp_path: Path) -> None:
    """It is off by default; with it, the file need not exist yet."""
    file = tmp_path / "harness.yaml"
    file.write_text(START)
    assert not read_config(file).update_calibration
    file.write_text(START + "judge: {update-calibration: true, calibration: new.json}\n")
    assert read_config(file).update_calibration
    for judge in ("update-calibration: true", "calibration: new.json"):
        file.write_text(f"{START}judge: {{{judge}}}\n")
        with pytest.raises(ConfigError, match="expected a"):
            read_config(file)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_run_updates_the_file_only_where_that_is_allowed(tmp_path: Path, allowed: bool) -> None:
    """The gate learns from a run after its verdict, and the next run is planned with what was learned."""
    (tmp_path / "harness.yaml").write_text(
        f"{START}judge: {{calibration: noise.json, update-calibration: {str(allowed).lower()}}}\n"
    )
    file = tmp_path / "noise.json"
    file.write_text(file_after(*(run_of(number, on=machine()) for number in range(2))))
    config, before = read_config(tmp_path / "harness.yaml"), file.read_text()
    scenario = wiring.scenario(config, name="nightly", seed=1)
    notes: list[object] = []
    record = record_of(21)
    gate.judge_shared(record, scenario, config, folder=tmp_path / "run" / "one", again="", notify=notes.append)
    assert notes == []
    assert (file.read_text() != before) is allowed
    assert bool(wiring.judge_settings(config).noise) is allowed
