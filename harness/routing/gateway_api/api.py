"""The Gateway API as a routing API: HTTPRoutes route requests to Services."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.json import JsonObject
from harness.model.step import Edit
from harness.routing.gateway_api.changes import rule_edit
from harness.routing.gateway_api.footprint import footprint
from harness.routing.gateway_api.governing import destinations, http_route
from harness.routing.gateway_api.kinds import HTTP_ROUTE, NAME, OBJECTS, SERVICE
from harness.routing.gateway_api.split import split_edits
from harness.routing.port import (
    MESH,
    Aim,
    Change,
    Destination,
    Footprint,
    Governing,
    NotExpressible,
    RouteChange,
    Split,
)


class GatewayApiRouting:
    """Implements ``harness.routing.port.RoutingApi``."""

    name = NAME
    kinds = (HTTP_ROUTE, SERVICE)
    objects = OBJECTS

    def governing(
        self, resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH
    ) -> Governing:
        """Return the HTTPRoute of a host. The Gateway API does not define how proxies connect."""
        return Governing(route=http_route(resources, host=host, namespace=namespace, gateway=gateway), policy=None)

    def split(self, resources: Sequence[JsonObject], split: Split) -> tuple[Edit, ...]:
        """Return the edits that send requests to both arms; Services for the arms come first."""
        return split_edits(resources, split)

    def change(self, resources: Sequence[JsonObject], change: Change, aim: Aim) -> Edit | NotExpressible:
        """Return the edit of an HTTPRoute: a time-out, or a change that a fault brings for this API."""
        if not isinstance(change, RouteChange) or aim.declared.scope.side == "host":
            return NotExpressible(why=f"{aim.declared.text}: the Gateway API has no field for it")
        return rule_edit(resources, change, aim)

    def footprint(self, edit: Edit, resource: JsonObject | None, *, namespace: str) -> Footprint:  # noqa: ARG002 - port
        """Return the routes and clusters that Envoy has while the edit is in force."""
        return footprint(edit, resource)

    def destinations(self, resources: Sequence[JsonObject], *, namespace: str) -> tuple[Destination, ...]:
        """Return the Services that requests for another Service are sent to."""
        return tuple(destinations(resources, namespace))
