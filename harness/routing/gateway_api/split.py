"""Split the requests for a Service between two arms by rules of its HTTPRoute, and mark the answers of each.

The Gateway API has no subsets: a rule leads to Services. So each arm needs a Service that selects only its pods. The
run uses an existing one, or makes one with the ports of the Service that is split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from harness.errors import ResourceError
from harness.model.declared import SPLIT, Declared, Scope
from harness.model.json import JsonObject, JsonValue, objects_at, text_at, texts_at
from harness.model.split import CHOICE_HEADER, SplitBy
from harness.model.step import Edit
from harness.routing.arms import require_different_arms, weights_of
from harness.routing.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.gateway_api.governing import backend_services, http_route, is_service, label, services
from harness.routing.gateway_api.kinds import HTTP_ROUTE, SERVICE
from harness.routing.gateway_api.rules import (
    REQUEST,
    RESPONSE,
    Place,
    answered_here,
    clone,
    header_set,
    insertion,
    places,
    with_header,
)
from harness.routing.hosts import full_name
from harness.routing.port import Split

_PORT_FIELDS = ("name", "port", "targetPort", "protocol", "appProtocol")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arm:
    """An arm, its Service, and its weight; for copies, the weight of the canary is a percentage."""

    name: str
    service: str
    weight: float


def split_edits(resources: Sequence[JsonObject], split: Split) -> tuple[Edit, ...]:
    """Return the edits that send the canary's share of the requests for a host to the canary.

    Missing Services of the arms come first: make in order, undo in reverse. Raises ResourceError for resources that
    cannot be split, with the reason.
    """
    require_different_arms(split)
    found = http_route(resources, host=split.host, namespace=split.namespace, gateway=split.gateway)
    if found is None:
        raise ResourceError(f"{split.host}: expected an {HTTP_ROUTE} that routes it, found none; make one first")
    named, made = _services(resources, split)
    weights = weights_of(split.canary_share, split.by)
    arms = [_Arm(name=arm, service=named[arm], weight=weight) for arm, weight in zip(named, weights, strict=True)]
    targets = _targets(resources, split)
    inserted: list[tuple[JsonObject, Place]] = []
    for place in _split_places(found, split, targets):
        inserted += [(entry, place) for entry in _clones(place, len(inserted), split, arms)]
    declared = Declared(
        id="split",
        kind=SPLIT,
        host=split.host,
        text=f"split of {split.host} by {split.by}",
        scope=Scope(headers=split.test_headers),
    )
    edits = (*made, insertion(found, split.namespace, split.owner, inserted))
    return tuple(replace(each, declared=declared) for each in edits)


def _split_places(route: JsonObject, split: Split, targets: set[str]) -> list[Place]:
    """Return the rules that lead to the service under test. Raises ResourceError if none does, or one leads on."""
    found, narrow = [], bool(split.test_headers) or split.by is SplitBy.HEADER
    others = []
    for place in places(route, split.namespace):
        led = set() if answered_here(place.rule) else backend_services(place.rule, split.namespace)
        if not led & targets:
            others.append(place)
            continue
        if not led <= targets or not all(map(is_service, objects_at(place.rule, "backendRefs"))):
            raise ResourceError(
                f"{place.where}: sends to {', '.join(sorted(led - targets)) or 'something that is no Service'} too; a "
                f"split needs rules that lead to {split.host} alone",
                path=f"{place.path}.backendRefs",
            )
        found.append(place)
    if not found:
        raise ResourceError(
            f"{label(route, split.namespace)}: governs {split.host} but has no rule that leads to it; add one"
        )
    ranked = [place for place in others if narrow and _matches_headers(place.rule)]
    if ranked:
        raise ResourceError(
            f"{ranked[0].where}: matches headers and leads elsewhere; test traffic is told by headers too, and which "
            "rule is more specific would change: move this rule into an HTTPRoute of its own",
            path=f"{ranked[0].path}.matches",
        )
    return found


def _matches_headers(rule: JsonObject) -> bool:
    return any(match.get("headers") or match.get("queryParams") for match in objects_at(rule, "matches"))


def _targets(resources: Sequence[JsonObject], split: Split) -> set[str]:
    """Return the full names of the host and of the Services that select nothing but pods of an arm."""
    found = {full_name(split.host, split.namespace)}
    for name, service in services(resources, split.namespace).items():
        selected = texts_at(service, "spec", "selector")
        if selected and any(selected.items() <= arm.items() for arm in (split.baseline, split.canary)):
            found.add(name)
    return found


def _services(resources: Sequence[JsonObject], split: Split) -> tuple[dict[str, str], list[Edit]]:
    """Return the name of each arm's Service, and the edits that make those that are missing."""
    known = services(resources, split.namespace)
    host = known.get(full_name(split.host, split.namespace))
    named: dict[str, str] = {}
    made: list[Edit] = []
    for arm, wanted in (("baseline", split.baseline), ("canary", split.canary)):
        own = [name for name, each in known.items() if texts_at(each, "spec", "selector") == dict(wanted)]
        if own and _same_ports(known[own[0]], host):
            named[arm] = text_at(known[own[0]], "metadata", "name")
            continue
        if host is None:
            raise ResourceError(
                f"{split.host}: expected a {SERVICE} with this name, found none: the ports of the arms are unknown"
            )
        named[arm] = f"{prefix(split.owner)}{arm}"
        made.append(_new_service(named[arm], host, wanted, split))
    return named, made


def _same_ports(service: JsonObject, host: JsonObject | None) -> bool:
    wanted = {each.get("port") for each in objects_at(host or {}, "spec", "ports")}
    return wanted <= {each.get("port") for each in objects_at(service, "spec", "ports")}


def _new_service(name: str, host: JsonObject, labels: Mapping[str, str], split: Split) -> Edit:
    ports: list[JsonValue] = [
        {field: port[field] for field in _PORT_FIELDS if field in port} for port in objects_at(host, "spec", "ports")
    ]
    short = split.host.split(".", maxsplit=1)[0]
    metadata: JsonObject = {
        "name": name,
        "namespace": split.namespace,
        "labels": {**MANAGED_BY, OWNER_LABEL: split.owner, HOST_LABEL: short},
    }
    resource: JsonObject = {
        "apiVersion": "v1",
        "kind": SERVICE,
        "metadata": metadata,
        "spec": {"selector": {**labels}, "ports": ports},
    }
    return Edit(kind=SERVICE, namespace=split.namespace, name=name, owner=split.owner, create=resource)


def _clones(place: Place, number: int, split: Split, arms: Sequence[_Arm]) -> list[JsonObject]:
    """Return the clones of a rule, the first of them numbered ``number``."""
    tests = dict(split.test_headers or {})
    if split.by is SplitBy.HEADER:
        return [
            _clone(place, number + index, split, [arm], {**tests, CHOICE_HEADER: {"exact": arm.name}})
            for index, arm in enumerate(arms)
        ]
    if split.by is SplitBy.WEIGHT:
        return [_clone(place, number, split, arms, tests)]
    baseline, canary = arms
    entry = _clone(place, number, split, [baseline], tests)
    backend = {"name": canary.service, "port": _original(place, canary)["port"]}
    copies: JsonObject = {"backendRef": {**backend}}
    if canary.weight != 100:
        copies["fraction"] = {"numerator": round(canary.weight * 10_000), "denominator": 1_000_000}
    entry["filters"] = [*objects_at(entry, "filters"), {"type": "RequestMirror", "requestMirror": copies}]
    return [entry]


def _clone(
    place: Place, number: int, split: Split, arms: Sequence[_Arm], headers: Mapping[str, Mapping[str, str]]
) -> JsonObject:
    entry = clone(place, name=f"{prefix(split.owner)}split-{number}", headers=headers)
    entry["backendRefs"] = [_backend(arm, place, split, alone=len(arms) == 1) for arm in arms]
    return entry


def _backend(arm: _Arm, place: Place, split: Split, *, alone: bool) -> JsonObject:
    """Return the arm's marked backend, with a weight unless it is alone."""
    original = _original(place, arm)
    filters = with_header(objects_at(original, "filters"), RESPONSE, split.arm_header, arm.name)
    if split.arm_in_baggage and split.by is not SplitBy.MIRROR:
        # not for a mirror: its copies carry the headers of the baseline's requests; Envoy fills in %REQ
        there = [each for each in filters if isinstance(each, dict)]
        own = header_set(there, REQUEST, "baggage") or "%REQ(baggage)%"
        filters = with_header(there, REQUEST, "baggage", f"{own},harness.arm={arm.name}")
    found: JsonObject = {"kind": SERVICE, "name": arm.service, "port": original["port"], "filters": filters}
    return found if alone else {**found, "weight": int(arm.weight)}


def _original(place: Place, arm: _Arm) -> JsonObject:
    """Return the backend that an arm's is made from: its own, or the first if all are alike.

    Raises ResourceError if backends differ in port or filters, and none is the arm's.
    """
    backends = objects_at(place.rule, "backendRefs")
    own = [each for each in backends if text_at(each, "name") == arm.service]
    alike = [(each.get("port"), each.get("filters")) for each in own or backends]
    if any(each != alike[0] for each in alike):
        raise ResourceError(
            f"{place.where}: its backends differ in port or filters, and none is the {SERVICE} {arm.service!r} of the "
            f"{arm.name}: give it a backend of its own (weight 0 will do)",
            path=f"{place.path}.backendRefs",
        )
    found = deepcopy((own or backends)[0])
    if "port" not in found:
        raise ResourceError(f"{place.where}: expected a port of each backend, found none", path=f"{place.path}")
    return found
