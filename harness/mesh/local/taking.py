"""Decide what of some Istio resources the local mesh serves.

A file that people apply to a cluster contains other kinds, services that do not run here, and settings of a cluster.
Those are left out or translated, with a warning each, so that the rest can be served. Mistakes are errors: see
``harness.mesh.local.checks``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.mesh.local.entries import entry_notes
from harness.mesh.local.gateways import absent_gateways, doors, is_http
from harness.mesh.local.http_routes import governed_hosts, is_http_route, route_notes, why_ignored
from harness.mesh.local.kube_services import is_kube_service, kube_services, service_notes, with_members
from harness.mesh.local.omissions import local_route, local_rule
from harness.mesh.local.topology import Topology
from harness.model.json import JsonObject
from harness.routing.istio.check_references import Found, destinations
from harness.routing.istio.checks import is_istios
from harness.routing.istio.delegates import delegate_of, delegated
from harness.routing.istio.entry_types import ServiceEntry
from harness.routing.istio.gateway_types import Gateway
from harness.routing.istio.governing import binds, destination_name, full_name_in, gateways_in, hosts_in
from harness.routing.istio.kinds import DESTINATION_RULE, GATEWAY, SERVICE_ENTRY, VIRTUAL_SERVICE
from harness.routing.istio.names import MESH, ROOT_NAMESPACE, covers, fqdn, gateway_name, namespace_of
from harness.routing.istio.outbound import is_bandwidth_limit
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import DestinationRule, HTTPRoute, Resource, VirtualService
from harness.routing.istio.views import (
    as_destination_rule,
    as_json,
    as_service_entry,
    as_virtual_service,
    gateways,
    virtual_services,
)

_SERVED, _MEMBERS = (VIRTUAL_SERVICE, DESTINATION_RULE), (GATEWAY, SERVICE_ENTRY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What the local mesh serves of some resources, and what it left out or translated, with the places."""

    resources: tuple[JsonObject, ...]
    notes: tuple[Found, ...]


def taken(resources: Sequence[JsonObject], topology: Topology) -> Taken:
    """Return what the local mesh serves.

    Resources with mistakes raise no error here, because an undo must be served even if others have made mistakes since.
    """
    taking = _Taking(resources, topology)
    return Taken(resources=tuple(taking.served()), notes=tuple(taking.notes))


class _Taking:
    def __init__(self, resources: Sequence[JsonObject], topology: Topology) -> None:
        self._all, self._topology, self.notes = resources, topology, list[Found]()
        entries = [one for one in resources if one["kind"] == SERVICE_ENTRY and is_istios(one)]
        self._entries = [one for one in entries if self._is_seen(as_service_entry(one))]
        self._services, self._declared = kube_services(resources), topology
        self._topology = topology = with_members(topology, [*self._entries, *self._services])
        self._ports = {(service.host, service.port) for service in topology.services}
        self._hosts = {host for host, _ in self._ports}
        self._outside = self._hosts - {service.host for service in self._declared.services}
        self._governed = governed_hosts(resources, topology.namespace)
        self._routed: set[str] = set()
        self._entered: set[str] = set()

    def served(self) -> Iterator[JsonObject]:
        """Yield the resources as they are served, and collect the notes."""
        others: dict[str, list[JsonObject]] = defaultdict(list)
        for resource in self._all:
            if is_http_route(resource):
                self._note_all(resource, route_notes(resource, self._hosts, self._topology.namespace))
                yield resource
            elif resource["kind"] in _SERVED and is_istios(resource):
                yield from self._rewritten(resource)
            elif is_bandwidth_limit(resource):
                yield resource
            elif not is_kube_service(resource) and not (resource["kind"] in _MEMBERS and is_istios(resource)):
                others[str(resource["kind"])].append(resource)
        yield from (*self._entries, *self._services)
        for one in self._services:
            self._note_all(one, service_notes(one, self._declared))
        for entry in self._entries:
            self._note_all(entry, entry_notes(as_service_entry(entry)))
        yield from (as_json(gateway) for gateway in gateways(self._all) if self._is_entered(gateway))
        for first, *more in others.values():
            count = f", and {len(more)} more of this kind" if more else ""
            message = f"{first['apiVersion']} {first['kind']} is left out{count}: the local mesh has no such objects"
            self.notes.append((first, Problem(at=("kind",), message=message)))

    def _note_all(self, resource: JsonObject, notes: Iterable[Problem]) -> None:
        self.notes += [(resource, note) for note in notes]

    def _rewritten(self, resource: JsonObject) -> Iterator[JsonObject]:
        """Yield a VirtualService or a DestinationRule as it is served, or nothing."""
        if resource["kind"] == VIRTUAL_SERVICE:
            made: VirtualService | DestinationRule | None = self._route(as_virtual_service(resource))
        else:
            made = self._rule(as_destination_rule(resource))
        if made is not None:
            yield as_json(made)

    def _route(self, route: VirtualService) -> VirtualService | None:
        """Return a VirtualService with the hosts that run here and the routes that can be taken, or None."""
        if not hosts_in(route):
            if not self._is_named(route):
                self._note(route, ("spec",), "is left out: it has no hosts, and no route delegates to it")
            return None
        hosts = self._hosts_here(route)
        if not hosts or not self._is_seen(route):
            return None
        for kind in ("tcp", "tls"):
            if route["spec"].get(kind):
                self._note(route, ("spec", kind), "is left out: the local mesh speaks HTTP")
        routes = enumerate(route["spec"].get("http") or ())
        http = [one for index, entry in routes for one in self._routes(route, entry, index)]
        if not http:
            return None
        made: VirtualService = {**route, "spec": {**route["spec"], "hosts": hosts, "http": http}}
        if not self._leads_here(made):
            self._note(route, ("spec", "http"), "is left out: it leads to services that do not run here")
            return None
        self._note_absent(route, made)
        self._entered |= self._gateways(route)
        for name in absent_gateways(route, self._all, self._topology.namespace):
            message = f"the Gateway {name} is not among the files: it is taken to serve every host by HTTP"
            self._note(route, ("spec", "gateways"), message)
        return made

    def _gateways(self, route: VirtualService) -> set[str]:
        own = namespace_of(route, self._topology.namespace)
        return {gateway_name(name, own) for name in gateways_in(route) if name != MESH}

    def _leads_here(self, route: VirtualService) -> bool:
        """Return whether a VirtualService for a gateway only has a route to a service of this machine, or an answer."""
        if binds(route, MESH, self._topology.namespace):
            return True
        answers = any(http.get("redirect") or http.get("directResponse") for http in route["spec"]["http"])
        namespace = self._topology.namespace
        return answers or any(destination_name(one, route, namespace) in self._hosts for _, one in destinations(route))

    def _hosts_here(self, route: VirtualService) -> list[str]:
        """Return the hosts of services of this machine and, behind a gateway, those that its servers take.

        As in Istio, of two owners of a host the first one has it.
        """
        namespace, own = self._topology.namespace, namespace_of(route, self._topology.namespace)
        in_mesh, behind = binds(route, MESH, namespace), self._gateways(route)
        known = [*doors([*self._all, as_json(route)], namespace)] if behind else []
        taken_by = [door for door in known if door.gateway in behind]
        here: list[str] = []
        for index, host in enumerate(hosts_in(route)):
            name, at = fqdn(host, own), ("spec", "hosts", index)
            other = self._governed.get(name) if in_mesh else None
            if other is not None:
                self._note(route, at, why_ignored(route, name, other, namespace))
            runs = in_mesh and other is None and self._runs_here(name)
            if not runs and not any(covers(one, name) or covers(name, one) for door in taken_by for one in door.hosts):
                if other is not None:
                    continue
                where = "no such service runs here" if in_mesh else f"no HTTP server of {', '.join(behind)} takes it"
                self._note(route, at, f"{host} is left out: {where}")
            elif runs and self._topology.istio.as_istio and name in self._routed:
                self._note(route, at, f"{host} is left out: another VirtualService has it, and Istio takes the first")
            else:
                here.append(host)
                self._routed |= {name} if runs else set()
        return here

    def _is_entered(self, gateway: Gateway) -> bool:
        """Return whether requests enter through a Gateway, and note what of it is not as on a cluster."""
        name = f"{namespace_of(gateway, self._topology.namespace)}/{gateway['metadata']['name']}"
        resource = as_json(gateway)
        if name not in self._entered:
            message = "is left out: no VirtualService that is served here is bound to it"
            self.notes.append((resource, Problem(at=("spec",), message=message)))
            return False
        for index, server in enumerate(gateway["spec"]["servers"]):
            at, tls = ("spec", "servers", index), server.get("tls") or {}
            if not is_http(server):
                shown = f"{server['port']['protocol']} {tls.get('mode', '')}".rstrip()
                message = f"is left out: {shown} is not served on this machine, which serves HTTP and HTTPS"
                self.notes.append((resource, Problem(at=at, message=message)))
            elif server["port"]["protocol"].upper() == "HTTPS":
                message = f"{tls['mode']}: a certificate that the harness makes stands for that of the cluster"
                self.notes.append((resource, Problem(at=(*at, "tls"), message=message)))
        return True

    def _routes(self, owner: VirtualService, http: HTTPRoute, index: int) -> Iterator[HTTPRoute]:
        at: At = ("spec", "http", index)
        found: Sequence[HTTPRoute] = [http]
        if http.get("delegate"):
            delegate = delegate_of(http, owner, self._all, self._topology.namespace)
            if delegate is None:
                self._note(
                    owner, (*at, "delegate"), "is left out: there is no VirtualService of that name without hosts"
                )
                return
            found = list(delegated(http, delegate, self._topology.namespace))
        for one in found:
            notes: list[Problem] = []
            made = local_route(one, at, notes)
            self.notes += [(as_json(owner), note) for note in notes]
            if made is not None:
                yield made

    def _note_absent(self, owner: VirtualService, made: VirtualService) -> None:
        """Note destinations that do not run here: Envoy answers 503 where requests would go to them."""
        absent = dict[str, At]()
        own = namespace_of(made, self._topology.namespace)
        called = {fqdn(host, own) for host in hosts_in(made)}
        for at, destination in destinations(made):
            name = destination_name(destination, made, self._topology.namespace)
            selector, ports = destination.get("port"), sorted(port for host, port in self._ports if host == name)
            if not selector and len(ports) > 1 and name not in called:
                known = ", ".join(map(str, ports))
                message = f"names no port of {destination['host']}, which has {known}: calls to other ports get 503"
                self._note(owner, at, message)
            if name not in self._hosts:
                absent.setdefault(destination["host"], at)
            elif selector and (name, selector["number"]) not in self._ports:
                absent.setdefault(f"port {selector['number']} of {destination['host']}", at)
        for host, at in absent.items():
            self._note(owner, at, f"leads to {host}, which does not run here: those requests get 503")

    def _rule(self, rule: DestinationRule) -> DestinationRule | None:
        namespace, spec = self._topology.namespace, rule["spec"]
        name, own = full_name_in(rule, namespace), namespace_of(rule, namespace)
        if not self._runs_here(name):
            self._note(rule, ("spec", "host"), f"is left out: {spec['host']} does not run here")
            return None
        if own not in (namespace, ROOT_NAMESPACE):
            message = (
                f"is left out: callers in {namespace} use rules of {namespace} and {ROOT_NAMESPACE}, this is in {own}"
            )
            self._note(rule, ("metadata", "namespace"), message)
            return None
        if not self._is_seen(rule):
            return None
        if spec.get("workloadSelector"):
            self._note(rule, ("spec", "workloadSelector"), "is left out: rules for some callers only are not served")
            return None
        notes: list[Problem] = []
        made: DestinationRule = {**rule, "spec": local_rule(spec, notes, outside=name in self._outside)}
        self.notes += [(as_json(rule), note) for note in notes]
        return made

    def _runs_here(self, name: str) -> bool:
        """Return whether a host, which may have a wildcard, is that of a service of this machine."""
        return name in self._hosts or ("*" in name and any(covers(name, host) for host in self._hosts))

    def _is_seen(self, resource: Resource | ServiceEntry) -> bool:
        """Return whether callers of this namespace see a resource; note it if they do not."""
        own, namespace = namespace_of(resource, self._topology.namespace), self._topology.namespace
        export = resource["spec"].get("exportTo") or ["*"]
        if "*" in export or namespace in export or ("." in export and own == namespace):
            return True
        named = ", ".join(export)
        self._note(resource, ("spec", "exportTo"), f"is left out: it is for {named}, and callers are in {namespace}")
        return False

    def _is_named(self, delegate: VirtualService) -> bool:
        """Return whether a route delegates to a VirtualService without hosts."""
        return any(
            delegate_of(http, root, self._all, self._topology.namespace) is delegate
            for root in virtual_services(self._all)
            for http in (root.get("spec") or {}).get("http") or ()
            if http.get("delegate")
        )

    def _note(self, resource: Resource | ServiceEntry, at: At, message: str) -> None:
        self.notes.append((as_json(resource), Problem(at=at, message=message)))
