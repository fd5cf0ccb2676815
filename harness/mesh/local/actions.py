"""What a route does besides choosing a destination: faults, headers, retries, redirects and answers of its own."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.json import Json
from harness.model.units import parse_duration
from harness.routing.istio.fields import GRPC_STATUS, HTTP_REASONS

FAULT_FILTER = "envoy.filters.http.fault"
CORS_FILTER = "envoy.filters.http.cors"
_FILTERS = "type.googleapis.com/envoy.extensions.filters.http."
_RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
_OTHER_HOSTS = {
    "name": "envoy.retry_host_predicates.previous_hosts",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    },
}
_REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}


def duration(text: str | float) -> str:
    """A duration as protobuf's JSON writes it: ``7s``, ``0.25s``."""
    return f"{parse_duration(text):.9f}".rstrip("0").rstrip(".") + "s"


def fraction(percentage: Json) -> Json:
    """Istio's percentage in Envoy's resolution: parts per million, the rest cut off."""
    return {"numerator": int(percentage.get("value", 0) * 10000), "denominator": "MILLION"}


def forwarding(http: Json) -> dict[str, Json]:
    """The fields of Envoy's route action that do not depend on the destination."""
    timeout = duration(http["timeout"]) if http.get("timeout") else "0s"
    action: dict[str, Json] = {"timeout": timeout}
    policy = retry_policy(http.get("retries"))
    if policy:
        action["retry_policy"] = policy
    rewrite = http.get("rewrite") or {}
    regex = rewrite.get("uriRegexRewrite")
    if regex:
        action["regex_rewrite"] = {"pattern": {"regex": regex["match"]}, "substitution": regex["rewrite"]}
    elif rewrite.get("uri"):
        action["prefix_rewrite"] = rewrite["uri"]
    return action


def mirrors(http: Json) -> list[tuple[Json, Json]]:
    """Destinations that get copies, with the share of requests; those with a share of zero are left out."""
    found = [(http["mirror"], http.get("mirrorPercentage"))] if http.get("mirror") else []
    found += [(item["destination"], item.get("percentage")) for item in http.get("mirrors") or ()]
    shares = [(target, {"value": 100} if percentage is None else percentage) for target, percentage in found]
    return [(target, fraction(share)) for target, share in shares if share.get("value", 0) > 0]


def filters(http: Json) -> dict[str, Json]:
    """Configurations of HTTP filters that hold for this route only."""
    found = {}
    if http.get("fault"):
        found[FAULT_FILTER] = fault_config(http["fault"])
    if http.get("corsPolicy"):
        found[CORS_FILTER] = cors_policy(http["corsPolicy"])
    return found


def fault_config(fault: Json) -> Json:
    """The fault filter's configuration for one route."""
    config: dict[str, Json] = {"@type": f"{_FILTERS}fault.v3.HTTPFault"}
    if fault.get("delay"):
        delay = fault["delay"]
        share = delay.get("percentage") or {"value": delay["percent"]}
        config["delay"] = {"fixed_delay": duration(delay["fixedDelay"]), "percentage": fraction(share)}
    if fault.get("abort"):
        abort = fault["abort"]
        status = (
            {"http_status": abort["httpStatus"]}
            if "httpStatus" in abort
            else {"grpc_status": GRPC_STATUS[abort["grpcStatus"]]}
        )
        config["abort"] = {**status, "percentage": fraction(abort["percentage"])}
    return config


def header_changes(headers: Json | None) -> dict[str, list[Json]]:
    """Envoy's fields that add, replace and remove headers of requests and responses; empty ones are left out."""
    changes: dict[str, list[Json]] = {}
    for side in ("request", "response"):
        operations = (headers or {}).get(side) or {}
        added = _added(operations.get("set"), "OVERWRITE_IF_EXISTS_OR_ADD")
        added += _added(operations.get("add"), "APPEND_IF_EXISTS_OR_ADD")
        if added:
            changes[f"{side}_headers_to_add"] = added
        if operations.get("remove"):
            changes[f"{side}_headers_to_remove"] = list(operations["remove"])
    return changes


def authority_of(headers: Json | None) -> str:
    """The Host that header operations give a request, or nothing."""
    operations = (headers or {}).get("request") or {}
    for kind in ("set", "add"):
        for name, value in (operations.get(kind) or {}).items():
            if name.lower() in ("host", ":authority"):
                return str(value)
    return ""


def retry_policy(retries: Json | None) -> Json | None:
    """Istio's retries as Envoy's policy: two further attempts where nothing is said, none where 0 is said."""
    policy: dict[str, Json] = {
        "num_retries": 2,
        "retry_on": _RETRY_ON,
        "host_selection_retry_max_attempts": 5,
        "retry_host_predicate": [_OTHER_HOSTS],
    }
    if retries is None:
        return policy
    if retries.get("attempts", 0) <= 0:
        return None
    policy["num_retries"] = retries["attempts"]
    if retries.get("retryOn"):
        policy.update(_retry_on(retries["retryOn"]))
    if retries.get("perTryTimeout"):
        policy["per_try_timeout"] = duration(retries["perTryTimeout"])
    if retries.get("backoff"):
        policy["retry_back_off"] = {"base_interval": duration(retries["backoff"])}
    if retries.get("retryIgnorePreviousHosts") is False:
        del policy["retry_host_predicate"]
    return policy


def redirect_action(redirect: Json, port: int) -> Json:
    """Envoy's redirect; ``port`` is the service's, meant by ``FROM_REQUEST_PORT``."""
    action: dict[str, Json] = {"response_code": _REDIRECTS[redirect.get("redirectCode") or 301]}
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


def direct_response(answer: Json) -> Json:
    """Envoy's own answer."""
    action: dict[str, Json] = {"status": answer["status"]}
    body = answer.get("body") or {}
    if "string" in body:
        action["body"] = {"inline_string": body["string"]}
    elif "bytes" in body:
        action["body"] = {"inline_bytes": body["bytes"]}
    return action


def cors_policy(cors: Json) -> Json:
    """The CORS filter's configuration for one route."""
    config: dict[str, Json] = {
        "@type": f"{_FILTERS}cors.v3.CorsPolicy",
        "forward_not_matching_preflights": cors.get("unmatchedPreflights") != "IGNORE",
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "allow_origin_string_match": [
            {"safe_regex": {"regex": text["regex"]}} if "regex" in text else text
            for text in cors.get("allowOrigins") or ()
        ],
    }
    for istio, envoy in (
        ("allowHeaders", "allow_headers"),
        ("allowMethods", "allow_methods"),
        ("exposeHeaders", "expose_headers"),
    ):
        if cors.get(istio):
            config[envoy] = ",".join(cors[istio])
    if "allowCredentials" in cors:
        config["allow_credentials"] = cors["allowCredentials"]
    if cors.get("maxAge"):
        config["max_age"] = str(int(parse_duration(cors["maxAge"])))
    return config


def _added(values: Mapping[str, str] | None, action: str) -> list[Json]:
    return [
        {"header": {"key": name, "value": value}, "append_action": action}
        for name, value in sorted((values or {}).items())
        if not name.startswith(":") and name.lower() != "host"
    ]


def _retry_on(text: str) -> dict[str, Json]:
    """``retryOn`` may mix Envoy's conditions with status codes."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    codes = [int(part) for part in parts if part.isdigit() and int(part) in HTTP_REASONS]
    conditions = [part for part in parts if not (part.isdigit() and int(part) in HTTP_REASONS)]
    if codes and "retriable-status-codes" not in conditions:
        conditions.append("retriable-status-codes")
    return {"retry_on": ",".join(conditions)} | ({"retriable_status_codes": codes} if codes else {})
