"""Prove that Envoy serves its configuration: compare routes, faults and traffic policies with Envoy's own dump."""

from __future__ import annotations

from typing import TypedDict, cast

from harness.clients.envoy.dumps import contains
from harness.clients.envoy.process import Envoy, Snapshot
from harness.errors import NotInForce
from harness.mesh.local.actions import FAULT_FILTER
from harness.model.json import JsonObject
from harness.model.units import parse_duration


class _Action(TypedDict, total=False):
    timeout: str
    cluster: str
    retry_policy: JsonObject


class _Route(TypedDict, total=False):
    name: str
    route: _Action
    typed_per_filter_config: dict[str, JsonObject]


_RETRIES = ("num_retries", "retry_on", "per_try_timeout", "retriable_status_codes")
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


class _RouteTable(TypedDict):
    """The part of Envoy's RouteConfiguration that is compared."""

    virtual_hosts: list[_VirtualHost]


def require_live(envoy: Envoy, snapshot: Snapshot) -> None:
    """Raise NotInForce unless Envoy serves ``snapshot``: routes with their faults and timeouts, and clusters."""
    live = envoy.admin.route_tables()
    for name, table in snapshot.tables.items():
        found = _outline(live[name]) if name in live else []
        if found != _outline(table):
            raise NotInForce(f"expected Envoy to serve the routes {_outline(table)} for {name}, found {found}")
        for wanted, served in zip(_routes(table), _routes(live[name]), strict=True):
            if not _acts_alike(wanted.get("route", {}), served.get("route", {})):
                raise NotInForce(f"expected Envoy to serve the route {wanted} for {name}, found {served}")
    _require_clusters(envoy, snapshot)


def _require_clusters(envoy: Envoy, snapshot: Snapshot) -> None:
    live = envoy.admin.clusters()
    for cluster in snapshot.clusters:
        name = str(cluster["name"])
        policy = {field: cluster[field] for field in _POLICY if field in cluster}
        if not contains(live.get(name), policy):
            found = {field: live.get(name, {}).get(field) for field in policy}
            raise NotInForce(f"expected Envoy to serve the policy {policy} for {name}, found {found}")


def _outline(table: JsonObject) -> list[tuple[str, str, bool, float]]:
    """Return host name, route name, whether the route has a fault, and its timeout in seconds, for every route."""
    known = cast("_RouteTable", table)
    return [
        (
            host["name"],
            route.get("name", ""),
            FAULT_FILTER in route.get("typed_per_filter_config", {}),
            _timeout_s(route),
        )
        for host in known["virtual_hosts"]
        for route in host["routes"]
    ]


def _routes(table: JsonObject) -> list[_Route]:
    return [route for host in cast("_RouteTable", table)["virtual_hosts"] for route in host["routes"]]


def _acts_alike(wanted: _Action, served: _Action) -> bool:
    """Return whether requests go to the same cluster and are retried alike."""
    if wanted.get("cluster") != served.get("cluster") or ("retry_policy" in wanted) != ("retry_policy" in served):
        return False
    policy = wanted.get("retry_policy", {})
    return contains(served.get("retry_policy", {}), {name: policy[name] for name in _RETRIES if name in policy})


def _timeout_s(route: _Route) -> float:
    return parse_duration(route.get("route", {}).get("timeout") or "0s")
