"""Full names of services, which every routing API derives in the same way."""

from __future__ import annotations

CLUSTER_DOMAIN = "svc.cluster.local"


def full_name(host: str, namespace: str) -> str:
    """Return the full name of a service that a person wrote as ``ratings``, ``ratings.shop`` or in full."""
    parts = host.split(".")
    if len(parts) == 1:
        return f"{host}.{namespace}.{CLUSTER_DOMAIN}"
    return f"{host}.{CLUSTER_DOMAIN}" if len(parts) == 2 else f"{host}.cluster.local" if parts[2:] == ["svc"] else host
