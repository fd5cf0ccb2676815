"""Fit recorded resources to the local mesh: leave out what only a cluster has, and say so."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence

from harness.model.json import JsonObject, list_at, object_at, text_at
from harness.routing.istio.kinds import DESTINATION_RULE, VIRTUAL_SERVICE
from harness.routing.port import MESH
from harness.runner.counts import service_name

_KINDS = (VIRTUAL_SERVICE, DESTINATION_RULE)
_METADATA = ("name", "namespace", "labels")
_CLUSTER_TLS = frozenset({"ISTIO_MUTUAL"})


def for_local_mesh(
    resources: Sequence[JsonObject], *, namespace: str, services: Collection[str]
) -> tuple[tuple[JsonObject, ...], tuple[str, ...]]:
    """Return the resources that the local mesh serves, and a sentence for each part that was left out."""
    kept: list[JsonObject] = []
    notes: list[str] = []
    for resource in resources:
        fitted = _fitted(resource, namespace, services, notes)
        if fitted is not None:
            kept.append(fitted)
    return tuple(kept), tuple(notes)


def _fitted(resource: JsonObject, namespace: str, services: Collection[str], notes: list[str]) -> JsonObject | None:
    kind, name = text_at(resource, "kind"), text_at(resource, "metadata", "name", default="")
    label = f"{kind} {name}"
    if kind not in _KINDS or text_at(resource, "metadata", "namespace", default=namespace) != namespace:
        notes.append(f"{label}: left out, because the local mesh has one namespace and takes {' and '.join(_KINDS)}")
        return None
    fitted = copy.deepcopy(resource)
    fitted.pop("status", None)
    fitted["metadata"] = {key: value for key, value in object_at(fitted, "metadata").items() if key in _METADATA}
    spec = object_at(fitted, "spec")
    hosts = [str(host) for host in list_at(spec, "hosts")] if kind == VIRTUAL_SERVICE else [str(spec.get("host"))]
    if not all(_known(host, namespace, services) for host in hosts):
        notes.append(f"{label}: left out, because it is about {', '.join(hosts)}, which harness.yaml does not have")
        return None
    gateways = list_at(spec, "gateways")
    if gateways and MESH not in gateways:
        notes.append(f"{label}: bound to {', '.join(map(str, gateways))} on the cluster; here it routes all calls")
        spec["gateways"] = [MESH]
    elif gateways:
        spec["gateways"] = [MESH]
    for policy in _policies(spec):
        if text_at(policy, "tls", "mode", default="") in _CLUSTER_TLS:
            del policy["tls"]
            notes.append(f"{label}: without its TLS, because the local mesh speaks plain HTTP")
    fitted["spec"] = spec
    return fitted


def _known(host: str, namespace: str, services: Collection[str]) -> bool:
    own = {"", namespace, f"{namespace}.svc", f"{namespace}.svc.cluster.local"}
    return service_name(host) in services and host.partition(".")[2] in own


def _policies(spec: JsonObject) -> list[JsonObject]:
    parts = [spec, *(one for one in list_at(spec, "subsets") if isinstance(one, dict))]
    return [policy for part in parts if isinstance(policy := part.get("trafficPolicy"), dict)]
