"""Find mistakes in an HTTPRoute: fields that do not exist, and what the API server's rules refuse.

The rules are those of the CRD (``httproute_types.go``, validations in CEL).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.model.json import JsonObject, object_at, objects_at, text_at
from harness.model.units import parse_duration
from harness.routing.gateway_api.governing import is_service
from harness.routing.gateway_api.kinds import MOST_RULES
from harness.routing.gateway_api.schema import FILTERS, HTTP_ROUTE
from harness.routing.istio.shapes import At, Problem, problems

_NO_FAULTS = (
    "an HTTPRoute has no faults: leave it out and let a scenario inject the fault, on a cluster with inbound=True; or "
    "route the service with a VirtualService"
)
_REPEATABLE = ("RequestMirror", "ExtensionRef")


def http_route_problems(route: JsonObject) -> Iterator[Problem]:
    """Yield what is wrong in an HTTPRoute, with the place."""
    wrong = list(problems(HTTP_ROUTE, route))
    if wrong:
        for one in wrong:
            yield Problem(at=one.at, message=_NO_FAULTS) if one.at[-1:] == ("fault",) else one
        return
    rules = objects_at(route, "spec", "rules")
    if len(rules) > MOST_RULES:
        yield Problem(at=("spec", "rules"), message=f"expected at most {MOST_RULES} rules, found {len(rules)}")
    for index, rule in enumerate(rules):
        yield from _rule_problems(rule, ("spec", "rules", index))


def _rule_problems(rule: JsonObject, at: At) -> Iterator[Problem]:
    paths = [object_at(match, "path") for match in objects_at(rule, "matches")]
    for index, path in enumerate(paths):
        value = text_at(path, "value", default="/")
        if text_at(path, "type", default="PathPrefix") != "RegularExpression" and not value.startswith("/"):
            yield Problem(at=(*at, "matches", index, "path"), message=f"expected a path from /, found {value!r}")
    yield from _filter_problems(rule, at)
    redirects = any(one["type"] == "RequestRedirect" for one in objects_at(rule, "filters"))
    if redirects and rule.get("backendRefs"):
        yield Problem(at=(*at, "backendRefs"), message="a rule with a redirect forwards nothing: remove one of the two")
    prefixes = [text_at(path, "type", default="PathPrefix") == "PathPrefix" for path in paths] or [True]
    if _replaces_prefix(rule) and (len(prefixes) != 1 or not prefixes[0]):
        message = "replacePrefixMatch needs exactly one match, of type PathPrefix"
        yield Problem(at=(*at, "filters"), message=message)
    for index, backend in enumerate(objects_at(rule, "backendRefs")):
        where = (*at, "backendRefs", index)
        yield from _backend_problems(backend, where)
        yield from _filter_problems(backend, where)
    limits = object_at(rule, "timeouts")
    whole, each = (parse_duration(text_at(limits, name, default="0s")) for name in ("request", "backendRequest"))
    if whole and each > whole:
        message = f"expected at most the time-out of the request, {limits['request']}"
        yield Problem(at=(*at, "timeouts", "backendRequest"), message=message)


def _filter_problems(part: JsonObject, at: At) -> Iterator[Problem]:
    """Yield problems of the filters of a rule or a backend."""
    filters = objects_at(part, "filters")
    kinds = Counter(text_at(one, "type") for one in filters)
    for kind, count in kinds.items():
        if count > 1 and kind not in _REPEATABLE:
            yield Problem(at=(*at, "filters"), message=f"expected one filter of type {kind}, found {count}")
    if kinds["RequestRedirect"] and kinds["URLRewrite"]:
        yield Problem(at=(*at, "filters"), message="expected a RequestRedirect or a URLRewrite, found both")
    for index, one in enumerate(filters):
        kind, where = text_at(one, "type"), (*at, "filters", index)
        fields = sorted(set(one) - {"type"})
        if fields != [FILTERS[kind]]:
            message = f"expected the field {FILTERS[kind]} next to the type {kind}, found {', '.join(fields) or 'none'}"
            yield Problem(at=where, message=message)
        elif kind in ("CORS", "ExtensionRef"):
            yield Problem(at=where, message=f"{kind} is not supported here: remove the filter from this file")
        elif kind == "RequestMirror":
            yield from _backend_problems(object_at(one, "requestMirror", "backendRef"), (*where, FILTERS[kind]))


def _backend_problems(backend: JsonObject, at: At) -> Iterator[Problem]:
    if is_service(backend) and "port" not in backend:
        yield Problem(at=at, message="expected the port of the Service, it is missing")


def _replaces_prefix(rule: JsonObject) -> bool:
    found = [object_at(one, FILTERS[text_at(one, "type")], "path") for one in objects_at(rule, "filters")]
    return any("replacePrefixMatch" in path for path in found)
