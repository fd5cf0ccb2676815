"""Translate the match conditions of an HTTP route into Envoy's route match, as istiod does."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.mesh.local.topology import Caller
from harness.model.json import JsonObject
from harness.routing.istio.names import gateway_name
from harness.routing.istio.types import HTTPMatchRequest, StringMatch


def selects(match: HTTPMatchRequest, caller: Caller, port: int, *, namespace: str) -> bool:
    """Return whether a match condition applies to calls from ``caller`` to ``port``; decided once, not per request.

    namespace: of the VirtualService, whose gateways may be named without it. Where a condition sets ``gateways``, Istio
    ignores its source labels and source namespace.
    """
    if match.get("port") not in (None, 0, port):
        return False
    if match.get("gateways"):
        return caller.gateway in {gateway_name(one, namespace) for one in match["gateways"]}
    wanted: Mapping[str, str] = match.get("sourceLabels") or {}
    if any(caller.labels.get(name) != value for name, value in wanted.items()):
        return False
    return match.get("sourceNamespace") in (None, "", caller.namespace)


def route_match(match: HTTPMatchRequest, *, by_segments: bool = False) -> JsonObject:
    """Return Envoy's route match for one of Istio's match conditions.

    by_segments: whether a prefix ends where a segment of the path ends, as the Gateway API has it.
    """
    result = _path(match.get("uri"))
    if by_segments and result.get("prefix", "/") != "/":
        result["path_separated_prefix"] = result.pop("prefix")
    result["case_sensitive"] = not match.get("ignoreUriCase", False)
    headers = [_header(name, text) for name, text in (match.get("headers") or {}).items()]
    headers += [_without(name, text) for name, text in (match.get("withoutHeaders") or {}).items()]
    headers.sort(key=lambda header: str(header["name"]))
    pseudo = (
        (":method", match.get("method")),
        (":authority", match.get("authority")),
        (":scheme", match.get("scheme")),
    )
    headers += [_header(name, text) for name, text in pseudo if text is not None]
    if headers:
        result["headers"] = [*headers]
    if match.get("queryParams"):
        result["query_parameters"] = [_header(name, text) for name, text in match["queryParams"].items()]
    return result


def authority_matches(match: HTTPMatchRequest, name: str) -> bool:
    """Return whether a request for ``name`` (``reviews:9080``) meets a condition's requirements on the authority."""
    wanted: list[StringMatch | None] = [match["authority"]] if match.get("authority") else []
    wanted += [text for header, text in (match.get("headers") or {}).items() if _is_authority(header)]
    unwanted = [text for header, text in (match.get("withoutHeaders") or {}).items() if _is_authority(header)]
    return all(_meets(name, text) for text in wanted) and not any(_meets(name, text) for text in unwanted)


def without_authority(match: HTTPMatchRequest) -> HTTPMatchRequest:
    """Return the match condition without its requirements on the authority."""
    rest = match.copy()
    rest.pop("authority", None)
    if match.get("headers"):
        rest["headers"] = _not_authority(match["headers"])
    if match.get("withoutHeaders"):
        rest["withoutHeaders"] = _not_authority(match["withoutHeaders"])
    return rest


def is_catch_all(match: JsonObject) -> bool:
    """Return whether an Envoy route match takes every request, so that Envoy never reaches a later route."""
    every_path = match.get("prefix") == "/" or match.get("safe_regex") == {"regex": ".*"}
    return every_path and not match.get("headers") and not match.get("query_parameters")


def string_match(text: StringMatch) -> JsonObject:
    """Return Envoy's string matcher: exact, prefix, or a regular expression that must match the whole string."""
    if "regex" in text:
        return {"safe_regex": {"regex": text["regex"]}}
    found: JsonObject = {}
    if "exact" in text:
        found["exact"] = text["exact"]
    if "prefix" in text:
        found["prefix"] = text["prefix"]
    return found


def _path(uri: StringMatch | None) -> JsonObject:
    if not uri:
        return {"prefix": "/"}
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "prefix" in uri:
        return {"prefix": uri["prefix"]}
    return {"safe_regex": {"regex": uri["regex"]}}


def _is_authority(header: str) -> bool:
    return header.lower() in (":authority", "host")


def _not_authority(headers: Mapping[str, StringMatch | None]) -> dict[str, StringMatch | None]:
    return {header: text for header, text in headers.items() if not _is_authority(header)}


def _meets(name: str, text: StringMatch | None) -> bool:
    if not text or _any_value(text):
        return True
    if "exact" in text:
        return text["exact"] == name
    if "prefix" in text:
        return name.startswith(text["prefix"])
    return re.fullmatch(text["regex"], name) is not None


def _any_value(text: StringMatch | None) -> bool:
    return not text or text.get("regex") == "*"


def _header(name: str, text: StringMatch | None) -> JsonObject:
    if not text or _any_value(text):
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string_match(text)}


def _without(name: str, text: StringMatch | None) -> JsonObject:
    inverted: JsonObject = {**_header(name, text), "invert_match": True}
    return inverted if _any_value(text) else {**inverted, "treat_missing_header_as_empty": True}
