"""Read ``istio_requests_total`` and the requests per endpoint from Envoy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields

from harness.clients.prometheus_text import parse_samples
from harness.errors import EnvoyError
from harness.mesh.local.bandwidth import COUNTERS as LIMITED
from harness.mesh.local.bandwidth import limited_counts
from harness.mesh.local.listeners import CALLS
from harness.mesh.local.telemetry import ATTEMPTS_MADE, REQUESTS
from harness.mesh.local.topology import Service, Topology, by_call, listener_name
from harness.model.counts import RequestCount, count_of_caller

WAITING = rf"^http\.{CALLS}.*\.downstream_rq_active$"
CUT_OFF = rf"^http\.{CALLS}.*\.downstream_rq_max_duration_reached$"
STATS = f"{WAITING}|{CUT_OFF}|{LIMITED}"
_LABELS = tuple(field.name for field in fields(RequestCount) if field.name not in {"total", "address", "attempts"})


def request_counts(text: str) -> tuple[RequestCount, ...]:
    """Return the totals by the labels of ``RequestCount``, sorted; sum over all other labels.

    Raises EnvoyError for a total that is no number.
    """
    totals: dict[str, Counter[tuple[str, ...]]] = {REQUESTS: Counter(), ATTEMPTS_MADE: Counter()}
    for sample in parse_samples(text):
        if sample.name in totals:
            if not math.isfinite(sample.value):
                raise EnvoyError(f"{sample.name}: expected a count in Envoy's metrics, found {sample.value}")
            totals[sample.name][tuple(sample.labels.get(name, "") for name in _LABELS)] += int(sample.value)
    attempts = totals[ATTEMPTS_MADE]
    return tuple(
        RequestCount(**dict(zip(_LABELS, key, strict=True)), total=total, attempts=attempts[key])
        for key, total in sorted(totals[REQUESTS].items())
    )


def endpoint_counts(addresses: Counter[str], services: Iterable[Service]) -> tuple[RequestCount, ...]:
    """Return the requests that Envoy sent to each endpoint of the services, one row per workload.

    addresses: requests by address (``Admin.endpoint_requests``). Two workloads at one address get a row each, with the
    same address and the same total.
    """
    return tuple(
        RequestCount(
            source_workload="",
            source_version="",
            destination_service=service.host,
            destination_version=endpoint.version,
            response_code="",
            response_flags="",
            total=addresses[f"{endpoint.host}:{endpoint.port}"],
            reporter="endpoint",
            address=f"{endpoint.host}:{endpoint.port}",
        )
        for service in services
        for endpoint in service.endpoints
    )


def waiting_counts(stats: Mapping[str, int | str], topology: Topology) -> tuple[RequestCount, ...]:
    """Return a row for each caller and service that it calls by URL, with the requests that wait for an answer.

    stats: by name (``WAITING``).
    """
    return _by_listener(stats, topology, "downstream_rq_active", reporter="waiting")


def cut_off_counts(stats: Mapping[str, int | str], topology: Topology) -> tuple[RequestCount, ...]:
    """Return a row for each caller and service that it calls by URL, with the requests that lasted too long.

    stats: by name (``CUT_OFF``).
    """
    return _by_listener(stats, topology, "downstream_rq_max_duration_reached", reporter="cut off")


def stat_counts(stats: Mapping[str, int | str], topology: Topology) -> tuple[RequestCount, ...]:
    """Return the rows of everything that Envoy's own statistics count. stats: by name (``STATS``)."""
    counted = (count(stats, topology) for count in (waiting_counts, limited_counts, cut_off_counts))
    return tuple(row for rows in counted for row in rows)


def _by_listener(
    stats: Mapping[str, int | str], topology: Topology, name_of_stat: str, *, reporter: str
) -> tuple[RequestCount, ...]:
    hosts = {called: service.host for called, service in by_call(topology.services).items()}
    return tuple(
        count_of_caller(
            reporter,
            caller.workload,
            caller.version,
            host=hosts[name],
            total=int(stats.get(_stat_of(listener_name(caller.workload, name), name_of_stat), 0)),
        )
        for caller in topology.callers
        for name in caller.calls
        if name in hosts
    )


def _stat_of(listener: str, name: str) -> str:
    """Return the whole name of a statistic of a listener; Envoy writes no colons into such names."""
    return f"http.{CALLS}{listener.replace(':', '_')}.{name}"
