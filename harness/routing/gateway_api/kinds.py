"""The kinds of the Gateway API. Their names are written here and nowhere else outside this package."""

from __future__ import annotations

from harness.model.object_kind import ObjectKind

NAME = "gateway api"
"""What the API is called in settings."""

HTTP_ROUTE = "HTTPRoute"
SERVICE = "Service"
GATEWAY = "Gateway"
GROUP = "gateway.networking.k8s.io"
RULES = ("spec", "rules")
MOST_RULES = 16
"""The API server refuses an HTTPRoute with more."""
OBJECTS = (ObjectKind(name=HTTP_ROUTE, group=GROUP, version="v1", plural="httproutes"),)
"""Where the Kubernetes API keeps them; Services belong to its core."""
