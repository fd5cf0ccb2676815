"""Find the HTTPRoute that routes requests for a Service, and the Services that these requests go to.

In a mesh, an HTTPRoute is attached to the Service that callers name (``parentRefs`` of kind Service, GEP-1294), and
its rules lead to other Services, often one for each version. At a gateway, it is attached to the Gateway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.errors import ResourceError
from harness.model.json import JsonObject, objects_at, text_at, texts_at
from harness.routing.gateway_api.kinds import GATEWAY, GROUP, HTTP_ROUTE, RULES, SERVICE
from harness.routing.hosts import full_name
from harness.routing.port import MESH, Destination


def http_route(resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH) -> JsonObject | None:
    """Return the HTTPRoute that routes requests for ``host``, or None.

    gateway: ``mesh`` for calls between sidecars, otherwise ``NAME`` or ``NAMESPACE/NAME`` of a Gateway. Raises
    ResourceError if there are two, because which rule comes first then depends on when they were made.
    """
    found = [
        route
        for route in resources
        if route["kind"] == HTTP_ROUTE and _routes(route, full_name(host, namespace), namespace, gateway)
    ]
    if len(found) > 1:
        names = " and ".join(label(route, namespace) for route in found)
        raise ResourceError(
            f"expected one {HTTP_ROUTE} for {host}, found {names}: the order of their rules depends on their age; "
            "merge them into one"
        )
    return found[0] if found else None


def _routes(route: JsonObject, service: str, namespace: str, gateway: str) -> bool:
    own = namespace_of(route, namespace)
    if gateway == MESH:
        return service in _parent_services(route, own)
    where, _, name = gateway.rpartition("/")
    attached = any(
        text_at(parent, "name") == name and (not where or text_at(parent, "namespace", default=own) == where)
        for parent in objects_at(route, "spec", "parentRefs")
        if text_at(parent, "kind", default=GATEWAY) == GATEWAY and text_at(parent, "group", default=GROUP) == GROUP
    )
    return attached and any(service in backend_services(rule, own) for rule in objects_at(route, *RULES))


def _parent_services(route: JsonObject, namespace: str) -> set[str]:
    return {
        full_name(text_at(parent, "name"), text_at(parent, "namespace", default=namespace))
        for parent in objects_at(route, "spec", "parentRefs")
        if text_at(parent, "kind", default=GATEWAY) == SERVICE
    }


def is_service(backend: JsonObject) -> bool:
    """Return whether a backend is a Service, not an object of another group such as a ServiceImport."""
    return text_at(backend, "kind", default=SERVICE) == SERVICE and not text_at(backend, "group", default="")


def backend_services(rule: JsonObject, namespace: str) -> set[str]:
    """Return the full names of the Services that a rule of an HTTPRoute in ``namespace`` sends requests to."""
    return {
        full_name(text_at(backend, "name"), text_at(backend, "namespace", default=namespace))
        for backend in objects_at(rule, "backendRefs")
        if is_service(backend)
    }


def namespace_of(resource: JsonObject, namespace: str) -> str:
    """Return the resource's namespace, or ``namespace`` if it names none."""
    return text_at(resource, "metadata", "namespace", default=namespace)


def label(resource: JsonObject, namespace: str) -> str:
    """Return the resource's kind, namespace and name, such as ``HTTPRoute shop/reviews``."""
    return f"{resource['kind']} {namespace_of(resource, namespace)}/{text_at(resource, 'metadata', 'name')}"


def services(resources: Sequence[JsonObject], namespace: str) -> Mapping[str, JsonObject]:
    """Return the Services among some resources, by full name."""
    return {
        full_name(text_at(item, "metadata", "name"), namespace_of(item, namespace)): item
        for item in resources
        if item["kind"] == SERVICE
    }


def destinations(resources: Sequence[JsonObject], namespace: str) -> Iterator[Destination]:
    """Yield the Services that requests for another Service are sent to, with the version that they select.

    A Service that several Services lead to is left out: its requests cannot be attributed to one of them.
    """
    known = services(resources, namespace)
    parents: dict[str, set[str]] = {}
    for route in resources:
        if route["kind"] != HTTP_ROUTE:
            continue
        own = namespace_of(route, namespace)
        for parent in _parent_services(route, own):
            for rule in objects_at(route, *RULES):
                for backend in backend_services(rule, own):
                    parents.setdefault(backend, set()).add(parent)
    for backend, named in sorted(parents.items()):
        if len(named) == 1:
            selected = texts_at(known.get(backend, {}), "spec", "selector")
            yield Destination(name=backend, host=min(named), version=selected.get("version", ""))
