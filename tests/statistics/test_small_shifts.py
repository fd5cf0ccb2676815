"""Harm of latencies needs no margin where the noise was learned, and keeps one where latencies are tied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import SECONDS, samples_of

from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import FailOn, SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import CANARY, Samples
from harness.model.verdict import Verdict

PLAN = Plan(
    scenario="small shifts", service="shop", target="files", seed=1, canary_share=0.5, rate_rps=1000.0,
    phases=(PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=SECONDS),),
    objectives=tuple(map(parse_objective, ("latency_p50 < +10%", "latency_p90 < +10%"))),
)  # fmt: skip
CALIBRATED = replace(PLAN, judge=replace(PLAN.judge, noise={"latency_p50": 0.0, "latency_p90": 0.0}))


def fails(samples: Samples, plan: Plan = CALIBRATED) -> bool:
    """Whether any harm is proven at the end of the run."""
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=SECONDS)
    evidence = Evidence(samples=samples, phases=(phase,))
    judge = SequentialJudge(fail_on=FailOn.ANY_HARM)
    return judge.judge(evidence, plan, now_s=SECONDS, final=True).verdict is Verdict.FAIL


def test_two_percent_are_proven_and_equal_arms_are_not():
    """With 100,000 requests, most runs that are 2 % slower fail (with a margin of a bin: few), and no equal ones."""
    slower = sum(fails(samples_of(seed, count=100_000, canary_factor=1.02)) for seed in range(10))
    equal = sum(fails(samples_of(seed, count=100_000)) for seed in range(10))
    assert slower >= 7
    assert equal == 0


def test_one_run_cannot_tell_one_percent_from_noise():
    """Without a calibration, a canary that is 1 % slower does not fail, however many requests show it."""
    slower = samples_of(1, count=500_000, canary_factor=1.01)
    assert fails(slower)
    assert not fails(slower, PLAN)


@pytest.mark.parametrize("position", [0.0, 0.999])
def test_tied_latencies_less_than_a_bin_apart_are_no_harm(position):
    """Two constants 0.4 % apart may lie in two bins, so that all requests of one arm are above those of the other."""
    samples = samples_of(1, count=20_000)
    edge_s = 1e-6 * 1.01 ** (1000 + position)
    constant = replace(samples, latency_s=np.where(samples.arm == CANARY, edge_s * 1.004, edge_s))
    assert not fails(constant)
