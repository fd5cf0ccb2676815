"""Traces of the worst requests as waterfalls: the rows of spans, each with its place in the time of its trace."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model import formatting
from harness.model.record import Record
from harness.model.samples import ARMS, CANARY
from harness.model.spans import Span
from harness.model.units import format_duration

_WORST = 3
_MOST_ROWS = 40
_DEEPEST = 8
_FLAGS = {
    "DI": "delayed by a fault", "FI": "aborted by a fault", "DC": "its caller gave up", "UT": "timed out",
    "UF": "could not connect", "UC": "the connection ended", "UR": "the service reset it", "LR": "the proxy reset it",
    "UH": "no healthy instance", "UO": "a circuit breaker refused it", "URX": "all retries failed", "NR": "no route",
    "RL": "a rate limit refused it", "SI": "the stream was idle",
}  # fmt: skip
"""What Envoy's response flags say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRow:
    """One span. start, share: where its bar begins and how long it is, as shares of the trace's time in [0, 1]."""

    depth: int
    service: str
    arm: str
    name: str
    at: str
    duration: str
    outcome: str
    failed: bool
    start: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One request. why: why it is shown. when: its start and phase. left_out: how many of its spans are not shown."""

    id: str
    why: str
    when: str
    duration: str
    rows: tuple[SpanRow, ...]
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """The traces to show. remark: what a reader has to know about them, because traces are a sample; may be empty."""

    traces: tuple[Trace, ...] = ()
    remark: str = ""


def worst_traces(record: Record) -> Worst:
    """Return the canary's worst traced requests, and one of the baseline to compare them with.

    The requests that failed come first, then the slowest ones. A trace belongs to the canary if the canary worked on
    it. Without a trace of the canary there is nothing to show. The baseline's request is the one of median duration in
    the phase of the worst one, or of the whole run if that phase has none.
    """
    of_arm: dict[str, list[tuple[Span, ...]]] = {arm: [] for arm in ARMS}
    for spans in _by_trace(record.spans):
        arms = {span.arm for span in spans}
        for arm in ARMS:
            if arm in arms:
                of_arm[arm].append(spans)
    canary = sorted(of_arm["canary"], key=lambda spans: (not spans[0].failed, -_length_ns(spans), spans[0].trace_id))
    if not canary:
        return Worst()
    shown = [_trace(record, spans, _why(spans)) for spans in canary[:_WORST]]
    phase = _phase(record, canary[0][0].start_ns)
    baseline = sorted(of_arm["baseline"], key=lambda spans: (_length_ns(spans), spans[0].trace_id))
    alike = [spans for spans in baseline if _phase(record, spans[0].start_ns) == phase] or baseline
    if alike:
        typical = alike[len(alike) // 2]
        shown.append(_trace(record, typical, "for comparison, a request to the baseline of median duration"))
    return Worst(traces=tuple(shown), remark=_remark(record, canary))


def _remark(record: Record, traced: Sequence[Sequence[Span]]) -> str:
    """Say so if requests to the canary failed, and none of them is among those that were traced."""
    samples = record.samples
    failed = int((samples.failed & (samples.arm == CANARY)).sum())
    if not failed or traced[0][0].failed:
        return ""
    return (
        "Requests are traced at random. No traced request to the canary failed (traced: "
        f"{formatting.count(len(traced))}), although {formatting.counted(failed, 'request')} did. "
        "These are the slowest."
    )


def _by_trace(spans: Sequence[Span]) -> list[tuple[Span, ...]]:
    """Return the spans of each trace; the earliest and longest one comes first, because it covers the whole request."""
    traces = defaultdict(list)
    for span in spans:
        traces[span.trace_id].append(span)
    return [tuple(sorted(found, key=lambda span: (span.start_ns, -span.duration_ns))) for found in traces.values()]


def _length_ns(spans: Sequence[Span]) -> int:
    return max(span.end_ns for span in spans) - spans[0].start_ns


def _why(spans: Sequence[Span]) -> str:
    return f"a {'failed' if spans[0].failed else 'slow'} request to the canary"


def _trace(record: Record, spans: Sequence[Span], why: str) -> Trace:
    start_ns, length_ns = spans[0].start_ns, _length_ns(spans)
    rows = [_row(span, depth, start_ns, length_ns) for span, depth in _in_order(spans)]
    return Trace(
        id=formatting.printable(spans[0].trace_id),
        why=why,
        when=_when(record, start_ns),
        duration=format_duration(length_ns / 1e9),
        rows=tuple(rows[:_MOST_ROWS]),
        left_out=max(len(rows) - _MOST_ROWS, 0),
    )


def _in_order(spans: Sequence[Span]) -> Iterator[tuple[Span, int]]:
    """Yield each span after its parent, with its depth. Spans of unknown parents, or in a circle, are at the top."""
    known = {span.span_id for span in spans}
    children = defaultdict(list)
    for span in spans:
        children[span.parent_id].append(span)
    tops = [span for span in spans if span.parent_id not in known or span.parent_id == span.span_id]
    seen: set[int] = set()
    for top in (*tops, *spans):  # the second round finds spans that no root leads to: they are parts of circles
        waiting = [(top, 0)]
        while waiting:
            span, depth = waiting.pop()
            if id(span) in seen:
                continue
            seen.add(id(span))
            yield span, depth
            waiting += [(child, depth + 1) for child in reversed(children[span.span_id])]


def _row(span: Span, depth: int, start_ns: int, length_ns: int) -> SpanRow:
    words = [str(span.status) if span.status else "", *map(_explained, filter(None, span.flags.split(",")))]
    return SpanRow(
        depth=min(depth, _DEEPEST),
        service=formatting.printable(span.service),
        arm=span.arm if span.arm in ARMS else "",
        name=formatting.printable(span.name),
        at=format_duration((span.start_ns - start_ns) / 1e9),
        duration=format_duration(span.duration_ns / 1e9),
        outcome=formatting.printable(", ".join(filter(None, words))),
        failed=span.failed,
        start=(span.start_ns - start_ns) / length_ns if length_ns else 0.0,
        share=span.duration_ns / length_ns if length_ns else 0.0,
    )


def _explained(flag: str) -> str:
    return f"{flag}: {_FLAGS[flag]}" if flag in _FLAGS else flag


def _when(record: Record, start_ns: int) -> str:
    """Return when a request began, in seconds since the first due request, and in which phase."""
    if record.load is None:
        return ""
    at_s, phase = start_ns / 1e9 - record.load.started_at, _phase(record, start_ns)
    return f"at {at_s:.2f} s" + (f", in {formatting.printable(phase)}" if phase else "")


def _phase(record: Record, start_ns: int) -> str:
    """Return the name of the phase in which a request began; empty between phases."""
    if record.load is None:
        return ""
    at_s = start_ns / 1e9 - record.load.started_at
    return next((phase.name for phase in record.phases if phase.start_s <= at_s < phase.end_s), "")
