"""Each proof about the load fails when its condition is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.load.parent.proofs import load_proofs, load_warnings
from harness.model.load import LoadReport

GOOD = LoadReport(
    planned=1000,
    recorded=1000,
    counted=1000,
    dropped=0,
    late_p50_s=50e-6,
    late_p99_s=0.8e-3,
    workers=2,
    workers_alive=2,
    cpu_share=0.4,
    started_at=0.0,
    exit_code=0,
)


def failed(report: LoadReport | None) -> list[str]:
    """Return the names of the failed proofs."""
    return [proof.name for proof in load_proofs(report) if not proof.held]


def test_a_load_as_planned_holds_every_proof():
    """There is no failed proof and no warning."""
    assert failed(GOOD) == []
    assert load_warnings(GOOD) == ()


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"recorded": 990, "counted": 990, "silent": 10}, ["load sent"]),
        ({"recorded": 0, "counted": 0, "silent": 1000}, ["load sent"]),
        ({"planned": 0, "recorded": 0, "counted": 0}, ["load sent"]),
        ({"recorded": 999, "counted": 999, "dropped": 1}, ["no arrival dropped"]),
        ({"late_p99_s": 0.011}, ["load on time"]),
        ({"counted": 1001}, ["samples counted"]),
        ({"counted": 999}, ["samples counted"]),
        ({"counted": None}, ["samples counted"]),
        ({"workers_alive": 1, "recorded": 700, "counted": 700}, ["load sent", "load workers alive"]),
        ({"answered": 0}, ["load answered"]),
        ({"broken": "no space left on device"}, ["load recorded"]),
        ({"task_errors": 1}, ["load profile's tasks"]),
        ({"unfinished": 1}, ["load profile's tasks"]),
        ({"cpu_share": 0.95}, ["load generator's CPU"]),
    ],
    ids=str,
)
def test_a_broken_load_fails_the_proofs_that_name_the_problem(change, names):
    """Exactly the proofs about the problem fail."""
    assert failed(replace(GOOD, **change)) == names


def test_unanswered_requests_explain_a_lower_count():
    """Locust does not count requests that never ended, but they are samples; no sample is lost."""
    assert failed(replace(GOOD, counted=990, unanswered=10)) == []
    assert failed(replace(GOOD, counted=990, unanswered=9)) == ["samples counted"]


def test_a_run_without_a_report_proves_nothing():
    """A missing report is a failed proof."""
    assert failed(None) == ["load"]


def test_lateness_between_one_and_ten_milliseconds_is_a_warning():
    """The proofs hold, and a warning says how much the lateness blurs the latencies."""
    (warning,) = load_warnings(replace(GOOD, late_p99_s=4e-3))
    assert "4 ms late" in warning
    assert failed(replace(GOOD, late_p99_s=4e-3)) == []


def test_a_late_load_gives_a_failed_proof_and_a_warning():
    """Lateness that fails the proof also blurs the latencies."""
    late = replace(GOOD, late_p99_s=11e-3)
    assert failed(late) == ["load on time"]
    assert "11 ms late" in load_warnings(late)[0]


def test_the_closed_model_gives_a_warning():
    """There are no proofs about arrivals; a warning says that slow moments are underrepresented."""
    closed = replace(GOOD, closed=True, planned=0, late_p99_s=0.0)
    assert failed(closed) == []
    assert "closed model" in load_warnings(closed)[0]
