"""Say what traces add to a cause that the counters have found: which operation it is, and how its calls are made.

Traces are a sample, so they never decide what the cause is. They tell what counters cannot: which operation of the
service makes the additional calls, whether these are sequential, how many requests call again, and the time that a
request spends outside of its calls. Nothing is said of an operation with few traces, or without a clear difference.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from harness.metrics.hop_sides import short
from harness.model.operations import operation_of
from harness.model.samples import ARMS
from harness.model.spans import Span
from harness.model.units import format_duration, format_percent

_FEW, _CLEAR = 5, 3.0
"""The fewest traces of an operation in each arm, and how many standard errors a difference needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A traced request to the service under test: its span, and those of the calls that it made, in order of time."""

    operation: str
    span: Span
    calls: tuple[Span, ...]

    def called(self, hop: str, *, attempts: bool) -> int:
        """Return how often it called a service; with ``attempts``, the proxy's own retries count too."""
        return sum(_attempts(one) if attempts else 1 for one in self.calls if short(one.service) == hop)

    @property
    def self_s(self) -> float:
        """The time in seconds in which it waited for none of its calls."""
        waited, until_ns = 0, self.span.start_ns
        for one in self.calls:
            end_ns = min(one.end_ns, self.span.end_ns)
            waited += max(0, end_ns - max(one.start_ns, until_ns))
            until_ns = max(until_ns, end_ns)
        return (self.span.duration_ns - waited) / 1e9

    def in_parallel(self, hop: str) -> bool:
        """Return whether two calls to a service overlap."""
        own = [one for one in self.calls if short(one.service) == hop]
        return any(after.start_ns < before.end_ns for before, after in pairwise(own))


_Pair = tuple[Sequence[Request], Sequence[Request]]


def extra_calls_in_traces(spans: Sequence[Span], hop: str, *, retries: bool) -> str:
    """Return the operation that calls ``hop`` more often, as the rest of a sentence; empty if no trace shows it.

    retries: whether the question is how many requests call again.
    """
    found: list[tuple[float, str]] = []
    for operation, pair in _by_operation(spans).items():
        counts = [np.array([one.called(hop, attempts=retries) for one in arm], np.float64) for arm in pair]
        pooled = sum(float(one.sum()) for one in counts) / sum(map(len, counts))
        spread = math.sqrt(max(pooled, 1e-9) * sum(1 / len(one) for one in counts))
        before, after = (float(one.mean()) for one in counts)
        if (after - before) / spread < _CLEAR:
            continue
        text = f"{operation} calls it {after:.1f} times (baseline: {before:.1f})"
        if retries:
            again = [float((one > 1).mean()) for one in counts]
            text = f"{format_percent(again[1])} of {operation} call it again (baseline: {format_percent(again[0])})"
        several = [one for one in pair[1] if one.called(hop, attempts=False) > 1]
        if several and not retries:
            parallel = sum(one.in_parallel(hop) for one in several) * 2 > len(several)
            text += ", at the same time" if parallel else ", one after the other"
        found.append(((after - before) * len(pair[1]), _of_traces(text, pair)))
    return max(found, default=(0.0, ""))[1]


def self_time_in_traces(spans: Sequence[Span]) -> str:
    """Return the operation whose time outside of calls grew most, as the rest of a sentence; empty if none did."""
    found: list[tuple[float, str]] = []
    for operation, pair in _by_operation(spans).items():
        before, after = (np.array([one.self_s for one in arm]) for arm in pair)
        middle = float(np.median(np.concatenate([before, after])))
        shares = [float((one > middle).mean()) for one in (before, after)]
        spread = 0.5 * math.sqrt(1 / len(before) + 1 / len(after))
        if (shares[1] - shares[0]) / spread < _CLEAR:
            continue
        low, high = float(np.median(before)), float(np.median(after))
        text = f"{operation} spends {format_duration(high)} outside of its calls (baseline: {format_duration(low)})"
        found.append(((high - low) * len(after), _of_traces(text, pair)))
    return max(found, default=(0.0, ""))[1]


def _of_traces(text: str, pair: _Pair) -> str:
    return f"; in {len(pair[0]) + len(pair[1])} traces, {text}"


def _by_operation(spans: Sequence[Span]) -> Mapping[str, _Pair]:
    """Return the requests of both arms by operation, where each arm has enough of them."""
    children: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in spans:
        children[span.trace_id, span.parent_id].append(span)
    found: dict[str, dict[str, list[Request]]] = defaultdict(lambda: {arm: [] for arm in ARMS})
    for span in spans:
        if span.arm:
            calls = sorted(children[span.trace_id, span.span_id], key=lambda one: one.start_ns)
            method, _, path = span.name.partition(" ")
            operation = operation_of(method, path)
            found[operation][span.arm].append(Request(operation=operation, span=span, calls=tuple(calls)))
    return {
        operation: (arms[ARMS[0]], arms[ARMS[1]])
        for operation, arms in sorted(found.items())
        if min(map(len, arms.values())) >= _FEW
    }


def _attempts(span: Span) -> int:
    text = str(span.attributes.get("attempts", ""))
    return max(1, int(text)) if text.isdecimal() else 1
