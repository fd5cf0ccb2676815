"""Check the resources of the local mesh: mistakes are errors, everything else is served or left out with a note."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.errors import MeshError
from harness.mesh.local.entries import readable_entries, unresolved
from harness.mesh.local.http_routes import is_http_route
from harness.mesh.local.kube_services import kube_services, with_members
from harness.mesh.local.taking import Taken, taken
from harness.mesh.local.topology import Topology
from harness.model.json import JsonObject
from harness.model.step import Edit
from harness.routing.edits import key, traces
from harness.routing.gateway_api.checks import http_route_problems
from harness.routing.istio.checks import check_resources, raise_problems
from harness.routing.istio.views import as_service_entry


def check_for_local_mesh(resources: Sequence[JsonObject], topology: Topology) -> Taken:
    """Return what the local mesh serves of some resources. Raises ResourceError for mistakes, with their places."""
    wrong = [(one, problem) for one in filter(is_http_route, resources) for problem in http_route_problems(one)]
    raise_problems(resources, wrong, namespace=topology.namespace)
    services: dict[str, list[int]] = defaultdict(list)
    for service in with_members(topology, [*readable_entries(resources), *kube_services(resources)]).services:
        services[service.host].append(service.port)
    for entry in map(as_service_entry, readable_entries(resources)):
        # A route may lead to a port that is not served here, such as one with TLS.
        for host in entry["spec"]["hosts"]:
            services[host] += [port["number"] for port in entry["spec"].get("ports") or ()]
    borne = check_resources(
        resources, namespace=topology.namespace, services=services, as_istio=topology.istio.as_istio
    )
    found = taken(resources, topology)
    return Taken(resources=found.resources, notes=(*found.notes, *borne, *unresolved(found.resources)))


def require_served(edits: Iterable[Edit], resources: Sequence[JsonObject], found: Taken, *, namespace: str) -> None:
    """Raise MeshError, with the reason, for an edit of something that the local mesh leaves out.

    resources: with the edits made. found: what is served of them. namespace: of resources that name none.
    """
    made = {key(one, namespace): one for one in resources}
    served = {key(one, namespace): one for one in found.resources}
    for edit in edits:
        if traces(edit, made.get(edit.place)) and not traces(edit, served.get(edit.place)):
            why = "; ".join(note.message for one, note in found.notes if key(one, namespace) == edit.place)
            raise MeshError(
                f"{edit.label}: expected this change to reach a proxy, but the local mesh serves none of it: {why}"
            )
