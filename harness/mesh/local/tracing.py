"""Spans of the local mesh: Envoy exports one for each call of a sampled request, to a receiver in this process.

A call is the work of the called service as its caller's proxy saw it, with injected delays and retries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from harness.clients.otlp import OtlpSpan
from harness.mesh.local.clusters import METADATA
from harness.mesh.local.topology import Caller
from harness.model.json import JsonObject, JsonScalar, JsonValue
from harness.model.spans import Span

CLUSTER = "harness_spans"
FLUSH_S = 0.2
"""How often Envoy sends spans."""
RUNTIME: JsonObject = {
    "tracing.opentelemetry.flush_interval_ms": int(FLUSH_S * 1000),
    "tracing.opentelemetry.min_flush_spans": 100,
}
_KEPT = {
    "http.method": "http.method",
    "upstream_address": "server.address",
    "attempts": "attempts",
    "response_size": "http.response.body.size",
}
"""What of Envoy's attributes is kept, and under which name."""


def receiver_cluster(port: int) -> JsonObject:
    """Return the cluster of the receiver."""
    address: JsonObject = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    endpoints: JsonObject = {"lb_endpoints": [{"endpoint": {"address": address}}]}
    return {
        "name": CLUSTER,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {"cluster_name": CLUSTER, "endpoints": [endpoints]},
    }


def tracing(caller: Caller) -> JsonObject:
    """Return the part of a connection manager that exports spans of requests whose ``traceparent`` is sampled."""
    share: JsonObject = {"numerator": 0, "denominator": "HUNDRED"}
    never = _sampler("trace_id_ratio_based", "TraceIdRatioBasedSamplerConfig", sampling_percentage=share)
    uri: JsonObject = {"uri": "http://127.0.0.1/v1/traces", "cluster": CLUSTER, "timeout": "5s"}
    config: JsonObject = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "http_service": {"http_uri": uri},
        "service_name": "harness",
        "sampler": _sampler("parent_based", "ParentBasedSamplerConfig", wrapped_sampler=never),
    }
    tags: list[JsonValue] = [
        {"tag": "caller", "literal": {"value": caller.app}},
        {"tag": "attempts", "request_header": {"name": "x-envoy-attempt-count"}},
        _metadata_tag("app"),
        _metadata_tag("version"),
    ]
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config},
        "random_sampling": {"value": 100},
        "custom_tags": tags,
    }


def _sampler(name: str, kind: str, **config: JsonObject) -> JsonObject:
    typed = f"type.googleapis.com/envoy.extensions.tracers.opentelemetry.samplers.v3.{kind}"
    return {"name": f"envoy.tracers.opentelemetry.samplers.{name}", "typed_config": {"@type": typed, **config}}


def _metadata_tag(key: str) -> JsonObject:
    """Return a tag with what is known of the endpoint that answered."""
    metadata_key: JsonObject = {"key": METADATA, "path": [{"key": key}]}
    return {"tag": key, "metadata": {"kind": {"host": {}}, "metadata_key": metadata_key}}


def spans_of(found: Iterable[OtlpSpan]) -> Iterator[Span]:
    """Yield spans as bundles have them; the version of the workload that answered is the attribute ``version``."""
    for one in found:
        tags = one.attributes
        text = {name: str(tags.get(name, "")) for name in ("app", "version", "caller", "response_flags")}
        path = urlsplit(str(tags.get("http.url", ""))).path or "/"
        status, flags = str(tags.get("http.status_code", "")), text["response_flags"]
        attributes: dict[str, JsonScalar] = {
            name: tags[sent] for sent, name in _KEPT.items() if tags.get(sent) not in (None, "", "-")
        }
        yield Span(
            trace_id=one.trace_id,
            span_id=one.span_id,
            parent_id=one.parent_id,
            service=text["app"] or _called(str(tags.get("upstream_cluster", ""))) or text["caller"],
            name=f"{tags.get('http.method', '')} {path}".strip(),
            start_ns=one.start_ns,
            duration_ns=max(0, one.end_ns - one.start_ns),
            status=int(status) if status.isdecimal() else 0,
            flags="" if flags == "-" else flags,
            attributes={**attributes, "caller": text["caller"], "version": text["version"]},
        )


def _called(cluster: str) -> str:
    """Return the service that a cluster is of, such as ``outbound|9080|v2|reviews.shop.svc.cluster.local``."""
    return cluster.rpartition("|")[2].partition(".")[0]
