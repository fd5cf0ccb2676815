"""Clone rules of an HTTPRoute under a name of ours, narrow them, and mark them.

A clone keeps everything of its original, so that only the difference under test is tested. Among rules with matches
that are equally specific, the first one in the list applies (GatewayAPI: HTTPRouteRule.matches), so a clone is placed
directly before its original. Rules have had names since version 1.4 of the API; an older server refuses the edit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass

from harness.errors import ResourceError
from harness.model.json import JsonObject, JsonValue, object_at, objects_at, text_at
from harness.model.step import Edit, Insertion
from harness.routing.gateway_api.governing import label, namespace_of
from harness.routing.gateway_api.kinds import HTTP_ROUTE, MOST_RULES, RULES

REQUEST, RESPONSE = "RequestHeaderModifier", "ResponseHeaderModifier"
_FIELDS = {REQUEST: "requestHeaderModifier", RESPONSE: "responseHeaderModifier"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A rule, how people find it, and its path in the resource."""

    rule: JsonObject
    where: str
    path: str


def places(route: JsonObject, namespace: str) -> list[Place]:
    """Return the rules of an HTTPRoute. Raises ResourceError if there are none."""
    resource, rules = label(route, namespace), objects_at(route, *RULES)
    if not rules:
        raise ResourceError(f"{resource}: has no rules; there is nothing to split", path="spec.rules")
    return [
        Place(
            rule=rule,
            where=f"{resource}: rule {rule['name']!r}" if rule.get("name") else f"{resource}: rule #{index}",
            path=f"spec.rules[{index}]",
        )
        for index, rule in enumerate(rules)
    ]


def answered_here(rule: JsonObject) -> bool:
    """Return whether the proxy answers with a redirect itself, so that no service is called."""
    return any(text_at(each, "type") == "RequestRedirect" for each in objects_at(rule, "filters"))


def clone(place: Place, *, name: str, headers: Mapping[str, Mapping[str, str]]) -> JsonObject:
    """Return a copy of a rule named ``name``, for those of its requests that have ``headers`` (name to condition)."""
    copy = deepcopy(place.rule)
    copy["name"] = name
    if headers:
        copy["matches"] = list(_narrowed(place, headers))
    return copy


def _narrowed(place: Place, headers: Mapping[str, Mapping[str, str]]) -> list[JsonObject]:
    narrowed: list[JsonObject] = []
    for index, match in enumerate(objects_at(place.rule, "matches") or [{}]):
        own = objects_at(match, "headers")
        names = {text_at(each, "name").lower() for each in own}
        both = sorted(name for name in headers if name.lower() in names)
        if both:
            raise ResourceError(
                f"{place.where}: already matches the header {both[0]!r}, which is to mark test traffic: choose another",
                path=f"{place.path}.matches[{index}].headers",
            )
        wanted: list[JsonValue] = [*own, *(_condition(name, match) for name, match in headers.items())]
        narrowed.append({**deepcopy(match), "headers": wanted})
    return narrowed


def _condition(name: str, match: Mapping[str, str]) -> JsonObject:
    """Return a condition of the configuration as the Gateway API writes it."""
    ((kind, value),) = match.items()
    if kind == "exact":
        return {"type": "Exact", "name": name, "value": value}
    if kind == "prefix":
        return {"type": "RegularExpression", "name": name, "value": f"{re.escape(value)}.*"}
    if kind == "regex":
        return {"type": "RegularExpression", "name": name, "value": value}
    raise ResourceError(f"expected a condition with exact, prefix or regex, found {kind!r}")


def with_header(filters: Sequence[JsonObject], kind: str, name: str, value: str) -> list[JsonValue]:
    """Return filters (of a rule or a backend) that also set a header; kind is ``REQUEST`` or ``RESPONSE``.

    A rule may have one filter of a kind, so a filter that is there is extended.
    """
    changed = [deepcopy(each) for each in filters]
    found = next((each for each in changed if text_at(each, "type") == kind), None)
    if found is None:
        found = {"type": kind, _FIELDS[kind]: {}}
        changed.append(found)
    fields = object_at(found, _FIELDS[kind])
    others = [each for each in objects_at(fields, "set") if text_at(each, "name").lower() != name.lower()]
    found[_FIELDS[kind]] = {**fields, "set": [*others, {"name": name, "value": value}]}
    return [*changed]


def header_set(filters: Sequence[JsonObject], kind: str, name: str) -> str | None:
    """Return the value that filters set a header to, or None."""
    for each in filters:
        if text_at(each, "type") == kind:
            for header in objects_at(each, _FIELDS[kind], "set"):
                if text_at(header, "name").lower() == name.lower():
                    return text_at(header, "value")
    return None


def insertion(route: JsonObject, namespace: str, owner: str, inserted: Sequence[tuple[JsonObject, Place]]) -> Edit:
    """Return the edit that puts clones before their originals.

    Raises ResourceError if the HTTPRoute would have too many rules.
    """
    there = len(objects_at(route, *RULES))
    if there + len(inserted) > MOST_RULES:
        raise ResourceError(
            f"{label(route, namespace)}: has {there} rules, and the run would add {len(inserted)}: an {HTTP_ROUTE} may "
            f"have {MOST_RULES}; move rules that are not for the service under test into another one",
            path="spec.rules",
        )
    return Edit(
        kind=HTTP_ROUTE,
        namespace=namespace_of(route, namespace),
        name=text_at(route, "metadata", "name"),
        owner=owner,
        list_at=RULES,
        insert=tuple(Insertion(entry=entry, before=deepcopy(place.rule)) for entry, place in inserted),
    )
