"""Find the traces of an edit in dumps of Envoy's configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

from harness.clients.envoy.dumps import contains, message_field, messages
from harness.model.json import JsonObject, JsonValue, object_at, objects_at, text_at
from harness.routing.port import Trace

Part: TypeAlias = Literal["routes", "clusters", "listeners"]
PATHS: Mapping[Part, str] = {
    "routes": "/config_dump?resource=dynamic_route_configs",
    "clusters": "/config_dump?resource=dynamic_active_clusters",
    "listeners": "/config_dump?resource=dynamic_listeners",
}
"""Where a proxy's admin port shows each part of its configuration."""


def is_shown(trace: Trace, dump: JsonValue) -> bool:
    """Return whether a dump of the trace's part of the configuration shows it."""
    if trace.part == "clusters":
        found = [cluster for name, cluster in _clusters(dump) if name == trace.name]
        return bool(found) and all(contains(cluster, trace.fields) for cluster in found)
    return trace.name in (_route_names(dump) if trace.part == "routes" else _names(dump))


def cluster_hosts(dump: JsonValue) -> set[str]:
    """Return the full names of the hosts that have outbound clusters in a dump."""
    return {name.partition("|")[2] for name, _ in _clusters(dump)}


def _clusters(dump: JsonValue) -> Iterator[tuple[str, JsonObject]]:
    """Yield outbound clusters by ``subset|host``.

    Envoy names them ``outbound|9080|v1|reviews.shop.svc.cluster.local``.
    """
    for config in objects_at(dump, "configs"):
        for item in messages(config, "dynamic_active_clusters") or [config]:
            cluster = object_at(item, "cluster")
            parts = text_at(cluster, "name", default="").split("|")
            if len(parts) == 4 and parts[0] == "outbound":
                yield f"{parts[2]}|{parts[3]}", cluster


def _route_names(dump: JsonValue) -> set[str]:
    """Return the names of all routes in a dump of route tables; Istio appends the name of a match after a dot."""
    return {
        text_at(route, "name", default="").partition(".")[0]
        for config in objects_at(dump, "configs")
        for table in (messages(config, "dynamic_route_configs") or [config])
        for host in messages(object_at(message_field(table, "route_config")), "virtual_hosts")
        for route in objects_at(host, "routes")
    }


def _names(dump: JsonValue) -> set[str]:
    """Return the names of all filters, and of the rules of all RBAC filters, in a dump of listeners."""
    if isinstance(dump, list):
        return {name for item in dump for name in _names(item)}
    if not isinstance(dump, dict):
        return set()
    name, policies = dump.get("name"), dump.get("policies")
    own = {name} if isinstance(name, str) else set()
    rules = set(policies) if isinstance(policies, dict) else set()
    return own | rules | {name for value in dump.values() for name in _names(value)}
