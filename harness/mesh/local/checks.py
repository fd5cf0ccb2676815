"""What the local mesh takes: valid resources for its own services, without features that it does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.mesh.local.topology import Topology
from harness.model.json import Json
from harness.routing.istio.check_references import Found
from harness.routing.istio.checks import check_resources, raise_problems
from harness.routing.istio.edits import key
from harness.routing.istio.governing import MESH, namespace_of
from harness.routing.istio.shapes import At, Problem

_KINDS = ("VirtualService", "DestinationRule")
_HERE = "is not supported by the local mesh"
_POLICY = {
    "tunnel": f"{_HERE}, which speaks plain HTTP",
    "proxyProtocol": f"{_HERE}, which speaks plain HTTP",
    "retryBudget": _HERE,
}
_BALANCER = ("consistentHash", "localityLbSetting", "zoneAwareLbSetting", "warmup", "warmupDurationSecs", "backendUtilization")  # fmt: skip


def check_for_local_mesh(resources: Sequence[Json], topology: Topology) -> None:
    """Raise ResourceError for resources that are invalid, contradict each other or are not supported here."""
    namespace = topology.namespace
    foreign = [(resource, problem) for resource in resources for problem in _foreign(resource, namespace)]
    raise_problems(resources, foreign, namespace=namespace)
    services = {service.host: (service.port,) for service in topology.services}
    check_resources(resources, namespace=namespace, services=services)
    found: list[Found] = []
    for resource in resources:
        own = _route_problems if resource["kind"] == "VirtualService" else _rule_problems
        found += [(resource, problem) for problem in own(resource["spec"], namespace)]
    raise_problems(resources, found, namespace=namespace)


def _foreign(resource: Json, namespace: str) -> Iterator[Problem]:
    kind, own = key(resource, namespace)[0], namespace_of(resource, namespace)
    if not resource["apiVersion"].startswith("networking.istio.io/") or kind not in _KINDS:
        message = f"{resource['apiVersion']} {kind} {_HERE}; it takes {' and '.join(_KINDS)} of networking.istio.io"
        yield Problem(at=("kind",), message=message)
    if own != namespace:
        message = f"the local mesh has one namespace, {namespace}: expected it or none, found {own}"
        yield Problem(at=("metadata", "namespace"), message=message)


def _route_problems(spec: Json, namespace: str) -> Iterator[Problem]:
    yield from _scope_problems(spec, namespace)
    if not spec.get("hosts"):
        yield Problem(at=("spec",), message=f"a VirtualService without hosts (a delegate) {_HERE}")
    for kind in ("tcp", "tls"):
        if spec.get(kind):
            yield Problem(at=("spec", kind), message=f"{_HERE}, which speaks HTTP only")
    if MESH not in (spec.get("gateways") or [MESH]):
        message = f"gateways {', '.join(spec['gateways'])}: a gateway {_HERE}; add 'mesh' to hold between services"
        yield Problem(at=("spec", "gateways"), message=message)
    for index, http in enumerate(spec.get("http") or ()):
        yield from _http_problems(http, ("spec", "http", index))


def _http_problems(http: Json, at: At) -> Iterator[Problem]:
    for name in ("delegate", "mirror_percent"):
        if name in http:
            yield Problem(at=(*at, name), message=_HERE)
    if "mirrorPercent" in http:
        yield Problem(at=(*at, "mirrorPercent"), message=f"{_HERE}; write mirrorPercentage.value")
    if (http.get("retries") or {}).get("retryRemoteLocalities"):
        yield Problem(at=(*at, "retries", "retryRemoteLocalities"), message=f"{_HERE}, which has one locality")
    if "allowOrigin" in (http.get("corsPolicy") or {}):
        yield Problem(at=(*at, "corsPolicy", "allowOrigin"), message=f"{_HERE}; write allowOrigins")
    for index, match in enumerate(http.get("match") or ()):
        for name in ("headers", "withoutHeaders"):
            for header in match.get(name) or ():
                if header.startswith("@"):
                    yield Problem(at=(*at, "match", index, name, header), message=f"{_HERE}: it sees no claims")


def _rule_problems(spec: Json, namespace: str) -> Iterator[Problem]:
    yield from _scope_problems(spec, namespace)
    if "workloadSelector" in spec:
        yield Problem(at=("spec", "workloadSelector"), message=_HERE)
    if "trafficPolicy" in spec:
        yield from _policy_problems(spec["trafficPolicy"], ("spec", "trafficPolicy"))
    for index, subset in enumerate(spec.get("subsets") or ()):
        if "trafficPolicy" in subset:
            yield from _policy_problems(subset["trafficPolicy"], ("spec", "subsets", index, "trafficPolicy"))


def _policy_problems(policy: Json, at: At) -> Iterator[Problem]:
    for name, message in _POLICY.items():
        if name in policy:
            yield Problem(at=(*at, name), message=message)
    mode = (policy.get("tls") or {}).get("mode", "DISABLE")
    if mode != "DISABLE":
        yield Problem(at=(*at, "tls", "mode"), message=f"{mode} {_HERE}, which speaks plain HTTP; expected DISABLE")
    balancer = policy.get("loadBalancer") or {}
    for name in _BALANCER:
        if name in balancer:
            yield Problem(at=(*at, "loadBalancer", name), message=f"{_HERE}; expected simple")
    if balancer.get("simple") == "PASSTHROUGH":
        yield Problem(at=(*at, "loadBalancer", "simple"), message=f"PASSTHROUGH {_HERE}")
    for index, settings in enumerate(policy.get("portLevelSettings") or ()):
        yield from _policy_problems(settings, (*at, "portLevelSettings", index))


def _scope_problems(spec: Json, namespace: str) -> Iterator[Problem]:
    for index, scope in enumerate(spec.get("exportTo") or ()):
        if scope not in ("*", ".", namespace):
            message = f"{scope!r} {_HERE}, which has one namespace; expected '*', '.' or {namespace}"
            yield Problem(at=("spec", "exportTo", index), message=message)
