"""Route tables of the callers: the virtual hosts and routes that istiod would give each sidecar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.mesh.local import actions, matches
from harness.mesh.local.clusters import cluster_name, hash_policies
from harness.mesh.local.topology import Caller, Service, Topology, table_name
from harness.model.followed_istio import FollowedIstio
from harness.model.json import JsonObject, JsonValue
from harness.routing.istio.governing import destination_name, virtual_service
from harness.routing.istio.types import (
    Destination,
    HTTPMatchRequest,
    HTTPRoute,
    HTTPRouteDestination,
    VirtualService,
)

_HTTP_PORT = 80
_MAX_ANSWER_BYTES = 1024 * 1024


def route_tables(resources: Sequence[JsonObject], topology: Topology) -> dict[str, JsonObject]:
    """Return the route tables by name: per caller one for all services and one for each service it calls by URL."""
    routing = _Routing(
        resources=resources,
        services={service.host: service for service in topology.services},
        hashes=hash_policies(resources, topology.services, namespace=topology.namespace),
        istio=topology.istio,
    )
    tables: dict[str, JsonObject] = {}
    for caller in topology.callers:
        hosts = [_Calls(routing, caller, service, any_host=False).virtual_host() for service in topology.services]
        tables[table_name(caller.workload)] = _table(table_name(caller.workload), [*hosts, _unknown_host()])
        for service in topology.services:
            if service.name in caller.calls:
                name = table_name(caller.workload, service.name)
                host = _Calls(routing, caller, service, any_host=True).virtual_host()
                tables[name] = _table(name, [host])
    return tables


def _table(name: str, hosts: Sequence[JsonObject]) -> JsonObject:
    return {
        "name": name,
        "virtual_hosts": list(hosts),
        "max_direct_response_body_size_bytes": _MAX_ANSWER_BYTES,
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
    }


def _unknown_host() -> JsonObject:
    """Return the virtual host that answers 502 for unknown hosts, as in a mesh with REGISTRY_ONLY."""
    route: JsonObject = {"name": "block_all", "match": {"prefix": "/"}, "direct_response": {"status": 502}}
    return {"name": "block_all", "domains": ["*"], "routes": [route]}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Routing:
    """What all calls share. services: by host. hashes: what of a request is hashed, by cluster."""

    resources: Sequence[JsonObject]
    services: Mapping[str, Service]
    hashes: Mapping[str, JsonObject]
    istio: FollowedIstio

    def forwarding(self, http: HTTPRoute, chosen: Sequence[str]) -> JsonObject:
        """Return the fields of Envoy's route action that hold for all its clusters."""
        hashed: list[JsonValue] = [self.hashes[cluster] for cluster in chosen if cluster in self.hashes]
        action = actions.forwarding(http, self.istio, hashed=bool(hashed))
        return {**action, "hash_policy": hashed} if hashed else action


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls of one workload to one service.

    any_host: the calls come by a URL that leads to this service only, whatever the Host header.
    """

    routing: _Routing
    caller: Caller
    service: Service
    any_host: bool

    def virtual_host(self) -> JsonObject:
        """Return the virtual host with the routes that apply to these calls."""
        service, caller = self.service, self.caller
        governing = virtual_service(self.routing.resources, host=service.host, namespace=caller.namespace)
        # Istio falls back to the default route when no route of the VirtualService applies to this caller.
        routes = list(self._routes(governing)) if governing else []
        return {
            "name": f"{service.host}:{service.port}",
            "domains": ["*"] if self.any_host else [*_domains(service, caller)],
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
        if self.any_host:
            action["host_rewrite_literal"] = self._authority
        return {"name": "default", "match": {"prefix": "/"}, "route": action}

    def _routes(self, resource: VirtualService) -> Iterator[JsonObject]:
        """Yield the routes of a VirtualService, up to the first one that takes every request."""
        unconditional: list[HTTPMatchRequest] = [{}]
        for http in resource["spec"].get("http") or ():
            for condition in http.get("match") or unconditional:
                match = self._match(condition)
                if match is None:
                    continue
                yield self._route(resource, http, condition, match)
                if matches.is_catch_all(match):
                    return

    def _match(self, condition: HTTPMatchRequest) -> JsonObject | None:
        """Return Envoy's match, or None where these calls can never meet the condition."""
        if not matches.selects(condition, self.caller, self.service.port):
            return None
        if self.any_host:
            if not matches.authority_matches(condition, self._authority):
                return None
            condition = matches.without_authority(condition)
        return matches.route_match(condition)

    def _route(
        self, resource: VirtualService, http: HTTPRoute, condition: HTTPMatchRequest, match: JsonObject
    ) -> JsonObject:
        name = ".".join(part for part in (http.get("name"), condition.get("name")) if part)
        route: JsonObject = {"name": name, "match": match, **actions.header_changes(http.get("headers"))}
        if condition.get("statPrefix"):
            route["stat_prefix"] = condition["statPrefix"]
        if http.get("redirect"):
            route["redirect"] = actions.redirect_action(http["redirect"], self.service.port)
        elif http.get("directResponse"):
            route["direct_response"] = actions.direct_response(http["directResponse"])
        else:
            route.update(self._forwarding(resource, http))
        filters = actions.filters(http)
        return {**route, "typed_per_filter_config": filters} if filters else route

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
        own = self._authority if self.any_host else ""
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
        """Return the cluster of a destination; a destination without a port means the service's only port.

        A service that does not run here has no cluster, so Envoy answers 503.
        """
        host = destination_name(destination, resource, self.caller.namespace)
        selector = destination.get("port")
        known = self.routing.services.get(host)
        port = (selector.get("number") if selector else None) or (known.port if known else _HTTP_PORT)
        return cluster_name(host, port, destination.get("subset") or "")


def _domains(service: Service, caller: Caller) -> list[str]:
    """Return every form of the service's name; Envoy ignores the port of the Host header."""
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
