"""Services that ServiceEntries add to the mesh: hosts elsewhere, or on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from harness.mesh.local.topology import Endpoint, Service, Topology
from harness.model.json import JsonObject
from harness.routing.istio.check_gateways import HTTP_PROTOCOLS
from harness.routing.istio.check_references import Found
from harness.routing.istio.checks import is_istios
from harness.routing.istio.entry_types import EntryPort, ServiceEntry, ServiceEntrySpec
from harness.routing.istio.kinds import SERVICE_ENTRY
from harness.routing.istio.names import namespace_of
from harness.routing.istio.schema import RESOURCES
from harness.routing.istio.shapes import Problem, problems
from harness.routing.istio.views import as_json, service_entries

_PATIENCE_S = 3.0


def with_entries(topology: Topology, resources: Sequence[JsonObject]) -> Topology:
    """Return the topology with the services that ServiceEntries add; a host of several ports is several services."""
    known = {service.host for service in topology.services}
    added = [
        service
        for entry in service_entries(resources)
        for service in entry_services(entry, topology.namespace)
        if service.host not in known
    ]
    return replace(topology, services=(*topology.services, *added)) if added else topology


def entry_services(entry: ServiceEntry, namespace: str) -> Iterator[Service]:
    """Yield a service for each host and HTTP port of a ServiceEntry; wildcards name no service."""
    spec = entry["spec"]
    own = namespace_of(entry, namespace)
    for host in spec["hosts"]:
        for port in spec.get("ports") or ():
            if "*" not in host and is_http_port(port):
                endpoints = tuple(_endpoints(host, port, spec))
                yield Service(name=host, namespace=own, port=port["number"], endpoints=endpoints)


def is_http_port(port: EntryPort) -> bool:
    """Return whether requests to a port can be routed."""
    return port.get("protocol", "HTTP").upper() in HTTP_PROTOCOLS


def _endpoints(host: str, port: EntryPort, spec: ServiceEntrySpec) -> Iterator[Endpoint]:
    """Yield the endpoints; with DNS, or without a resolution, a service without any is where its name leads."""
    target = port.get("targetPort") or port["number"]
    given = spec.get("endpoints") or ([] if spec.get("resolution") == "STATIC" else [{"address": host}])
    for one in given:
        address = one.get("address", "")
        if address and not address.startswith("unix:"):
            labels = one.get("labels") or {}
            number = (one.get("ports") or {}).get(port["name"], target)
            version = labels.get("version", "unknown")
            yield Endpoint(workload=host, version=version, labels={"app": host, **labels}, host=address, port=number)


def entry_notes(entry: ServiceEntry) -> Iterator[Problem]:
    """Yield what of a ServiceEntry is not served on this machine."""
    spec = entry["spec"]
    for index, host in enumerate(spec["hosts"]):
        if "*" in host:
            message = f"{host} is left out: only hosts without a wildcard can be called here"
            yield Problem(at=("spec", "hosts", index), message=message)
    for index, port in enumerate(spec.get("ports") or ()):
        if not is_http_port(port):
            message = f"{port.get('protocol')} is left out: the local mesh speaks plain HTTP"
            yield Problem(at=("spec", "ports", index), message=message)
    if spec.get("workloadSelector") and not spec.get("endpoints"):
        yield Problem(at=("spec", "workloadSelector"), message="is left out: no workload of a cluster runs here")


def readable_entries(resources: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the ServiceEntries of Istio whose fields have the right shapes."""
    entries = [one for one in resources if one["kind"] == SERVICE_ENTRY and is_istios(one)]
    return [one for one in entries if not any(problems(RESOURCES[SERVICE_ENTRY], one))]


def unresolved(resources: Sequence[JsonObject]) -> Iterator[Found]:
    """Yield ServiceEntries of which an endpoint's name leads to no address: requests to it get 503."""
    for entry in service_entries(resources):
        names = {one.host for service in entry_services(entry, "") for one in service.endpoints}
        for name in sorted(names):
            if not _resolves(name):
                message = f"resolves to nothing: {name} has no address; requests to it get 503"
                yield as_json(entry), Problem(at=("spec",), message=message)


@lru_cache(maxsize=256)
def _resolves(name: str) -> bool:
    """Return whether a name has an IPv4 address; one that is not found in time counts as having one."""
    found: list[bool] = []

    def look_up() -> None:
        try:
            found.append(bool(socket.getaddrinfo(name, None, socket.AF_INET)))
        except OSError:
            found.append(False)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_PATIENCE_S)
    return found[0] if found else True
