"""Istio as a routing API: VirtualServices route requests, and DestinationRules define how proxies connect."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.json import JsonObject
from harness.model.step import Edit
from harness.routing.istio import governing
from harness.routing.istio.footprint import footprint
from harness.routing.istio.inbound import inbound_edit, rate_limit_edit, refusal_edit
from harness.routing.istio.kinds import DESTINATION_RULE, NAME, OBJECTS, VIRTUAL_SERVICE
from harness.routing.istio.outbound import bandwidth_edit
from harness.routing.istio.policy_changes import policy_edit, subset_change
from harness.routing.istio.route_changes import route_edit
from harness.routing.istio.routing import split_edits
from harness.routing.istio.sharing import share_edits, without
from harness.routing.istio.views import as_json, destination_rules
from harness.routing.port import (
    MESH,
    Aim,
    Bandwidth,
    Change,
    Destination,
    Footprint,
    Governing,
    NotExpressible,
    PolicyChange,
    RateLimit,
    Refusal,
    Share,
    Split,
    SubsetChange,
)


class IstioRouting:
    """Implements ``harness.routing.port.RoutingApi`` and ``Sharing``."""

    name = NAME
    kinds = (VIRTUAL_SERVICE, DESTINATION_RULE)
    objects = OBJECTS

    def governing(
        self, resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH
    ) -> Governing:
        """Return the VirtualService and the DestinationRule of a host."""
        route = governing.virtual_service(resources, host=host, namespace=namespace, gateway=gateway)
        policy = governing.destination_rule(resources, host=host, namespace=namespace)
        return Governing(
            route=None if route is None else as_json(route), policy=None if policy is None else as_json(policy)
        )

    def split(self, resources: Sequence[JsonObject], split: Split) -> tuple[Edit, ...]:
        """Return the edits that send requests to both arms; the edit of the DestinationRule comes first."""
        return split_edits(resources, split)

    def change(self, resources: Sequence[JsonObject], change: Change, aim: Aim) -> Edit | NotExpressible:
        """Return the edit of a VirtualService or DestinationRule, or of a new object for the called side's proxies."""
        if isinstance(change, PolicyChange):
            return policy_edit(resources, change, aim)
        if isinstance(change, SubsetChange):
            return subset_change(resources, change, aim)
        if isinstance(change, (Refusal, RateLimit, Bandwidth)):
            return _own_object(change, aim)
        if aim.declared.scope.side == "host":
            return inbound_edit(change, aim)
        return route_edit(resources, change, aim)

    def footprint(self, edit: Edit, resource: JsonObject | None, *, namespace: str) -> Footprint:
        """Return the routes, clusters and filters that Envoy has while the edit is in force."""
        return footprint(edit, resource, namespace=namespace)

    def destinations(self, resources: Sequence[JsonObject], *, namespace: str) -> tuple[Destination, ...]:
        """Return the subsets of DestinationRules."""
        return tuple(
            Destination(
                name=governing.full_name_in(rule, namespace),
                host=governing.full_name_in(rule, namespace),
                subset=subset["name"],
                version=(subset.get("labels") or {}).get("version", ""),
            )
            for rule in destination_rules(resources)
            for subset in (rule.get("spec") or {}).get("subsets") or ()
        )

    def share(self, resources: Sequence[JsonObject], share: Share) -> tuple[Edit, ...]:
        """Return the edits that route users by ``share``; the edit of the DestinationRule comes first."""
        return share_edits(resources, share)

    def without(self, resource: JsonObject, owner: str) -> JsonObject | None:
        """Return the resource without what a release inserted."""
        return without(resource, owner)


def _own_object(change: Refusal | RateLimit | Bandwidth, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that creates an object, which nobody else writes, for the proxies of one side."""
    if isinstance(change, Refusal):
        return refusal_edit(aim)
    return rate_limit_edit(change, aim) if isinstance(change, RateLimit) else bandwidth_edit(change, aim)
