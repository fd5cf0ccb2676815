"""Read the rules of an HTTPRoute as Istio's routes, as istiod converts them (``pilot/pkg/config/kube/gateway``).

istiod makes VirtualServices of HTTPRoutes, one route for each match of a rule, and marks them with an annotation,
because a few fields mean something else then: a prefix ends at a slash, and a backend that is not there is a 500.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, cast

from harness.model.json import JsonObject, object_at, objects_at, text_at, texts_at
from harness.model.units import parse_duration
from harness.routing.gateway_api.governing import namespace_of
from harness.routing.gateway_api.kinds import RULES
from harness.routing.hosts import full_name
from harness.routing.istio.types import (
    Destination,
    HeaderOperations,
    Headers,
    HTTPMatchRequest,
    HTTPMirrorPolicy,
    HTTPRedirect,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
    Percent,
    StringMatch,
)

SEMANTICS = ("internal.istio.io/route-semantics", "gateway")
"""The annotation of what istiod makes of an HTTPRoute."""
_HOSTNAME = "Hostname"
_CONNECTION_ERRORS = ("connect-failure", "refused-stream", "unavailable", "cancelled")
_RANKS = ("regex", "prefix", "exact")


def istio_routes(route: JsonObject, namespace: str) -> Iterator[HTTPRoute]:
    """Yield the routes of an HTTPRoute that has passed the checks, one for each match; see ``ordered``."""
    own = namespace_of(route, namespace)
    for index, rule in enumerate(objects_at(route, *RULES)):
        name = text_at(rule, "name", default=f"{own}.{text_at(route, 'metadata', 'name')}.{index}")
        for match in objects_at(rule, "matches") or [{}]:
            yield {"name": name, "match": [_match(match)], **rule_actions(rule, own)}


def ordered(routes: Iterable[HTTPRoute]) -> list[HTTPRoute]:
    """Return routes in the order of the Gateway API: the most specific match first, equal ones as they are.

    Exact paths go before prefixes and those before regular expressions, longer paths before shorter ones; then those
    with a method, with more headers, with more query parameters.
    """

    def rank(route: HTTPRoute) -> tuple[int, int, bool, int, int]:
        (match,) = route["match"]
        ((kind, path),) = match["uri"].items()
        headers, query = len(match.get("headers") or ()), len(match.get("queryParams") or ())
        return _RANKS.index(kind), len(str(path)), "method" in match, headers, query

    return sorted(routes, key=rank, reverse=True)  # a reversed sort keeps the order of equal ones too


def _match(match: JsonObject) -> HTTPMatchRequest:
    found: HTTPMatchRequest = {"uri": _path(object_at(match, "path"))}
    if match.get("method"):
        found["method"] = {"exact": text_at(match, "method")}
    headers = {text_at(one, "name"): _condition(one) for one in reversed(objects_at(match, "headers"))}
    query = {text_at(one, "name"): _condition(one) for one in reversed(objects_at(match, "queryParams"))}
    if headers:
        found["headers"] = {**headers}
    if query:
        found["queryParams"] = {**query}
    return found


def _path(path: JsonObject) -> StringMatch:
    value, kind = text_at(path, "value", default="/"), text_at(path, "type", default="PathPrefix")
    if kind == "Exact":
        return {"exact": value}
    if kind == "RegularExpression":
        return {"regex": value}
    return {"prefix": value.rstrip("/") or "/"}


def _condition(wanted: JsonObject) -> StringMatch:
    value = text_at(wanted, "value", default="")
    return {"regex": value} if wanted.get("type") == "RegularExpression" else {"exact": value}


def rule_actions(rule: JsonObject, namespace: str) -> HTTPRoute:
    """Return what happens to the requests of a rule."""
    made: HTTPRoute = {}
    for one in objects_at(rule, "filters"):
        kind = text_at(one, "type")
        if kind == "RequestRedirect":
            made["redirect"] = _redirect(object_at(one, "requestRedirect"))
        elif kind == "URLRewrite":
            made["rewrite"] = _rewrite(object_at(one, "urlRewrite"))
        elif kind == "RequestMirror":
            made["mirrors"] = [*made.get("mirrors", ()), _mirror(object_at(one, "requestMirror"), namespace)]
    headers = _headers(objects_at(rule, "filters"))
    if headers:
        made["headers"] = headers
    if rule.get("retry") is not None:
        made["retries"] = _retries(object_at(rule, "retry"))
    _limit(made, texts_at(rule, "timeouts"))
    if "redirect" not in made:
        targets = list(_targets(objects_at(rule, "backendRefs"), namespace))
        if targets:
            made["route"] = targets
        else:  # "no backends with a weight: 500"
            made["directResponse"] = {"status": 500}
    return made


def _targets(backends: Sequence[JsonObject], namespace: str) -> Iterator[HTTPRouteDestination]:
    for backend in backends:
        weight = cast("int", backend.get("weight", 1))
        if weight:
            target: HTTPRouteDestination = {"destination": _destination(backend, namespace), "weight": weight}
            headers = _headers(objects_at(backend, "filters"))
            yield {**target, "headers": headers} if headers else target


def _destination(backend: JsonObject, namespace: str) -> Destination:
    """Return where a backend is. A kind of which nothing can run here gets a name that no service has."""
    name, kind = text_at(backend, "name"), text_at(backend, "kind", default="Service")
    if kind == _HOSTNAME:
        host = name
    else:
        host = full_name(name, text_at(backend, "namespace", default=namespace))
        host = host if kind == "Service" else f"{kind.lower()}.{host}"
    port = cast("int | None", backend.get("port"))
    return {"host": host, "port": {"number": port}} if port else {"host": host}


def _headers(filters: Sequence[JsonObject]) -> Headers:
    found: Headers = {}
    for one in filters:
        if one["type"] == "RequestHeaderModifier":
            found["request"] = _operations(object_at(one, "requestHeaderModifier"))
        elif one["type"] == "ResponseHeaderModifier":
            found["response"] = _operations(object_at(one, "responseHeaderModifier"))
    return found


def _operations(changes: JsonObject) -> HeaderOperations:
    found: HeaderOperations = {}
    kind: Literal["set", "add"]
    for kind in ("set", "add"):
        # Of several entries of a name the first one counts.
        values = {
            text_at(one, "name").lower(): text_at(one, "value", default="") for one in objects_at(changes, kind)[::-1]
        }
        if values:
            found[kind] = values
    if changes.get("remove"):
        found["remove"] = cast("list[str]", changes["remove"])
    return found


def _rewrite(change: JsonObject) -> HTTPRewrite:
    found: HTTPRewrite = {}
    path = object_at(change, "path")
    if text_at(path, "type", default="") == "ReplacePrefixMatch":
        found["uri"] = text_at(path, "replacePrefixMatch", default="/").rstrip("/") or "/"
    elif path:
        found["uriRegexRewrite"] = {"match": "/.*", "rewrite": text_at(path, "replaceFullPath", default="/")}
    if change.get("hostname"):
        found["authority"] = text_at(change, "hostname")
    return found


def _redirect(change: JsonObject) -> HTTPRedirect:
    found: HTTPRedirect = {"redirectCode": cast("int", change.get("statusCode", 302))}
    if change.get("hostname"):
        found["authority"] = text_at(change, "hostname")
    if change.get("scheme"):
        found["scheme"] = cast("Literal['http', 'https']", change["scheme"])
    if change.get("port"):
        found["port"] = cast("int", change["port"])
    elif not change.get("scheme"):
        found["derivePort"] = "FROM_REQUEST_PORT"
    path = object_at(change, "path")
    if text_at(path, "type", default="") == "ReplacePrefixMatch":
        found["prefixRewrite"] = text_at(path, "replacePrefixMatch", default="/").rstrip("/") or "/"
    elif path:
        found["uri"] = text_at(path, "replaceFullPath", default="/")
    return found


def _mirror(copies: JsonObject, namespace: str) -> HTTPMirrorPolicy:
    made: HTTPMirrorPolicy = {"destination": _destination(object_at(copies, "backendRef"), namespace)}
    fraction = object_at(copies, "fraction")
    if fraction:
        parts = cast("int", fraction["numerator"]), cast("int", fraction.get("denominator", 100))
        made["percentage"] = Percent(value=100 * parts[0] / parts[1])
    elif copies.get("percent") is not None:
        made["percentage"] = Percent(value=cast("int", copies["percent"]))
    return made


def _retries(retry: JsonObject) -> HTTPRetry:
    attempts = cast("int", retry.get("attempts", 2))
    found: HTTPRetry = {"attempts": attempts}
    if attempts:
        codes = cast("list[int]", retry.get("codes") or [])
        found["retryOn"] = ",".join([*_CONNECTION_ERRORS, *map(str, codes)])
    if retry.get("backoff"):
        found["backoff"] = text_at(retry, "backoff")
    return found


def _limit(made: HTTPRoute, timeouts: dict[str, str]) -> None:
    """Put time-outs into a route. Without retries a backend is asked once, so its time-out is that of the request."""
    whole, each = timeouts.get("request", ""), timeouts.get("backendRequest", "")
    if whole and parse_duration(whole):
        made["timeout"] = whole
    if each and parse_duration(each):
        if "retries" in made:
            made["retries"]["perTryTimeout"] = each
        else:
            made["timeout"] = each
