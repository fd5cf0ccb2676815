"""Requests that a fault may have answered do not count for the phase before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from recorded import record

from harness.model.phase import Phase, PhaseKind
from harness.runner.phase_edges import before_faults

STEADY = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=10.0)
FAULT = Phase(name="fault", kind=PhaseKind.FAULT, start_s=10.1, end_s=20.0)
RECOVERY = Phase(name="recovery", kind=PhaseKind.RECOVERY, start_s=20.0, end_s=30.0)


def samples(*due_and_latency):
    """Samples with these due times and latencies in seconds."""
    rows = record().samples.where(np.arange(len(record().samples)) < len(due_and_latency))
    due, latency = zip(*due_and_latency, strict=True)
    return replace(rows, due_s=np.array(due), latency_s=np.array(latency))


def test_a_request_on_its_way_when_the_fault_begins_is_left_out():
    """Every request that is due after it is left out too, even a quick one."""
    steady, fault, recovery = before_faults((STEADY, FAULT, RECOVERY), samples((9.8, 2.0), (9.9, 0.01), (5.0, 0.1)))
    assert steady.end_s == 9.8
    assert (fault, recovery) == (FAULT, RECOVERY)


def test_a_phase_without_such_a_request_keeps_its_length():
    """All answers came before the fault."""
    assert before_faults((STEADY, FAULT), samples((9.8, 0.1))) == (STEADY, FAULT)


def test_a_request_that_hangs_costs_at_most_a_fifth_of_the_phase():
    """Such a request was slow before the fault began."""
    assert before_faults((STEADY, FAULT), samples((1.0, 60.0)))[0].end_s == 8.0


def test_a_run_without_a_fault_keeps_its_phases():
    """No fault could have changed an answer."""
    assert before_faults((STEADY, RECOVERY), samples((9.8, 30.0))) == (STEADY, RECOVERY)
    assert before_faults((), samples((9.8, 30.0))) == ()
