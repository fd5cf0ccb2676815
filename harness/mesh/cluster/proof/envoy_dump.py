"""Find the traces of an edit in dumps of Envoy's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from harness.clients.envoy.dumps import contains, message_field
from harness.model.json import Json
from harness.routing.port import Trace

Part: TypeAlias = Literal["routes", "clusters", "listeners"]
PATHS: Mapping[Part, str] = {
    "routes": "/config_dump?resource=dynamic_route_configs",
    "clusters": "/config_dump?resource=dynamic_active_clusters",
    "listeners": "/config_dump?resource=dynamic_listeners",
}
"""Where a proxy's admin port shows each part of its configuration."""


def is_shown(trace: Trace, dump: Json) -> bool:
    """Return whether a dump of the trace's part of the configuration shows it."""
    if trace.part == "clusters":
        found = [cluster for name, cluster in _clusters(dump) if name == trace.name]
        return bool(found) and all(contains(cluster, trace.fields) for cluster in found)
    return trace.name in (_route_names(dump) if trace.part == "routes" else _names(dump))


def cluster_hosts(dump: Json) -> set[str]:
    """Return the full names of the hosts that have outbound clusters in a dump."""
    return {name.partition("|")[2] for name, _ in _clusters(dump)}


def _clusters(dump: Json) -> Iterator[tuple[str, Json]]:
    """Yield outbound clusters by ``subset|host``.

    Envoy names them ``outbound|9080|v1|reviews.shop.svc.cluster.local``.
    """
    for config in dump.get("configs") or ():
        for item in message_field(config, "dynamic_active_clusters") or [config]:
            cluster = item.get("cluster") or {}
            parts = str(cluster.get("name", "")).split("|")
            if len(parts) == 4 and parts[0] == "outbound":
                yield f"{parts[2]}|{parts[3]}", cluster


def _route_names(dump: Json) -> set[str]:
    """Return the names of all routes in a dump of route tables; Istio appends the name of a match after a dot."""
    return {
        str(route.get("name", "")).partition(".")[0]
        for config in dump.get("configs") or ()
        for table in (message_field(config, "dynamic_route_configs") or [config])
        for host in message_field(message_field(table, "route_config") or {}, "virtual_hosts") or ()
        for route in host.get("routes") or ()
    }


def _names(dump: Json) -> set[str]:
    """Return the names of all filters, and of the rules of all RBAC filters, in a dump of listeners."""
    if isinstance(dump, list):
        return {name for item in dump for name in _names(item)}
    if not isinstance(dump, dict):
        return set()
    own = {dump["name"]} if isinstance(dump.get("name"), str) else set()
    rules = set(dump["policies"]) if isinstance(dump.get("policies"), dict) else set()
    return own | rules | {name for value in dump.values() for name in _names(value)}
