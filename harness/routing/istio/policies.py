"""Translate a DestinationRule's traffic policy into fields of Envoy's clusters, as istiod does."""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.json import JsonObject, JsonValue
from harness.model.units import parse_duration
from harness.routing.istio.hashing import consistent_hash, hash_balancer
from harness.routing.istio.policy_types import (
    ConnectionPool,
    HTTPSettings,
    OutlierDetection,
    PolicyParts,
    RetryBudget,
    TcpKeepalive,
    TCPSettings,
    TrafficPolicy,
)

_UNLIMITED = 2**32 - 1
_RETRY_PERCENT, _RETRY_LEAST = 20.0, 3
"""Of a retry budget that does not say."""
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_BALANCERS = {
    "LEAST_CONN": "LEAST_REQUEST",
    "LEAST_REQUEST": "LEAST_REQUEST",
    "RANDOM": "RANDOM",
    "ROUND_ROBIN": "ROUND_ROBIN",
}


def duration(text: str | float) -> str:
    """Return a duration in protobuf's JSON format: ``7s``, ``0.25s``."""
    return f"{parse_duration(text):.9f}".rstrip("0").rstrip(".") + "s"


def for_port(policy: TrafficPolicy | None, port: int) -> PolicyParts:
    """Return the policy of a port: as in Istio, settings for that port replace the whole general policy."""
    whole: TrafficPolicy = policy or {}
    for item in whole.get("portLevelSettings") or ():
        if (item.get("port") or {}).get("number") == port:
            return _parts(item)
    return _parts(whole)


def for_subset(policy: PolicyParts, subset: TrafficPolicy | None, port: int) -> PolicyParts:
    """Return the policy of a subset: each part that it sets replaces the rule's.

    Its settings for the port replace the whole policy.
    """
    if not subset:
        return policy
    for item in subset.get("portLevelSettings") or ():
        if (item.get("port") or {}).get("number") == port:
            return for_port(subset, port)
    return {**policy, **for_port(subset, port)}


def cluster_fields(policy: PolicyParts, *, http2: bool = False) -> JsonObject:
    """Return Envoy's cluster fields (thresholds, timeouts, balancing, outlier detection) with Istio's defaults.

    http2: whether the service's port speaks HTTP/2.
    """
    pool: ConnectionPool = policy.get("connectionPool") or {}
    http: HTTPSettings = pool.get("http") or {}
    tcp: TCPSettings = pool.get("tcp") or {}
    simple = (policy.get("loadBalancer") or {}).get("simple")
    fields: JsonObject = {
        "connect_timeout": duration(tcp.get("connectTimeout", "10s")),
        "circuit_breakers": {"thresholds": [_thresholds(http, tcp, policy.get("retryBudget"))]},
        "lb_policy": _BALANCERS.get(simple or "", "LEAST_REQUEST"),
    }
    hashing = consistent_hash(policy)
    if hashing:
        fields.update(hash_balancer(hashing))
    keepalive = tcp.get("tcpKeepalive")
    if keepalive is not None:
        fields["upstream_connection_options"] = {"tcp_keepalive": _keepalive(keepalive)}
    options = _http_options(http, tcp)
    outlier = policy.get("outlierDetection")
    if outlier is not None:
        fields["outlier_detection"] = _outlier(outlier)
        if outlier.get("minHealthPercent", 0) >= 0:
            fields["common_lb_config"] = {"healthy_panic_threshold": {"value": outlier.get("minHealthPercent", 0)}}
        if outlier.get("outlierDetectionHttpErrorCodes"):
            options["outlier_detection"] = {"error_matcher": _errors(outlier["outlierDetectionHttpErrorCodes"])}
    if http2 and "common_http_protocol_options" not in options:
        options["common_http_protocol_options"] = {}
    if options:
        protocol = _protocol(http, http2=http2)
        fields["typed_extension_protocol_options"] = {
            _HTTP_OPTIONS: {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", **protocol, **options}
        }
    return fields


def _parts(policy: PolicyParts) -> PolicyParts:
    """Return only the parts that a policy can set for one port."""
    parts: PolicyParts = {}
    if "connectionPool" in policy:
        parts["connectionPool"] = policy["connectionPool"]
    if "outlierDetection" in policy:
        parts["outlierDetection"] = policy["outlierDetection"]
    if "loadBalancer" in policy:
        parts["loadBalancer"] = policy["loadBalancer"]
    if "tls" in policy:
        parts["tls"] = policy["tls"]
    if "retryBudget" in policy:
        parts["retryBudget"] = policy["retryBudget"]
    return parts


def _thresholds(http: HTTPSettings, tcp: TCPSettings, budget: RetryBudget | None) -> JsonObject:
    """Return the circuit breaker's thresholds; as in Istio, zero means unlimited."""
    thresholds: JsonObject = {
        "max_connections": tcp.get("maxConnections") or _UNLIMITED,
        "max_pending_requests": http.get("http1MaxPendingRequests") or _UNLIMITED,
        "max_requests": http.get("http2MaxRequests") or _UNLIMITED,
        "max_retries": http.get("maxRetries") or _UNLIMITED,
        "track_remaining": True,
    }
    if budget is not None:
        percent, least = budget.get("percent", _RETRY_PERCENT), budget.get("minRetryConcurrency", _RETRY_LEAST)
        thresholds["retry_budget"] = {"budget_percent": {"value": percent}, "min_retry_concurrency": least}
    return thresholds


def _http_options(http: HTTPSettings, tcp: TCPSettings) -> JsonObject:
    common: JsonObject = {}
    idle = http.get("idleTimeout") or tcp.get("idleTimeout")
    if idle is not None:
        common["idle_timeout"] = duration(idle)
    if http.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = http["maxRequestsPerConnection"]
    if tcp.get("maxConnectionDuration"):
        common["max_connection_duration"] = duration(tcp["maxConnectionDuration"])
    if common or http.get("h2UpgradePolicy") == "UPGRADE" or http.get("useClientProtocol"):
        return {"common_http_protocol_options": common}
    return {}


def _protocol(http: HTTPSettings, *, http2: bool) -> JsonObject:
    streams: JsonObject = {}
    if http.get("maxConcurrentStreams"):
        streams["max_concurrent_streams"] = http["maxConcurrentStreams"]
    keepalive = http.get("http2KeepAlive")
    if keepalive:
        interval, timeout = duration(keepalive["interval"]), duration(keepalive["timeout"])
        streams["connection_keepalive"] = {"interval": interval, "timeout": timeout}
    if http.get("useClientProtocol"):
        return {"use_downstream_protocol_config": {"http2_protocol_options": streams, "http_protocol_options": {}}}
    if http2 or http.get("h2UpgradePolicy") == "UPGRADE":
        return {"explicit_http_config": {"http2_protocol_options": streams}}
    return {"explicit_http_config": {"http_protocol_options": {}}}


def _keepalive(settings: TcpKeepalive) -> JsonObject:
    fields: JsonObject = {}
    if settings.get("probes") is not None:
        fields["keepalive_probes"] = settings["probes"]
    for envoy, time in (("keepalive_time", settings.get("time")), ("keepalive_interval", settings.get("interval"))):
        if time:
            fields[envoy] = int(float(duration(time)[:-1]))
    return fields


def _outlier(settings: OutlierDetection) -> JsonObject:
    """Return Envoy's outlier detection: success rates never eject in Istio; a count of zero turns its detector off."""
    fields: JsonObject = {"enforcing_success_rate": 0}
    for envoy, count in (
        ("consecutive_5xx", settings.get("consecutive5xxErrors")),
        ("consecutive_gateway_failure", settings.get("consecutiveGatewayErrors")),
    ):
        if count is not None:
            fields[envoy] = count
            fields[f"enforcing_{envoy}"] = 100 if count else 0
    for envoy, time in (
        ("interval", settings.get("interval")),
        ("base_ejection_time", settings.get("baseEjectionTime")),
    ):
        if time:
            fields[envoy] = duration(time)
    if settings.get("maxEjectionPercent"):
        fields["max_ejection_percent"] = settings["maxEjectionPercent"]
    if settings.get("splitExternalLocalOriginErrors"):
        fields["split_external_local_origin_errors"] = True
        fields["enforcing_local_origin_success_rate"] = 0
        if settings.get("consecutiveLocalOriginFailures"):
            fields["consecutive_local_origin_failure"] = settings["consecutiveLocalOriginFailures"]
            fields["enforcing_consecutive_local_origin_failure"] = 100
    return fields


def _errors(codes: Sequence[int]) -> JsonObject:
    rules: list[JsonObject] = [
        {"http_response_headers_match": {"headers": [{"name": ":status", "string_match": {"exact": str(code)}}]}}
        for code in codes
    ]
    any_of: list[JsonValue] = [*rules]
    return rules[0] if len(rules) == 1 else {"or_match": {"rules": any_of}}
