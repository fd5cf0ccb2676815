"""Clone HTTP routes of a VirtualService under a name of ours, narrow them, and tell where they lead.

A clone keeps everything of its original (match, rewrite, headers, timeout, ...), so that only the difference under test
is tested. It is placed directly before its original, because the first match applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from harness.errors import ResourceError
from harness.model.json import JsonObject
from harness.routing.istio.delegates import delegate_of, delegated
from harness.routing.istio.governing import destination_name
from harness.routing.istio.names import label
from harness.routing.istio.types import (
    Headers,
    HTTPMatchRequest,
    HTTPRetry,
    HTTPRoute,
    StringMatch,
    VirtualService,
)

DEFAULT_RETRIES: HTTPRetry = {
    "attempts": 2,
    "retryOn": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
}
"""What Istio does where nothing is set (pilot/pkg/networking/core/route/retry). Versions differ, so clones say it."""


_ANY = ".+|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A route, how people find it, and its path in the resource.

    before: the route of the resource that it stands for; None if it is that route itself.
    """

    route: HTTPRoute
    where: str
    path: str
    before: HTTPRoute | None = None

    @property
    def anchor(self) -> HTTPRoute:
        """The route of the resource before which a clone is inserted."""
        return self.route if self.before is None else self.before


def places(virtual_service: VirtualService, namespace: str, resources: Sequence[JsonObject] = ()) -> list[Place]:
    """Return the HTTP routes that requests can take, up to the first without a match; Istio ignores those behind it.

    resources: where delegates are found. The routes of a delegate stand for the route that names it: their clones go
    before that route, into the VirtualService that has the hosts. Raises ResourceError if there is no route, or no
    delegate of that name.
    """
    resource, routes = label(virtual_service, namespace), (virtual_service.get("spec") or {}).get("http")
    if not isinstance(routes, list) or not routes:
        raise ResourceError(f"{resource}: has no HTTP routes; only HTTP can be split and faulted", path="spec.http")
    found: list[Place] = []
    for index, route in enumerate(routes):
        name = f"route {route['name']!r}" if route.get("name") else f"route #{index}"
        place = Place(route=route, where=f"{resource}: {name}", path=f"spec.http[{index}]")
        if route.get("delegate"):
            found += _delegated(place, virtual_service, namespace, resources)
        else:
            found.append(place)
        if not found or not found[-1].route.get("match"):
            break
    return found


def _delegated(place: Place, root: VirtualService, namespace: str, resources: Sequence[JsonObject]) -> Iterator[Place]:
    """Yield the places of the routes that a delegate has, up to the first without a match."""
    delegate = delegate_of(place.route, root, resources, namespace)
    if delegate is None:
        wanted = place.route["delegate"]
        target = f"{wanted.get('namespace', '')}/{wanted.get('name', '')}".lstrip("/")
        raise ResourceError(
            f"{place.where}: is left to the delegate {target}, expected a VirtualService of that name without hosts, "
            "found none",
            path=f"{place.path}.delegate",
        )
    for route in delegated(place.route, delegate, namespace):
        yield Place(
            route=route, where=f"{place.where} of {label(delegate, namespace)}", path=place.path, before=place.route
        )
        if not route.get("match"):
            return


def answered_here(route: HTTPRoute) -> bool:
    """Return whether the proxy answers itself, so that no service is called."""
    return bool(route.get("redirect") or route.get("directResponse"))


def hosts_of(route: HTTPRoute, virtual_service: VirtualService, namespace: str) -> set[str]:
    """Return the full names of the services that the route sends requests to."""
    return {destination_name(item["destination"], virtual_service, namespace) for item in route.get("route") or ()}


def clone(route: HTTPRoute, *, name: str, match: Sequence[HTTPMatchRequest]) -> HTTPRoute:
    """Return a copy of ``route`` named ``name`` for requests that ``match`` selects, with explicit retries."""
    copy = deepcopy(route)
    copy.pop("name", None)
    copy.pop("match", None)
    copy.setdefault("retries", deepcopy(DEFAULT_RETRIES))
    return {"name": name, "match": deepcopy(list(match)), **copy}


def marked(headers: Headers | None, name: str, value: str) -> Headers:
    """Return ``headers`` (of a route or destination) that also set ``name`` on every answer."""
    changed: Headers = deepcopy(headers) if headers else {}
    changed.setdefault("response", {}).setdefault("set", {})[name] = value
    return changed


def with_baggage(headers: Headers, member: str) -> Headers:
    """Return ``headers`` that also add a member to the existing W3C baggage header of requests.

    A second header of that name would be allowed, but many services read or forward only one.
    """
    changed = deepcopy(headers)
    ours = changed.setdefault("request", {}).setdefault("set", {})
    ours["baggage"] = f"{ours.get('baggage', '%REQ(baggage)%')},{member}"
    return changed


def unnarrowed(route: HTTPRoute, *, name: str) -> list[HTTPMatchRequest]:
    """Return match blocks for a clone called ``name`` that takes all requests of ``route``.

    Istio warns about a block that equals another route's, and dry runs must not cause warnings. Each block therefore
    has one more condition, which is always true and contains the name.
    """
    always: StringMatch = {"regex": f"{_ANY}{name}"}
    return [block if _limits_method(block) else {**block, "method": always} for block in _blocks(route)]


def _blocks(route: HTTPRoute) -> list[HTTPMatchRequest]:
    """Return the route's match blocks; a route without any takes every request."""
    return route.get("match") or [{}]


def _limits_method(block: HTTPMatchRequest) -> bool:
    return "method" in block and not str(block["method"].get("regex", "")).startswith(_ANY)


def narrowed_to_callers(place: Place, *, labels: Mapping[str, str], namespace: str | None) -> list[HTTPMatchRequest]:
    """Return match blocks for a clone that takes the requests of callers with ``labels``; empty if there are none.

    namespace: of the callers, or None for any. Raises ResourceError for a block that names gateways, because Istio
    ignores source labels there.
    """
    narrowed: list[HTTPMatchRequest] = []
    for index, block in enumerate(_blocks(place.route)):
        if block.get("gateways"):
            raise ResourceError(
                f"{place.where}: expected a match without gateways, found {block['gateways']!r}: "
                "Istio ignores sourceLabels in such a match, so the fault would hit every caller",
                path=f"{place.path}.match[{index}].gateways",
            )
        own = block.get("sourceLabels") or {}
        if any(labels.get(key, value) != value for key, value in own.items()):
            continue
        if namespace is not None and block.get("sourceNamespace", namespace) != namespace:
            continue
        changed: HTTPMatchRequest = {**block, "sourceLabels": {**own, **labels}}
        narrowed.append(changed if namespace is None else {**changed, "sourceNamespace": namespace})
    return narrowed


def narrowed_to_headers(place: Place, *, headers: Mapping[str, StringMatch]) -> list[HTTPMatchRequest]:
    """Return match blocks for a clone that takes the route's requests with ``headers`` (name to string match)."""
    narrowed: list[HTTPMatchRequest] = []
    for index, block in enumerate(_blocks(place.route)):
        own = block.get("headers") or {}
        both = sorted(name for name in set(own) & set(headers) if own[name] != headers[name])
        if both:
            raise ResourceError(
                f"{place.where}: already matches the header {both[0]!r}, which is to mark test traffic: choose another",
                path=f"{place.path}.match[{index}].headers",
            )
        narrowed.append({**block, "headers": {**own, **headers}})
    return narrowed
