"""Route tables of the callers: the virtual hosts and routes that istiod would give each sidecar."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.mesh.local import actions, matches
from harness.mesh.local.bandwidth import limit_for
from harness.mesh.local.clusters import PASSTHROUGH, cluster_name
from harness.mesh.local.http_routes import mesh_routes
from harness.mesh.local.topology import CALL_HEADER, Caller, Service, Topology, by_call, listener_name, table_of
from harness.model.followed_istio import FollowedIstio
from harness.model.json import JsonObject, JsonValue, object_at
from harness.routing.gateway_api.as_istio import SEMANTICS
from harness.routing.istio.governing import destination_name, routes_by_host
from harness.routing.istio.names import namespace_of
from harness.routing.istio.outbound import is_bandwidth_limit
from harness.routing.istio.types import (
    Destination,
    HTTPMatchRequest,
    HTTPRoute,
    HTTPRouteDestination,
    VirtualService,
)

_OWN_ADDRESSES = ("127.0.0.1", "localhost")
"""Hosts by which a service's URL is called when nobody chooses one."""
_MAX_ANSWER_BYTES = 1024 * 1024


class Way(StrEnum):
    """The way in which a call reaches a service.

    HOST: at the listener for all services, where the Host header chooses. URL: at the service's own URL, with the
    address of that URL as Host, which is no name in the mesh. OWN_HOST: there, with a Host that the caller has chosen,
    which is kept.
    """

    HOST = "host"
    URL = "url"
    OWN_HOST = "own host"


class RouteTables:
    """The route tables of one topology: for each caller with a URL for all services, and those that calls share.

    An edit concerns one service, so the virtual hosts of all others are kept.
    """

    def __init__(self, topology: Topology) -> None:
        """topology: who calls whom."""
        self._topology, self.services = topology, topology.services
        self._called = by_call(topology.services)
        self._by_host = {service.host: service for service in topology.services[::-1]}
        self._ports: dict[str, list[int]] = defaultdict(list)
        for service in topology.services:
            self._ports[service.host].append(service.port)
        self._kept: dict[tuple[str, str, Way], tuple[object, JsonObject]] = {}

    def routing(self, hashes: Mapping[str, JsonObject]) -> Routing:
        """Return what all calls share. hashes: what of a request is hashed, by cluster."""
        return Routing(namespace=self._topology.namespace, ports=self._ports, hashes=hashes, istio=self._topology.istio)

    def of(self, resources: Sequence[JsonObject], routing: Routing) -> dict[str, JsonObject]:
        """Return the tables by name."""
        topology = self._topology
        routes = routes_by_host(resources, self._by_host, namespace=topology.namespace)
        routes |= mesh_routes(resources, topology.namespace)
        routing = replace(routing, limits=tuple(filter(is_bandwidth_limit, resources)))
        tables: dict[str, JsonObject] = {}
        shared: dict[str, list[JsonObject]] = defaultdict(list)
        for caller in topology.callers:
            for name in caller.calls:
                if name not in self._called:
                    shared[table_of(caller.workload, name)].append(_unknown_call(caller, name, topology.istio))
                    continue
                for way in (Way.URL, Way.OWN_HOST):
                    host = self._host(routing, caller, name, routes, way)
                    shared[table_of(caller.workload, name)].append(host)
            if caller.any_service:
                every = [self._host(routing, caller, one.name, routes, Way.HOST) for one in self._by_host.values()]
                tables[table_of(caller.workload)] = table(
                    table_of(caller.workload), [*every, _unknown_host(topology.istio)]
                )
        by_listener: JsonObject = {"vhost_header": CALL_HEADER, "request_headers_to_remove": [CALL_HEADER]}
        return {**tables, **{name: {**table(name, hosts), **by_listener} for name, hosts in shared.items()}}

    def _host(
        self,
        routing: Routing,
        caller: Caller,
        called: str,
        routes: Mapping[str, VirtualService],
        way: Way,
    ) -> JsonObject:
        service = self._called[called]
        route, limit = routes.get(service.host), limit_for(routing.limits, caller, service)
        made_from, key = (route, routing.hashes, limit), (caller.workload, called, way)
        kept = self._kept.get(key)
        if kept is None or kept[0] != made_from:
            host = Calls(routing, caller, service, route, way, called).virtual_host()
            kept = made_from, host if limit is None else limit.on(host)
            self._kept[key] = kept
        return kept[1]


def table(name: str, hosts: Sequence[JsonObject]) -> JsonObject:
    """Return a route table with istiod's settings."""
    return {
        "name": name,
        "virtual_hosts": list(hosts),
        "max_direct_response_body_size_bytes": _MAX_ANSWER_BYTES,
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
    }


def _unknown_host(istio: FollowedIstio) -> JsonObject:
    """Return the virtual host for unknown hosts: it answers 502, or passes requests on (ALLOW_ANY)."""
    route = _unknown_route(istio, {})
    return {"name": str(route["name"]), "domains": ["*"], "routes": [route]}


def _unknown_call(caller: Caller, host: str, istio: FollowedIstio) -> JsonObject:
    """Return the virtual host for the URL of a host that is no service."""
    name = listener_name(caller.workload, host).lower()
    route = _unknown_route(istio, {"host_rewrite_literal": host})
    return {"name": name, "domains": [f"{name}.*"], "routes": [route]}


def _unknown_route(istio: FollowedIstio, rewrite: JsonObject) -> JsonObject:
    everything: JsonObject = {"prefix": "/"}
    if not istio.allow_any:
        return {"name": "block_all", "match": everything, "direct_response": {"status": 502}}
    to: JsonObject = {"cluster": PASSTHROUGH, "timeout": "0s", **rewrite}
    return {"name": "allow_any", "match": everything, "route": to}


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """The settings that all calls share.

    namespace: of resources that name none. ports: of each service, by host. hashes: what of a request is hashed, by
    cluster. limits: EnvoyFilters that limit the bandwidth of calls.
    """

    namespace: str
    ports: Mapping[str, Sequence[int]]
    hashes: Mapping[str, JsonObject]
    istio: FollowedIstio
    limits: tuple[JsonObject, ...] = ()

    def forwarding(self, http: HTTPRoute, chosen: Sequence[str]) -> JsonObject:
        """Return the fields of Envoy's route action that hold for all its clusters."""
        hashed: list[JsonValue] = [self.hashes[cluster] for cluster in chosen if cluster in self.hashes]
        action = actions.forwarding(http, self.istio, hashed=bool(hashed))
        return {**action, "hash_policy": hashed} if hashed else action


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of one workload to one service.

    way: how the calls come. called: how the listener of these calls names the service.
    """

    routing: Routing
    caller: Caller
    service: Service
    governing: VirtualService | None
    way: Way = Way.HOST
    called: str = ""

    def virtual_host(self) -> JsonObject:
        """Return the virtual host with the routes that apply to these calls."""
        service, caller = self.service, self.caller
        # Istio falls back to the default route when no route of the VirtualService applies to this caller.
        routes = list(self.routes(self.governing)) if self.governing else []
        called = listener_name(caller.workload, self.called).lower()
        name, domains = {
            Way.HOST: (f"{service.host}:{service.port}", _domains(service, caller)),
            Way.URL: (called, [f"{called}.{address}" for address in _OWN_ADDRESSES]),
            Way.OWN_HOST: (f"{called} by a host of its own", [f"{called}.*"]),
        }[self.way]
        return {
            "name": name,
            "domains": [*domains],
            "routes": [*routes] or [self._default_route()],
            "include_request_attempt_count": True,
        }

    @property
    def _authority(self) -> str:
        """The Host header that the caller would have sent if it had called the service by name."""
        return self.service.authority

    def _default_route(self) -> JsonObject:
        cluster = cluster_name(self.service.host, self.service.port)
        action: JsonObject = {"cluster": cluster, **self.routing.forwarding({}, [cluster])}
        if self.way is Way.URL:
            action["host_rewrite_literal"] = self._authority
        return {"name": "default", "match": {"prefix": "/"}, "route": action}

    def routes(self, resource: VirtualService) -> Iterator[JsonObject]:
        """Yield the routes of a VirtualService, up to the first one that takes every request."""
        unconditional: list[HTTPMatchRequest] = [{}]
        for http in resource["spec"].get("http") or ():
            for condition in http.get("match") or unconditional:
                match = self._match(condition, resource)
                if match is None:
                    continue
                yield self._route(resource, http, condition, match)
                if matches.is_catch_all(match):
                    return

    def _match(self, condition: HTTPMatchRequest, resource: VirtualService) -> JsonObject | None:
        """Return Envoy's match, or None where these calls can never meet the condition."""
        namespace = namespace_of(resource, self.routing.namespace)
        if not matches.selects(condition, self.caller, self.service.port, namespace=namespace):
            return None
        if self.way is Way.URL:
            if not matches.authority_matches(condition, self._authority):
                return None
            condition = matches.without_authority(condition)
        return matches.route_match(condition, by_segments=_is_of_gateway_api(resource))

    def _route(
        self, resource: VirtualService, http: HTTPRoute, condition: HTTPMatchRequest, match: JsonObject
    ) -> JsonObject:
        name = ".".join(part for part in (http.get("name"), condition.get("name")) if part)
        route: JsonObject = {"name": name, "match": match, **actions.header_changes(http.get("headers"))}
        if condition.get("statPrefix"):
            route["stat_prefix"] = condition["statPrefix"]
        if http.get("redirect"):
            redirect = actions.redirect_action(http["redirect"], self.service.port)
            route["redirect"] = self._by_segments(redirect, resource, condition)
        elif http.get("directResponse"):
            route["direct_response"] = actions.direct_response(http["directResponse"])
        else:
            route.update(self._forwarding(resource, http))
            route["route"] = self._by_segments(object_at(route, "route"), resource, condition)
        filters = actions.filters(http)
        return {**route, "typed_per_filter_config": filters} if filters else route

    @staticmethod
    def _by_segments(action: JsonObject, resource: VirtualService, condition: HTTPMatchRequest) -> JsonObject:
        """Return an action as the Gateway API means it: prefixes are whole segments, and an absent backend is a 500."""
        if not _is_of_gateway_api(resource):
            return action
        absent: JsonObject = {"cluster_not_found_response_code": "INTERNAL_SERVER_ERROR"}
        rewritten = actions.by_segments(action, (condition.get("uri") or {}).get("prefix", "/"))
        return rewritten if "response_code" in action else {**rewritten, **absent}

    def _forwarding(self, resource: VirtualService, http: HTTPRoute) -> JsonObject:
        """Return the action that sends requests to one destination, or to several by weight, and header changes."""
        headers = actions.header_changes(http.get("headers"))
        targets = http["route"]
        chosen = [self._cluster(target["destination"], resource) for target in targets]
        action = self.routing.forwarding(http, chosen)
        mirrors = [(self._cluster(target, resource), share) for target, share in actions.mirrors(http)]
        if mirrors:
            action["request_mirror_policies"] = [
                _mirror(cluster, share, self.routing.istio) for cluster, share in mirrors
            ]
        authority = (http.get("rewrite") or {}).get("authority") or actions.authority_of(http.get("headers"))
        own = self._authority if self.way is Way.URL else ""
        if len(targets) == 1:
            action["cluster"] = chosen[0]
            for field, values in actions.header_changes(targets[0].get("headers")).items():
                headers[field] = [*headers.get(field, []), *values]
            authority = authority or actions.authority_of(targets[0].get("headers")) or own
        else:
            weighted: list[JsonValue] = [
                _weighted(target, cluster, "" if authority else own)
                for target, cluster in zip(targets, chosen, strict=True)
                if target.get("weight")
            ]
            action["weighted_clusters"] = {"clusters": weighted}
        if authority:
            action["host_rewrite_literal"] = authority
        return {**headers, "route": action}

    def _cluster(self, destination: Destination, resource: VirtualService) -> str:
        """Return the cluster of a destination; without a port it means the service's only one, or the one called.

        As in istiod (``GetDestinationCluster``). Envoy answers 503 for a service that does not run here, and for a
        port that it does not have, because there is no such cluster.
        """
        host = destination_name(destination, resource, self.routing.namespace)
        selector, ports = destination.get("port"), self.routing.ports.get(host, ())
        port = (selector.get("number") if selector else None) or (ports[0] if len(ports) == 1 else self.service.port)
        return cluster_name(host, port, destination.get("subset") or "")


def _is_of_gateway_api(resource: VirtualService) -> bool:
    name, semantics = SEMANTICS
    return (resource["metadata"].get("annotations") or {}).get(name) == semantics


def _domains(service: Service, caller: Caller) -> list[str]:
    """Return every form of the service's name; Envoy ignores the port of the Host header."""
    if service.name == service.host:  # of a ServiceEntry
        return [service.host]
    names = [service.host, f"{service.host}.", f"{service.name}.{service.namespace}.svc"]
    names.append(f"{service.name}.{service.namespace}")
    return [*names, service.name] if service.namespace == caller.namespace else names


def _mirror(cluster: str, share: JsonObject, istio: FollowedIstio) -> JsonObject:
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": share},
        "trace_sampled": False,
        "disable_shadow_host_suffix_append": not istio.marks_copies,
    }


def _weighted(target: HTTPRouteDestination, cluster: str, authority: str) -> JsonObject:
    authority = actions.authority_of(target.get("headers")) or authority
    entry: JsonObject = {"name": cluster, "weight": target["weight"], **actions.header_changes(target.get("headers"))}
    return {**entry, "host_rewrite_literal": authority} if authority else entry
