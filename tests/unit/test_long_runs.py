"""Runs of absurd length: a phase that lasted for weeks costs the judges no more than one of an hour."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import recorded

from harness.judge.kayenta.judge import KayentaJudge
from harness.judge.limits import LimitsJudge
from harness.judge.port import Judge
from harness.judge.sequential import MOST_BLOCKS, SequentialJudge, block_seconds
from harness.judge.time_series import MOST_SPANS, spans_of
from harness.model.phase import Phase, PhaseKind
from harness.model.verdict import Verdict
from harness.runner.deciding import decide
from harness.stats.table import reduce_samples

_WEEKS_S = 1e6


def _phase(seconds: float) -> Phase:
    return Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=seconds)


def test_a_run_longer_than_planned_has_a_bounded_number_of_blocks() -> None:
    """The width of the blocks follows what was observed, where that is far longer than the plan."""
    plan = recorded.plan()
    assert block_seconds(plan, [_phase(plan.duration_s)]) == block_seconds(plan)
    assert block_seconds(plan, [_phase(2 * plan.duration_s + 60)]) == block_seconds(plan)
    assert _WEEKS_S / block_seconds(plan, [_phase(_WEEKS_S)]) <= MOST_BLOCKS


def test_intervals_of_a_long_phase_are_longer() -> None:
    """No judge of time series compares more than ``MOST_SPANS`` intervals in a phase, and none is left out."""
    spans = spans_of(_phase(_WEEKS_S), 1.0, until_s=_WEEKS_S)
    assert (len(spans), spans[-1].end_s) == (MOST_SPANS, pytest.approx(_WEEKS_S))


@pytest.mark.parametrize("judge", [SequentialJudge(), LimitsJudge(), KayentaJudge()], ids=lambda judge: judge.name)
@pytest.mark.timeout(120)
def test_weeks_are_judged_quickly(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of weeks for a plan of seconds is judged; with blocks of half a second it took gigabytes and minutes."""
    sizes: list[int] = []

    def counted(*args: object, **options: object) -> object:
        table = reduce_samples(*args, **options)
        sizes.append(int(table.cells[:, 1].max()))
        return table

    monkeypatch.setattr("harness.judge.sequential.reduce_samples", counted)
    record = recorded.record()
    due_s = np.linspace(0, _WEEKS_S, len(record.samples), endpoint=False)
    samples = dataclasses.replace(record.samples, due_s=due_s)
    long = dataclasses.replace(record, samples=samples, phases=(_phase(_WEEKS_S),))
    assert decide(long, judge).verdict is not Verdict.FAIL
    assert all(size <= MOST_BLOCKS for size in sizes)
