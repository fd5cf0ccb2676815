"""Count the requests that reached the pods of each arm, by the addresses of the pods and by what their proxies counted.

The mark of an answer says which arm a route meant. The proxy of the load generator says to which addresses it sent, and
the pods' own proxies say what arrived. Either shows whether an arm's requests reached its own pods.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.clients.envoy.endpoints import Upstream
from harness.model.counts import RequestCount
from harness.model.json import JsonObject, objects_at, text_at, texts_at

Arrived = Counter[tuple[str, str]]
"""Requests of the load that the proxies of pods counted as the called side, by the names of pod and full service."""
_SUBSETS = 4
"""Parts of the name of a cluster: ``outbound|9080|v1|reviews.shop.svc.cluster.local``."""


def pod_rows(
    pods: Sequence[JsonObject], arms: Sequence[Mapping[str, str]], sent: Mapping[Upstream, int], arrived: Arrived
) -> Iterator[RequestCount]:
    """Yield the requests that reached each pod of each arm, by service.

    pods: of the namespace. arms: their pod labels. sent: by the proxies of the load generator; what they tell of a
    service decides, because pods may also get requests of others. A pod that nobody counted for has no row.
    """
    shared = {address for address, count in Counter(_address(pod) for pod in pods).items() if count > 1}
    told = {_host(upstream.cluster) for upstream in sent}
    for labels in arms:
        for pod in pods:
            if not labels.items() <= texts_at(pod, "metadata", "labels").items():
                continue
            name = text_at(pod, "metadata", "name")
            totals = Counter({service: count for (owner, service), count in arrived.items() if owner == name})
            for service in told:
                totals.pop(service, None)
            for upstream, count in sent.items():
                if _leads_to(upstream, pod, shared=shared):
                    totals[_host(upstream.cluster)] += count
            address = f" ({_address(pod)})" if _address(pod) else ""
            for service, total in sorted(totals.items()):
                yield _row(service, labels.get("version", ""), f"pod {name}{address}", total)


def address_rows(sent: Mapping[Upstream, int], versions: Mapping[tuple[str, str], str]) -> Iterator[RequestCount]:
    """Yield the requests to each address of each subset, for endpoints that are no pods.

    versions: the version label of each (full host name, subset).
    """
    totals: Counter[Upstream] = Counter()
    for upstream, count in sent.items():
        totals[upstream._replace(cluster="")] += count
    known = {
        (_host(upstream.cluster), version, upstream._replace(cluster=""))
        for upstream in sent
        if (version := versions.get((_host(upstream.cluster), _subset(upstream.cluster))))
    }
    for host, version, upstream in sorted(known):
        yield _row(host, version, f"{upstream.address}:{upstream.port}", totals[upstream])


def _leads_to(upstream: Upstream, pod: JsonObject, *, shared: set[str]) -> bool:
    """Return whether an address is the pod's. Pods in the network of their node share its address, so ports decide."""
    if upstream.address != _address(pod):
        return False
    if upstream.address not in shared:
        return True
    containers = objects_at(pod, "spec", "containers")
    return any(port.get("containerPort") == upstream.port for each in containers for port in objects_at(each, "ports"))


def _address(pod: JsonObject) -> str:
    return text_at(pod, "status", "podIP", default="")


def _host(cluster: str) -> str:
    parts = cluster.split("|")
    return parts[3] if len(parts) == _SUBSETS else ""


def _subset(cluster: str) -> str:
    parts = cluster.split("|")
    return parts[2] if len(parts) == _SUBSETS else ""


def _row(service: str, version: str, address: str, total: int) -> RequestCount:
    return RequestCount(
        source_workload="",
        source_version="",
        destination_service=service,
        destination_version=version,
        response_code="",
        response_flags="",
        total=total,
        reporter="endpoint",
        address=address,
    )
