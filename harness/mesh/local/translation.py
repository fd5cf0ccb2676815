"""Translate Istio resources and the workloads of the mesh into Envoy's configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.clients.envoy.process import Snapshot
from harness.mesh.local.clusters import Member, clusters, hash_policies, members, passthrough
from harness.mesh.local.gateways import door_listener, door_table, doors
from harness.mesh.local.kube_services import with_members
from harness.mesh.local.routes import RouteTables
from harness.mesh.local.topology import Topology
from harness.model.json import JsonObject


class Translation:
    """Translates the resources of one topology, and keeps the routes of calls for which nothing has changed."""

    def __init__(self, topology: Topology, folder: Path) -> None:
        """topology: the services, their endpoints, and who calls them. folder: of Envoy's configuration."""
        self._topology, self._tables, self._folder = topology, RouteTables(topology), folder
        self._kept: dict[str, tuple[Member, JsonObject]] = {}

    def of(self, resources: Sequence[JsonObject]) -> Snapshot:
        """Return the clusters, route tables and gateways for resources that have passed the checks."""
        topology = with_members(self._topology, resources)
        if topology.services != self._tables.services:
            self._tables = RouteTables(topology)
        found = members(resources, topology.services, namespace=topology.namespace)
        routing = self._tables.routing(hash_policies(found))
        ports = doors(resources, topology.namespace)
        return Snapshot(
            clusters=(*self._clusters(found), *([passthrough()] if topology.istio.allow_any else [])),
            tables={
                **self._tables.of(resources, routing),
                **{port.name: door_table(port, resources, routing) for port in ports},
            },
            listeners=tuple(door_listener(port, self._folder) for port in ports),
        )

    def _clusters(self, found: Sequence[Member]) -> list[JsonObject]:
        changed = [one for one in found if one.cluster not in self._kept or self._kept[one.cluster][0] != one]
        made = zip(changed, clusters(changed), strict=True)
        self._kept.update({member.cluster: (member, cluster) for member, cluster in made})
        return [self._kept[one.cluster][1] for one in found]


def translated(resources: Sequence[JsonObject], topology: Topology, folder: Path) -> Snapshot:
    """Return Envoy's configuration for resources that have passed the checks."""
    return Translation(topology, folder).of(resources)
