"""The judge of a first release: limits, and whether the build gets back to its own steady phase."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from kayenta_builders import PHASES, plan, samples

from harness.judge.alone import NOTE, AloneJudge
from harness.judge.port import Evidence
from harness.model.phase import Phase, PhaseKind
from harness.model.samples import BASELINE, CANARY
from harness.model.verdict import Analysis, Verdict

RECOVERY = Phase(name="recovery", kind=PhaseKind.RECOVERY, start_s=90, end_s=120)
WITH_RECOVERY = (*PHASES[:2], dataclasses.replace(PHASES[2], end_s=90), RECOVERY)


def decided(
    *objectives: str, slow_from_s: float = 1e9, times: float = 3.0, phases: tuple[Phase, ...] = WITH_RECOVERY
) -> Analysis:
    """The analysis of a build that becomes slow; its twin, which nobody compares it with, is slow all the time."""
    seen = samples()
    slow = np.where((seen.arm == CANARY) & (seen.due_s >= slow_from_s), times, np.where(seen.arm == BASELINE, 9.0, 1.0))
    whole = dataclasses.replace(seen, latency_s=seen.latency_s * slow)
    return AloneJudge().judge(Evidence(samples=whole, phases=phases), plan(*objectives), now_s=120.0, final=True)


def test_a_build_within_its_limits_that_recovers_passes():
    """The twin is not considered, and the analysis says what was not judged."""
    found = decided("latency_p50 < +50%", "error_rate < 5%")
    assert (Verdict.PASS, "alone", NOTE) == (found.verdict, found.judge, found.warnings[0])


def test_a_broken_limit_fails():
    """A limit is the only thing that can prove harm without a running build."""
    assert Verdict.FAIL is decided("latency_p50 < 1ms", "latency_p50 < +50%").verdict


def test_a_build_that_does_not_recover_is_held():
    """Slower after the fault than in its own steady phase: marginal, with the objective and what was allowed."""
    found = decided("latency_p50 < +50%", "error_rate < 5%", slow_from_s=65.0)
    assert Verdict.MARGINAL is found.verdict
    assert "latency_p50 < +50% of its own steady phase" in found.reason
    assert found.score < 95


def test_a_build_that_is_slow_only_during_the_fault_passes():
    """Nobody knows what a fault may cost without a running build; limits with the label phase say it."""
    assert Verdict.PASS is decided("latency_p50 < +50%", slow_from_s=65.0, times=1.0).verdict
    limited = "latency_p50{phase=fault} < 60ms"
    assert Verdict.FAIL is decided(limited, slow_from_s=65.0).verdict


@pytest.mark.parametrize("objective", ["latency_p50 < +50%", "interaction(error_rate) < +1pp"])
def test_nothing_to_judge_is_no_pass(objective: str):
    """Without a limit and without a recovery phase nothing is known about the build."""
    assert Verdict.INCONCLUSIVE is decided(objective, phases=PHASES).verdict
