"""Route a share of the users to a new build, and everybody else to the running one, for as long as a release lasts.

Every route that leads to the running build gets a clone before it, whose name contains the share, so that the proxies
show which share is in force. The answers are not marked: a gate's split, which marks them, is put on top. What a
release inserted is found by its names alone, so a release that was killed needs no memory of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from harness.errors import ResourceError
from harness.model.declared import SPLIT, Declared
from harness.model.json import JsonObject, object_at, objects_at, text_at, texts_at
from harness.model.step import Edit, Insertion
from harness.routing.edits import MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.hosts import full_name
from harness.routing.istio import governing, names
from harness.routing.istio.kinds import LISTS, ROUTES, VIRTUAL_SERVICE
from harness.routing.istio.routes import Place, answered_here, clone, hosts_of, narrowed_to_headers, places, unnarrowed
from harness.routing.istio.routing import new_virtual_service, subset_edit
from harness.routing.istio.types import HTTPRoute, HTTPRouteDestination, StringMatch, VirtualService
from harness.routing.istio.views import as_json
from harness.routing.port import MESH, Share


def without(resource: JsonObject, owner: str) -> JsonObject | None:
    """Return the resource without what a release inserted; None if the release made it and nobody else uses it."""
    path = LISTS.get(text_at(resource, "kind"))
    if path is None:
        return resource
    held = objects_at(resource, *path)
    kept = [entry for entry in held if not _name(entry).startswith(prefix(owner))]
    ours = texts_at(resource, "metadata", "labels").get(OWNER_LABEL) == owner
    if ours and not kept:
        return None
    if len(kept) == len(held):
        return resource
    changed = deepcopy(resource)
    if ours:
        # Others put entries into what we made: it becomes theirs, with the route for whatever they do not match.
        labels = object_at(changed, "metadata", "labels")
        for label in (OWNER_LABEL, *MANAGED_BY):
            labels.pop(label, None)
        rest = [entry for entry in held if _name(entry) == f"{prefix(owner)}default"]
        kept += [{key: value for key, value in entry.items() if key != "name"} for entry in rest]
    spec = object_at(changed, *path[:-1])
    if kept:
        spec[path[-1]] = [*kept]
    else:
        del spec[path[-1]]
    return changed


def _name(entry: JsonObject) -> str:
    return text_at(entry, "name", default="")


def share_edits(resources: Sequence[JsonObject], share: Share) -> tuple[Edit, ...]:
    """Return the edits that route users by ``share``; the DestinationRule's comes first.

    resources: without what the release inserted before. Raises ResourceError for routes to other services too, and for
    routes that divide users between several builds already.
    """
    labels = {"stable": share.stable, "canary": share.canary}
    rule, subsets = subset_edit(resources, host=share.host, namespace=share.namespace, labels=labels, owner=share.owner)
    policy = governing.destination_rule(resources, host=share.host, namespace=share.namespace)
    found_subsets = [] if policy is None else policy["spec"].get("subsets") or []
    known = {one["name"]: one.get("labels") or {} for one in found_subsets}
    stable = {name for name, wanted in known.items() if wanted.items() <= share.stable.items()}
    weights = _Weights(share=share, subsets=subsets, of_stable=frozenset({None, *stable}))
    found = governing.virtual_service(resources, host=share.host, namespace=share.namespace, gateway=share.gateway)
    edit = _made(weights) if found is None else _existing(weights, found, resources)
    declared = Declared(id="users", kind=SPLIT, host=share.host, text=f"{share.share:.4%} of the users of {share.host}")
    return tuple(replace(one, declared=declared) for one in (rule, edit) if one is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    """subsets: of the two builds. of_stable: names of subsets that select pods of the running build; None is all."""

    share: Share
    subsets: Mapping[str, str]
    of_stable: frozenset[str | None]

    def clones(self, place: Place, number: int) -> list[HTTPRoute]:
        """Return the routes to put before a route: first that of users with the headers, then that of all others."""
        users = self._clone(place, number)
        return [self._limited(place, number), users] if self.share.headers else [users]

    def _limited(self, place: Place, number: int) -> HTTPRoute:
        shown = "|".join(f"{name}={value}" for name, value in sorted(self.share.headers.items()))
        name = f"{prefix(self.share.owner)}header-{hashlib.sha256(shown.encode()).hexdigest()[:8]}-{number}"
        headers: dict[str, StringMatch] = {key: {"exact": value} for key, value in self.share.headers.items()}
        entry = clone(place.route, name=name, match=narrowed_to_headers(place, headers=headers))
        entry["route"] = [self._to(place, "canary", 0, alone=True)]
        return entry

    def _clone(self, place: Place, number: int) -> HTTPRoute:
        name = f"{prefix(self.share.owner)}users-{round(self.share.share * 1e6)}-{number}"
        entry = clone(place.route, name=name, match=unnarrowed(place.route, name=name))
        millionths = round(self.share.share * 1e6)
        parts = [("stable", 1_000_000 - millionths), ("canary", millionths)]
        wanted = [(name, part) for name, part in parts if part]
        entry["route"] = [self._to(place, name, part, alone=len(wanted) == 1) for name, part in wanted]
        return entry

    def _to(self, place: Place, build: str, millionths: int, *, alone: bool) -> HTTPRouteDestination:
        """Return the destination of a build. Users of the running build keep the subset, and policy, that they have."""
        (target,) = deepcopy(self._live(place))
        target.pop("weight", None)
        if build == "canary" or "subset" not in target["destination"]:
            target["destination"]["subset"] = self.subsets[build]
        return target if alone else {**target, "weight": millionths // _divisor(self.share.share)}

    def _live(self, place: Place) -> list[HTTPRouteDestination]:
        targets = place.route["route"]
        return [item for item in targets if item.get("weight") or len(targets) == 1]

    def leads_to_stable(self, place: Place) -> bool:
        """Return whether users on this route reach the running build, and no other build of the service.

        Raises ResourceError for a route that divides users between builds: the release would change who gets which.
        """
        live = self._live(place)
        if not {item["destination"].get("subset") for item in live} & self.of_stable:
            return False
        if len(live) > 1:
            raise ResourceError(
                f"{place.where}: divides users between {len(live)} destinations; a release needs routes that lead to "
                f"the running build alone: give the others weight 0 for the time of the release",
                path=f"{place.path}.route",
            )
        return True


def _divisor(share: float) -> int:
    """Return what both weights in millionths can be divided by: Istio takes whole numbers, here small exact ones."""
    millionths = round(share * 1e6)
    return next(size for size in (10_000, 1_000, 100, 10, 1) if millionths % size == 0)


def _made(weights: _Weights) -> Edit:
    share = weights.share
    if share.gateway != MESH:
        raise ResourceError(
            f"{share.host}: expected a VirtualService that binds it to the gateway {share.gateway}, found none: "
            "users do not come through it; make one first"
        )
    route: HTTPRoute = {"route": [{"destination": {"host": share.host}}]}
    entries = weights.clones(Place(route=route, where=share.host, path="spec.http"), 0)
    return new_virtual_service(host=share.host, namespace=share.namespace, owner=share.owner, routes=entries)


def _existing(weights: _Weights, found: VirtualService, resources: Sequence[JsonObject]) -> Edit:
    share = weights.share
    service = full_name(share.host, share.namespace)
    insert: list[Insertion] = []
    for place in places(found, share.namespace, resources):
        hosts = set() if answered_here(place.route) else hosts_of(place.route, found, share.namespace)
        if service not in hosts:
            continue
        if hosts != {service}:
            raise ResourceError(
                f"{place.where}: sends to {', '.join(sorted(hosts))}; a release needs routes to {service} alone",
                path=f"{place.path}.route",
            )
        if weights.leads_to_stable(place):
            before = as_json(deepcopy(place.anchor))
            insert += [Insertion(entry=as_json(one), before=before) for one in weights.clones(place, len(insert))]
    if not insert:
        raise ResourceError(
            f"{names.label(found, share.namespace)}: governs {share.host} but has no route to its running build "
            f"with the labels {dict(share.stable)!r}; add one"
        )
    return Edit(
        kind=VIRTUAL_SERVICE,
        namespace=names.namespace_of(found, share.namespace),
        name=found["metadata"]["name"],
        owner=share.owner,
        list_at=ROUTES,
        insert=tuple(insert),
    )
