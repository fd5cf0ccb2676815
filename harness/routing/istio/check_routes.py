"""Find mistakes in a VirtualService: what Istio rejects, and what it accepts and ignores."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from harness.routing.istio.fields import HTTP_REASONS, RETRY_CONDITIONS
from harness.routing.istio.names import MESH
from harness.routing.istio.regexes import regex_problem
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import (
    Abort,
    Delay,
    HeaderOperations,
    Headers,
    HTTPBody,
    HTTPDirectResponse,
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPRetry,
    HTTPRewrite,
    HTTPRoute,
    HTTPRouteDestination,
    StringMatch,
    VirtualServiceSpec,
)

_REDIRECT_CODES = (301, 302, 303, 307, 308)
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PSEUDO = (":method", ":scheme", ":authority", ":path", ":status")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NO_CONTROL = "expected a value without control characters, found"
_FORMAT = re.compile(r"%%|%[A-Z0-9_]+(?:\([^)]*\))?(?::\d+)?%")


def virtual_service_problems(spec: VirtualServiceSpec) -> Iterator[Problem]:
    """Yield what is wrong with the ``spec`` of a VirtualService whose fields have the right shapes."""
    hosts, mesh = spec.get("hosts") or [], MESH in (spec.get("gateways") or [MESH])
    if not any(spec.get(kind) for kind in ("http", "tls", "tcp")):
        yield Problem(at=("spec",), message="expected routes in http, tls or tcp, found none")
    for index, host in enumerate(hosts):
        at = ("spec", "hosts", index)
        if host == "*" and mesh:
            yield Problem(at=at, message="expected the name of a host: '*' is for gateways only")
        elif not re.fullmatch(r"(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\*", host):
            yield Problem(at=at, message=f"expected the name of a host, found {host!r}")
        if host in hosts[:index]:
            yield Problem(at=at, message=f"expected each host once, found {host!r} twice")
    for index, http in enumerate(spec.get("http") or ()):
        yield from _http_problems(http, ("spec", "http", index), delegate=not hosts)


def _http_problems(http: HTTPRoute, at: At, *, delegate: bool) -> Iterator[Problem]:
    yield from _action_problems(http, at, delegate=delegate)
    for index, match in enumerate(http.get("match") or ()):
        yield from _match_problems(match, (*at, "match", index))
    if "fault" in http:
        yield from _fault_problems(http["fault"], (*at, "fault"))
    yield from _route_problems(http.get("route") or [], (*at, "route"))
    yield from _header_problems(http.get("headers") or {}, (*at, "headers"))
    yield from _retry_problems(http.get("retries"), (*at, "retries"))
    yield from _rewrite_problems(http.get("rewrite"), (*at, "rewrite"))
    yield from _redirect_problems(http, at)
    for kind, changes in (("rewrite", http.get("rewrite")), ("redirect", http.get("redirect"))):
        for name, value in (changes or {}).items():
            if isinstance(value, str) and _CONTROL.search(value):
                yield Problem(at=(*at, kind, name), message=f"{_NO_CONTROL} {value!r}")
    yield from _answer_problems(http.get("directResponse"), (*at, "directResponse"))
    for index, origin in enumerate((http.get("corsPolicy") or {}).get("allowOrigins") or ()):
        yield from _text_problems(origin, (*at, "corsPolicy", "allowOrigins", index))
    if http.get("mirror") and http.get("mirrors"):
        yield Problem(at=(*at, "mirrors"), message="expected either mirror or mirrors, found both")
    if not http.get("mirror") and ("mirrorPercentage" in http or "mirrorPercent" in http):
        yield Problem(at=at, message="expected a mirror with the percentage, found none: nothing would be mirrored")


def _action_problems(http: HTTPRoute, at: At, *, delegate: bool) -> Iterator[Problem]:
    """Require exactly one of route, redirect and directResponse; the latter two exclude faults and rewrites."""
    if http.get("delegate"):
        for name in ("route", "redirect", "directResponse"):
            if name in http:
                yield Problem(at=(*at, name), message=f"expected no {name} next to a delegate")
        if delegate:
            yield Problem(at=(*at, "delegate"), message="expected no delegate in a VirtualService without hosts")
        return
    found = [name for name in ("route", "redirect", "directResponse") if http.get(name)]
    if not found:
        yield Problem(at=at, message="expected a route, redirect or directResponse, found none")
    elif len(found) > 1:
        yield Problem(at=(*at, found[1]), message=f"expected only one of {', '.join(found)}")
    elif found[0] != "route":
        for name in ("fault", "rewrite"):
            if name in http:
                message = f"expected no {name} next to a {found[0]}: Istio rejects the combination"
                yield Problem(at=(*at, name), message=message)


def _match_problems(match: HTTPMatchRequest, at: At) -> Iterator[Problem]:
    for name in ("uri", "scheme", "method", "authority"):
        if name in match:
            yield from _text_problems(match[name], (*at, name), empty_prefix=name == "uri")
    for name, conditions in (
        ("headers", match.get("headers")),
        ("withoutHeaders", match.get("withoutHeaders")),
        ("queryParams", match.get("queryParams")),
    ):
        for key, value in (conditions or {}).items():
            if value is not None and not _is_any(value):
                yield from _text_problems(value, (*at, name, key), any_text=True)
            if not key:
                yield Problem(at=(*at, name), message="expected a name, found an empty text")
            is_header = _HEADER.fullmatch(key) or key in _PSEUDO or key.startswith("@request.auth.claims")
            if key and name != "queryParams" and not is_header:
                yield Problem(at=(*at, name, key), message=f"expected the name of a header, found {key!r}")
    if match.get("gateways") and ("sourceLabels" in match or "sourceNamespace" in match):
        ignored = "sourceLabels" if "sourceLabels" in match else "sourceNamespace"
        yield Problem(
            at=(*at, ignored),
            message=f"expected no {ignored} next to gateways: Istio ignores it there; put it in a separate match",
        )


def _is_any(text: StringMatch) -> bool:
    """Return whether a header or parameter only has to be present."""
    return text in ({}, {"regex": "*"})


def _text_problems(
    text: StringMatch, at: At, *, empty_prefix: bool = False, any_text: bool = False
) -> Iterator[Problem]:
    if len(text) != 1:
        found = "none" if not text else "several"
        yield Problem(at=at, message=f"expected one of exact, prefix and regex, found {found}")
        return
    if text.get("prefix") == "" and not empty_prefix:
        yield Problem(at=(*at, "prefix"), message="expected a prefix, found an empty text")
    if "regex" in text and not (any_text and text["regex"] == "*"):
        message = regex_problem(text["regex"])
        if message:
            yield Problem(at=(*at, "regex"), message=message)


def _fault_problems(fault: HTTPFaultInjection, at: At) -> Iterator[Problem]:
    if not fault:
        yield Problem(at=at, message="expected a delay or an abort, found neither: nothing would be injected")
    if "delay" in fault:
        yield from _delay_problems(fault["delay"], (*at, "delay"))
    if "abort" in fault:
        yield from _abort_problems(fault["abort"], (*at, "abort"))


def _delay_problems(delay: Delay, at: At) -> Iterator[Problem]:
    if "exponentialDelay" in delay:
        yield Problem(at=(*at, "exponentialDelay"), message="is not supported by Istio; expected fixedDelay")
    elif "fixedDelay" not in delay:
        yield Problem(at=at, message="expected fixedDelay, it is missing: Istio would inject nothing")
    if "percentage" not in delay and "percent" not in delay:
        yield Problem(at=at, message="expected percentage.value, it is missing: Istio would inject nothing")
    if "percentage" in delay and "percent" in delay:
        yield Problem(at=(*at, "percent"), message="expected either percentage or percent, found both")


def _abort_problems(abort: Abort, at: At) -> Iterator[Problem]:
    kinds = [name for name in ("httpStatus", "grpcStatus", "http2Error") if name in abort]
    if "http2Error" in abort:
        yield Problem(at=(*at, "http2Error"), message="is not supported by Istio; expected httpStatus or grpcStatus")
    elif not kinds:
        yield Problem(at=at, message="expected httpStatus or grpcStatus, both are missing: Istio would inject nothing")
    elif len(kinds) > 1:
        yield Problem(at=(*at, kinds[1]), message=f"expected either {kinds[0]} or {kinds[1]}, found both")
    if "percentage" not in abort:
        yield Problem(at=at, message="expected percentage.value, it is missing: Istio would inject nothing")


def _route_problems(route: Sequence[HTTPRouteDestination], at: At) -> Iterator[Problem]:
    total = sum(item.get("weight", 0) for item in route)
    if len(route) > 1 and not 0 < total < 2**32:
        message = f"expected weights with a total above 0 and of at most {2**32 - 1}, found a total of {total}"
        yield Problem(at=at, message=message)
    for index, item in enumerate(route):
        yield from _header_problems(item.get("headers") or {}, (*at, index, "headers"))


def _header_problems(headers: Headers, at: At) -> Iterator[Problem]:
    known = {"request": headers.get("request"), "response": headers.get("response")}
    for side in headers:
        changes: HeaderOperations = known[side] or {}
        for kind, values in (("set", changes.get("set")), ("add", changes.get("add"))):
            for name, value in (values or {}).items():
                is_host = name.lower() in ("host", ":authority")
                if not (is_host and side == "request"):
                    yield from _name_problems(name, (*at, side, kind, name))
                if _CONTROL.search(value):
                    yield Problem(at=(*at, side, kind, name), message=f"{_NO_CONTROL} {value!r}")
                if "%" in _FORMAT.sub("", value):
                    message = f"expected %% for a percent sign, or a command such as %HOSTNAME%, found {value!r}"
                    yield Problem(at=(*at, side, kind, name), message=message)
        for index, name in enumerate(changes.get("remove") or ()):
            yield from _name_problems(name, (*at, side, "remove", index))


def _name_problems(name: str, at: At) -> Iterator[Problem]:
    if name.lower() == "host" or not _HEADER.fullmatch(name):
        yield Problem(at=at, message=f"expected the name of a header that may be changed, found {name!r}")


def _retry_problems(retries: HTTPRetry | None, at: At) -> Iterator[Problem]:
    if retries is None:
        return
    if not retries.get("attempts") and ({"perTryTimeout", "retryOn", "retryRemoteLocalities"} & set(retries)):
        yield Problem(at=at, message="expected attempts above 0: the other fields mean nothing without them")
    for part in retries.get("retryOn", "").split(",") if retries.get("retryOn") else ():
        if part not in RETRY_CONDITIONS and not (part.isdecimal() and int(part) in HTTP_REASONS):
            known = ", ".join(sorted(RETRY_CONDITIONS))
            message = f"expected status codes or conditions with commas between them, found {part!r}; known: {known}"
            yield Problem(at=(*at, "retryOn"), message=message)


def _rewrite_problems(rewrite: HTTPRewrite | None, at: At) -> Iterator[Problem]:
    if rewrite is None:
        return
    if not any(rewrite.get(name) for name in ("uri", "authority", "uriRegexRewrite")):
        yield Problem(at=at, message="expected uri, uriRegexRewrite or authority, found none")
    if rewrite.get("uri") and rewrite.get("uriRegexRewrite"):
        yield Problem(at=(*at, "uriRegexRewrite"), message="expected either uri or uriRegexRewrite, found both")
    regex = rewrite.get("uriRegexRewrite")
    if regex is not None:
        if not regex.get("match") or not regex.get("rewrite"):
            yield Problem(at=(*at, "uriRegexRewrite"), message="expected both match and rewrite")
        elif regex_problem(regex["match"]):
            yield Problem(at=(*at, "uriRegexRewrite", "match"), message=regex_problem(regex["match"]))


def _redirect_problems(http: HTTPRoute, at: At) -> Iterator[Problem]:
    redirect, at = http.get("redirect"), (*at, "redirect")
    if redirect is None:
        return
    if redirect.get("uri") and redirect.get("prefixRewrite"):
        yield Problem(at=(*at, "prefixRewrite"), message="expected either uri or prefixRewrite, found both")
    if not any(redirect.get(name) for name in ("uri", "prefixRewrite", "authority", "port", "derivePort", "scheme")):
        yield Problem(at=at, message="expected uri, prefixRewrite, authority, port, derivePort or scheme, found none")
    if redirect.get("redirectCode", 301) not in (0, *_REDIRECT_CODES):
        codes = ", ".join(map(str, _REDIRECT_CODES))
        yield Problem(
            at=(*at, "redirectCode"),
            message=f"expected one of {codes}, found {redirect['redirectCode']}: Istio would drop the redirect",
        )
    if redirect.get("port") and redirect.get("derivePort"):
        yield Problem(at=(*at, "derivePort"), message="expected either port or derivePort, found both")
    if redirect.get("prefixRewrite"):
        uris = [match["uri"] for match in http.get("match") or () if match.get("uri")]
        if any("prefix" not in uri for uri in uris):
            yield Problem(at=(*at, "prefixRewrite"), message="expected only prefix matches of the uri together with it")


def _answer_problems(answer: HTTPDirectResponse | None, at: At) -> Iterator[Problem]:
    body: HTTPBody = (answer.get("body") if answer else None) or {}
    if len(body) > 1:
        yield Problem(at=(*at, "body"), message="expected either string or bytes, found both")
    if "bytes" in body:
        try:
            base64.b64decode(body["bytes"], validate=True)
        except binascii.Error as error:
            yield Problem(at=(*at, "body", "bytes"), message=f"expected bytes in base64: {error}")
    if len(body.get("string", "")) > 1_000_000:
        yield Problem(at=(*at, "body", "string"), message="expected at most 1 MB")
