"""Proof that Envoy serves what it was given: its own dump carries the same routes and faults."""

from __future__ import annotations

from harness.clients.envoy.process import Envoy, Snapshot
from harness.errors import MeshError
from harness.mesh.local.actions import FAULT_FILTER
from harness.model.json import Json


def require_live(envoy: Envoy, snapshot: Snapshot) -> None:
    """Raise MeshError unless every route table of ``snapshot`` is live, each route with its name and its fault."""
    live = envoy.admin.route_tables()
    for name, table in snapshot.tables.items():
        found = _outline(live[name]) if name in live else []
        if found != _outline(table):
            raise MeshError(f"expected Envoy to serve the routes {_outline(table)} for {name}, found {found}")


def _outline(table: Json) -> list[tuple[str, str, bool]]:
    return [
        (host["name"], route.get("name", ""), FAULT_FILTER in route.get("typed_per_filter_config", {}))
        for host in table["virtual_hosts"]
        for route in host["routes"]
    ]
