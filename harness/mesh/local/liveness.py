"""Prove that Envoy serves its configuration: compare routes, faults and traffic policies with Envoy's own dump."""

from __future__ import annotations

from typing import NotRequired, TypedDict, cast

from harness.clients.envoy.dumps import contains
from harness.clients.envoy.process import Served, Snapshot
from harness.errors import MeshError
from harness.mesh.local.actions import FAULT_FILTER
from harness.mesh.local.bandwidth import BANDWIDTH_FILTER
from harness.model.json import JsonObject
from harness.model.units import parse_duration


class _Action(TypedDict, total=False):
    timeout: str


class _Route(TypedDict, total=False):
    name: str
    route: _Action
    typed_per_filter_config: dict[str, JsonObject]


_POLICY = (
    "connect_timeout",
    "circuit_breakers",
    "lb_policy",
    "outlier_detection",
    "upstream_connection_options",
    "common_lb_config",
)


class _VirtualHost(TypedDict):
    name: str
    routes: list[_Route]
    typed_per_filter_config: NotRequired[dict[str, JsonObject]]


class _RouteTable(TypedDict):
    """The part of Envoy's RouteConfiguration that is compared."""

    virtual_hosts: list[_VirtualHost]


def require_live(served: Served, snapshot: Snapshot) -> None:
    """Raise MeshError unless what Envoy serves is as in ``snapshot``: routes with faults and timeouts, and clusters.

    served: all that has changed.
    """
    for name, table in served.tables.items():
        found, wanted = _outline(table), _outline(snapshot.tables[name])
        if found != wanted:
            raise MeshError(f"expected Envoy to serve the routes {wanted} for {name}, found {found}")
    wanted_clusters = {str(cluster["name"]): cluster for cluster in snapshot.clusters}
    for name, cluster in served.clusters.items():
        policy = {field: wanted_clusters[name][field] for field in _POLICY if field in wanted_clusters.get(name, {})}
        if not contains(cluster, policy):
            shown = {field: cluster.get(field) for field in policy}
            raise MeshError(f"expected Envoy to serve the policy {policy} for {name}, found {shown}")


def _outline(table: JsonObject) -> list[tuple[str, bool, str, bool, float]]:
    """Return for every route: host name, whether that has a bandwidth limit, route name, fault or not, timeout in s."""
    known = cast("_RouteTable", table)
    return [
        (
            host["name"],
            BANDWIDTH_FILTER in host.get("typed_per_filter_config", {}),
            route.get("name", ""),
            FAULT_FILTER in route.get("typed_per_filter_config", {}),
            _timeout_s(route),
        )
        for host in known["virtual_hosts"]
        for route in host["routes"]
    ]


def _timeout_s(route: _Route) -> float:
    return parse_duration(route.get("route", {}).get("timeout") or "0s")
