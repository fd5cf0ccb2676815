"""Bandwidth limits of the local mesh: settings of a filter that every proxy has, for calls of some workloads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.mesh.local.topology import Caller, Service, Topology
from harness.model.counts import RequestCount, count_of_caller
from harness.model.json import JsonObject, object_at, objects_at
from harness.routing.istio.outbound import ENFORCED, LIMITED, callers_of, limits_in, resets_in

BANDWIDTH_FILTER = "envoy.filters.http.bandwidth_limit"
COUNTERS = rf"^{re.escape(LIMITED)}.*_enforced$"
_BETWEEN = "~"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a bandwidth limit changes for the calls of a workload to a service.

    settings: of the filter. action: fields of the actions of routes.
    """

    settings: JsonObject
    action: JsonObject

    def on(self, host: JsonObject) -> JsonObject:
        """Return a virtual host with the limit."""
        routes = [
            {**route, "route": {**object_at(route, "route"), **self.action}} if "route" in route else route
            for route in objects_at(host, "routes")
        ]
        return {**host, "routes": [*routes], "typed_per_filter_config": {BANDWIDTH_FILTER: self.settings}}


def limit_for(resources: Sequence[JsonObject], caller: Caller, service: Service) -> Limit | None:
    """Return the limit for the calls of a workload to a service, if there is one.

    resources: the EnvoyFilters that limit bandwidth. Of several limits, the last one holds, as in a sidecar that
    merges them.
    """
    settings: JsonObject = {}
    action: JsonObject = {}
    for resource in resources:
        if callers_of(resource).items() <= dict(caller.labels).items():
            name = f"{service.host}:{service.port}"
            settings.update(next((found for host, found in limits_in(resource) if host == name), {}))
            action.update(next((found for host, found in resets_in(resource) if host == name), {}))
    if not settings:
        return None
    counted = f"{LIMITED}{caller.workload}{_BETWEEN}{service.host}"
    return Limit(settings={**settings, "stat_prefix": counted}, action=action)


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
        count_of_caller("limited", workload, versions.get(workload, ""), host=host, total=total)
        for (workload, host), total in found.items()
    )
