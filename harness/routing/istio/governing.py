"""Find the one resource that governs a host, as Istio resolves hosts, scopes and precedence.

Where Istio's behaviour is undefined (two owners of one host), these functions raise an error and do not guess.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import ResourceError
from harness.model.json import JsonObject
from harness.routing.hosts import CLUSTER_DOMAIN, full_name
from harness.routing.istio.types import Destination, DestinationRule, Resource, VirtualService
from harness.routing.istio.views import destination_rules, virtual_services

MESH = "mesh"


def fqdn(host: str, namespace: str) -> str:
    """Return the full name of ``host`` in a resource of ``namespace``. Wildcards and names with a dot are kept."""
    return host if "." in host or "*" in host else f"{host}.{namespace}.{CLUSTER_DOMAIN}"


def covers(pattern: str, host: str) -> bool:
    """Return whether a host in a resource, resolved to its full name, includes the full name ``host``."""
    if pattern in (host, "*"):
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:])


def namespace_of(resource: Resource, namespace: str) -> str:
    """Return the resource's namespace, or ``namespace`` if it names none."""
    return str(resource["metadata"].get("namespace") or namespace)


def label(resource: Resource, namespace: str) -> str:
    """Return the resource's kind, namespace and name, such as ``VirtualService shop/reviews``."""
    return f"{resource['kind']} {namespace_of(resource, namespace)}/{resource['metadata']['name']}"


def virtual_service(
    resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH
) -> VirtualService | None:
    """Return the VirtualService that routes requests for ``host`` behind ``gateway``, or None.

    gateway: ``mesh`` for calls between sidecars. Raises ResourceError if there are two, because sidecars would use the
    older one and ignore the other.
    """
    name = full_name(host, namespace)
    found = [
        resource
        for resource in virtual_services(resources)
        if _visible(resource, namespace)
        and gateway in _gateways(resource)
        and any(covers(fqdn(item, namespace_of(resource, namespace)), name) for item in _hosts(resource))
    ]
    _only_one(found, name, namespace, "merge them into one")
    return found[0] if found else None


def destination_rule(resources: Sequence[JsonObject], *, host: str, namespace: str) -> DestinationRule | None:
    """Return the DestinationRule for exactly ``host``, or None.

    Raises ResourceError if there are two, if it applies to some workloads only, or if it is in another namespace,
    because a new rule in the service's namespace would replace it.
    """
    name = full_name(host, namespace)
    found = [
        resource
        for resource in destination_rules(resources)
        if _visible(resource, namespace) and full_name_in(resource, namespace) == name
    ]
    _only_one(found, name, namespace, "merge their subsets into one")
    if not found:
        return None
    if (found[0].get("spec") or {}).get("workloadSelector"):
        raise ResourceError(
            f"{label(found[0], namespace)}: has a workloadSelector, so its subsets would apply to some callers only"
        )
    return found[0]


def wildcard_rule(resources: Sequence[JsonObject], *, host: str, namespace: str) -> DestinationRule | None:
    """Return the DestinationRule with the longest wildcard for ``host``, which a new rule for the host replaces."""
    name = full_name(host, namespace)
    found = [
        resource
        for resource in destination_rules(resources)
        if _visible(resource, namespace)
        and "*" in full_name_in(resource, namespace)
        and covers(full_name_in(resource, namespace), name)
    ]
    return max(found, key=lambda resource: len(full_name_in(resource, namespace)), default=None)


def full_name_in(resource: DestinationRule, namespace: str) -> str:
    """Return the full name of the host of a DestinationRule."""
    return fqdn(str((resource.get("spec") or {}).get("host") or ""), namespace_of(resource, namespace))


def destination_name(destination: Destination, resource: VirtualService, namespace: str) -> str:
    """Return the full name of the host of a route's destination in ``resource``."""
    return fqdn(destination["host"], namespace_of(resource, namespace))


def _hosts(resource: VirtualService) -> Sequence[str]:
    return (resource.get("spec") or {}).get("hosts") or ()


def _gateways(resource: VirtualService) -> Sequence[str]:
    return (resource.get("spec") or {}).get("gateways") or (MESH,)


def _visible(resource: Resource, namespace: str) -> bool:
    export = (resource.get("spec") or {}).get("exportTo") or ("*",)
    own = namespace_of(resource, namespace) == namespace
    return "*" in export or namespace in export or (own and "." in export)


def _only_one(found: Sequence[Resource], host: str, namespace: str, remedy: str) -> None:
    if len(found) > 1:
        names = " and ".join(label(resource, namespace) for resource in found)
        raise ResourceError(
            f"expected one {found[0]['kind']} for {host}, found {names}: Istio ignores one of them; {remedy}"
        )
