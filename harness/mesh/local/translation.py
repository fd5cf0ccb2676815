"""Translate Istio resources and the workloads of the mesh into Envoy's configuration."""

from __future__ import annotations

from collections.abc import Sequence

from harness.clients.envoy.process import Snapshot
from harness.mesh.local.clusters import clusters, hash_policies, members
from harness.mesh.local.routes import RouteTables
from harness.mesh.local.topology import Topology
from harness.model.json import JsonObject


class Translation:
    """Translates the resources of one topology, and keeps the routes of calls for which nothing has changed."""

    def __init__(self, topology: Topology) -> None:
        """topology: the services, their endpoints and the workloads that call them."""
        self._topology, self._tables = topology, RouteTables(topology)

    def of(self, resources: Sequence[JsonObject]) -> Snapshot:
        """Return the clusters and route tables for resources that have passed the checks."""
        found = members(resources, self._topology.services, namespace=self._topology.namespace)
        return Snapshot(clusters=clusters(found), tables=self._tables.of(resources, hash_policies(found)))


def translated(resources: Sequence[JsonObject], topology: Topology) -> Snapshot:
    """Return the clusters and route tables for resources that have passed the checks."""
    return Translation(topology).of(resources)
