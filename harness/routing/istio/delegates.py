"""Replace routes that delegate by the routes of their delegate, as istiod merges them.

Source: pilot/pkg/model/virtualservice.go, MergeHTTPRoutes: a delegate's route keeps its own fields and gets the others
from the root; a route whose match is no part of the root's is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy

from harness.model.json import JsonObject
from harness.routing.istio.names import fqdn, namespace_of
from harness.routing.istio.types import HTTPMatchRequest, HTTPRoute, StringMatch, VirtualService
from harness.routing.istio.views import virtual_services


def delegate_of(
    route: HTTPRoute, root: VirtualService, resources: Sequence[JsonObject], namespace: str
) -> VirtualService | None:
    """Return the VirtualService without hosts that a route of ``root`` delegates to, or None if there is none."""
    wanted = route["delegate"]
    own = wanted.get("namespace") or namespace_of(root, namespace)
    return next(
        (
            one
            for one in virtual_services(resources)
            if one["metadata"]["name"] == wanted.get("name")
            and namespace_of(one, namespace) == own
            and not (one.get("spec") or {}).get("hosts")
        ),
        None,
    )


def delegated(root: HTTPRoute, delegate: VirtualService, namespace: str) -> Iterator[HTTPRoute]:
    """Yield the routes that stand for a root's route: the delegate's, with what they do not set from the root.

    Hosts become full names, because the delegate may be in another namespace.
    """
    own = namespace_of(delegate, namespace)
    for original in (delegate.get("spec") or {}).get("http") or ():
        matches = _merged_matches(root.get("match") or [], original.get("match") or [])
        if matches is None:
            continue
        route = deepcopy(original)
        for item in route.get("route") or ():
            item["destination"]["host"] = fqdn(item["destination"]["host"], own)
        for target in (route.get("mirror"), *(one["destination"] for one in route.get("mirrors") or ())):
            if target:
                target["host"] = fqdn(target["host"], own)
        merged: HTTPRoute = {**_inherited(root), **route}
        name = "-".join(part for part in (root.get("name"), route.get("name")) if part)
        if name:
            merged["name"] = name
        if matches:
            merged["match"] = matches
        yield merged


def _inherited(root: HTTPRoute) -> HTTPRoute:
    """Return what a delegate's route gets from the root unless it sets it: all but where requests go and which."""
    shared = deepcopy(root)
    shared.pop("name", None)
    shared.pop("match", None)
    shared.pop("route", None)
    shared.pop("redirect", None)
    shared.pop("delegate", None)
    return shared


def _merged_matches(
    roots: Sequence[HTTPMatchRequest], leaves: Sequence[HTTPMatchRequest]
) -> list[HTTPMatchRequest] | None:
    """Return the conditions of both, or None if one of the delegate's is no part of any of the root's."""
    if not roots or not leaves:
        return deepcopy([*(roots or leaves)])
    found: list[HTTPMatchRequest] = []
    for leaf in leaves:
        fitting = [_merged_match(root, leaf) for root in roots if not _conflict(root, leaf)]
        if not fitting:
            return None
        found += fitting
    return found


def _merged_match(root: HTTPMatchRequest, leaf: HTTPMatchRequest) -> HTTPMatchRequest:
    merged: HTTPMatchRequest = {**deepcopy(root), **deepcopy(leaf)}
    if root.get("headers"):
        merged["headers"] = {**root["headers"], **(leaf.get("headers") or {})}
    if root.get("withoutHeaders"):
        merged["withoutHeaders"] = {**root["withoutHeaders"], **(leaf.get("withoutHeaders") or {})}
    if root.get("queryParams"):
        merged["queryParams"] = {**root["queryParams"], **(leaf.get("queryParams") or {})}
    if root.get("sourceLabels"):
        merged["sourceLabels"] = {**root["sourceLabels"], **(leaf.get("sourceLabels") or {})}
    name = "-".join(part for part in (root.get("name"), leaf.get("name")) if part)
    if name:
        merged["name"] = name
    return merged


def _conflict(root: HTTPMatchRequest, leaf: HTTPMatchRequest) -> bool:
    """Return whether the leaf selects requests that the root does not."""
    if any(map(_texts_conflict, _texts(root), _texts(leaf))):
        return True
    for mine, theirs in zip(_tables(root), _tables(leaf), strict=True):
        if any(_texts_conflict(mine.get(name), text) for name, text in theirs.items()):
            return True
    labels, wanted = root.get("sourceLabels") or {}, leaf.get("sourceLabels") or {}
    gateways, narrower = root.get("gateways") or [], leaf.get("gateways") or []
    return (
        root.get("ignoreUriCase", False) != leaf.get("ignoreUriCase", False)
        or (root.get("port", 0) > 0 and leaf.get("port", 0) > 0 and root.get("port") != leaf.get("port"))
        or (bool(root.get("sourceNamespace")) and leaf.get("sourceNamespace") != root.get("sourceNamespace"))
        or any(labels.get(name, value) != value for name, value in wanted.items())
        or (bool(gateways) and bool(narrower) and not set(narrower) <= set(gateways))
    )


def _texts(match: HTTPMatchRequest) -> tuple[StringMatch | None, ...]:
    return match.get("uri"), match.get("scheme"), match.get("method"), match.get("authority")


def _tables(match: HTTPMatchRequest) -> tuple[Mapping[str, StringMatch | None], ...]:
    return match.get("headers") or {}, match.get("withoutHeaders") or {}, match.get("queryParams") or {}


def _texts_conflict(root: StringMatch | None, leaf: StringMatch | None) -> bool:
    if not root or not leaf:
        return False
    if root.get("regex") or leaf.get("regex"):
        return True
    if root.get("exact"):
        return leaf.get("exact") != root.get("exact")
    return not (leaf.get("prefix") or leaf.get("exact", "")).startswith(root.get("prefix", ""))
