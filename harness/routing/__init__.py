"""Routing APIs: each splits and changes requests with its own resources. A new one is a package, and a line here."""

from __future__ import annotations

from collections.abc import Callable

from harness.model.json import JsonObject
from harness.model.step import Edit
from harness.routing.gateway_api.api import GatewayApiRouting
from harness.routing.governed import GovernedRouting
from harness.routing.istio.api import IstioRouting
from harness.routing.port import Footprint, RoutingApi

APIS: tuple[RoutingApi, ...] = (IstioRouting(), GatewayApiRouting())


def routing_where(serves: Callable[[str], bool]) -> RoutingApi:
    """Return the routing APIs that a server has, as one; the API that governs a host routes it.

    serves: returns whether the server has objects of a kind. It is not asked where there is no choice. If it has none
    of the APIs, the first one is returned, whose first request then fails with the reason.
    """
    there = [api for api in APIS if len(APIS) == 1 or all(map(serves, api.kinds))]
    return there[0] if len(there) == 1 else GovernedRouting(there or APIS[:1])


def footprint(edit: Edit, resource: JsonObject | None, *, namespace: str) -> Footprint:
    """Return how an edit of any API's resource shows in the proxies; without traces if no API knows its kind."""
    return GovernedRouting(APIS).footprint(edit, resource, namespace=namespace)
