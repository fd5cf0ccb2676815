"""Count what each workload calls from the standard metrics of Istio that sidecars show.

Istio counts a request at its caller and at the called pod. The caller's count is taken where there is one: it has the
calls that never arrived and the time of injected delays. Calls from outside of the namespace, such as a gateway's, are
counted by the pods that answer them. Those pods also tell the latencies of each instance.

A pod that restarts counts from zero again, so growth is added up pod by pod and the totals never fall.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from harness.clients.prometheus_text import Sample
from harness.errors import MeshError
from harness.model.hops import GIVEN_UP, Bin, HopTotal, call_failed

PATH = "/stats/prometheus?filter=" + quote("istio.*(requests_total|request_duration|response_bytes|attempts_total)")
_NAME = re.compile(
    r"(envoy_)?istio_(?P<what>requests_total|attempts_total|(request_duration_milliseconds|response_bytes)_bucket)"
)
_CALLS, _ATTEMPTS = "requests_total", "attempts_total"
_LATENCY, _SIZE = "request_duration_milliseconds_bucket", "response_bytes_bucket"
_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One counter of one pod. instance: the pod, if it is the one that answered. edge: of a bucket, in its unit."""

    what: str
    reporter: str
    caller: str
    caller_version: str
    app: str
    destination: str
    version: str
    instance: str
    status: str
    grpc: str
    flags: str
    edge: float | None

    @property
    def hop(self) -> tuple[str, ...]:
        """What identifies the hop."""
        return self.caller, self.caller_version, self.app, self.destination, self.version, self.instance

    @property
    def failed(self) -> bool:
        """Whether the calls failed."""
        return call_failed(self.status, self.grpc)


@dataclass(slots=True)
class _Sums:
    calls: int = 0
    errors: int = 0
    injected: int = 0
    attempts: int | None = None
    statuses: Counter[int] = field(default_factory=Counter)
    edges: dict[str, Counter[float]] = field(default_factory=lambda: {_LATENCY: Counter(), _SIZE: Counter()})
    given_up: Counter[float] = field(default_factory=Counter)
    instances: dict[str, Counter[float]] = field(default_factory=dict)


class HopCounter:
    """Adds up what the sidecars have counted, from one reading to the next."""

    def __init__(self, load_workload: str, load_name: str) -> None:
        """load_workload: the workload of the load generator in the metrics; load_name: what hops call it."""
        self._names = {load_workload: load_name}
        self._last: dict[tuple[str, _Row], float] = {}
        self._grown: Counter[_Row] = Counter()

    def read(self, pages: Mapping[str, Iterable[Sample]]) -> tuple[HopTotal, ...]:
        """Return the totals of every hop. pages: by pod, what its sidecar shows at ``PATH``.

        Raises MeshError if none of them shows a metric of Istio, and for a count that is no number.
        """
        now: Counter[tuple[str, _Row]] = Counter()
        for pod, samples in pages.items():
            for row, count in self._rows(pod, samples):
                now[pod, row] += count
        if pages and not now and not self._last:
            raise MeshError("the proxies show no metrics of Istio, so nobody knows what each workload calls")
        for (pod, row), count in now.items():
            before = self._last.get((pod, row), 0)
            self._grown[row] += round(count - before if count >= before else count)
        self._last.update(now)
        return self._totals()

    def _rows(self, pod: str, samples: Iterable[Sample]) -> Iterator[tuple[_Row, int]]:
        for sample in samples:
            name, labels = _NAME.fullmatch(sample.name), sample.labels
            if name is None:
                continue
            if not math.isfinite(sample.value):
                raise MeshError(f"{sample.name}: expected a count in the metrics of {pod}, found {sample.value}")
            reporter, caller = labels.get("reporter", ""), labels.get("source_workload", "")
            version = labels.get("destination_version", "")
            row = _Row(
                what=name["what"],
                reporter=reporter,
                caller=self._names.get(caller, caller),
                caller_version=labels.get("source_version", ""),
                app=labels.get("source_app", ""),
                destination=labels.get("destination_service", ""),
                version="" if version == _UNKNOWN else version,
                instance=pod if reporter == "destination" else "",
                status=labels.get("response_code", ""),
                grpc=labels.get("grpc_response_status", ""),
                flags=labels.get("response_flags", ""),
                edge=_edge(labels.get("le")),
            )
            yield row, int(sample.value)

    def _totals(self) -> tuple[HopTotal, ...]:
        at_caller = {(row.caller, row.destination) for row in self._grown if row.reporter == "source"}
        sums: dict[tuple[str, ...], _Sums] = {}
        for row, count in self._grown.items():
            arrived = row.reporter == "destination" and (row.caller, row.destination) not in at_caller
            if row.reporter == "source" or arrived:
                _add(sums.setdefault(row.hop, _Sums()), row, count)
            elif row.reporter == "destination" and row.what == _LATENCY and row.edge is not None:
                at_the_caller = sums.setdefault((*row.hop[:-1], ""), _Sums())
                at_the_caller.instances.setdefault(row.instance, Counter())[row.edge] += count
        return tuple(_total(hop, own) for hop, own in sorted(sums.items()))


def _edge(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError as error:
        raise MeshError(f"expected the edge of a bucket in the metrics of a proxy, found {text!r}") from error


def _add(own: _Sums, row: _Row, count: int) -> None:
    if row.what == _CALLS:
        injected = "FI" in row.flags
        own.calls += count
        own.injected += count if injected or "DI" in row.flags else 0
        own.errors += count if row.failed and not injected else 0
        if count and row.status.isdecimal():
            own.statuses[int(row.status)] += count
    elif row.what == _ATTEMPTS:
        own.attempts = (own.attempts or 0) + count
    elif row.edge is not None and (row.what == _LATENCY or row.status != GIVEN_UP):
        own.edges[row.what][row.edge] += count
        if row.status == GIVEN_UP:
            own.given_up[row.edge] += count


def _total(hop: tuple[str, ...], own: _Sums) -> HopTotal:
    caller, caller_version, app, destination, version, instance = hop
    return HopTotal(
        caller=caller,
        caller_version=caller_version,
        app=app,
        destination=destination,
        version=version,
        instance=instance,
        calls=own.calls,
        errors=own.errors,
        injected=own.injected,
        attempts=own.attempts,
        latency_ms=_bins(own.edges[_LATENCY]),
        given_up_ms=_bins(own.given_up),
        size_bytes=_bins(own.edges[_SIZE]),
        statuses=dict(own.statuses),
        instances={name: _bins(edges) for name, edges in own.instances.items()},
    )


def _bins(counts: Mapping[float, int]) -> dict[Bin, int]:
    """Return the counts between the edges of classic buckets, which count everything below.

    What is above the last edge is put at it: nobody knows how far above it is.
    """
    found: dict[Bin, int] = {}
    low, below = 0.0, 0
    for edge in sorted(counts):
        if counts[edge] > below:
            found[low, edge - low if math.isfinite(edge) else 0.0] = counts[edge] - below
        low, below = edge, max(counts[edge], below)
    return found
