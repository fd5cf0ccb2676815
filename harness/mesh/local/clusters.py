"""Clusters of the mesh: each service and each of its subsets, with the DestinationRule's traffic policy."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from harness.mesh.local import policies
from harness.mesh.local.topology import Destination, Endpoint
from harness.model.json import Json
from harness.routing.istio.governing import destination_rule, wildcard_rule

METADATA = "harness"
"""The key of Envoy's metadata that carries what telemetry says of services and endpoints."""

CLUSTER = "Kubernetes"
"""What Istio calls the cluster it runs in, unless told otherwise."""


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """The name istiod gives to the outbound cluster of a host, port and subset."""
    return f"outbound|{port}|{subset}|{host}"


def clusters(resources: Sequence[Json], services: Sequence[Destination], *, namespace: str) -> tuple[Json, ...]:
    """All clusters, as seen from callers in ``namespace``."""
    found: list[Json] = []
    for service in services:
        rule = destination_rule(resources, host=service.host, namespace=namespace) or wildcard_rule(
            resources, host=service.host, namespace=namespace
        )
        spec = rule["spec"] if rule else {}
        policy = policies.for_port(spec.get("trafficPolicy"), service.port)
        found.append(_cluster(service, "", service.endpoints, policy))
        for subset in spec.get("subsets") or ():
            chosen = [item for item in service.endpoints if _has(item.labels, subset.get("labels") or {})]
            own = policies.for_subset(policy, subset.get("trafficPolicy"), service.port)
            found.append(_cluster(service, subset["name"], chosen, own))
    return tuple(found)


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


def _cluster(service: Destination, subset: str, endpoints: Sequence[Endpoint], policy: Json) -> Json:
    name = cluster_name(service.host, service.port, subset)
    return {
        "name": name,
        "type": "STATIC" if all(_is_address(item.host) for item in endpoints) else "STRICT_DNS",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(service, item) for item in endpoints]}],
        },
        "metadata": _metadata(
            service=service.host, service_name=service.name, service_namespace=service.namespace, subset=subset
        ),
        **policies.cluster_fields(policy),
    }


def _endpoint(service: Destination, endpoint: Endpoint) -> Json:
    address = {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}
    app = endpoint.labels.get("app", service.name)
    return {
        "endpoint": {"address": address},
        "metadata": _metadata(
            workload=endpoint.workload,
            version=endpoint.version,
            app=app,
            namespace=service.namespace,
            cluster=CLUSTER,
        ),
    }


def _metadata(**values: str) -> Json:
    return {"filter_metadata": {METADATA: values}}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
