"""Names of hosts, gateways and resources, as Istio completes and compares them."""

from __future__ import annotations

from harness.routing.hosts import CLUSTER_DOMAIN
from harness.routing.istio.entry_types import ServiceEntry
from harness.routing.istio.gateway_types import Gateway
from harness.routing.istio.types import Resource

MESH = "mesh"
ROOT_NAMESPACE = "istio-system"
"""The namespace whose DestinationRules hold for every caller that has none of its own."""


def fqdn(host: str, namespace: str) -> str:
    """Return the full name of ``host`` in a resource of ``namespace``. Wildcards and names with a dot are kept."""
    return host if "." in host or "*" in host else f"{host}.{namespace}.{CLUSTER_DOMAIN}"


def covers(pattern: str, host: str) -> bool:
    """Return whether a host in a resource, resolved to its full name, includes the full name ``host``."""
    if pattern in (host, "*"):
        return True
    return pattern.startswith("*.") and host.endswith(pattern[1:])


def namespace_of(resource: Resource | Gateway | ServiceEntry, namespace: str) -> str:
    """Return the resource's namespace, or ``namespace`` if it names none."""
    return str(resource["metadata"].get("namespace") or namespace)


def label(resource: Resource, namespace: str) -> str:
    """Return the resource's kind, namespace and name, such as ``VirtualService shop/reviews``."""
    return f"{resource['kind']} {namespace_of(resource, namespace)}/{resource['metadata']['name']}"


def gateway_name(gateway: str, namespace: str) -> str:
    """Return ``mesh``, or ``namespace/name`` of a gateway that a resource of ``namespace`` names."""
    return gateway if gateway == MESH or "/" in gateway else f"{namespace}/{gateway}"
