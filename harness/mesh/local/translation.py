"""Translate Istio resources and the workloads of the mesh into Envoy's configuration."""

from __future__ import annotations

from collections.abc import Sequence

from harness.clients.envoy.process import Snapshot
from harness.mesh.local.clusters import clusters
from harness.mesh.local.routes import route_tables
from harness.mesh.local.topology import Topology
from harness.model.json import JsonObject


def translated(resources: Sequence[JsonObject], topology: Topology) -> Snapshot:
    """Return the clusters and route tables for resources that have passed the checks."""
    return Snapshot(
        clusters=clusters(resources, topology.services, namespace=topology.namespace),
        tables=route_tables(resources, topology),
    )
