"""The traces of the worst requests are drawn as waterfalls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import report_records as records
from browsing import complaints, show
from playwright.sync_api import Page
from test_report_page import OVERFLOWING, written

from harness.model.record import Record
from harness.model.samples import CANARY
from harness.model.spans import Span
from harness.model.verdict import Verdict
from harness.report.traces import worst_traces

MS = 1_000_000


def span(trace: str, name: str, parent: str = "", *, at_ms: float = 0, ms: float = 10, **more: object) -> Span:
    """A span of a trace; it begins so long after the first due request."""
    started_ns = int(1795439465 * 1e9)
    values = {"service": name, "name": f"GET /{name}", **more}
    return Span(
        trace_id=trace, span_id=f"{trace}-{name}", parent_id=parent and f"{trace}-{parent}",
        start_ns=started_ns + int(at_ms * MS), duration_ns=int(ms * MS), **values,
    )  # fmt: skip


def request(trace: str, arm: str, *, at_ms: float, ms: float, status: int = 200) -> tuple[Span, ...]:
    """A request through the gateway to the service under test, which calls ratings."""
    return (
        span(trace, "ratings", "reviews", at_ms=at_ms + 2, ms=ms - 4, flags="DI", status=status),
        span(trace, "reviews", "gateway", at_ms=at_ms + 1, ms=ms - 2, arm=arm, status=status),
        span(trace, "gateway", at_ms=at_ms, ms=ms, status=status),
    )


def traced() -> Record:
    """A run with seven traced requests."""
    slow = [request(f"c{number}", "canary", at_ms=80_000 + number, ms=100.0 * number) for number in range(1, 5)]
    failed = request("broken", "canary", at_ms=90_000, ms=20, status=503)
    baseline = [request(f"b{number}", "baseline", at_ms=80_500, ms=20.0 * number) for number in range(1, 4)]
    return replace(
        records.record(Verdict.FAIL), spans=tuple(one for spans in (*slow, failed, *baseline) for one in spans)
    )


def test_failed_requests_come_first_then_slow_ones() -> None:
    """Three of the canary, and the baseline's request of median duration to compare them with."""
    found = worst_traces(traced()).traces
    assert ["broken", "c4", "c3", "b2"] == [trace.id for trace in found]
    assert "a failed request to the canary" == found[0].why
    assert "at 90.00 s, in fault" == found[0].when


def test_children_follow_their_parents() -> None:
    """Each span is indented below the one that caused it, and its bar lies within that of its parent."""
    rows = worst_traces(traced()).traces[1].rows
    assert [("gateway", 0), ("reviews", 1), ("ratings", 2)] == [(row.service, row.depth) for row in rows]
    assert [(0.0, 1.0), (0.0025, 0.995), (0.005, 0.99)] == [(row.start, row.share) for row in rows]
    assert ("200, DI: delayed by a fault", "396 ms", "2 ms") == (rows[2].outcome, rows[2].duration, rows[2].at)


def test_circles_and_unknown_parents_are_shown_too() -> None:
    """Every span has one row, whatever it says about its parent."""
    odd = (
        span("t", "a", "b", arm="canary"), span("t", "b", "a"), span("t", "c", "c"), span("t", "d", "unseen", ms=0),
    )  # fmt: skip
    (found,) = worst_traces(replace(traced(), spans=odd)).traces
    assert sorted("abcd") == sorted(row.service for row in found.rows)


def test_long_traces_are_cut() -> None:
    """A page stays readable: forty spans are shown, and the number of the others is named."""
    deep = [span("t", "s0", arm="canary"), *(span("t", f"s{n}", f"s{n - 1}") for n in range(1, 5000))]
    (found,) = worst_traces(replace(traced(), spans=tuple(deep))).traces
    assert (40, 4960) == (len(found.rows), found.left_out)
    assert 8 == found.rows[-1].depth


def test_runs_without_traces_of_the_canary_show_none() -> None:
    """Neither the section nor the link to it is there."""
    only_baseline = replace(traced(), spans=request("b", "baseline", at_ms=0, ms=5))
    assert () == worst_traces(only_baseline).traces
    assert () == worst_traces(records.record(Verdict.FAIL)).traces


def test_it_is_said_that_no_failed_request_was_traced() -> None:
    """Traces are a sample: a reader must not take the slowest requests for those that failed."""
    record = traced()
    assert "" == worst_traces(record).remark
    healthy = replace(record, spans=tuple(one for one in record.spans if one.status < 500))
    failed = int((record.samples.failed & (record.samples.arm == CANARY)).sum())
    assert f"No traced request to the canary failed (traced: 4), although {failed} requests did." in (
        worst_traces(healthy).remark
    )
    assert "" == worst_traces(replace(healthy, samples=record.samples.where(~record.samples.failed))).remark


def test_the_baseline_is_compared_in_the_same_phase() -> None:
    """A request of the steady phase says little next to one that a fault delayed."""
    steady = [request(f"s{number}", "baseline", at_ms=20_000, ms=10.0 * number) for number in range(1, 6)]
    spans = (*traced().spans, *(one for spans in steady for one in spans))
    assert "b2" == worst_traces(replace(traced(), spans=spans)).traces[-1].id
    assert (
        "s3"
        == worst_traces(replace(traced(), spans=(*request("c", "canary", at_ms=20_000, ms=9), *spans[-15:])))
        .traces[-1]
        .id
    )


@pytest.mark.parametrize("width", [1280, 380])
def test_waterfall_in_the_page(page: Page, tmp_path: Path, width: int) -> None:
    """The page links the traces from the steps, fits the window, and shows hostile names as text."""
    record = traced()
    evil = "<img src=x onerror=\"document.title='owned'\">"
    spans = (*record.spans, span("broken", "x", "ratings", at_ms=90_002, ms=1, service=evil, flags=evil))
    show(page, written(tmp_path, replace(record, spans=spans), records.analysis(record, Verdict.FAIL)), width=width)
    assert "#traces" in page.evaluate("[...document.querySelectorAll('.steps a')].map(a => a.getAttribute('href'))")
    page.evaluate("document.querySelector('details.traces').open = true")
    assert 4 == page.evaluate("document.querySelectorAll('.waterfall').length")
    assert page.evaluate(
        "[...document.querySelectorAll('.waterfall svg')].every(s => s.getBoundingClientRect().width > 60)"
    )
    assert page.evaluate("document.querySelectorAll('img').length") == 0
    assert evil in page.evaluate("document.querySelector('.waterfall').textContent")
    assert page.evaluate(OVERFLOWING) == []
    assert complaints(page) == []
