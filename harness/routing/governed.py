"""Use several routing APIs as one: each host is routed by the API whose resource governs it."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import ResourceError
from harness.model.json import JsonObject, text_at
from harness.model.object_kind import ObjectKind
from harness.model.step import Edit
from harness.routing.hosts import full_name
from harness.routing.port import (
    MESH,
    Aim,
    Change,
    Destination,
    Footprint,
    Governing,
    NotExpressible,
    PolicyChange,
    RouteChange,
    RoutingApi,
    Split,
)


class GovernedRouting:
    """Implements ``harness.routing.port.RoutingApi`` with the APIs of a cluster."""

    def __init__(self, apis: Sequence[RoutingApi]) -> None:
        """apis: at least one; the first one routes the hosts that no resource governs yet."""
        self._apis = tuple(apis)
        self.name = ", ".join(api.name for api in apis)
        self.kinds: tuple[str, ...] = tuple(dict.fromkeys(kind for api in apis for kind in api.kinds))
        self.objects: tuple[ObjectKind, ...] = tuple(dict.fromkeys(kind for api in apis for kind in api.objects))

    def api_of(self, resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH) -> RoutingApi:
        """Return the API whose resource routes requests for ``host``; without one, the API that has a policy for it.

        Raises ResourceError if resources of two APIs route them, because a proxy would ignore one of the two.
        """
        found = [(api, api.governing(resources, host=host, namespace=namespace, gateway=gateway)) for api in self._apis]
        routing = [api for api, governing in found if governing.route is not None]
        if len(routing) > 1:
            names = " and ".join(api.name for api in routing)
            raise ResourceError(
                f"expected resources of one routing API for {host}, found some of {names}: proxies ignore one of them; "
                "remove it"
            )
        connecting = [api for api, governing in found if governing.policy is not None]
        return [*routing, *connecting, *self._apis][0]

    def governing(
        self, resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH
    ) -> Governing:
        """Return what decides about requests for ``host``, in the API that routes them.

        A policy of another API holds too, because connections are not the matter of routes.
        """
        first = self.api_of(resources, host=host, namespace=namespace, gateway=gateway)
        found = [api.governing(resources, host=host, namespace=namespace, gateway=gateway) for api in self._from(first)]
        policy = next((each.policy for each in found if each.policy is not None), None)
        return Governing(route=found[0].route, policy=policy)

    def split(self, resources: Sequence[JsonObject], split: Split) -> tuple[Edit, ...]:
        """Return the edits of the API that routes requests for the host.

        Raises ResourceError if they make Services to which a policy of the host would not apply.
        """
        api = self.api_of(resources, host=split.host, namespace=split.namespace, gateway=split.gateway)
        edits = api.split(resources, split)
        policies = (
            other.governing(resources, host=split.host, namespace=split.namespace).policy
            for other in self._from(api)[1:]
        )
        policy = next((found for found in policies if found is not None), None)
        made = [edit.label for edit in edits if edit.create is not None]
        if policy is not None and made:
            raise ResourceError(
                f"{policy['kind']} {text_at(policy, 'metadata', 'name')}: defines how proxies connect to {split.host}, "
                f"and would not apply to what the split makes ({', '.join(made)}): make a Service for each version, "
                "with the same policy"
            )
        return edits

    def change(self, resources: Sequence[JsonObject], change: Change, aim: Aim) -> Edit | NotExpressible:
        """Return the edit of the API that routes requests for the host.

        If that API has no field for a change of connections, or of what the host's own proxies do, another one makes
        it. The callers' routes are changed by the API that routes them or not at all: a proxy would ignore others.
        """
        declared = aim.declared
        first = self.api_of(resources, host=declared.host, namespace=aim.namespace)
        made = first.change(resources, change, aim)
        if isinstance(change, RouteChange) and declared.scope.side == "caller":
            return made
        if isinstance(change, PolicyChange) and (elsewhere := self._led_elsewhere(first, resources, aim)):
            return NotExpressible(
                why=f"{declared.text}: requests for {declared.host} go to {', '.join(elsewhere)}, so a policy for "
                f"{declared.host} would change nothing: name one of these Services as the host"
            )
        others = iter(self._from(first)[1:])
        while isinstance(made, NotExpressible) and (other := next(others, None)) is not None:
            instead = other.change(resources, change, aim)
            made = made if isinstance(instead, NotExpressible) else instead
        return made

    @staticmethod
    def _led_elsewhere(api: RoutingApi, resources: Sequence[JsonObject], aim: Aim) -> list[str]:
        """Return the Services that the host's routes lead to instead of its own."""
        host = full_name(aim.declared.host, aim.namespace)
        found = api.destinations(resources, namespace=aim.namespace)
        return sorted({one.name for one in found if one.host == host and one.name != host})

    def footprint(self, edit: Edit, resource: JsonObject | None, *, namespace: str) -> Footprint:
        """Return how the edit shows while it is in force; without traces if no API knows its kind."""
        known = (api.footprint(edit, resource, namespace=namespace) for api in self._apis)
        return next((shown for shown in known if shown.traces), Footprint())

    def destinations(self, resources: Sequence[JsonObject], *, namespace: str) -> tuple[Destination, ...]:
        """Return where requests are sent by all the APIs."""
        return tuple(one for api in self._apis for one in api.destinations(resources, namespace=namespace))

    def _from(self, first: RoutingApi) -> list[RoutingApi]:
        return [first, *(api for api in self._apis if api is not first)]
