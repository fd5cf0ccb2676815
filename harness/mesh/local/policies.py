"""A DestinationRule's traffic policy as fields of Envoy's clusters, in the way istiod translates it."""

from __future__ import annotations

from collections.abc import Mapping

from harness.mesh.local.actions import duration
from harness.model.json import Json

_PARTS = ("connectionPool", "outlierDetection", "loadBalancer", "tls")
_UNLIMITED = 2**32 - 1
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_BALANCERS = {"LEAST_CONN": "LEAST_REQUEST", "LEAST_REQUEST": "LEAST_REQUEST", "RANDOM": "RANDOM", "ROUND_ROBIN": "ROUND_ROBIN"}  # fmt: skip


def for_port(policy: Json | None, port: int) -> Json:
    """The policy of a port: settings of that port replace the others whole, as in Istio."""
    whole = policy or {}
    for item in whole.get("portLevelSettings") or ():
        if (item.get("port") or {}).get("number") == port:
            return {part: item[part] for part in _PARTS if part in item}
    return {part: whole[part] for part in _PARTS if part in whole}


def for_subset(policy: Json, subset: Json | None, port: int) -> Json:
    """The policy of a subset: what it says replaces that part of the rule's; its settings of the port replace all."""
    if not subset:
        return policy
    for item in subset.get("portLevelSettings") or ():
        if (item.get("port") or {}).get("number") == port:
            return for_port(subset, port)
    return {**policy, **for_port(subset, port)}


def cluster_fields(policy: Json) -> dict[str, Json]:
    """Envoy's cluster fields: thresholds, time-outs, balancing and outlier detection, with Istio's defaults."""
    pool = policy.get("connectionPool") or {}
    http, tcp = pool.get("http") or {}, pool.get("tcp") or {}
    fields: dict[str, Json] = {
        "connect_timeout": duration(tcp.get("connectTimeout", "10s")),
        "circuit_breakers": {"thresholds": [_thresholds(http, tcp)]},
        "lb_policy": _BALANCERS.get((policy.get("loadBalancer") or {}).get("simple", ""), "LEAST_REQUEST"),
    }
    if tcp.get("tcpKeepalive") is not None:
        fields["upstream_connection_options"] = {"tcp_keepalive": _keepalive(tcp["tcpKeepalive"])}
    options = _http_options(http, tcp)
    outlier = policy.get("outlierDetection")
    if outlier is not None:
        fields["outlier_detection"] = _outlier(outlier)
        if outlier.get("minHealthPercent", 0) >= 0:
            fields["common_lb_config"] = {"healthy_panic_threshold": {"value": outlier.get("minHealthPercent", 0)}}
        if outlier.get("outlierDetectionHttpErrorCodes"):
            options["outlier_detection"] = {"error_matcher": _errors(outlier["outlierDetectionHttpErrorCodes"])}
    if options:
        protocol = _protocol(http)
        fields["typed_extension_protocol_options"] = {
            _HTTP_OPTIONS: {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", **protocol, **options}
        }
    return fields


def _thresholds(http: Mapping[str, Json], tcp: Mapping[str, Json]) -> Json:
    """Zero means unlimited, as in Istio."""
    return {
        "max_connections": tcp.get("maxConnections") or _UNLIMITED,
        "max_pending_requests": http.get("http1MaxPendingRequests") or _UNLIMITED,
        "max_requests": http.get("http2MaxRequests") or _UNLIMITED,
        "max_retries": http.get("maxRetries") or _UNLIMITED,
        "track_remaining": True,
    }


def _http_options(http: Mapping[str, Json], tcp: Mapping[str, Json]) -> dict[str, Json]:
    common: dict[str, Json] = {}
    idle = http.get("idleTimeout") or tcp.get("idleTimeout")
    if idle is not None:
        common["idle_timeout"] = duration(idle)
    if http.get("maxRequestsPerConnection"):
        common["max_requests_per_connection"] = http["maxRequestsPerConnection"]
    if tcp.get("maxConnectionDuration"):
        common["max_connection_duration"] = duration(tcp["maxConnectionDuration"])
    options: dict[str, Json] = {"common_http_protocol_options": common} if common else {}
    if http.get("h2UpgradePolicy") == "UPGRADE" or http.get("useClientProtocol"):
        options.setdefault("common_http_protocol_options", {})
    return options


def _protocol(http: Mapping[str, Json]) -> Json:
    streams = {"max_concurrent_streams": http["maxConcurrentStreams"]} if http.get("maxConcurrentStreams") else {}
    keepalive = http.get("http2KeepAlive")
    if keepalive:
        times = {name: duration(keepalive[name]) for name in ("interval", "timeout")}
        streams["connection_keepalive"] = times
    if http.get("useClientProtocol"):
        return {"use_downstream_protocol_config": {"http2_protocol_options": streams, "http_protocol_options": {}}}
    if http.get("h2UpgradePolicy") == "UPGRADE":
        return {"explicit_http_config": {"http2_protocol_options": streams}}
    return {"explicit_http_config": {"http_protocol_options": {}}}


def _keepalive(settings: Mapping[str, Json]) -> Json:
    fields = {"keepalive_probes": settings.get("probes")}
    for istio, envoy in (("time", "keepalive_time"), ("interval", "keepalive_interval")):
        if settings.get(istio):
            fields[envoy] = int(float(duration(settings[istio])[:-1]))
    return {name: value for name, value in fields.items() if value is not None}


def _outlier(settings: Mapping[str, Json]) -> Json:
    """Success rates never eject in Istio; a consecutive count of zero switches that detector off."""
    fields: dict[str, Json] = {"enforcing_success_rate": 0}
    for istio, envoy in (
        ("consecutive5xxErrors", "consecutive_5xx"),
        ("consecutiveGatewayErrors", "consecutive_gateway_failure"),
    ):
        if settings.get(istio) is not None:
            fields[envoy] = settings[istio]
            fields[f"enforcing_{envoy}"] = 100 if settings[istio] else 0
    for istio, envoy in (("interval", "interval"), ("baseEjectionTime", "base_ejection_time")):
        if settings.get(istio):
            fields[envoy] = duration(settings[istio])
    if settings.get("maxEjectionPercent"):
        fields["max_ejection_percent"] = settings["maxEjectionPercent"]
    if settings.get("splitExternalLocalOriginErrors"):
        fields["split_external_local_origin_errors"] = True
        fields["enforcing_local_origin_success_rate"] = 0
        if settings.get("consecutiveLocalOriginFailures"):
            fields["consecutive_local_origin_failure"] = settings["consecutiveLocalOriginFailures"]
            fields["enforcing_consecutive_local_origin_failure"] = 100
    return fields


def _errors(codes: list[int]) -> Json:
    rules = [
        {"http_response_headers_match": {"headers": [{"name": ":status", "string_match": {"exact": str(code)}}]}}
        for code in codes
    ]
    return rules[0] if len(rules) == 1 else {"or_match": {"rules": rules}}
