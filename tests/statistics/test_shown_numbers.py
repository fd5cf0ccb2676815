"""The numbers that a finding shows are those that decided it, and what is missing can still be had."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from simulated import samples_of

from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import CANARY, Samples
from harness.model.verdict import Analysis, Finding, Verdict

KINDS = (PhaseKind.STEADY, PhaseKind.FAULT)


def judged(samples: Samples, *objectives: str, lengths: tuple[float, ...] = (60.0,), alpha: float = 0.01) -> Analysis:
    """What the judge says of a steady phase, and of a fault phase if there are two lengths."""
    phases, start_s = [], 0.0
    for kind, length_s in zip(KINDS, lengths, strict=False):
        phases.append(Phase(name=kind.value, kind=kind, start_s=start_s, end_s=start_s + length_s))
        start_s += length_s
    plan = Plan(
        scenario="s", service="shop", target="files", seed=1, canary_share=0.5, rate_rps=50.0,
        phases=tuple(PhasePlan(name=one.name, kind=one.kind, duration_s=one.duration_s) for one in phases),
        objectives=tuple(map(parse_objective, objectives)),
    )  # fmt: skip
    plan = replace(plan, judge=replace(plan.judge, alpha=alpha))
    return SequentialJudge().judge(Evidence(samples=samples, phases=tuple(phases)), plan, now_s=start_s, final=True)


def spread(samples: Samples, seconds: float) -> Samples:
    """The samples over a run of another length than a minute."""
    return replace(samples, due_s=samples.due_s * seconds / 60.0)


def excludes_tolerance(finding: Finding) -> bool:
    """Whether the interval that is shown lies beyond the tolerance."""
    return finding.low is not None and finding.margin is not None and finding.low > finding.margin


@pytest.mark.parametrize("seed", range(12))
def test_an_interval_beyond_the_tolerance_is_a_failure(seed: int) -> None:
    """A finding that is not failed shows an interval that reaches the tolerance, with the confidence that a fail needs."""
    for count in (40, 80, 160, 320):
        samples = samples_of(seed, count=count, canary_factor=2.0)
        finding = judged(samples, "latency_p50 < +20%", "error_rate < +1pp").findings[0]
        assert excludes_tolerance(finding) == (finding.verdict is Verdict.FAIL)
        if finding.confidence > 0.95:
            assert "interval, which a fail needs here" in finding.reason


def test_late_harm_is_shown_with_the_numbers_of_the_stretch_that_proved_it() -> None:
    """Harm that begins after two minutes of three is not diluted by the time before it."""
    samples = spread(samples_of(5, count=18000, errors=(0.01, 0.01)), 180.0)
    late = (samples.arm == CANARY) & (samples.due_s > 120) & (np.random.default_rng(1).random(len(samples)) < 0.025)
    samples = replace(samples, status=np.where(late, np.int16(503), samples.status))
    finding = judged(samples, "error_rate < +1pp", lengths=(180.0,)).findings[0]
    assert finding.verdict is Verdict.FAIL
    assert finding.difference == pytest.approx(0.025, abs=0.006)
    assert "in the steady phase (from 2m00s after its start on) is worse" in finding.reason


def test_nothing_more_is_asked_of_a_phase_that_is_over() -> None:
    """What is missing names the length of the phase in the next run."""
    p99, p50 = judged(samples_of(16, count=300), "latency_p99 < +10%", "latency_p50 < +3%").findings
    assert [Verdict.INCONCLUSIVE] * 2 == [p99.verdict, p50.verdict]
    assert "in the steady phase of the next run" in p99.missing
    assert "in the next run, let the steady phase last" in p50.missing
    assert " more at " not in p50.missing


def test_a_short_phase_is_watched_and_shows_the_interval_that_decided() -> None:
    """A pass of a phase under ten seconds says that it was only watched, and with what confidence."""
    samples = spread(samples_of(7, count=8000), 66.0)
    analysis = judged(samples, "error_rate < +1pp", "latency_p50 < +10%", lengths=(60.0, 6.0))
    assert analysis.verdict is Verdict.PASS
    assert "in 1 phase; fault only watched (too short to judge)" in analysis.reason
    for finding in analysis.findings[1::2]:
        assert finding.phase == "fault"
        assert finding.high is not None
        assert finding.margin is not None
        assert finding.high <= finding.margin
        assert "only watched" in finding.reason or "together with the steady phase" in finding.reason
