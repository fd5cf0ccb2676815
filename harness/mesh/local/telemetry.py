"""Istio's standard metrics of a calling sidecar, counted by Envoy's stats access logger.

Envoy serves them at ``/stats/prometheus`` as ``envoy_istio_requests_total`` and
``envoy_istio_request_duration_milliseconds``: only the prefix ``envoy_`` differs from Istio's names.
"""

from __future__ import annotations

import json

from harness.mesh.local.clusters import CLUSTER, METADATA
from harness.mesh.local.topology import Caller
from harness.model.json import JsonObject, JsonValue

REQUESTS, ATTEMPTS_MADE = "envoy_istio_requests_total", "envoy_istio_attempts_total"
UNKNOWN = "unknown"
SCOPE, REQUESTS_TOTAL, DURATION, ATTEMPTS = "istio", "requests_total", "request_duration_milliseconds", "attempts_total"
SIZE = "response_bytes"
"""The names in Envoy's own statistics. Istio has no counter of attempts, which include the proxy's retries."""
TAGS = (
    "reporter",
    "source_workload",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_canonical_service",
    "source_canonical_revision",
    "source_cluster",
    "destination_principal",
    "connection_security_policy",
    "destination_service",
    "destination_service_name",
    "destination_workload",
    "destination_workload_namespace",
    "destination_service_namespace",
    "destination_app",
    "destination_version",
    "destination_canonical_service",
    "destination_cluster",
    "destination_canonical_revision",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
)
"""The tags in their order."""


def stats_logger(caller: Caller, *, authority: str = "") -> JsonObject:
    """Return the access logger that counts the calls of one workload.

    authority: the service that all calls go to, whatever their Host header; empty where the Host header decides.
    """
    tags: list[JsonValue] = [*_fixed(caller), *_destination(authority), *_answer()]
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
            "stats_scope": {"prefix": SCOPE},
            "counters": [
                {"stat": {"name": REQUESTS_TOTAL, "tags": tags}, "value_fixed": 1},
                {"stat": {"name": ATTEMPTS, "tags": tags}, "value_format": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"},
            ],
            "histograms": [
                {
                    "stat": {"name": DURATION, "tags": tags},
                    "unit": "Milliseconds",
                    "value_format": "%DURATION%",
                },
                {"stat": {"name": SIZE, "tags": tags}, "unit": "Bytes", "value_format": "%BYTES_SENT%"},
            ],
        },
    }


def _fixed(caller: Caller) -> list[JsonObject]:
    values = {
        "reporter": "source",
        "source_workload": caller.workload,
        "source_workload_namespace": caller.namespace,
        "source_principal": UNKNOWN,
        "source_app": caller.app,
        "source_version": caller.version,
        "source_canonical_service": caller.app,
        "source_canonical_revision": caller.version,
        "source_cluster": CLUSTER,
        "destination_principal": UNKNOWN,
        "connection_security_policy": UNKNOWN,
    }
    return [_tag(name, value) for name, value in values.items()]


def _destination(authority: str) -> list[JsonObject]:
    """Return the tags of the called service: its name comes from the cluster, the rest from the endpoint.

    The cluster is known as soon as Envoy has chosen a route. As in Istio (``istio_stats.cc``), an injected abort
    has no endpoint, so its workload and namespace are unknown, and a response that a proxy sends without a cluster
    counts for the Host that was called.
    """
    service = {"destination_service": "service", "destination_service_name": "service_name"}
    workload = {
        "destination_workload": "workload",
        "destination_workload_namespace": "namespace",
        "destination_service_namespace": "namespace",
        "destination_app": "app",
        "destination_version": "version",
        "destination_canonical_service": "app",
        "destination_cluster": "cluster",
    }
    return [
        *(
            _tag(name, _or_host(f"CLUSTER:{METADATA}:{key}", authority), authority or UNKNOWN)
            for name, key in service.items()
        ),
        *(_tag(name, f"%METADATA(UPSTREAM_HOST:{METADATA}:{key})%", UNKNOWN) for name, key in workload.items()),
        _tag("destination_canonical_revision", f"%METADATA(UPSTREAM_HOST:{METADATA}:version)%", "latest"),
    ]


def _or_host(metadata: str, authority: str) -> str:
    """Return the format of a metadata value that falls back to the Host header where no ``authority`` is known."""
    if authority:
        return f"%METADATA({metadata})%"
    operators = [{"command": "METADATA", "param": metadata}, {"command": "REQ", "param": ":AUTHORITY"}]
    return f"%COALESCE({json.dumps({'operators': operators})})%"


def _answer() -> list[JsonObject]:
    """Return the tags of the response; like Istio, recognise gRPC by its content type."""
    grpc: JsonObject = {"prefix": "application/grpc"}
    return [
        {"name": "request_protocol", "value_format": "%REQ(CONTENT-TYPE)%", "rules": _replaced(grpc, "grpc", "http")},
        _tag("response_code", "%RESPONSE_CODE%"),
        _tag("grpc_response_status", "%GRPC_STATUS_NUMBER%"),
        _tag("response_flags", "%RESPONSE_FLAGS%"),
    ]


def _tag(name: str, value: str, instead_of_empty: str = "") -> JsonObject:
    tag: JsonObject = {"name": name, "value_format": value}
    return {**tag, "rules": _replaced({"exact": ""}, instead_of_empty)} if instead_of_empty else tag


def _replaced(value: JsonObject, by: str, otherwise: str = "") -> JsonObject:
    """Return rules that replace a tag's value with ``by`` if it matches, and with ``otherwise`` if it does not."""
    types = "type.googleapis.com/envoy.extensions.matching."
    tag_value: JsonObject = {
        "name": "stat_tag_value_input",
        "typed_config": {"@type": f"{types}common_inputs.stats.v3.StatTagValueInput"},
    }

    def update(text: str) -> JsonObject:
        config: JsonObject = {
            "@type": f"{types}actions.transform_stat.v3.TransformStat",
            "update_tag": {"new_tag_value": text},
        }
        return {"action": {"name": "update_tag", "typed_config": config}}

    predicate: JsonObject = {"single_predicate": {"input": tag_value, "value_match": value}}
    rules: JsonObject = {"matcher_list": {"matchers": [{"predicate": predicate, "on_match": update(by)}]}}
    return {**rules, "on_no_match": update(otherwise)} if otherwise else rules
