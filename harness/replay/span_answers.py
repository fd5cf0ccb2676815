"""Find what a dependency answered, from the spans of its calls: to the microsecond, and by operation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from harness.model.operations import operation_of
from harness.model.record import Record
from harness.model.spans import Span
from harness.replay.script import Answers

FEWEST = 100
"""Spans from which a distribution is read."""
SIZE = "http.response.body.size"
"""The attribute of a span with the bytes of the answer's body."""
_MOST_OPERATIONS = 50
_BIN_MS = 0.01
_ITS_OWN = frozenset({"", "URX"})
"""Envoy's flags of calls that the service itself answered: none, or that no retry was left."""


def span_answers(record: Record, service: str) -> dict[tuple[str, str, str], Answers]:
    """Return what a service answered by phase, arm and operation, where there are enough spans.

    An empty phase means the steady phase, or all of them without one; an empty arm or operation means all of them.
    Calls that a fault hit and answers that a proxy made are left out. Operations are told apart only if there are
    several.
    """
    calls = list(_calls(record, service))
    operations = Counter(operation for _, _, operation, _ in calls)
    told = {name for name, _ in operations.most_common(_MOST_OPERATIONS)} if len(operations) > 1 else set()
    steady = any(phase == "steady" for phase, *_ in calls)
    groups: dict[tuple[str, str, str], list[Span]] = defaultdict(list)
    for phase, arm, operation, span in calls:
        for of_phase in {phase, *([""] if phase == "steady" or not steady else [])}:
            for of_arm in {arm, ""}:
                for of_operation in {"", *({operation} & told)}:
                    groups[of_phase, of_arm, of_operation].append(span)
    return {key: _answers(*key, spans) for key, spans in sorted(groups.items()) if len(spans) >= FEWEST}


def _calls(record: Record, service: str) -> Iterator[tuple[str, str, str, Span]]:
    """Yield the phase, the arm and the operation of each call that the service answered in a judged phase."""
    if record.load is None:
        return
    zero_ns = record.load.started_at * 1e9
    windows = [
        (phase.name, zero_ns + phase.start_s * 1e9, zero_ns + phase.end_s * 1e9)
        for phase in record.phases
        if phase.kind.judged
    ]
    arms = _arms(record.spans)
    for span in record.spans:
        if (
            span.service != service
            or span.flags not in _ITS_OWN
            or not span.status
            or not span.attributes.get("version")
        ):
            continue
        for name, begin_ns, end_ns in windows:
            if begin_ns <= span.start_ns < end_ns:
                method, _, path = span.name.partition(" ")
                yield name, span.arm or arms.get(span.trace_id, ""), operation_of(method, path), span


def _arms(spans: Sequence[Span]) -> Mapping[str, str]:
    """Return the arm of each trace: that of the version that worked on the request."""
    return {span.trace_id: span.arm for span in spans if span.arm}


def _answers(phase: str, arm: str, operation: str, spans: Sequence[Span]) -> Answers:
    sizes = Counter(int(size) for span in spans if (size := str(span.attributes.get(SIZE, ""))).isdecimal())
    latency = Counter(span.duration_ns // int(_BIN_MS * 1e6) for span in spans)
    return Answers(
        phase=phase,
        arm=arm,
        operation=operation,
        statuses=tuple(sorted(Counter(span.status for span in spans).items())),
        latency_ms=tuple((number * _BIN_MS, _BIN_MS, count) for number, count in sorted(latency.items())),
        size_bytes=tuple((float(size), 0.0, count) for size, count in sorted(sizes.items())),
    )
