"""How Istio names hosts, and how resources are told apart."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

from harness.model.record import Json

DOMAIN = "cluster.local"
DEFAULT_NAMESPACE = "default"
Key: TypeAlias = tuple[str, str, str]
"""Kind, namespace, name."""


def full_host(host: str, namespace: str) -> str:
    """The name of a host as Istio resolves it in a resource of ``namespace``.

    Only a name without a dot is completed (``reviews``); ``reviews.prod`` is taken as it stands, as in Istio.
    """
    if host == "*" or "." in host or _is_address(host):
        return host.lower()
    return f"{host}.{namespace}.svc.{DOMAIN}".lower()


def covers(pattern: str, host: str) -> bool:
    """Whether a host of a VirtualService, perhaps with a leading ``*``, covers a full host name."""
    return host.endswith(pattern[1:]) if pattern.startswith("*") else host == pattern


def cluster_name(full_name: str, port: int, subset: str = "") -> str:
    """The name istiod gives to the outbound cluster of a host, port and subset."""
    return f"outbound|{port}|{subset}|{full_name}"


def namespace_of(resource: Json, default: str = DEFAULT_NAMESPACE) -> str:
    """The namespace of a resource, or the default where it names none."""
    return str(resource.get("metadata", {}).get("namespace") or default)


def key_of(resource: Json, default_namespace: str = DEFAULT_NAMESPACE) -> Key:
    """What tells a resource from every other one."""
    return (str(resource["kind"]), namespace_of(resource, default_namespace), str(resource["metadata"]["name"]))


def label_of(resource: Json) -> str:
    """A short name for messages: ``VirtualService reviews``."""
    return f"{resource.get('kind', 'resource')} {resource.get('metadata', {}).get('name', '(no name)')}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
