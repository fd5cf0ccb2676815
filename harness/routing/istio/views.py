"""See JSON objects as the types of ``harness.routing.istio.types``, and typed dictionaries as JSON objects.

Both are the same dictionaries at run time. These are the only places that say so to the type checker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from harness.errors import ResourceError
from harness.model.json import JsonObject
from harness.routing.istio.entry_types import ServiceEntry
from harness.routing.istio.gateway_types import Gateway
from harness.routing.istio.kinds import DESTINATION_RULE, GATEWAY, SERVICE_ENTRY, VIRTUAL_SERVICE
from harness.routing.istio.types import DestinationRule, HTTPRoute, StringMatch, VirtualService


def as_virtual_service(resource: JsonObject) -> VirtualService:
    """Type a resource as a VirtualService, without checking it: the caller knows its kind and has checked it."""
    return cast("VirtualService", resource)


def as_destination_rule(resource: JsonObject) -> DestinationRule:
    """Type a resource as a DestinationRule, without checking it: the caller knows its kind and has checked it."""
    return cast("DestinationRule", resource)


def as_gateway(resource: JsonObject) -> Gateway:
    """Type a resource as a Gateway, without checking it: the caller knows its kind and has checked it."""
    return cast("Gateway", resource)


def as_route(entry: JsonObject) -> HTTPRoute:
    """Type an entry that an edit inserts as the HTTP route that it was made from."""
    return cast("HTTPRoute", entry)


def virtual_services(resources: Iterable[JsonObject]) -> list[VirtualService]:
    """Return the VirtualServices among some resources."""
    return [as_virtual_service(resource) for resource in resources if resource["kind"] == VIRTUAL_SERVICE]


def destination_rules(resources: Iterable[JsonObject]) -> list[DestinationRule]:
    """Return the DestinationRules among some resources."""
    return [as_destination_rule(resource) for resource in resources if resource["kind"] == DESTINATION_RULE]


def gateways(resources: Iterable[JsonObject]) -> list[Gateway]:
    """Return Istio's Gateways among some resources; the Gateway API has a kind of the same name."""
    return [
        as_gateway(resource)
        for resource in resources
        if resource["kind"] == GATEWAY and str(resource["apiVersion"]).startswith("networking.istio.io/")
    ]


def service_entries(resources: Iterable[JsonObject]) -> list[ServiceEntry]:
    """Return the ServiceEntries among some resources."""
    return [as_service_entry(resource) for resource in resources if resource["kind"] == SERVICE_ENTRY]


def as_service_entry(resource: JsonObject) -> ServiceEntry:
    """Type a resource as a ServiceEntry, without checking it: the caller knows its kind and has checked it."""
    return cast("ServiceEntry", resource)


def as_json(typed: Mapping[str, object]) -> JsonObject:
    """Return a typed dictionary as the JSON object that it is, which type checkers cannot see.

    The result is the same dictionary, not a copy.
    """
    return cast("JsonObject", typed)


def string_match(condition: Mapping[str, str]) -> StringMatch:
    """Return a condition of the configuration as Istio writes it. Raises ResourceError for an unknown field."""
    unknown = sorted(condition.keys() - StringMatch.__annotations__.keys())
    if unknown:
        raise ResourceError(f"expected a condition with exact, prefix or regex, found {unknown[0]!r}")
    return cast("StringMatch", condition)
