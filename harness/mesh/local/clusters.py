"""Envoy clusters for each service and each of its subsets, with the DestinationRule's traffic policy."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.mesh.local.outbound_tls import STARTED, tls_socket
from harness.mesh.local.topology import Endpoint, Service
from harness.model.json import JsonObject
from harness.routing.istio import policies
from harness.routing.istio.governing import rules_by_host
from harness.routing.istio.hashing import consistent_hash, hash_policy
from harness.routing.istio.policy_types import PolicyParts
from harness.routing.istio.types import DestinationRuleSpec

METADATA = "harness"
"""The key in Envoy's metadata under which telemetry finds the labels of services and endpoints."""

PASSTHROUGH = "PassthroughCluster"
"""As istiod names the cluster for hosts that are no service."""
DNS_CACHE: Mapping[str, str] = {"name": "passthrough", "dns_lookup_family": "V4_ONLY"}

_BY_NAME: Mapping[str, str] = {"type": "STRICT_DNS", "dns_lookup_family": "V4_ONLY"}

CLUSTER = "Kubernetes"
"""Istio's default name of the cluster it runs in."""


def cluster_name(host: str, port: int, subset: str = "") -> str:
    """Return the name that istiod gives to the outbound cluster of a host, port and subset."""
    return f"outbound|{port}|{subset}|{host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A service, or one of its subsets, whose name is not empty. policy: how callers connect to it."""

    service: Service
    subset: str
    labels: Mapping[str, str]
    policy: PolicyParts

    @property
    def cluster(self) -> str:
        """The name of its cluster."""
        return cluster_name(self.service.host, self.service.port, self.subset)


def members(resources: Sequence[JsonObject], services: Sequence[Service], *, namespace: str) -> list[Member]:
    """Return each service and each of its subsets, as callers in ``namespace`` see them."""
    rules = rules_by_host(resources, [service.host for service in services], namespace=namespace)
    found = []
    for service in services:
        spec: DestinationRuleSpec = rules[service.host]["spec"] if service.host in rules else {"host": service.host}
        policy = policies.for_port(spec.get("trafficPolicy"), service.port)
        found.append(Member(service=service, subset="", labels={}, policy=policy))
        for subset in spec.get("subsets") or ():
            own = policies.for_subset(policy, subset.get("trafficPolicy"), service.port)
            labels = subset.get("labels") or {}
            found.append(Member(service=service, subset=subset["name"], labels=labels, policy=own))
    return found


def clusters(found: Sequence[Member]) -> tuple[JsonObject, ...]:
    """Return the clusters of services and subsets."""
    return tuple(
        _cluster(one, [endpoint for endpoint in one.service.endpoints if _has(endpoint.labels, one.labels)])
        for one in found
    )


def passthrough() -> JsonObject:
    """Return the cluster that passes requests on to the host that they name, which the mesh does not know."""
    kind = "type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig"
    typed: JsonObject = {"@type": kind, "dns_cache_config": {**DNS_CACHE}}
    return {
        "name": PASSTHROUGH,
        "connect_timeout": "10s",
        "lb_policy": "CLUSTER_PROVIDED",
        "cluster_type": {"name": "envoy.clusters.dynamic_forward_proxy", "typed_config": typed},
    }


def hash_policies(found: Sequence[Member]) -> dict[str, JsonObject]:
    """Return what of a request is hashed, by the name of each cluster that is balanced by consistent hashing."""
    policies_of = {one.cluster: hash_policy(consistent_hash(one.policy)) for one in found}
    return {cluster: policy for cluster, policy in policies_of.items() if policy is not None}


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


def _cluster(member: Member, endpoints: Sequence[Endpoint]) -> JsonObject:
    service, name, tls = member.service, member.cluster, member.policy.get("tls") or {}
    return {
        "name": name,
        **({"type": "STATIC"} if all(_is_address(item.host) for item in endpoints) else _BY_NAME),
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [_endpoint(service, item) for item in endpoints]}],
        },
        "metadata": _metadata(
            service=service.host,
            service_name=service.name,
            service_namespace=service.namespace,
            subset=member.subset,
        ),
        **policies.cluster_fields(member.policy, http2=service.protocol.is_http2),
        **({"transport_socket": tls_socket(tls, service.host)} if tls.get("mode") in STARTED else {}),
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


@lru_cache(maxsize=1024)
def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
