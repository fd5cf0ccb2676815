"""Split the requests for a host between two arms, and mark the answers of each.

Every route to the host gets a clone before it that sends the same requests to both arms by weight; or one clone for
each arm, for requests whose header chooses it; or one clone to the baseline that sends copies to the canary. The mark
is a response header set per destination, so that services need not know about it. An injected abort carries it too,
because Envoy chooses the destination before the fault answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from harness.errors import ResourceError
from harness.model.declared import SPLIT, Declared, Scope
from harness.model.json import JsonObject, JsonValue
from harness.model.split import CHOICE_HEADER, SplitBy
from harness.model.step import Edit, Insertion
from harness.routing.arms import require_different_arms, weights_of
from harness.routing.edits import MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.hosts import full_name
from harness.routing.istio import governing, names
from harness.routing.istio.joining import joined
from harness.routing.istio.kinds import DESTINATION_RULE, LISTS, ROUTES, SUBSETS, VIRTUAL_SERVICE
from harness.routing.istio.policy_types import TrafficPolicy
from harness.routing.istio.routes import (
    Place,
    answered_here,
    clone,
    hosts_of,
    marked,
    narrowed_to_headers,
    places,
    unnarrowed,
    with_baggage,
)
from harness.routing.istio.types import (
    HTTPMirrorPolicy,
    HTTPRoute,
    HTTPRouteDestination,
    StringMatch,
    Subset,
    VirtualService,
)
from harness.routing.istio.views import as_json, string_match
from harness.routing.port import Split

API_VERSION = "networking.istio.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    name: str
    subset: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clones:
    """Makes the clones of routes for a split. arms: baseline and canary, with their subsets and weights."""

    split: Split
    arms: tuple[_Arm, _Arm]

    def of(self, place: Place, number: int) -> list[HTTPRoute]:
        """Return the route's clones, the first of them numbered ``number``."""
        by = self.split.by
        if by is SplitBy.HEADER:
            return [
                self._clone(place, number + index, [arm], choice={CHOICE_HEADER: {"exact": arm.name}})
                for index, arm in enumerate(self.arms)
            ]
        if by is SplitBy.MIRROR:
            baseline, canary = self.arms
            entry = self._clone(place, number, [baseline])
            copies: HTTPMirrorPolicy = {
                "destination": self._to(canary, place)["destination"],
                "percentage": {"value": canary.weight},
            }
            entry["mirrors"] = [*_mirrors_of(entry), copies]
            return [entry]
        return [self._clone(place, number, self.arms)]

    def _clone(
        self, place: Place, number: int, arms: Sequence[_Arm], *, choice: Mapping[str, StringMatch] | None = None
    ) -> HTTPRoute:
        name = f"{prefix(self.split.owner)}split-{number}"
        tests = {header: string_match(match) for header, match in (self.split.test_headers or {}).items()}
        headers = {**tests, **(choice or {})}
        match = narrowed_to_headers(place, headers=headers) if headers else unnarrowed(place.route, name=name)
        entry = clone(place.route, name=name, match=match)
        entry["route"] = [self._destination(arm, place, alone=len(arms) == 1) for arm in arms]
        return entry

    def _destination(self, arm: _Arm, place: Place, *, alone: bool) -> HTTPRouteDestination:
        """Return the arm's marked destination, with a weight unless it is alone."""
        found = self._to(arm, place)
        headers = marked(found.get("headers"), self.split.arm_header, arm.name)
        if self.split.arm_in_baggage and self.split.by is not SplitBy.MIRROR:
            # a copy is sent as it went to the baseline
            headers = with_baggage(headers, f"harness.arm={arm.name}")
        if alone:
            return {"destination": found["destination"], "headers": headers}
        return {"destination": found["destination"], "weight": int(arm.weight), "headers": headers}

    def _to(self, arm: _Arm, place: Place) -> HTTPRouteDestination:
        """Return destination and headers of an arm: those of its subset's original, or those that all share."""
        originals = place.route["route"]
        own = [item for item in originals if item["destination"].get("subset") == arm.subset]
        base = (own or originals)[0]
        alike = [(item["destination"].get("port"), item.get("headers")) for item in own or originals]
        if any(item != alike[0] for item in alike):
            raise ResourceError(
                f"{place.where}: its destinations differ in port or headers, and none is the subset {arm.subset!r} "
                f"of the {arm.name}: give it a destination of its own (weight 0 will do)",
                path=f"{place.path}.route",
            )
        found: HTTPRouteDestination = {"destination": {**deepcopy(base["destination"]), "subset": arm.subset}}
        if "headers" in base:
            found["headers"] = base["headers"]
        return found


def _mirrors_of(entry: HTTPRoute) -> list[HTTPMirrorPolicy]:
    """Remove the entry's own mirrors, and return them in the form that allows several."""
    one, share = entry.pop("mirror", None), entry.pop("mirrorPercentage", None)
    if one is None:
        return list(entry.pop("mirrors", None) or ())
    return [{"destination": one}] if share is None else [{"destination": one, "percentage": share}]


def split_edits(resources: Sequence[JsonObject], split: Split) -> tuple[Edit, ...]:
    """Return the edits that send the canary's share of the requests for a host to the canary.

    Subsets with exactly the labels of an arm are used if they exist, and made if not. The edit of the DestinationRule
    comes first: make in order, undo in reverse. Raises ResourceError for resources that cannot be split, with the
    reason.
    """
    require_different_arms(split)
    rule, subsets = subset_edit(
        resources, host=split.host, namespace=split.namespace, labels=_labels(split), owner=split.owner
    )
    weights = weights_of(split.canary_share, split.by)
    baseline, canary = (
        _Arm(name=arm, subset=subsets[arm], weight=weight) for arm, weight in zip(_labels(split), weights, strict=True)
    )
    clones = _Clones(split=split, arms=(baseline, canary))
    found = governing.virtual_service(resources, host=split.host, namespace=split.namespace, gateway=split.gateway)
    edit = _split_nothing(clones) if found is None else _split_existing(clones, found, resources)
    declared = Declared(
        id="split",
        kind=SPLIT,
        host=split.host,
        text=f"split of {split.host} by {split.by}",
        scope=Scope(headers=split.test_headers),
    )
    return tuple(replace(each, declared=declared) for each in (rule, edit) if each is not None)


def _labels(split: Split) -> Mapping[str, Mapping[str, str]]:
    """Return the pod labels of each arm by its name."""
    return {"baseline": split.baseline, "canary": split.canary}


def new_virtual_service(*, host: str, namespace: str, owner: str, routes: Sequence[HTTPRoute]) -> Edit:
    """Return the edit that creates a VirtualService for a host without one: ``routes``, then the default route."""
    name = f"{prefix(owner)}default"
    rest: HTTPRoute = {"name": name, "route": [{"destination": {"host": host}}]}
    http: list[JsonValue] = [as_json(route) for route in (*routes, rest)]
    return _creation(VIRTUAL_SERVICE, host, namespace, owner, {"hosts": [host], "http": http}, keeps=name)


def _split_existing(clones: _Clones, found: VirtualService, resources: Sequence[JsonObject]) -> Edit:
    split = clones.split
    service = full_name(split.host, split.namespace)
    insert: list[Insertion] = []
    for place in places(found, split.namespace, resources):
        hosts = set() if answered_here(place.route) else hosts_of(place.route, found, split.namespace)
        if service not in hosts:
            continue
        if hosts != {service}:
            raise ResourceError(
                f"{place.where}: sends to {', '.join(sorted(hosts))}; a split needs routes to {service} alone",
                path=f"{place.path}.route",
            )
        insert += [
            Insertion(entry=as_json(entry), before=as_json(deepcopy(place.anchor)))
            for entry in clones.of(place, len(insert))
        ]
    if not insert:
        raise ResourceError(
            f"{names.label(found, split.namespace)}: governs {split.host} but has no route to {service}; add one"
        )
    return Edit(
        kind=VIRTUAL_SERVICE,
        namespace=names.namespace_of(found, split.namespace),
        name=found["metadata"]["name"],
        owner=split.owner,
        list_at=ROUTES,
        insert=tuple(insert),
    )


def _split_nothing(clones: _Clones) -> Edit:
    split = clones.split
    if split.gateway != names.MESH:
        raise ResourceError(
            f"{split.host}: expected a VirtualService that binds it to the gateway {split.gateway}, found none: "
            "requests through it do not arrive; make one first"
        )
    route: HTTPRoute = {"route": [{"destination": {"host": split.host}}]}
    entries = clones.of(Place(route=route, where=split.host, path="spec.http"), 0)
    return new_virtual_service(host=split.host, namespace=split.namespace, owner=split.owner, routes=entries)


def subset_edit(
    resources: Sequence[JsonObject], *, host: str, namespace: str, labels: Mapping[str, Mapping[str, str]], owner: str
) -> tuple[Edit | None, dict[str, str]]:
    """Return the edit that makes the missing subsets (None if none is missing), and the name of each subset.

    labels: the pod labels that each subset selects, by what it is for.
    """
    rules = governing.rules_of(resources, host=host, namespace=namespace)
    known = joined(rules)["spec"].get("subsets") or [] if rules else []
    chosen: dict[str, str] = {}
    missing: list[Subset] = []
    for arm, wanted in labels.items():
        there = next((item["name"] for item in known if (item.get("labels") or {}) == dict(wanted)), None)
        chosen[arm] = there or f"{prefix(owner)}{arm}"
        if there is None:
            missing.append({"name": chosen[arm], "labels": dict(wanted)})
    if not rules:
        return new_rule(resources, host, namespace, missing, owner), chosen
    if not missing:
        return None, chosen
    rule = rules[0]
    if names.namespace_of(rule, namespace) != namespace:
        raise ResourceError(
            f"{names.label(rule, namespace)}: governs {host} from another namespace and lacks subsets with labels "
            f"{' and '.join(repr(item['labels']) for item in missing)}; add them there"
        )
    edit = Edit(
        kind=DESTINATION_RULE,
        namespace=namespace,
        name=rule["metadata"]["name"],
        owner=owner,
        list_at=SUBSETS,
        insert=tuple(Insertion(entry=as_json(item)) for item in missing),
        bare="subsets" not in rule["spec"],
    )
    return edit, chosen


def new_rule(  # noqa: PLR0917 - what it makes has as many parts
    resources: Sequence[JsonObject],
    host: str,
    namespace: str,
    subsets: Sequence[Subset],
    owner: str,
    policy: JsonObject | None = None,
) -> Edit:
    """Return the edit that creates a DestinationRule for the host.

    It keeps the policy of the wildcard rule that it replaces. policy: values to set on top of that.
    """
    wildcard = governing.wildcard_rule(resources, host=host, namespace=namespace)
    kept: TrafficPolicy = {} if wildcard is None else deepcopy(wildcard["spec"].get("trafficPolicy") or {})
    merged = _merged(as_json(kept), policy or {})
    spec: JsonObject = {"host": host, "subsets": [as_json(subset) for subset in subsets]}
    if merged:
        spec["trafficPolicy"] = merged
    return _creation(DESTINATION_RULE, host, namespace, owner, spec)


def _merged(old: JsonObject, new: JsonObject) -> JsonObject:
    both = {
        name: _merged(held, value)
        for name, value in new.items()
        if isinstance(value, dict) and isinstance(held := old.get(name), dict)
    }
    return {**old, **deepcopy(new), **both}


def _creation(kind: str, host: str, namespace: str, owner: str, spec: JsonObject, *, keeps: str = "") -> Edit:
    name = f"{prefix(owner)}{host.split('.', maxsplit=1)[0]}"
    metadata: JsonObject = {"name": name, "namespace": namespace, "labels": {**MANAGED_BY, OWNER_LABEL: owner}}
    resource: JsonObject = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    return Edit(
        kind=kind, namespace=namespace, name=name, owner=owner, create=resource, list_at=LISTS[kind], keeps=keeps
    )
