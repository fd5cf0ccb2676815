"""Route tables of the callers: virtual hosts with the routes that istiod would give each sidecar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.mesh.local import actions, matches
from harness.mesh.local.clusters import cluster_name
from harness.mesh.local.topology import Caller, Destination, table_name
from harness.model.json import Json
from harness.routing.istio.governing import destination_name, virtual_service

_MAX_ANSWER_BYTES = 1024 * 1024


def route_tables(
    resources: Sequence[Json], callers: Sequence[Caller], services: Sequence[Destination]
) -> dict[str, Json]:
    """Every route table by name: one a caller for all services, and one for each service it calls by a URL."""
    by_host = {service.host: service for service in services}
    tables: dict[str, Json] = {}
    for caller in callers:
        hosts = [_Calls(resources, caller, service, by_host, any_host=False).virtual_host() for service in services]
        tables[table_name(caller.workload)] = _table(table_name(caller.workload), [*hosts, _nowhere()])
        for service in services:
            if service.name in caller.calls:
                name = table_name(caller.workload, service.name)
                host = _Calls(resources, caller, service, by_host, any_host=True).virtual_host()
                tables[name] = _table(name, [host])
    return tables


def _table(name: str, hosts: Sequence[Json]) -> Json:
    return {
        "name": name,
        "virtual_hosts": list(hosts),
        "max_direct_response_body_size_bytes": _MAX_ANSWER_BYTES,
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
    }


def _nowhere() -> Json:
    """What answers for a host that is no service of the mesh, as in a mesh with REGISTRY_ONLY."""
    route = {"name": "block_all", "match": {"prefix": "/"}, "direct_response": {"status": 502}}
    return {"name": "block_all", "domains": ["*"], "routes": [route]}


@dataclass(frozen=True, slots=True)
class _Calls:
    """The calls of one workload to one service. any_host: they come by a URL of their own, whatever the Host."""

    resources: Sequence[Json]
    caller: Caller
    service: Destination
    services: Mapping[str, Destination]
    any_host: bool

    def virtual_host(self) -> Json:
        service, caller = self.service, self.caller
        governing = virtual_service(self.resources, host=service.host, namespace=caller.namespace)
        # Where no route is meant for this caller, Istio leaves the service to its default, as without a VirtualService.
        routes = (list(self._routes(governing)) if governing else []) or [self._default_route()]
        return {
            "name": f"{service.host}:{service.port}",
            "domains": ["*"] if self.any_host else _domains(service, caller),
            "routes": routes,
            "include_request_attempt_count": True,
        }

    @property
    def _authority(self) -> str:
        """The Host that the caller would have sent, had it called the service by its name."""
        return self.service.authority

    def _default_route(self) -> Json:
        action: dict[str, Json] = {
            "cluster": cluster_name(self.service.host, self.service.port),
            "timeout": "0s",
            "retry_policy": actions.retry_policy(None),
        }
        if self.any_host:
            action["host_rewrite_literal"] = self._authority
        return {"name": "default", "match": {"prefix": "/"}, "route": action}

    def _routes(self, resource: Json) -> Iterator[Json]:
        """The routes of one VirtualService, up to the first one that takes everything."""
        for http in resource["spec"].get("http") or ():
            for condition in http.get("match") or [{}]:
                match = self._match(condition)
                if match is None:
                    continue
                yield self._route(resource, http, condition, match)
                if matches.is_catch_all(match):
                    return

    def _match(self, condition: Json) -> Json | None:
        """Envoy's match, or None where the condition can never be met by these calls."""
        if not matches.selects(condition, self.caller, self.service.port):
            return None
        if self.any_host:
            if not matches.authority_matches(condition, self._authority):
                return None
            condition = matches.without_authority(condition)
        return matches.route_match(condition)

    def _route(self, resource: Json, http: Json, condition: Json, match: Json) -> Json:
        name = ".".join(part for part in (http.get("name"), condition.get("name")) if part)
        route = {"name": name, "match": match, **actions.header_changes(http.get("headers"))}
        if condition.get("statPrefix"):
            route["stat_prefix"] = condition["statPrefix"]
        if http.get("redirect"):
            route["redirect"] = actions.redirect_action(http["redirect"], self.service.port)
        elif http.get("directResponse"):
            route["direct_response"] = actions.direct_response(http["directResponse"])
        else:
            self._send_on(route, resource, http)
        filters = actions.filters(http)
        return {**route, "typed_per_filter_config": filters} if filters else route

    def _send_on(self, route: dict[str, Json], resource: Json, http: Json) -> None:
        """Give the route the action that sends requests to one destination, or to several by weight."""
        action = actions.forwarding(http)
        mirrors = [(self._cluster(target, resource), share) for target, share in actions.mirrors(http)]
        if mirrors:
            action["request_mirror_policies"] = [_mirror(cluster, share) for cluster, share in mirrors]
        authority = (http.get("rewrite") or {}).get("authority") or actions.authority_of(http.get("headers"))
        own = self._authority if self.any_host else ""
        targets = http["route"]
        if len(targets) == 1:
            action["cluster"] = self._cluster(targets[0]["destination"], resource)
            for field, values in actions.header_changes(targets[0].get("headers")).items():
                route[field] = [*route.get(field, []), *values]
            authority = authority or actions.authority_of(targets[0].get("headers")) or own
        else:
            weighted = [
                _weighted(target, self._cluster(target["destination"], resource), "" if authority else own)
                for target in targets
                if target.get("weight")
            ]
            action["weighted_clusters"] = {"clusters": weighted}
        if authority:
            action["host_rewrite_literal"] = authority
        route["route"] = action

    def _cluster(self, destination: Json, resource: Json) -> str:
        """The cluster of a destination; without a port it is the only one of its service."""
        host = destination_name(destination, resource, self.caller.namespace)
        port = (destination.get("port") or {}).get("number") or self.services[host].port
        return cluster_name(host, port, destination.get("subset") or "")


def _domains(service: Destination, caller: Caller) -> list[str]:
    """Every way to write the service's name; ports are ignored."""
    names = [service.host, f"{service.host}.", f"{service.name}.{service.namespace}.svc"]
    names.append(f"{service.name}.{service.namespace}")
    return [*names, service.name] if service.namespace == caller.namespace else names


def _mirror(cluster: str, share: Json) -> Json:
    return {
        "cluster": cluster,
        "runtime_fraction": {"default_value": share},
        "trace_sampled": False,
        "disable_shadow_host_suffix_append": True,
    }


def _weighted(target: Json, cluster: str, authority: str) -> Json:
    authority = actions.authority_of(target.get("headers")) or authority
    entry = {"name": cluster, "weight": target["weight"], **actions.header_changes(target.get("headers"))}
    return {**entry, "host_rewrite_literal": authority} if authority else entry
