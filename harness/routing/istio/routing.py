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

from harness.errors import ResourceError, UsageError
from harness.model.declared import SPLIT, Declared, Scope
from harness.model.json import Json, JsonObject
from harness.model.split import CHOICE_HEADER, SplitBy
from harness.model.step import Edit, Insertion
from harness.routing.edits import MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.istio import governing
from harness.routing.istio.kinds import DESTINATION_RULE, LISTS, ROUTES, SUBSETS, VIRTUAL_SERVICE
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

API_VERSION = "networking.istio.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    name: str
    subset: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    host: str
    namespace: str
    owner: str
    header: str
    test_headers: Mapping[str, Json] | None
    arm_in_baggage: bool
    arms: tuple[_Arm, ...]
    by: SplitBy

    def clones(self, place: Place, number: int) -> list[Json]:
        """Return the route's clones, the first of them numbered ``number``."""
        if self.by is SplitBy.HEADER:
            return [
                self._clone(place, number + index, [arm], choice={CHOICE_HEADER: {"exact": arm.name}})
                for index, arm in enumerate(self.arms)
            ]
        if self.by is SplitBy.MIRROR:
            baseline, canary = self.arms
            entry = self._clone(place, number, [baseline])
            copies = {"destination": self._to(canary, place)["destination"], "percentage": {"value": canary.weight}}
            entry["mirrors"] = [*_mirrors_of(entry), copies]
            return [entry]
        return [self._clone(place, number, self.arms)]

    def _clone(
        self, place: Place, number: int, arms: Sequence[_Arm], *, choice: Mapping[str, Json] | None = None
    ) -> Json:
        name, headers = f"{prefix(self.owner)}split-{number}", {**(self.test_headers or {}), **(choice or {})}
        match = narrowed_to_headers(place, headers=headers) if headers else unnarrowed(place.route, name=name)
        entry = clone(place.route, name=name, match=match)
        entry["route"] = [self._destination(arm, place, alone=len(arms) == 1) for arm in arms]
        return entry

    def _destination(self, arm: _Arm, place: Place, *, alone: bool) -> Json:
        """Return the arm's marked destination, with a weight unless it is alone."""
        found = self._to(arm, place)
        headers = marked(found["headers"], self.header, arm.name)
        if self.arm_in_baggage and self.by is not SplitBy.MIRROR:  # a copy is sent as it went to the baseline
            headers = with_baggage(headers, f"harness.arm={arm.name}")
        weight = {} if alone else {"weight": arm.weight}
        return {"destination": found["destination"], **weight, "headers": headers}

    def _to(self, arm: _Arm, place: Place) -> Json:
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
        return {"destination": {**deepcopy(base["destination"]), "subset": arm.subset}, "headers": base.get("headers")}


def _mirrors_of(entry: Json) -> list[Json]:
    """Remove the entry's own mirrors, and return them in the form that allows several."""
    one, share = entry.pop("mirror", None), entry.pop("mirrorPercentage", None)
    if one is None:
        return list(entry.pop("mirrors", None) or ())
    return [{"destination": one, **({"percentage": share} if share is not None else {})}]


def split_edits(
    resources: Sequence[Json],
    *,
    host: str,
    namespace: str,
    baseline: Mapping[str, str],
    canary: Mapping[str, str],
    canary_share: float,
    owner: str,
    arm_header: str = "x-harness-arm",
    test_headers: Mapping[str, Json] | None = None,
    arm_in_baggage: bool = False,
    gateway: str = governing.MESH,
    by: SplitBy = SplitBy.WEIGHT,
) -> tuple[Edit, ...]:
    """Return the edits that send ``canary_share`` of the requests for ``host`` to the canary.

    The arguments are the fields of ``harness.routing.port.Split``. Subsets with exactly the labels of an arm are used
    if they exist, and made if not. The edit of the DestinationRule comes first: make in order, undo in reverse. Raises
    ResourceError for resources that cannot be split, with the reason.
    """
    _require_different(host, baseline, canary)
    rule, subsets = _subset_edit(resources, host, namespace, {"baseline": baseline, "canary": canary}, owner)
    arms = tuple(
        _Arm(name=name, subset=subset, weight=weight)
        for (name, subset), weight in zip(subsets.items(), _weights(canary_share, by), strict=True)
    )
    split = _Split(
        host=host,
        namespace=namespace,
        owner=owner,
        header=arm_header,
        test_headers=test_headers,
        arm_in_baggage=arm_in_baggage,
        arms=arms,
        by=by,
    )
    found = governing.virtual_service(resources, host=host, namespace=namespace, gateway=gateway)
    edit = _split_nothing(split, gateway) if found is None else _split_existing(split, found)
    text, scope = f"split of {host} by {by}", Scope(headers=test_headers)
    declared = Declared(id="split", kind=SPLIT, host=host, text=text, scope=scope)
    return tuple(replace(each, declared=declared) for each in (rule, edit) if each is not None)


def _require_different(host: str, baseline: Mapping[str, str], canary: Mapping[str, str]) -> None:
    if baseline == canary or not baseline or not canary:
        raise UsageError(
            f"split of {host}: expected different labels for the arms, found {dict(baseline)!r} for the baseline "
            f"and {dict(canary)!r} for the canary"
        )


def new_virtual_service(*, host: str, namespace: str, owner: str, routes: Sequence[Json]) -> Edit:
    """Return the edit that creates a VirtualService for a host without one: ``routes``, then the default route."""
    rest = {"name": f"{prefix(owner)}default", "route": [{"destination": {"host": host}}]}
    return _creation(VIRTUAL_SERVICE, host, namespace, owner, {"hosts": [host], "http": [*routes, rest]})


def _split_existing(split: _Split, found: Json) -> Edit:
    service = governing.full_name(split.host, split.namespace)
    insert: list[Insertion] = []
    for place in places(found, split.namespace):
        hosts = set() if answered_here(place.route) else hosts_of(place.route, found, split.namespace)
        if service not in hosts:
            continue
        if hosts != {service}:
            raise ResourceError(
                f"{place.where}: sends to {', '.join(sorted(hosts))}; a split needs routes to {service} alone",
                path=f"{place.path}.route",
            )
        insert += [Insertion(entry=entry, before=deepcopy(place.route)) for entry in split.clones(place, len(insert))]
    if not insert:
        raise ResourceError(
            f"{governing.label(found, split.namespace)}: governs {split.host} but has no route to {service}; add one"
        )
    return Edit(
        kind=VIRTUAL_SERVICE,
        namespace=governing.namespace_of(found, split.namespace),
        name=found["metadata"]["name"],
        owner=split.owner,
        list_at=ROUTES,
        insert=tuple(insert),
    )


def _split_nothing(split: _Split, gateway: str) -> Edit:
    if gateway != governing.MESH:
        raise ResourceError(
            f"{split.host}: expected a VirtualService that binds it to the gateway {gateway}, found none: "
            "requests through it do not arrive; make one first"
        )
    route = {"route": [{"destination": {"host": split.host}}]}
    entries = split.clones(Place(route=route, where=split.host, path="spec.http"), 0)
    return new_virtual_service(host=split.host, namespace=split.namespace, owner=split.owner, routes=entries)


def _subset_edit(
    resources: Sequence[Json], host: str, namespace: str, arms: Mapping[str, Mapping[str, str]], owner: str
) -> tuple[Edit | None, dict[str, str]]:
    """Return the edit that makes the missing subsets (None if none is missing), and the subset of each arm."""
    rule = governing.destination_rule(resources, host=host, namespace=namespace)
    spec = {} if rule is None else rule.get("spec") or {}
    known = spec.get("subsets") or []
    names, missing = {}, []
    for arm, labels in arms.items():
        there = next((item["name"] for item in known if (item.get("labels") or {}) == dict(labels)), None)
        names[arm] = there or f"{prefix(owner)}{arm}"
        if there is None:
            missing.append({"name": names[arm], "labels": dict(labels)})
    if rule is None:
        return new_rule(resources, host, namespace, missing, owner), names
    if not missing:
        return None, names
    if governing.namespace_of(rule, namespace) != namespace:
        raise ResourceError(
            f"{governing.label(rule, namespace)}: governs {host} from another namespace and lacks subsets with labels "
            f"{' and '.join(repr(item['labels']) for item in missing)}; add them there"
        )
    insert = tuple(Insertion(entry=item) for item in missing)
    edit = Edit(
        kind=DESTINATION_RULE,
        namespace=namespace,
        name=rule["metadata"]["name"],
        owner=owner,
        list_at=SUBSETS,
        insert=insert,
        bare="subsets" not in spec,
    )
    return edit, names


def new_rule(  # noqa: PLR0917 - what it makes has as many parts
    resources: Sequence[Json],
    host: str,
    namespace: str,
    subsets: list[Json],
    owner: str,
    policy: JsonObject | None = None,
) -> Edit:
    """Return the edit that creates a DestinationRule for the host.

    It keeps the policy of the wildcard rule that it replaces. policy: values to set on top of that.
    """
    wildcard = governing.wildcard_rule(resources, host=host, namespace=namespace)
    spec: Json = {"host": host, "subsets": subsets}
    kept = {} if wildcard is None else deepcopy(wildcard["spec"].get("trafficPolicy") or {})
    merged = _merged(kept, policy or {})
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


def _creation(kind: str, host: str, namespace: str, owner: str, spec: Json) -> Edit:
    name = f"{prefix(owner)}{host.split('.', maxsplit=1)[0]}"
    metadata = {"name": name, "namespace": namespace, "labels": {**MANAGED_BY, OWNER_LABEL: owner}}
    resource = {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
    entries = spec[LISTS[kind][-1]]
    keeps = str(entries[-1]["name"]) if kind == VIRTUAL_SERVICE else ""
    return Edit(
        kind=kind, namespace=namespace, name=name, owner=owner, create=resource, list_at=LISTS[kind], keeps=keeps
    )


def _weights(canary_share: float, by: SplitBy) -> tuple[float, float]:
    """Return the weights of baseline and canary, exact for shares with up to six digits; for copies, the percentage."""
    if by is SplitBy.MIRROR:
        percent = round(canary_share * 100, 4)
        if not 0.0001 <= percent <= 100:
            raise UsageError(f"split by mirror: expected a share above 0 and at most 1, found {canary_share!r}")
        return 0, int(percent) if percent == int(percent) else percent
    if not 0 < canary_share < 1:
        raise UsageError(f"split: expected a canary share between 0 and 1, found {canary_share!r}")
    for scale in (100, 1_000, 10_000, 100_000):
        canary = round(canary_share * scale)
        if abs(canary / scale - canary_share) < 1e-9 and 0 < canary < scale:
            return scale - canary, canary
    canary = min(max(round(canary_share * 1_000_000), 1), 999_999)
    return 1_000_000 - canary, canary
