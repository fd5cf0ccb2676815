"""The spans of traced requests are kept in a bundle, one on each line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import recorded

from harness.bundle import read_bundle, write_bundle
from harness.errors import RecordError
from harness.model.spans import Span

SPAN = Span(
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7", parent_id="b7ad6b7169203331",
    service="reviews", arm="canary", name="GET /reviews/0", start_ns=1_700_000_000_123_456_789, duration_ns=2_000_000,
    status=503, flags="UH", attributes={"upstream_cluster": "ratings", "retries": 2, "error": True},
)  # fmt: skip


def test_spans_are_kept_one_on_each_line(tmp_path: Path) -> None:
    """They are read as they were written, to the nanosecond; a bundle without spans has no such file."""
    write_bundle(recorded.record(spans=(SPAN, SPAN)), tmp_path)
    assert 2 == len((tmp_path / "spans.ndjson").read_text().splitlines())
    assert (SPAN, SPAN) == read_bundle(tmp_path).spans
    write_bundle(recorded.record(), tmp_path)
    assert not (tmp_path / "spans.ndjson").exists()
    assert () == read_bundle(tmp_path).spans


def test_spans_keep_no_passwords(tmp_path: Path) -> None:
    """A URL among the attributes loses its user, password and secret parameters."""
    told = {"http.url": "http://ann:hunter2@shop/cart?token=hunter3"}
    write_bundle(recorded.record(spans=(Span(**{**fields(SPAN), "attributes": told}),)), tmp_path)
    assert "hunter" not in (tmp_path / "spans.ndjson").read_text()


def test_a_changed_file_of_spans_is_refused(tmp_path: Path) -> None:
    """It is part of the record."""
    write_bundle(recorded.record(spans=(SPAN,)), tmp_path)
    (tmp_path / "spans.ndjson").write_text("")
    with pytest.raises(RecordError, match=r"spans\.ndjson: missing or changed"):
        read_bundle(tmp_path)


def test_times_that_no_clock_shows_are_refused() -> None:
    """A span neither starts nor lasts less than 0 ns, or more than a signed number of 64 bits holds."""
    for wrong in ({"start_ns": -1}, {"duration_ns": 2**63}):
        with pytest.raises(ValueError, match=f"{next(iter(wrong))}: expected nanoseconds"):
            Span(**{**fields(SPAN), **wrong})


def test_what_counts_as_failed() -> None:
    """Status 5xx does, and work that its tracer marked; a delay that a fault injected does not."""
    healthy = {**fields(SPAN), "status": 200, "flags": "DI", "attributes": {}}
    assert Span(**{**healthy, "status": 500}).failed
    assert Span(**{**healthy, "attributes": json.loads('{"error": "true"}')}).failed
    assert not Span(**healthy).failed


def fields(span: Span) -> dict:
    """The fields of a span by name."""
    return {name: getattr(span, name) for name in Span.__dataclass_fields__}
