"""Read what each arm answers and calls from Istio's metrics in a Prometheus, where the proxies were not asked.

Calls are those that the arm's own proxies counted. Answers are counted by the answering pods if both arms have them,
which tells the instance too. Only blocks of time inside a phase count, so the counts are those of a part of it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from harness.metrics.increases import Floats, summed
from harness.metrics.promql import INSTANCES
from harness.metrics.promql import summed as summed_by
from harness.metrics.sources import PrometheusSource, Span, Words
from harness.model.hops import Hop, call_failed
from harness.model.phase import Phase
from harness.model.server_indicator import Matcher, Selector

_CALLER, _CALLED = ("source_workload",), ("destination_service", "destination_version")
_OUTCOME = ("response_code", "grpc_response_status", "response_flags")
_ALSO = {"istio_requests_total": ("envoy_istio_requests_total",)}
_LATENCY = "istio_request_duration_milliseconds"


@dataclass(slots=True)
class _Sums:
    calls: float = 0.0
    errors: float = 0.0
    injected: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)
    edges: Counter[float] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True, kw_only=True)
class HopReader:
    """Reads the hops of both arms. zero_s: when the times of phases begin, by the clock of the server."""

    source: PrometheusSource
    arms: Mapping[str, Words]
    span: Span
    zero_s: float

    def hops(self, phases: Sequence[Phase], reporter: str) -> tuple[Hop, ...]:
        """Return the hops of the judged phases. reporter: who counts the answers of both arms.

        Raises MetricsError if the server does not answer.
        """
        asked = [text for arm in self.arms for text in self._queries(arm, reporter)]
        self.source.prefetch(asked, self.span)
        judged = [(phase.name, self._inside(phase)) for phase in phases if phase.kind.judged]
        return tuple(hop for arm in self.arms for hop in self._of(arm, reporter, judged))

    def _queries(self, arm: str, reporter: str) -> Iterator[str]:
        """Yield the queries for the calls of an arm, for its answers, and for the latencies of both."""
        words = self.arms[arm]
        for which in (_calls(), _answers(reporter)):
            yield summed_by(which, words, by=(*INSTANCES, *_CALLER, *_CALLED, *_OUTCOME))
            buckets = replace(which, metric=_LATENCY, also=(f"envoy_{_LATENCY}",))
            yield summed_by(buckets, words, suffix="_bucket", by=(*INSTANCES, *_CALLER, *_CALLED, "le"))

    def _of(self, arm: str, reporter: str, judged: Sequence[tuple[str, NDArray[np.bool_]]]) -> Iterator[Hop]:
        calls, call_times, answers, answer_times = self._queries(arm, reporter)
        for counted, timed, own in ((calls, call_times, False), (answers, answer_times, True)):
            instances = own and reporter == "destination"
            rows = [*self._growth(counted), *self._growth(timed)]
            for phase, inside in judged:
                sums: dict[tuple[str, ...], _Sums] = {}
                for labels, growth in rows:
                    instance = (labels.get("pod") or labels.get("instance", "")) if instances else ""
                    key = (*(labels.get(name, "") for name in (*_CALLER, *_CALLED)), instance)
                    _add(sums.setdefault(key, _Sums()), labels, float(np.nansum(growth[inside])))
                yield from (_hop(phase, arm, key, one) for key, one in sorted(sums.items()) if round(one.calls))

    def _growth(self, query: str) -> Iterator[tuple[Mapping[str, str], Floats]]:
        """Yield the labels of each counter and its growth by block; it begins at zero where its instance exists."""
        found = [(dict(_label(one) for one in key), row) for key, row in self.source.asked(query, self.span).items()]
        whole: dict[tuple[str, ...], Floats] = {}
        for labels, row in found:
            own = tuple(labels.get(name, "") for name in INSTANCES)
            known = np.where(np.isfinite(row), row, 0.0)
            there = np.isfinite(row) | np.isfinite(whole.get(own, np.full(len(row), np.nan)))
            whole[own] = np.where(there, known + np.nan_to_num(whole.get(own, np.zeros(len(row)))), np.nan)
        for labels, row in found:
            own = tuple(labels.get(name, "") for name in INSTANCES)
            yield labels, summed({own: row}, among={own: whole[own]}, blocks=len(row) - 1)

    def _inside(self, phase: Phase) -> NDArray[np.bool_]:
        instants = self.span.instants - self.zero_s
        start, end = instants[:-1], instants[1:]
        inside: NDArray[np.bool_] = (start - self.span.interval_s >= phase.start_s - 1e-6) & (end <= phase.end_s + 1e-6)
        return inside


def _calls() -> Selector:
    own = (Matcher(label="source_workload", operator="=", value="{workload}"),)
    return _reported(own, "source")


def _answers(reporter: str) -> Selector:
    own = (
        Matcher(label="destination_service_name", operator="=", value="{service}"),
        Matcher(label="destination_version", operator="=", value="{version}"),
    )
    return _reported(own, reporter)


def _reported(own: tuple[Matcher, ...], reporter: str) -> Selector:
    name = "istio_requests_total"
    matchers = (*own, Matcher(label="reporter", operator="=", value=reporter))
    return Selector(metric=name, matchers=matchers, also=_ALSO[name])


def _label(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _add(own: _Sums, labels: Mapping[str, str], count: float) -> None:
    if "le" in labels:
        own.edges[float(labels["le"])] += count  # type: ignore[assignment]  # a Counter of parts of calls
        return
    status, flags = labels.get("response_code", ""), labels.get("response_flags", "")
    injected = "FI" in flags
    own.calls += count
    own.injected += count if injected or "DI" in flags else 0.0
    own.errors += count if not injected and call_failed(status, labels.get("grpc_response_status", "")) else 0.0
    if status.isdecimal():
        own.statuses[int(status)] += round(count)


def _hop(phase: str, arm: str, key: tuple[str, ...], own: _Sums) -> Hop:
    caller, destination, version, instance = key
    return Hop(
        phase=phase,
        arm=arm,
        caller=caller,
        destination=destination,
        version="" if version == "unknown" else version,
        instance=instance,
        calls=round(own.calls),
        errors=round(own.errors),
        injected=round(own.injected),
        latency_ms=_bins(own.edges),
        statuses=tuple(sorted((status, count) for status, count in own.statuses.items() if count)),
    )


def _bins(edges: Mapping[float, float]) -> tuple[tuple[float, float, int], ...]:
    found, low, below = [], 0.0, 0.0
    for edge in sorted(edges):
        if round(edges[edge] - below) > 0:
            found.append((low, edge - low if math.isfinite(edge) else 0.0, round(edges[edge] - below)))
        low, below = edge, max(edges[edge], below)
    return tuple(found)
