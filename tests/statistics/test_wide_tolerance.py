"""Tolerances of more than 100 % are possible, for rough gates."""

import numpy as np
import pytest

from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import Samples
from harness.model.verdict import Verdict


@pytest.mark.parametrize("text", ["latency_p50 < +200%", "latency_p99 < +100%", "throughput > -99%"])
def test_a_tolerance_of_100_percent_and_more_is_judged(text):
    """Equal arms pass such a tolerance."""
    rng = np.random.default_rng(5)
    count = 6000
    samples = Samples(
        due_s=np.linspace(0, 30, count, endpoint=False), latency_s=rng.lognormal(-4, 0.3, count), late_s=np.zeros(count),
        status=np.full(count, 200, np.int16), arm=rng.integers(0, 2, count).astype(np.int8),
        operation=np.zeros(count, np.int16), error=np.zeros(count, np.int16), size=np.zeros(count, np.int32),
        operations=("/",), errors=("",),
    )  # fmt: skip
    phase = PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=30.0)
    plan = Plan(
        scenario="s", service="s", target="local", phases=(phase,), objectives=(parse_objective(text),),
        canary_share=0.5, rate_rps=200.0, seed=1,
    )  # fmt: skip
    window = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=30.0)
    analysis = SequentialJudge().judge(Evidence(samples=samples, phases=(window,)), plan, now_s=30.0, final=True)
    assert Verdict.PASS is analysis.verdict
