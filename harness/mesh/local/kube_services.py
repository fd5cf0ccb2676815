"""Services of Kubernetes: what HTTPRoutes lead to, such as one for each version, by the labels of running workloads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from harness.mesh.local.entries import with_entries
from harness.mesh.local.topology import Endpoint, Service, Topology
from harness.model.json import JsonObject, JsonValue, objects_at, text_at, texts_at
from harness.routing.gateway_api.governing import namespace_of
from harness.routing.gateway_api.kinds import HTTP_ROUTE, SERVICE
from harness.routing.hosts import full_name
from harness.routing.istio.reading import Resources, sources_of
from harness.routing.istio.shapes import Problem


def with_members(topology: Topology, resources: Sequence[JsonObject]) -> Topology:
    """Return the topology with what ServiceEntries and Services add: services, and further ports of known ones."""
    extended = with_entries(topology, resources)
    known = {(service.host, service.port) for service in extended.services}
    made = [service for one in kube_services(resources) for service in _added(one, topology)]
    added = [service for service in made if (service.host, service.port) not in known]
    return replace(extended, services=(*extended.services, *added)) if added else extended


def service_notes(service: JsonObject, topology: Topology) -> Iterator[Problem]:
    """Yield why a Service changes nothing here, unless it has its effect or says what harness.yaml says too."""
    own = next((one for one in topology.services if one.host == _host(service, topology)), None)
    selected = _selected(service, topology)
    if own is None and not selected:
        yield Problem(at=("spec",), message="is left out: it selects no workload that runs here")
    elif own is not None and selected != [*own.endpoints]:
        yield Problem(at=("spec",), message="is left out: harness.yaml says which workloads this service has")


def with_services(resources: Sequence[JsonObject], topology: Topology) -> Sequence[JsonObject]:
    """Return the resources with a Service for each service of harness.yaml if there are HTTPRoutes among them.

    An HTTPRoute leads to Services, which are there on a cluster; on this machine harness.yaml stands for them.
    """
    return all_services(resources, topology) if any(one["kind"] == HTTP_ROUTE for one in resources) else resources


def all_services(resources: Sequence[JsonObject], topology: Topology) -> Sequence[JsonObject]:
    """Return the resources with a Service for each service of harness.yaml that has none among them."""
    there = {_host(one, topology) for one in kube_services(resources)}
    absent = dict.fromkeys(one.host for one in topology.services if one.host not in there)
    made = [_resource([one for one in topology.services if one.host == host]) for host in absent]
    return Resources.of((*resources, *made), sources_of(resources))


def kube_services(resources: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the Services of Kubernetes among some resources; other vendors have kinds of that name."""
    return [one for one in resources if is_kube_service(one)]


def is_kube_service(resource: JsonObject) -> bool:
    """Return whether a resource is a Service of Kubernetes."""
    return resource["kind"] == SERVICE and resource.get("apiVersion") == "v1"


def _host(service: JsonObject, topology: Topology) -> str:
    return full_name(text_at(service, "metadata", "name"), namespace_of(service, topology.namespace))


def _selected(service: JsonObject, topology: Topology) -> list[Endpoint]:
    wanted, found = texts_at(service, "spec", "selector").items(), list[Endpoint]()
    for known in {one.host: one for one in topology.services[::-1]}.values():  # a workload's first port stands for it
        found += [one for one in known.endpoints if wanted and wanted <= dict(one.labels).items() and one not in found]
    return found


def _added(service: JsonObject, topology: Topology) -> Iterator[Service]:
    """Yield a service for each port; its workloads speak what they speak as members of the service in harness.yaml."""
    own = next((one for one in topology.services if one.host == _host(service, topology)), None)
    selected = _selected(service, topology) if own is None else own.endpoints
    if not selected:
        return
    speaks = next(known.protocol for known in topology.services if selected[0] in known.endpoints)
    for port in objects_at(service, "spec", "ports"):
        number = port.get("port")
        if isinstance(number, int):
            yield Service(
                name=text_at(service, "metadata", "name"),
                namespace=namespace_of(service, topology.namespace),
                port=number,
                endpoints=tuple(selected),
                protocol=speaks,
            )


def _resource(ports: Sequence[Service]) -> JsonObject:
    """Return the Service of a service of harness.yaml with these ports: it selects what is common to the workloads."""
    service = ports[0]
    labels = [dict(one.labels).items() for one in service.endpoints]
    common: JsonObject = dict(sorted(set(labels[0]).intersection(*labels))) if labels else {}
    named: list[JsonValue] = [{"name": f"{one.protocol}-{one.port}", "port": one.port} for one in ports]
    return {
        "apiVersion": "v1",
        "kind": SERVICE,
        "metadata": {"name": service.name, "namespace": service.namespace},
        "spec": {"selector": common, "ports": named},
    }
