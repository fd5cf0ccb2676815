"""Istio's standard metrics of a calling sidecar, counted by Envoy's stats access logger.

They stand at ``/stats/prometheus`` as ``envoy_istio_requests_total`` and
``envoy_istio_request_duration_milliseconds``: only the leading ``envoy_`` differs from Istio.
"""

from __future__ import annotations

import json

from harness.mesh.local.clusters import CLUSTER, METADATA
from harness.mesh.local.topology import Caller
from harness.model.json import Json

REQUESTS = "envoy_istio_requests_total"
UNKNOWN = "unknown"


def stats_logger(caller: Caller, *, authority: str = "") -> Json:
    """The access logger that counts the calls of one workload; ``authority`` where all are for one, whatever the Host."""
    tags = [*_fixed(caller), *_destination(authority), *_answer()]
    return {
        "name": "envoy.access_loggers.stats",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.stats.v3.Config",
            "stats_scope": {"prefix": "istio"},
            "counters": [{"stat": {"name": "requests_total", "tags": tags}, "value_fixed": 1}],
            "histograms": [
                {
                    "stat": {"name": "request_duration_milliseconds", "tags": tags},
                    "unit": "Milliseconds",
                    "value_format": "%DURATION%",
                }
            ],
        },
    }


def _fixed(caller: Caller) -> list[Json]:
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


def _destination(authority: str) -> list[Json]:
    """The service comes from the cluster, known as soon as a route is chosen; the rest from the endpoint.

    As in Istio (``istio_stats.cc``): an injected abort has no endpoint, so its workload and namespace are unknown, and
    what a proxy answers without a cluster counts for the Host that was called.
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
    """A piece of metadata, or the Host of the request; the Host is of no use where ``authority`` says what was called."""
    if authority:
        return f"%METADATA({metadata})%"
    operators = [{"command": "METADATA", "param": metadata}, {"command": "REQ", "param": ":AUTHORITY"}]
    return f"%COALESCE({json.dumps({'operators': operators})})%"


def _answer() -> list[Json]:
    """Istio calls gRPC by its content type."""
    grpc = {"prefix": "application/grpc"}
    return [
        {"name": "request_protocol", "value_format": "%REQ(CONTENT-TYPE)%", "rules": _replaced(grpc, "grpc", "http")},
        _tag("response_code", "%RESPONSE_CODE%"),
        _tag("grpc_response_status", "%GRPC_STATUS_NUMBER%"),
        _tag("response_flags", "%RESPONSE_FLAGS%"),
    ]


def _tag(name: str, value: str, instead_of_empty: str = "") -> Json:
    tag: dict[str, Json] = {"name": name, "value_format": value}
    return {**tag, "rules": _replaced({"exact": ""}, instead_of_empty)} if instead_of_empty else tag


def _replaced(value: Json, by: str, otherwise: str = "") -> Json:
    """Rules that put ``by`` in the place of a tag's value that is matched, and ``otherwise`` in that of others."""
    types = "type.googleapis.com/envoy.extensions.matching."
    tag_value = {
        "name": "stat_tag_value_input",
        "typed_config": {"@type": f"{types}common_inputs.stats.v3.StatTagValueInput"},
    }

    def update(text: str) -> Json:
        config = {
            "@type": f"{types}actions.transform_stat.v3.TransformStat",
            "update_tag": {"new_tag_value": text},
        }
        return {"action": {"name": "update_tag", "typed_config": config}}

    predicate = {"single_predicate": {"input": tag_value, "value_match": value}}
    rules: dict[str, Json] = {"matcher_list": {"matchers": [{"predicate": predicate, "on_match": update(by)}]}}
    return {**rules, "on_no_match": update(otherwise)} if otherwise else rules
