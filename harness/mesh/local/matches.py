"""Match conditions of an HTTP route as Envoy's route match, in the way istiod translates them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.mesh.local.topology import Caller
from harness.model.json import Json

MESH = "mesh"


def selects(match: Json, caller: Caller, port: int) -> bool:
    """Whether a match condition is meant for the calls of ``caller`` to ``port``; decided once, not per request.

    Where ``gateways`` stands in the same condition, Istio ignores its source labels and namespace.
    """
    if match.get("port") not in (None, 0, port):
        return False
    if match.get("gateways"):
        return MESH in match["gateways"]
    wanted: Mapping[str, str] = match.get("sourceLabels") or {}
    if any(caller.labels.get(name) != value for name, value in wanted.items()):
        return False
    return match.get("sourceNamespace") in (None, "", caller.namespace)


def route_match(match: Json) -> Json:
    """Envoy's route match for one of Istio's."""
    result = _path(match.get("uri"))
    result["case_sensitive"] = not match.get("ignoreUriCase", False)
    headers = [_header(name, text) for name, text in (match.get("headers") or {}).items()]
    headers += [_without(name, text) for name, text in (match.get("withoutHeaders") or {}).items()]
    headers.sort(key=lambda header: str(header["name"]))
    pseudo = (":method", "method"), (":authority", "authority"), (":scheme", "scheme")
    headers += [_header(header, match[name]) for header, name in pseudo if match.get(name) is not None]
    if headers:
        result["headers"] = headers
    if match.get("queryParams"):
        result["query_parameters"] = [_header(name, text) for name, text in match["queryParams"].items()]
    return result


def authority_matches(match: Json, name: str) -> bool:
    """Whether a request for ``name`` (``reviews:9080``) would meet what a match condition says of the authority."""
    wanted = [match["authority"]] if match.get("authority") else []
    wanted += [text for header, text in (match.get("headers") or {}).items() if _is_authority(header)]
    unwanted = [text for header, text in (match.get("withoutHeaders") or {}).items() if _is_authority(header)]
    return all(_meets(name, text) for text in wanted) and not any(_meets(name, text) for text in unwanted)


def without_authority(match: Json) -> Json:
    """A match condition that says nothing of the authority."""
    rest = {name: value for name, value in match.items() if name != "authority"}
    for name in ("headers", "withoutHeaders"):
        if match.get(name):
            rest[name] = {header: text for header, text in match[name].items() if not _is_authority(header)}
    return rest


def is_catch_all(match: Json) -> bool:
    """Whether an Envoy route match takes every request, so that no route after it is ever reached."""
    every_path = match.get("prefix") == "/" or match.get("safe_regex", {}).get("regex") == ".*"
    return every_path and not match.get("headers") and not match.get("query_parameters")


def string_match(text: Json) -> Json:
    """Envoy's string matcher: exact and prefix, or a regular expression that must match the whole text."""
    if "regex" in text:
        return {"safe_regex": {"regex": text["regex"]}}
    return {kind: text[kind] for kind in ("exact", "prefix") if kind in text}


def _path(uri: Json | None) -> Json:
    if not uri:
        return {"prefix": "/"}
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "prefix" in uri:
        return {"prefix": uri["prefix"]}
    return {"safe_regex": {"regex": uri["regex"]}}


def _is_authority(header: str) -> bool:
    return header.lower() in (":authority", "host")


def _meets(name: str, text: Json | None) -> bool:
    if not text or _any_value(text):
        return True
    if "exact" in text:
        return bool(text["exact"] == name)
    if "prefix" in text:
        return name.startswith(text["prefix"])
    return re.fullmatch(text["regex"], name) is not None


def _any_value(text: Json | None) -> bool:
    return not text or text.get("regex") == "*"


def _header(name: str, text: Json | None) -> Json:
    if not text or _any_value(text):
        return {"name": name, "present_match": True}
    return {"name": name, "string_match": string_match(text)}


def _without(name: str, text: Json | None) -> Json:
    inverted = {**_header(name, text), "invert_match": True}
    return inverted if _any_value(text) else {**inverted, "treat_missing_header_as_empty": True}
