"""Prove that Envoy serves its configuration: compare the routes and faults in Envoy's own dump."""

from __future__ import annotations

from typing import TypedDict, cast

from harness.clients.envoy.process import Envoy, Snapshot
from harness.errors import MeshError
from harness.mesh.local.actions import FAULT_FILTER
from harness.model.json import JsonObject


class _Route(TypedDict, total=False):
    name: str
    typed_per_filter_config: dict[str, JsonObject]


class _VirtualHost(TypedDict):
    name: str
    routes: list[_Route]


class _RouteTable(TypedDict):
    """The part of Envoy's RouteConfiguration that is compared."""

    virtual_hosts: list[_VirtualHost]


def require_live(envoy: Envoy, snapshot: Snapshot) -> None:
    """Raise MeshError unless Envoy serves every route table of ``snapshot`` with the same routes and faults."""
    live = envoy.admin.route_tables()
    for name, table in snapshot.tables.items():
        found = _outline(live[name]) if name in live else []
        if found != _outline(table):
            raise MeshError(f"expected Envoy to serve the routes {_outline(table)} for {name}, found {found}")


def _outline(table: JsonObject) -> list[tuple[str, str, bool]]:
    """Return host name, route name and whether the route has a fault, for every route."""
    known = cast("_RouteTable", table)
    return [
        (host["name"], route.get("name", ""), FAULT_FILTER in route.get("typed_per_filter_config", {}))
        for host in known["virtual_hosts"]
        for route in host["routes"]
    ]
