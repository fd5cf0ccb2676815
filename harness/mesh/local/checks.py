"""Check the resources of the local mesh: mistakes are errors, everything else is served or left out with a note."""

from __future__ import annotations

from collections.abc import Sequence

from harness.mesh.local.taking import Taken, taken
from harness.mesh.local.topology import Topology
from harness.model.json import JsonObject
from harness.routing.istio.checks import check_resources


def check_for_local_mesh(resources: Sequence[JsonObject], topology: Topology) -> Taken:
    """Return what the local mesh serves of some resources. Raises ResourceError for mistakes, with their places."""
    services = {service.host: (service.port,) for service in topology.services}
    borne = check_resources(
        resources, namespace=topology.namespace, services=services, as_istio=topology.istio.as_istio
    )
    found = taken(resources, topology)
    return Taken(resources=found.resources, notes=(*found.notes, *borne))
