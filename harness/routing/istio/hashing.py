"""Translate consistent hashing: the balancer of a cluster, and what of a request is hashed, as istiod does."""

from __future__ import annotations

from harness.model.json import JsonObject
from harness.model.units import parse_duration
from harness.routing.istio.policy_types import ConsistentHash, PolicyParts

_SMALLEST_RING = 1024


def consistent_hash(policy: PolicyParts) -> ConsistentHash | None:
    """Return the consistent hashing that a policy asks for, or None."""
    return (policy.get("loadBalancer") or {}).get("consistentHash")


def hash_balancer(hashing: ConsistentHash) -> JsonObject:
    """Return the balancer of the cluster (``loadbalancer.ApplyRingHashLoadBalancer``)."""
    if "maglev" in hashing:
        size = hashing["maglev"].get("tableSize")
        maglev: JsonObject = {"maglev_lb_config": {"table_size": size}} if size else {}
        return {"lb_policy": "MAGLEV", **maglev}
    smallest = hashing.get("minimumRingSize") or _SMALLEST_RING
    if "ringHash" in hashing:
        smallest = hashing["ringHash"].get("minimumRingSize", 0)
    ring: JsonObject = {"ring_hash_lb_config": {"minimum_ring_size": smallest}} if smallest else {}
    return {"lb_policy": "RING_HASH", **ring}


def hash_policy(hashing: ConsistentHash | None) -> JsonObject | None:
    """Return what a route hashes (``route.ConsistentHashToHashPolicy``), or None."""
    if not hashing:
        return None
    if hashing.get("httpHeaderName"):
        return {"header": {"header_name": hashing["httpHeaderName"]}}
    if hashing.get("httpCookie"):
        cookie = hashing["httpCookie"]
        made: JsonObject = {"name": cookie["name"]}
        if cookie.get("ttl"):
            made["ttl"] = f"{parse_duration(cookie['ttl']):g}s"
        if cookie.get("path"):
            made["path"] = cookie["path"]
        if cookie.get("attributes"):
            made["attributes"] = [{"name": one["name"], "value": one.get("value", "")} for one in cookie["attributes"]]
        return {"cookie": made}
    if hashing.get("useSourceIp"):
        return {"connection_properties": {"source_ip": True}}
    if hashing.get("httpQueryParameterName"):
        return {"query_parameter": {"name": hashing["httpQueryParameterName"]}}
    return None
