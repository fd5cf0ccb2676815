"""Derive the full names of services, in the same way for every routing API."""

from __future__ import annotations

CLUSTER_DOMAIN = "svc.cluster.local"


def full_name(host: str, namespace: str) -> str:
    """Return the full name of a service that a person wrote as ``ratings``, ``ratings.shop`` or in full."""
    parts = host.split(".")
    if len(parts) == 1:
        return f"{host}.{namespace}.{CLUSTER_DOMAIN}"
    return f"{host}.{CLUSTER_DOMAIN}" if len(parts) == 2 else f"{host}.cluster.local" if parts[2:] == ["svc"] else host
