"""What traces add to the probable cause: the operation, how its calls are made, and the time outside of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import recorded

from harness.metrics.hops import probable_cause
from harness.metrics.traced_calls import extra_calls_in_traces, self_time_in_traces
from harness.model.hops import Hop
from harness.model.spans import Span

MS = 1_000_000


def trace(arm: str, number: int, *, path: str = "/items/7", own: int = 20, calls: tuple[int, ...] = (0,)) -> list[Span]:
    """One request that works for ``own`` ms and calls prices, each call taking 8 ms from so many ms on."""
    name = f"{arm}-{path}-{number}"
    ends = max((start + 8 for start in calls), default=0)
    top = Span(
        trace_id=name, span_id="top", service="shop", arm=arm, name=f"GET {path}", start_ns=1000 * MS,
        duration_ns=(ends + own) * MS, attributes={"version": arm},
    )  # fmt: skip
    called = Span(
        trace_id=name, span_id="", parent_id="top", service="prices", name="GET /prices/7", start_ns=0, duration_ns=8 * MS
    )  # fmt: skip
    starts = enumerate(calls)
    return [
        top,
        *(replace(called, span_id=f"call-{index}", start_ns=(1000 + start) * MS) for index, start in starts),
    ]


def traces(
    baseline: tuple[int, ...], canary: tuple[int, ...], *, path: str = "/items/7", own: int = 20
) -> Iterator[Span]:
    """Twelve requests to each arm, of which those to the canary call and work like this."""
    for number in range(12):
        yield from trace("baseline", number, path=path, calls=baseline)
        yield from trace("canary", number, path=path, calls=canary, own=own)


def test_the_operation_that_makes_the_extra_call_is_named() -> None:
    """Objects of one operation are the same operation; the one that calls as before is not named."""
    spans = [*traces((0,), (0, 8, 16)), *traces((0,), (0,), path="/items/7/stock")]
    expected = "; in 24 traces, GET /items/* calls it 3.0 times (baseline: 1.0), one after the other"
    assert expected == extra_calls_in_traces(spans, "prices", retries=False)


def test_calls_at_the_same_time_are_told_from_those_one_after_the_other() -> None:
    """Only the latter make a request longer."""
    assert extra_calls_in_traces([*traces((0,), (0, 1, 2))], "prices", retries=False).endswith(", at the same time")


def test_retries_are_counted_by_request() -> None:
    """How many requests call again says more than a mean."""
    expected = "; in 24 traces, 100 % of GET /items/* call it again (baseline: 0 %)"
    assert expected == extra_calls_in_traces([*traces((0,), (0, 9, 18))], "prices", retries=True)


def test_the_time_outside_of_calls_is_compared_by_operation() -> None:
    """Calls that overlap are waited for once."""
    expected = "; in 24 traces, GET /items/* spends 35 ms outside of its calls (baseline: 20 ms)"
    assert expected == self_time_in_traces([*traces((0, 4), (0, 8), own=35)])


def test_few_traces_and_equal_builds_add_nothing() -> None:
    """A sample that shows nothing takes nothing away from what the counters have found."""
    equal, few = [*traces((0,), (0,))], [*trace("baseline", 1), *trace("canary", 1, calls=(0, 8, 16), own=90)]
    for spans in (equal, few, []):
        assert "" == extra_calls_in_traces(spans, "prices", retries=False) == self_time_in_traces(spans)


def test_the_probable_cause_of_a_run_names_the_operation() -> None:
    """Counters decide; traces of its phase add the operation, and those of another phase nothing."""
    record = recorded.record(hops=tuple(hops()))
    zero_ns = int(1e9 * recorded.load_report().started_at)
    for at_s, inside in ((3.0, True), (1e6, False)):
        spans = tuple(
            replace(one, start_ns=one.start_ns + zero_ns + int(1e9 * at_s)) for one in traces((0,), (0, 8, 16))
        )
        cause = probable_cause(replace(record, spans=spans))
        assert "calls prices 3.00 times per request" in cause
        assert inside == ("in 24 traces, GET /items/* calls it 3.0 times" in cause)


def hops() -> Iterator[Hop]:
    """What the proxies counted of the steady phase."""
    for arm, version, calls in (("baseline", "v2", 1000), ("canary", "v3", 3000)):
        to_reviews = Hop(
            phase="steady", arm=arm, caller="loadgenerator", destination="reviews", version=version, calls=1000
        )
        yield to_reviews
        yield replace(to_reviews, caller=f"reviews-{version}", destination="prices", version="v1", calls=calls)
