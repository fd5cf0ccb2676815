"""Refuse to release a service that is not routed by the API with which a release shifts users."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import UsageError
from harness.model.json import JsonObject, text_at
from harness.routing.port import MESH, RoutingApi


def require_routed_by(
    api: RoutingApi,
    routing: RoutingApi,
    resources: Sequence[JsonObject],
    *,
    service: str,
    namespace: str,
    gateway: str = MESH,
) -> None:
    """Raise UsageError if a resource of another API routes the service: proxies would ignore the routes of a release.

    api: that the release uses. routing: all APIs.
    """
    found = routing.governing(resources, host=service, namespace=namespace, gateway=gateway)
    if found.route is not None and found.route["kind"] not in api.kinds:
        raise UsageError(
            f"{service}: {found.route['kind']} {text_at(found.route, 'metadata', 'name')} routes it, so proxies would "
            "ignore the VirtualService that a release shifts users with: route the service with one, or shift users "
            "with Argo Rollouts or Flagger and let the harness judge (docs/pipelines)"
        )
