"""Envoy clusters for each service and each of its subsets, with the DestinationRule's traffic policy."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence

from harness.mesh.local.topology import Endpoint, Service
from harness.model.json import JsonObject
from harness.routing.istio import policies
from harness.routing.istio.governing import destination_rule, wildcard_rule
from harness.routing.istio.hashing import consistent_hash, hash_policy
from harness.routing.istio.names import namespace_of
from harness.routing.istio.policy_types import PolicyParts
from harness.routing.istio.types import DestinationRule

METADATA = "harness"
"""The key in Envoy's metadata under which telemetry finds the labels of services and endpoints."""

CLUSTER = "Kubernetes"
"""Istio's default name of the cluster it runs in."""


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """Return the name that istiod gives to the outbound cluster of a host, port and subset."""
    return f"outbound|{port}|{subset}|{host}"


def clusters(resources: Sequence[JsonObject], services: Sequence[Service], *, namespace: str) -> tuple[JsonObject, ...]:
    """Return all clusters, as callers in ``namespace`` see them."""
    return tuple(
        _cluster(service, name, [one for one in service.endpoints if _has(one.labels, labels)], policy)
        for service, name, labels, policy in _members(resources, services, namespace)
    )


def hash_policies(
    resources: Sequence[JsonObject], services: Sequence[Service], *, namespace: str
) -> dict[str, JsonObject]:
    """Return what of a request is hashed, by the name of each cluster that is balanced by consistent hashing."""
    found = {
        cluster_name(service.host, service.port, name): hash_policy(consistent_hash(policy))
        for service, name, _, policy in _members(resources, services, namespace)
    }
    return {cluster: policy for cluster, policy in found.items() if policy is not None}


def _members(
    resources: Sequence[JsonObject], services: Sequence[Service], namespace: str
) -> Iterator[tuple[Service, str, Mapping[str, str], PolicyParts]]:
    """Yield each service and each of its subsets, whose name is not empty, with the labels and the policy."""
    for service in services:
        rule = _rule(resources, service.host, namespace)
        policy = policies.for_port(rule["spec"].get("trafficPolicy") if rule else None, service.port)
        yield service, "", {}, policy
        for subset in (rule["spec"].get("subsets") if rule else None) or ():
            own = policies.for_subset(policy, subset.get("trafficPolicy"), service.port)
            yield service, subset["name"], subset.get("labels") or {}, own


def _rule(resources: Sequence[JsonObject], host: str, namespace: str) -> DestinationRule | None:
    """Return the DestinationRule for exactly this host, else the most specific wildcard rule, else None.

    As in Istio, any rule of the callers' namespace goes before every rule of the root namespace.
    """
    rule = destination_rule(resources, host=host, namespace=namespace)
    wildcard = wildcard_rule(resources, host=host, namespace=namespace)
    if rule is None or wildcard is None or namespace_of(rule, namespace) == namespace:
        return rule or wildcard
    return wildcard if namespace_of(wildcard, namespace) == namespace else rule


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


def _cluster(service: Service, subset: str, endpoints: Sequence[Endpoint], policy: PolicyParts) -> JsonObject:
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


def _endpoint(service: Service, endpoint: Endpoint) -> JsonObject:
    address: JsonObject = {"socket_address": {"address": endpoint.host, "port_value": endpoint.port}}
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


def _metadata(**values: str) -> JsonObject:
    return {"filter_metadata": {METADATA: {**values}}}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
