"""Bandwidth limits of the local mesh: settings of a filter that every proxy has, for calls of some workloads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.mesh.local.topology import Caller, Service, Topology
from harness.model.counts import RequestCount
from harness.model.json import JsonObject
from harness.routing.istio.outbound import ENFORCED, LIMITED, callers_of, limits_in

BANDWIDTH_FILTER = "envoy.filters.http.bandwidth_limit"
COUNTERS = rf"^{re.escape(LIMITED)}.*_enforced$"
_BETWEEN = "~"


def limit_for(resources: Sequence[JsonObject], caller: Caller, service: Service) -> JsonObject:
    """Return the settings of the filter for the calls of a workload to a service; empty without a limit.

    resources: the EnvoyFilters that limit bandwidth. Of several limits, the last one holds, as in a sidecar that
    merges them.
    """
    found: JsonObject = {}
    for resource in resources:
        if callers_of(resource).items() <= dict(caller.labels).items():
            for host, settings in limits_in(resource):
                if host == f"{service.host}:{service.port}":
                    found = {**settings, "stat_prefix": f"{LIMITED}{caller.workload}{_BETWEEN}{service.host}"}
    return found


def limited_counts(counters: Mapping[str, int | str], topology: Topology) -> tuple[RequestCount, ...]:
    """Return a row for each caller and service with a limit: how often data had to wait.

    counters: by name (``COUNTERS``).
    """
    found: dict[tuple[str, str], int] = {}
    for name, count in counters.items():
        if name.startswith(LIMITED) and ENFORCED in name:
            workload, _, host = name.removeprefix(LIMITED).partition(ENFORCED)[0].partition(_BETWEEN)
            found[workload, host] = found.get((workload, host), 0) + int(count)
    versions = {caller.workload: caller.version for caller in topology.callers}
    return tuple(
        RequestCount(
            source_workload=workload,
            source_version=versions.get(workload, ""),
            destination_service=host,
            destination_version="",
            response_code="",
            response_flags="",
            total=total,
            reporter="limited",
        )
        for (workload, host), total in found.items()
    )
