"""Istio's standard metrics of a calling sidecar, counted by Envoy's stats access logger.

They stand at ``/stats/prometheus`` as ``envoy_istio_requests_total`` and
``envoy_istio_request_duration_milliseconds``: only the leading ``envoy_`` differs from Istio.
"""

from __future__ import annotations

from harness.mesh.local.clusters import CLUSTER, METADATA
from harness.mesh.local.topology import Caller
from harness.model.record import Json

REQUESTS = "envoy_istio_requests_total"
UNKNOWN = "unknown"


def stats_logger(caller: Caller) -> Json:
    """The access logger that counts the calls of one workload."""
    tags = [*_fixed(caller), *_destination(), *_answer()]
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
        "request_protocol": "http",
        "connection_security_policy": UNKNOWN,
    }
    return [_tag(name, value) for name, value in values.items()]


def _destination() -> list[Json]:
    """The service comes from the cluster, known as soon as a route is chosen; the workload from the endpoint.

    An injected abort has no endpoint, so its workload is unknown, as in Istio.
    """
    service = {
        "destination_service": "service",
        "destination_service_name": "service_name",
        "destination_service_namespace": "service_namespace",
    }
    workload = {
        "destination_workload": "workload",
        "destination_workload_namespace": "namespace",
        "destination_app": "app",
        "destination_version": "version",
        "destination_canonical_service": "app",
        "destination_cluster": "cluster",
    }
    return [
        *(_tag(name, f"%METADATA(CLUSTER:{METADATA}:{key})%", UNKNOWN) for name, key in service.items()),
        *(_tag(name, f"%METADATA(UPSTREAM_HOST:{METADATA}:{key})%", UNKNOWN) for name, key in workload.items()),
        _tag("destination_canonical_revision", f"%METADATA(UPSTREAM_HOST:{METADATA}:version)%", "latest"),
    ]


def _answer() -> list[Json]:
    return [
        _tag("response_code", "%RESPONSE_CODE%"),
        _tag("grpc_response_status", "%GRPC_STATUS_NUMBER%"),
        _tag("response_flags", "%RESPONSE_FLAGS%"),
    ]


def _tag(name: str, value: str, instead_of_empty: str = "") -> Json:
    tag: dict[str, Json] = {"name": name, "value_format": value}
    return {**tag, "rules": _replace_empty(instead_of_empty)} if instead_of_empty else tag


def _replace_empty(value: str) -> Json:
    types = "type.googleapis.com/envoy.extensions.matching."
    empty = {
        "input": {
            "name": "stat_tag_value_input",
            "typed_config": {"@type": f"{types}common_inputs.stats.v3.StatTagValueInput"},
        },
        "value_match": {"exact": ""},
    }
    update = {
        "name": "update_tag",
        "typed_config": {
            "@type": f"{types}actions.transform_stat.v3.TransformStat",
            "update_tag": {"new_tag_value": value},
        },
    }
    matcher = {"predicate": {"single_predicate": empty}, "on_match": {"action": update}}
    return {"matcher_list": {"matchers": [matcher]}}
