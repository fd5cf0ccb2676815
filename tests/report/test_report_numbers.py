"""The numbers in the report's charts and tables match the samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import report_records as records

from harness.model.samples import CANARY
from harness.model.verdict import Verdict
from harness.report import tables
from harness.report.buckets import MOST_BUCKETS, buckets
from harness.report.changes import changes
from harness.report.findings import counts, unaccounted, worst_deviation
from harness.report.quantiles import quantiles


def test_buckets_add_up_to_the_samples() -> None:
    """Every request of a known arm is in one bucket, and each bucket has nearest-rank quantiles and its errors."""
    record = records.record(Verdict.FAIL)
    seen = buckets(record, end_s=150.0)
    samples = record.samples
    assert seen.width_s == 1.0
    for arm, columns in enumerate(seen.arms):
        assert columns.n.sum() == (samples.arm == arm).sum()
        own = samples.where((samples.arm == arm) & (samples.due_s >= 80.0) & (samples.due_s < 81.0))
        assert columns.n[80] == len(own)
        ordered = np.sort(own.latency_s)
        assert columns.p50_s[80] == ordered[int(np.ceil(0.5 * len(own))) - 1]
        assert columns.p99_s[80] == ordered[int(np.ceil(0.99 * len(own))) - 1]
        assert columns.errors[80] == own.failed.mean()
    assert seen.sent_rps == pytest.approx(100.0, rel=0.03)


def test_buckets_without_requests_are_gaps() -> None:
    """A bucket without requests has no quantile and no error rate, and nothing was sent in it."""
    record = records.record(Verdict.INCONCLUSIVE)
    seen = buckets(record, end_s=150.0)
    empty = seen.arms[CANARY].n == 0
    assert empty.any()
    for column in (seen.arms[CANARY].p50_s, seen.arms[CANARY].p99_s, seen.arms[CANARY].errors):
        assert (np.isnan(column) == empty).all()
    assert seen.sent_rps.min() == 0.0


@pytest.mark.parametrize("end_s", [0.05, 3.3, 45.2, 150.0, 3601.0, 90_000.0])
def test_buckets_are_never_too_many(end_s: float) -> None:
    """A run of any length is drawn with at most 300 points per line, and its last bucket ends with the run."""
    record = records.record()
    within = record.samples.due_s < end_s
    seen = buckets(replace(record, samples=record.samples.where(within)), end_s=end_s)
    assert 1 <= len(seen.at_s) <= MOST_BUCKETS
    assert seen.end_s == end_s
    assert sum(arm.n.sum() for arm in seen.arms) == (within & (record.samples.arm >= 0)).sum()


def test_quantile_band_contains_the_true_difference() -> None:
    """For equal arms the pointwise band around their difference contains zero at about 95 of 100 quantiles."""
    held = []
    for seed in range(40):
        record = records.record(seed=seed)
        seen = quantiles(record.samples, record.phases[1])
        held.append(np.mean((seen.low <= 0) & (seen.high >= 0)))
        assert (np.diff(seen.baseline_s) >= 0).all()
        assert (1 - seen.shares[-1]) * min(seen.n) == pytest.approx(10)
    assert 0.90 <= np.mean(held) <= 0.99


def test_status_table_counts_every_response() -> None:
    """In each phase the counts of an arm's statuses add up to its requests, and errors are marked as bad."""
    record = records.record(Verdict.FAIL)
    for table, phase in zip(tables.status_tables(record), record.phases[1:], strict=True):
        own = tables.inside(record.samples, phase)
        statuses = [row for row in table.rows if row.label.startswith("HTTP") or row.label == "no answer"]
        for column in (0, 1):
            total = sum(int(row.counts[column].split()[0].replace(",", "")) for row in statuses)
            assert total == (own.arm == column).sum()
        assert {row.label: row.bad for row in statuses} == {"HTTP 200": False, "HTTP 503": True, "no answer": True}


def test_requests_of_no_known_arm_have_a_column() -> None:
    """Requests of no known arm are counted in a separate column, not dropped."""
    record = records.record(Verdict.PASS)
    table = tables.status_tables(record)[0]
    assert table.arms == ("baseline", "canary", "unknown arm")
    row = next(row for row in table.rows if row.label == "no answer")
    inside = tables.inside(record.samples, record.phases[1])
    assert row.counts[2].startswith(f"{(inside.arm == -1).sum()} ")


def test_worst_requests_are_the_worst() -> None:
    """The tables list the canary's slowest requests and its first failures in the phase with the most errors."""
    record = records.record(Verdict.FAIL)
    samples = record.samples.where(record.samples.arm == CANARY)
    assert [row.latency for row in tables.slowest(record)] == [
        f"{s:.3g} s" for s in np.sort(samples.latency_s)[::-1][:5]
    ]
    assert [row.at for row in tables.failures(record)] == [
        f"{s:.2f} s" for s in samples.due_s[samples.failed & (samples.due_s >= 70.4)][:5]
    ]


def test_failures_of_judged_phases_come_first() -> None:
    """A reader looks for what decided, and the warm-up decides nothing."""
    record = records.record(Verdict.FAIL)
    samples = record.samples
    status = np.where((samples.arm == CANARY) & (samples.due_s < 10), np.int16(503), samples.status)
    found = tables.failures(replace(record, samples=replace(samples, status=status)))
    assert {"fault"} == {row.phase for row in found}


def test_changes_show_what_was_inserted_and_that_nothing_remains() -> None:
    """The first diff shows the split's lines, the second shows none, and fields that the server sets are ignored."""
    record = records.record()
    after = tuple({**r, "metadata": {**r["metadata"], "resourceVersion": "17"}} for r in record.resources["after"])
    during, left = changes(replace(record, resources={**record.resources, "after": after}))
    assert ("hunk", "VirtualService bookinfo/reviews (changed)") in during.lines
    assert ("add", "+      weight: 30") in during.lines
    assert left.lines == ()


def test_score_and_lost_points_add_up_to_100() -> None:
    """The score, the points that findings cost and those of no finding add up to 100."""
    for verdict in Verdict:
        _, analysis = records.run(verdict)
        lost = sum(finding.points_lost for finding in analysis.findings)
        assert analysis.score + lost + unaccounted(analysis) == pytest.approx(100, abs=0.05)


def test_worst_deviation_comes_from_the_worst_verdict() -> None:
    """The one-line summary names the failed SLI with the largest difference, its phase and its interval."""
    record, analysis = records.run(Verdict.FAIL)
    assert worst_deviation(record, analysis) == "error_rate in fault: +4.46 pp [+4.28, +4.63]"
    assert [verdict for verdict, _ in counts(analysis)] == [Verdict.FAIL, Verdict.PASS]
    assert worst_deviation(record, replace(analysis, findings=())) == ""
