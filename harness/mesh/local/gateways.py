"""Gateways of the local mesh: for each port of a Gateway a listener, and the routes of the VirtualServices it serves.

As in istiod (``buildGatewayHTTPRouteConfig``), a host gets the routes of all VirtualServices that are bound to the
gateway and name it, in their order, with those that take every request last.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.clients.certificates import self_made_certificate
from harness.clients.envoy.process import routes_from
from harness.errors import MeshError
from harness.mesh.local.listeners import connection_manager
from harness.mesh.local.matches import is_catch_all
from harness.mesh.local.routes import Calls, Routing, table
from harness.mesh.local.telemetry import stats_logger
from harness.mesh.local.topology import LOAD_GENERATOR, Caller, Service
from harness.model.json import JsonObject, object_at
from harness.routing.hosts import full_name
from harness.routing.istio.check_gateways import HTTP_PROTOCOLS
from harness.routing.istio.check_references import destinations
from harness.routing.istio.gateway_types import Gateway, Server
from harness.routing.istio.governing import binds, destination_name, gateways_in, hosts_in
from harness.routing.istio.names import MESH, covers, fqdn, gateway_name, namespace_of
from harness.routing.istio.types import VirtualService
from harness.routing.istio.views import gateways, virtual_services

_TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
_TERMINATED = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL", "ISTIO_MUTUAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One port of a Gateway. hosts: that its servers take requests for. redirects: whether it sends users to HTTPS."""

    gateway: str
    port: int
    tls: bool
    hosts: tuple[str, ...]
    caller: Caller
    redirects: bool = False

    @property
    def name(self) -> str:
        """The name of its listener and of its route table."""
        return f"gateway~{self.gateway.replace('/', '.')}~{self.port}"


def doors(resources: Sequence[JsonObject], namespace: str) -> list[Door]:
    """Return the ports of all Gateways that VirtualServices are bound to.

    A Gateway that is not among the resources is taken to serve every host by HTTP at port 80.
    """
    known = {f"{namespace_of(one, namespace)}/{one['metadata']['name']}": one for one in gateways(resources)}
    named = dict.fromkeys(
        gateway_name(name, namespace_of(route, namespace))
        for route in virtual_services(resources)
        for name in gateways_in(route)
        if name != MESH and hosts_in(route)
    )
    return [door for name in named for door in _doors(name, known.get(name))]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEntry:
    """Where load enters. gateway: as VirtualServices name it, or ``mesh``. is_under_test: whether the service is."""

    service: str
    gateway: str = MESH
    is_under_test: bool = True


def way_in(entry: LocalEntry, resources: Sequence[JsonObject], namespace: str) -> tuple[Door, str]:
    """Return the port and the host by which users reach the entry service, by HTTP if they can, else by HTTPS.

    The host ``*`` stands for any. Raises MeshError, with what to do, if there is no such way.
    """
    name = gateway_name(entry.gateway, namespace)
    ports = [door for door in doors(resources, namespace) if door.gateway == name]
    open_ports = sorted((door for door in ports if not door.redirects), key=lambda door: door.tls)
    if not open_ports:
        found = "only a redirect to HTTPS" if ports else "no VirtualService that is bound to it"
        raise MeshError(
            f"expected the gateway {name} to take load, found {found}: add an HTTP or HTTPS server to the Gateway, or "
            f"a VirtualService with 'gateways: [{entry.gateway}]' and a route to {entry.service}"
        )
    service = full_name(entry.service, namespace)
    for door in open_ports:
        for resource in bound_to(door, resources, namespace):
            leading = [destination_name(one, resource, namespace) for _, one in destinations(resource)]
            hosts = door_hosts(door, resource, namespace) if service in leading else []
            if hosts:
                return door, _example(hosts)
    raise MeshError(
        f"expected a VirtualService that is bound to the gateway {name} and leads to {service}, found none: users do "
        "not reach it through this gateway"
    )


def _example(hosts: Sequence[str]) -> str:
    """Return the first host without a wildcard, or one that the first wildcard includes."""
    plain = next((host for host in hosts if "*" not in host), hosts[0])
    return plain.replace("*.", "any.") if plain != "*" else plain


def absent_gateways(route: VirtualService, resources: Sequence[JsonObject], namespace: str) -> list[str]:
    """Return the gateways that a VirtualService names and that are not among the resources."""
    named = [name for name in gateways_in(route) if name != MESH]
    if not named:
        return []
    known = {f"{namespace_of(one, namespace)}/{one['metadata']['name']}" for one in gateways(resources)}
    own = namespace_of(route, namespace)
    return [name for name in named if gateway_name(name, own) not in known]


def is_http(server: Server) -> bool:
    """Return whether a server takes HTTP, in clear or by TLS that ends there."""
    protocol = server["port"]["protocol"].upper()
    return protocol in HTTP_PROTOCOLS or (protocol == "HTTPS" and (server.get("tls") or {}).get("mode") in _TERMINATED)


def _doors(name: str, gateway: Gateway | None) -> Iterator[Door]:
    namespace = name.partition("/")[0]
    labels = (gateway["spec"].get("selector") if gateway else None) or {}
    # Load that enters here is the load generator's, and proofs compare what it sent with what its proxy counted.
    who = LOAD_GENERATOR
    caller = Caller(workload=who, app=who, version="unknown", namespace=namespace, labels=labels, gateway=name)
    if gateway is None:
        yield Door(gateway=name, port=80, tls=False, hosts=("*",), caller=caller)
        return
    servers: dict[int, list[Server]] = defaultdict(list)
    for server in gateway["spec"]["servers"]:
        if is_http(server):
            servers[server["port"]["number"]].append(server)
    for port, found in servers.items():
        yield Door(
            gateway=name,
            port=port,
            tls=found[0]["port"]["protocol"].upper() == "HTTPS",
            hosts=tuple(host.rpartition("/")[2] for server in found for host in server["hosts"]),
            caller=caller,
            redirects=any((server.get("tls") or {}).get("httpsRedirect") for server in found),
        )


def door_table(door: Door, resources: Sequence[JsonObject], routing: Routing) -> JsonObject:
    """Return the route table of a port."""
    namespace = routing.namespace
    routes: dict[str, list[JsonObject]] = defaultdict(list)
    for resource in bound_to(door, resources, namespace):
        for host in door_hosts(door, resource, namespace):
            server = Service(name=host, namespace=namespace, port=door.port)
            routes[host] += Calls(routing, door.caller, server, None).routes(resource)
    found: list[JsonObject] = [
        {
            "name": f"{host}:{door.port}",
            "domains": [host],
            "routes": [*sorted(some, key=lambda route: is_catch_all(object_at(route, "match")))],
            "include_request_attempt_count": True,
            **({"require_tls": "ALL"} if door.redirects else {}),
        }
        for host, some in routes.items()
    ]
    if "*" not in routes:
        nobody: JsonObject = {"name": "blackhole", "match": {"prefix": "/"}, "direct_response": {"status": 404}}
        found.append({"name": f"blackhole:{door.port}", "domains": ["*"], "routes": [nobody]})
    return table(door.name, found)


def bound_to(door: Door, resources: Sequence[JsonObject], namespace: str) -> list[VirtualService]:
    """Return the VirtualServices that are bound to the gateway of a port."""
    return [one for one in virtual_services(resources) if hosts_in(one) and binds(one, door.gateway, namespace)]


def door_hosts(door: Door, resource: VirtualService, namespace: str) -> list[str]:
    """Return the hosts of a VirtualService for which a port takes requests."""
    own = namespace_of(resource, namespace)
    names = [fqdn(host, own) for host in hosts_in(resource)]
    return [name for name in names if any(covers(host, name) or covers(name, host) for host in door.hosts)]


def door_listener(door: Door, folder: Path) -> JsonObject:
    """Return the listener of a port, on loopback at a port that Envoy chooses. TLS gets a self-made certificate.

    Raises MeshError where a certificate cannot be made.
    """
    rds, logger = routes_from(folder, door.name), stats_logger(door.caller)
    typed = connection_manager(f"inbound_{door.name}", rds, logger, door.caller)
    chain: JsonObject = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": typed}]}
    if door.tls:
        chain["transport_socket"] = _tls(door, folder)
    return {
        "name": door.name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "enable_reuse_port": False,
        "filter_chains": [chain],
    }


def certificate_of(door: Door, folder: Path) -> tuple[Path, Path]:
    """Return the files of a port's certificate and of its key; make them if missing. folder: of Envoy's configuration.

    Raises MeshError where a certificate cannot be made.
    """
    return self_made_certificate(folder / "certificates", door.name.replace("~", "-"), door.hosts)


def _tls(door: Door, folder: Path) -> JsonObject:
    certificate, key = certificate_of(door, folder)
    files: JsonObject = {
        "certificate_chain": {"filename": str(certificate)},
        "private_key": {"filename": str(key)},
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": _TLS,
            "common_tls_context": {"tls_certificates": [files], "alpn_protocols": ["h2", "http/1.1"]},
        },
    }
