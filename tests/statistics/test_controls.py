"""The gate's test of itself: equal builds must not fail, and a canary made worse by what the plan promises must."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated import SECONDS, samples_of

from harness.bundle import write_bundle
from harness.cli import main
from harness.judge.control import Control, controls, worse
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Record
from harness.model.samples import CANARY

OBJECTIVES = tuple(parse_objective(text) for text in ("latency_p50 < +15%", "error_rate < +2pp", "throughput > -10%"))
STEADY = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=SECONDS)
COUNT = 8000


def equal_runs(number):
    """Recorded runs of equal builds."""
    return [Evidence(samples=samples_of(seed, count=COUNT), phases=(STEADY,)) for seed in range(number)]


def plan_of(objectives=OBJECTIVES):
    """The plan that the runs were made with."""
    phase = PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=SECONDS)
    return Plan(
        scenario="equal", service="s", target="local", phases=(phase,), objectives=objectives, canary_share=0.5,
        rate_rps=COUNT / SECONDS, seed=7,
    )  # fmt: skip


def test_a_judge_that_sees_what_the_plan_promises_is_fit():
    """Most of the runs fail when their canary is worse by the promised difference; what cannot be made is not fit."""
    latency, errors, throughput = controls(equal_runs(12), plan_of(), seed=1)
    assert (latency.fit, errors.fit, throughput.fit) == (True, True, None)
    assert (latency.runs, errors.runs, throughput.runs) == (12, 12, 0)
    assert "worse by +" in str(latency)
    assert "not tested" in str(throughput)


def paused(run, seed):
    """The run with pauses of both arms, at different times, that make latencies far from independent."""
    rng, samples = np.random.default_rng(seed), run.samples
    slow = rng.random((2, 100)) < 0.3
    block = (samples.due_s / SECONDS * 99.9).astype(int)
    latency_s = samples.latency_s * np.where(slow[samples.arm, block], 3.0, 1.0)
    return replace(run, samples=replace(samples, latency_s=latency_s))


def test_noise_that_the_plan_does_not_know_makes_an_objective_unfit():
    """Pauses hide the difference that independent requests would show; the sentence counts the misses."""
    runs = [paused(run, number) for number, run in enumerate(equal_runs(12))]
    latency = controls(runs, plan_of(OBJECTIVES[:1]), seed=1)[0]
    assert latency.fit is False
    assert f"failed in {latency.seen} of 12 runs" in str(latency)
    assert "UNFIT" in str(latency)


@pytest.mark.parametrize(("seen", "fit"), [(20, True), (18, True), (16, False), (0, False)])
def test_an_objective_is_unfit_if_its_misses_are_unlikely_at_the_promised_power(seen, fit):
    """One or two misses of twenty happen at a power of 95 %; four do not."""
    made = Control(objective=OBJECTIVES[0], phase="steady", difference=0.2, relative=True, runs=20, seen=seen)
    assert made.fit is fit


def test_only_the_canary_of_the_phase_and_endpoint_is_made_worse():
    """All other requests stay as they were."""
    samples = samples_of(3, count=COUNT)
    half = replace(STEADY, end_s=SECONDS / 2)
    rng = np.random.default_rng(1)
    slower = worse(samples, OBJECTIVES[0], half, difference=0.5, relative=True, rng=rng)
    chosen = (samples.arm == CANARY) & (samples.due_s < SECONDS / 2)
    assert np.allclose(slower.latency_s, samples.latency_s * np.where(chosen, 1.5, 1.0))
    failing = worse(samples, OBJECTIVES[1], half, difference=0.2, relative=False, rng=rng)
    assert not (failing.failed & ~samples.failed & ~chosen).any()
    assert abs(failing.failed[chosen].mean() - samples.failed[chosen].mean() - 0.2) < 0.05
    elsewhere = replace(OBJECTIVES[0], labels={"endpoint": "/nowhere"})
    assert np.array_equal(
        worse(samples, elsewhere, half, difference=0.5, relative=True, rng=rng).latency_s, samples.latency_s
    )


@pytest.mark.parametrize(("sent", "code", "word"), [(COUNT, 0, ": fit;"), (COUNT // 8, 1, ": UNFIT;")])
def test_the_command_tests_recorded_runs_of_equal_builds(tmp_path, capsys, sent, code, word):
    """``harness calibrate --control`` returns 1 where less load was sent than the plan promises with, and says so."""
    folders = [str(tmp_path / f"equal-{number}") for number in range(5)]
    for number, folder in enumerate(folders):
        write_bundle(recorded(number, sent), Path(folder))
    saved = tmp_path / "calibration.json"
    assert main(["calibrate", *folders, "--save", str(saved), "--control"]) == code
    assert word in capsys.readouterr().out
    assert json.loads(saved.read_text())["control"] is (code == 0)


def recorded(seed, count):
    """A recorded run of equal builds."""
    samples = samples_of(seed, count=count)
    return Record(plan=plan_of(OBJECTIVES[:1]), phases=(STEADY,), samples=samples, load=None)
