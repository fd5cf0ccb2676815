"""HTTPRoutes of the mesh: what they route here, as istiod would give it to the sidecars of the callers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from harness.model.json import JsonObject, objects_at, text_at
from harness.routing.gateway_api.as_istio import SEMANTICS, istio_routes, ordered, rule_actions
from harness.routing.gateway_api.governing import label, namespace_of
from harness.routing.gateway_api.kinds import GATEWAY, GROUP, HTTP_ROUTE, RULES, SERVICE
from harness.routing.hosts import full_name
from harness.routing.istio.kinds import VIRTUAL_SERVICE
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import HTTPMatchRequest, HTTPRoute, VirtualService

_NAME = "of-http-routes"


def is_http_route(resource: JsonObject) -> bool:
    """Return whether a resource is an HTTPRoute of the Gateway API."""
    return resource["kind"] == HTTP_ROUTE and str(resource.get("apiVersion")).startswith(f"{GROUP}/")


def mesh_routes(resources: Sequence[JsonObject], namespace: str) -> dict[str, VirtualService]:
    """Return what HTTPRoutes do with requests for each Service that they are attached to, by its full name.

    Several HTTPRoutes of a Service are one list of rules: those of the oldest come first where they are equally
    specific (GatewayAPI: HTTPRouteRule.matches).
    """
    routes: dict[str, list[HTTPRoute]] = defaultdict(list)
    for resource in sorted(filter(is_http_route, resources), key=lambda one: _age(one, namespace)):
        made = list(istio_routes(resource, namespace))
        for _, parent in parents(resource):
            host = service_of(parent, resource, namespace)
            if host and _is_seen(resource, host, namespace):
                routes[host] += [_for_port(one, parent) for one in made]
    return {host: _virtual_service(host, ordered(found), namespace) for host, found in routes.items()}


def parents(route: JsonObject) -> Iterator[tuple[At, JsonObject]]:
    """Yield what an HTTPRoute is attached to, with the places."""
    for index, parent in enumerate(objects_at(route, "spec", "parentRefs")):
        yield ("spec", "parentRefs", index), parent


def service_of(parent: JsonObject, route: JsonObject, namespace: str) -> str:
    """Return the full name of the Service that an HTTPRoute is attached to; empty for something else."""
    if text_at(parent, "kind", default=GATEWAY) != SERVICE or text_at(parent, "group", default=GROUP) not in (
        "",
        GROUP,
    ):
        return ""
    return full_name(text_at(parent, "name"), text_at(parent, "namespace", default=namespace_of(route, namespace)))


def route_notes(route: JsonObject, hosts: AbstractSet[str], namespace: str) -> Iterator[Problem]:
    """Yield what of an HTTPRoute has no effect here. hosts: full names of the services of this machine."""
    for at, parent in parents(route):
        host = service_of(parent, route, namespace)
        if not host:
            kind = text_at(parent, "kind", default=GATEWAY)
            message = f"is left out: HTTPRoutes of a {kind} are not served on this machine, only those of Services"
            yield Problem(at=at, message=message)
        elif host not in hosts:
            yield Problem(at=at, message=f"{parent['name']} is left out: no such service runs here")
        elif not _is_seen(route, host, namespace):
            message = (
                f"is left out: it is in {namespace_of(route, namespace)}, and routes callers of that namespace only"
            )
            yield Problem(at=at, message=message)
    for index, rule in enumerate(objects_at(route, *RULES)):
        made = rule_actions(rule, namespace_of(route, namespace))
        absent = {one["destination"]["host"] for one in made.get("route") or ()} - hosts
        copied = {one["destination"]["host"] for one in made.get("mirrors") or ()} - hosts
        at = ("spec", "rules", index)
        for host in sorted(absent):
            yield Problem(at=at, message=f"leads to {host}, which does not run here: those requests get 500")
        for host in sorted(copied):
            yield Problem(at=at, message=f"copies requests to {host}, which does not run here: nothing is copied")


def governed_hosts(resources: Sequence[JsonObject], namespace: str) -> dict[str, JsonObject]:
    """Return an HTTPRoute for each Service that HTTPRoutes are attached to, by the Service's full name."""
    return {
        host: route
        for route in filter(is_http_route, resources)
        for _, parent in parents(route)
        if (host := service_of(parent, route, namespace)) and _is_seen(route, host, namespace)
    }


def why_ignored(route: VirtualService, host: str, governing: JsonObject, namespace: str) -> str:
    """Return why a VirtualService does not apply to calls for a host that an HTTPRoute routes."""
    return (
        f"{host.partition('.')[0]}: {label(governing, namespace)} routes it, and proxies ignore the {VIRTUAL_SERVICE} "
        f"{route['metadata']['name']} for calls in the mesh then: keep one of the two"
    )


def _is_seen(route: JsonObject, host: str, namespace: str) -> bool:
    """Return whether callers in ``namespace`` use an HTTPRoute: the Service's own, or one of their namespace."""
    own = namespace_of(route, namespace)
    return own == namespace or host == full_name(host.partition(".")[0], own)


def _for_port(route: HTTPRoute, parent: JsonObject) -> HTTPRoute:
    port = parent.get("port")
    if not isinstance(port, int):
        return route
    matches: list[HTTPMatchRequest] = [{**match, "port": port} for match in route["match"]]
    return {**route, "match": matches}


def _virtual_service(host: str, routes: list[HTTPRoute], namespace: str) -> VirtualService:
    name, semantics = SEMANTICS
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": VIRTUAL_SERVICE,
        "metadata": {"name": _NAME, "namespace": namespace, "annotations": {name: semantics}},
        "spec": {"hosts": [host], "http": routes},
    }


def _age(route: JsonObject, namespace: str) -> tuple[str, str]:
    return text_at(route, "metadata", "creationTimestamp", default=""), label(route, namespace)
