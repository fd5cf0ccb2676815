"""The kinds of Istio's resources. Their names are written here and nowhere else outside this package."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.object_kind import ObjectKind

NAME = "istio"
"""What the API is called in settings."""

VIRTUAL_SERVICE = "VirtualService"
DESTINATION_RULE = "DestinationRule"
GATEWAY = "Gateway"
SERVICE_ENTRY = "ServiceEntry"
ENVOY_FILTER = "EnvoyFilter"
AUTHORIZATION_POLICY = "AuthorizationPolicy"

ROUTES, SUBSETS = ("spec", "http"), ("spec", "subsets")
LISTS: Mapping[str, tuple[str, ...]] = {VIRTUAL_SERVICE: ROUTES, DESTINATION_RULE: SUBSETS}
"""The list of named entries that edits insert into, by kind."""

_ROWS = (
    (VIRTUAL_SERVICE, "networking", "v1", "virtualservices"),
    (DESTINATION_RULE, "networking", "v1", "destinationrules"),
    (GATEWAY, "networking", "v1", "gateways"),
    (SERVICE_ENTRY, "networking", "v1", "serviceentries"),
    ("Sidecar", "networking", "v1", "sidecars"),
    (ENVOY_FILTER, "networking", "v1alpha3", "envoyfilters"),
    (AUTHORIZATION_POLICY, "security", "v1", "authorizationpolicies"),
)
OBJECTS = tuple(
    ObjectKind(name=name, group=f"{group}.istio.io", version=version, plural=plural)
    for name, group, version, plural in _ROWS
)
"""Where the Kubernetes API keeps them."""
