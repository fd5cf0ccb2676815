"""Translate the actions of an HTTP route: faults, headers, retries, redirects and direct responses."""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.mesh.local.matches import string_match
from harness.model.followed_istio import FollowedIstio
from harness.model.json import JsonObject, JsonValue
from harness.model.units import parse_duration
from harness.routing.istio.fields import GRPC_STATUS, HTTP_REASONS
from harness.routing.istio.policies import duration
from harness.routing.istio.types import (
    CorsPolicy,
    Destination,
    Headers,
    HTTPDirectResponse,
    HTTPFaultInjection,
    HTTPRedirect,
    HTTPRetry,
    HTTPRoute,
    Percent,
)

FAULT_FILTER = "envoy.filters.http.fault"
CORS_FILTER = "envoy.filters.http.cors"
_FILTERS = "type.googleapis.com/envoy.extensions.filters.http."
_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_OTHER_HOSTS = "envoy.retry_host_predicates.previous_hosts"
_OTHER_HOSTS_TYPE = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
_REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}


def fraction(percentage: Percent) -> JsonObject:
    """Return Istio's percentage in Envoy's resolution: parts per million, rounded down."""
    return {"numerator": int(percentage.get("value", 0) * 10000), "denominator": "MILLION"}


def forwarding(http: HTTPRoute, istio: FollowedIstio, *, hashed: bool = False) -> JsonObject:
    """Return the fields of Envoy's route action that do not depend on the destination.

    hashed: whether a hash of the request chooses the endpoint.
    """
    timeout = duration(http["timeout"]) if http.get("timeout") else "0s"
    action: JsonObject = {"timeout": timeout, "max_grpc_timeout": timeout}  # grpc-timeout counts up to it; 0s: any
    policy = retry_policy(http.get("retries"), istio, hashed=hashed)
    if policy:
        action["retry_policy"] = policy
    rewrite = http.get("rewrite") or {}
    regex = rewrite.get("uriRegexRewrite")
    if regex:
        action["regex_rewrite"] = {"pattern": {"regex": regex["match"]}, "substitution": regex["rewrite"]}
    elif rewrite.get("uri"):
        action["prefix_rewrite"] = rewrite["uri"]
    return action


def by_segments(action: JsonObject, prefix: str) -> JsonObject:
    """Return an action that replaces the whole segments of ``prefix`` without doubling or losing a slash."""
    new = action.get("prefix_rewrite")
    if not isinstance(new, str) or (prefix != "/" and new != "/"):
        return action
    pattern = {"regex": f"^{re.escape(prefix)}(/?)(.*)"}
    rest = {name: value for name, value in action.items() if name != "prefix_rewrite"}
    return {**rest, "regex_rewrite": {"pattern": {**pattern}, "substitution": rf"{new.rstrip('/')}/\2"}}


def mirrors(http: HTTPRoute) -> list[tuple[Destination, JsonObject]]:
    """Return the destinations that get copies, with the share of requests; leave out those with a share of zero."""
    found = [(http["mirror"], http.get("mirrorPercentage"))] if http.get("mirror") else []
    found += [(item["destination"], item.get("percentage")) for item in http.get("mirrors") or ()]
    everything: Percent = {"value": 100}
    shares = [(target, everything if percentage is None else percentage) for target, percentage in found]
    return [(target, fraction(share)) for target, share in shares if share.get("value", 0) > 0]


def filters(http: HTTPRoute) -> JsonObject:
    """Return the HTTP filter configurations that apply to this route only."""
    found: JsonObject = {}
    if http.get("fault"):
        found[FAULT_FILTER] = fault_config(http["fault"])
    if http.get("corsPolicy"):
        found[CORS_FILTER] = cors_policy(http["corsPolicy"])
    return found


def fault_config(fault: HTTPFaultInjection) -> JsonObject:
    """Return the fault filter's configuration for one route."""
    config: JsonObject = {"@type": f"{_FILTERS}fault.v3.HTTPFault"}
    if fault.get("delay"):
        delay = fault["delay"]
        share = delay.get("percentage") or Percent(value=delay["percent"])
        config["delay"] = {"fixed_delay": duration(delay["fixedDelay"]), "percentage": fraction(share)}
    if fault.get("abort"):
        abort = fault["abort"]
        status: JsonObject = (
            {"http_status": abort["httpStatus"]}
            if "httpStatus" in abort
            else {"grpc_status": GRPC_STATUS[abort["grpcStatus"]]}
        )
        config["abort"] = {**status, "percentage": fraction(abort["percentage"])}
    return config


def header_changes(headers: Headers | None) -> dict[str, list[JsonValue]]:
    """Return Envoy's fields that add, replace and remove request and response headers; leave out empty ones."""
    changes: dict[str, list[JsonValue]] = {}
    known = headers or {}
    for side, operations in (("request", known.get("request") or {}), ("response", known.get("response") or {})):
        added = _added(operations.get("set"), "OVERWRITE_IF_EXISTS_OR_ADD")
        added += _added(operations.get("add"), "APPEND_IF_EXISTS_OR_ADD")
        if added:
            changes[f"{side}_headers_to_add"] = added
        if operations.get("remove"):
            changes[f"{side}_headers_to_remove"] = list(operations["remove"])
    return changes


def authority_of(headers: Headers | None) -> str:
    """Return the Host that header operations set on a request, or an empty string."""
    operations = (headers or {}).get("request") or {}
    for values in (operations.get("set"), operations.get("add")):
        for name, value in (values or {}).items():
            if name.lower() in ("host", ":authority"):
                return str(value)
    return ""


def retry_policy(retries: HTTPRetry | None, istio: FollowedIstio, *, hashed: bool = False) -> JsonObject | None:
    """Return Envoy's retry policy for Istio's: two retries by default, None where the resource sets 0 attempts.

    hashed: whether a hash of the request chooses the endpoint; by default, a retry then goes to the same one.
    """
    policy: JsonObject = {"num_retries": 2, "retry_on": _RETRY_ON, "host_selection_retry_max_attempts": 5}
    if istio.retries_503:
        policy["retriable_status_codes"] = [503]
    ignores = (retries or {}).get("retryIgnorePreviousHosts", not hashed)
    if ignores:
        policy["retry_host_predicate"] = [{"name": _OTHER_HOSTS, "typed_config": {"@type": _OTHER_HOSTS_TYPE}}]
    if retries is None:
        return policy
    if retries.get("attempts", 0) <= 0:
        return None
    policy["num_retries"] = retries["attempts"]
    if retries.get("retryOn"):
        policy.pop("retriable_status_codes", None)
        policy.update(_retry_on(retries["retryOn"]))
    if retries.get("perTryTimeout"):
        policy["per_try_timeout"] = duration(retries["perTryTimeout"])
    if retries.get("backoff"):
        policy["retry_back_off"] = {"base_interval": duration(retries["backoff"])}
    return policy


def redirect_action(redirect: HTTPRedirect, port: int) -> JsonObject:
    """Return Envoy's redirect; ``port`` is the service's port, which ``FROM_REQUEST_PORT`` refers to."""
    action: JsonObject = {"response_code": _REDIRECTS[redirect.get("redirectCode") or 301]}
    if redirect.get("authority"):
        action["host_redirect"] = redirect["authority"]
    if redirect.get("scheme"):
        action["scheme_redirect"] = redirect["scheme"]
    if redirect.get("prefixRewrite"):
        action["prefix_rewrite"] = redirect["prefixRewrite"]
    elif redirect.get("uri"):
        action["path_redirect"] = redirect["uri"]
    wanted = port if redirect.get("derivePort") == "FROM_REQUEST_PORT" else redirect.get("port", 0)
    default = {"http": 80, "https": 443}[redirect.get("scheme") or "http"]
    if wanted not in (0, default):
        action["port_redirect"] = wanted
    return action


def direct_response(answer: HTTPDirectResponse) -> JsonObject:
    """Return the response that Envoy sends itself."""
    action: JsonObject = {"status": answer["status"]}
    body = answer.get("body") or {}
    if "string" in body:
        action["body"] = {"inline_string": body["string"]}
    elif "bytes" in body:
        action["body"] = {"inline_bytes": body["bytes"]}
    return action


def cors_policy(cors: CorsPolicy) -> JsonObject:
    """Return the CORS filter's configuration for one route."""
    config: JsonObject = {
        "@type": f"{_FILTERS}cors.v3.CorsPolicy",
        "forward_not_matching_preflights": cors.get("unmatchedPreflights") != "IGNORE",
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "allow_origin_string_match": [string_match(text) for text in cors.get("allowOrigins") or ()],
    }
    for values, envoy in (
        (cors.get("allowHeaders"), "allow_headers"),
        (cors.get("allowMethods"), "allow_methods"),
        (cors.get("exposeHeaders"), "expose_headers"),
    ):
        if values:
            config[envoy] = ",".join(values)
    if "allowCredentials" in cors:
        config["allow_credentials"] = cors["allowCredentials"]
    if cors.get("maxAge"):
        config["max_age"] = str(int(parse_duration(cors["maxAge"])))
    return config


def _added(values: Mapping[str, str] | None, action: str) -> list[JsonValue]:
    return [
        {"header": {"key": name, "value": value}, "append_action": action}
        for name, value in sorted((values or {}).items())
        if not name.startswith(":") and name.lower() != "host"
    ]


def _retry_on(text: str) -> JsonObject:
    """Split ``retryOn``, which may mix Envoy's conditions with status codes."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    codes = [int(part) for part in parts if part.isdigit() and int(part) in HTTP_REASONS]
    conditions = [part for part in parts if not (part.isdigit() and int(part) in HTTP_REASONS)]
    if codes and "retriable-status-codes" not in conditions:
        conditions.append("retriable-status-codes")
    policy: JsonObject = {"retry_on": ",".join(conditions)}
    if codes:
        policy["retriable_status_codes"] = [*codes]
    return policy
