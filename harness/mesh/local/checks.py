"""Check that the local mesh supports the resources: they are valid, and use only features that it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.mesh.local.topology import Topology
from harness.model.json import JsonObject
from harness.routing.edits import key
from harness.routing.istio.check_references import Found
from harness.routing.istio.checks import check_resources, raise_problems
from harness.routing.istio.governing import MESH
from harness.routing.istio.kinds import DESTINATION_RULE, VIRTUAL_SERVICE
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import DestinationRuleSpec, HTTPRoute, PolicyParts, TrafficPolicy, VirtualServiceSpec
from harness.routing.istio.views import as_destination_rule, as_virtual_service

_KINDS = (VIRTUAL_SERVICE, DESTINATION_RULE)
_UNSUPPORTED = "is not supported by the local mesh"
_POLICY = {
    "tunnel": f"{_UNSUPPORTED}, which speaks plain HTTP",
    "proxyProtocol": f"{_UNSUPPORTED}, which speaks plain HTTP",
    "retryBudget": _UNSUPPORTED,
}
_BALANCER = (
    "consistentHash",
    "localityLbSetting",
    "zoneAwareLbSetting",
    "warmup",
    "warmupDurationSecs",
    "backendUtilization",
)


def check_for_local_mesh(resources: Sequence[JsonObject], topology: Topology) -> None:
    """Raise ResourceError for resources that are invalid, contradict each other or that the local mesh lacks."""
    namespace = topology.namespace
    foreign = [(resource, problem) for resource in resources for problem in _foreign(resource, namespace)]
    raise_problems(resources, foreign, namespace=namespace)
    services = {service.host: (service.port,) for service in topology.services}
    check_resources(resources, namespace=namespace, services=services)
    found: list[Found] = []
    for resource in resources:
        if resource["kind"] == VIRTUAL_SERVICE:
            problems = _route_problems(as_virtual_service(resource)["spec"], namespace)
        else:
            problems = _rule_problems(as_destination_rule(resource)["spec"], namespace)
        found += [(resource, problem) for problem in problems]
    raise_problems(resources, found, namespace=namespace)


def _foreign(resource: JsonObject, namespace: str) -> Iterator[Problem]:
    kind, own, _ = key(resource, namespace)
    version = str(resource["apiVersion"])
    if not version.startswith("networking.istio.io/") or kind not in _KINDS:
        message = f"{version} {kind} {_UNSUPPORTED}; it takes {' and '.join(_KINDS)} of networking.istio.io"
        yield Problem(at=("kind",), message=message)
    if own != namespace:
        message = f"the local mesh has one namespace: expected {namespace} or none, found {own}"
        yield Problem(at=("metadata", "namespace"), message=message)


def _route_problems(spec: VirtualServiceSpec, namespace: str) -> Iterator[Problem]:
    yield from _scope_problems(spec, namespace)
    if not spec.get("hosts"):
        yield Problem(at=("spec",), message=f"a VirtualService without hosts (a delegate) {_UNSUPPORTED}")
    for kind in ("tcp", "tls"):
        if spec.get(kind):
            yield Problem(at=("spec", kind), message=f"{_UNSUPPORTED}, which speaks HTTP only")
    if MESH not in (spec.get("gateways") or [MESH]):
        named = f"gateways {', '.join(spec['gateways'])}"
        remedy = "add 'mesh' so that the routes apply to calls between services"
        yield Problem(at=("spec", "gateways"), message=f"{named}: a gateway {_UNSUPPORTED}; {remedy}")
    for index, http in enumerate(spec.get("http") or ()):
        yield from _http_problems(http, ("spec", "http", index))


def _http_problems(http: HTTPRoute, at: At) -> Iterator[Problem]:
    for name in ("delegate", "mirror_percent"):
        if name in http:
            yield Problem(at=(*at, name), message=_UNSUPPORTED)
    if "mirrorPercent" in http:
        yield Problem(at=(*at, "mirrorPercent"), message=f"{_UNSUPPORTED}; write mirrorPercentage.value")
    if (http.get("retries") or {}).get("retryRemoteLocalities"):
        yield Problem(at=(*at, "retries", "retryRemoteLocalities"), message=f"{_UNSUPPORTED}, which has one locality")
    if "allowOrigin" in (http.get("corsPolicy") or {}):
        yield Problem(at=(*at, "corsPolicy", "allowOrigin"), message=f"{_UNSUPPORTED}; write allowOrigins")
    for index, match in enumerate(http.get("match") or ()):
        for name, headers in (("headers", match.get("headers")), ("withoutHeaders", match.get("withoutHeaders"))):
            for header in headers or ():
                if header.startswith("@"):
                    message = f"{_UNSUPPORTED}, which reads no JWT claims"
                    yield Problem(at=(*at, "match", index, name, header), message=message)


def _rule_problems(spec: DestinationRuleSpec, namespace: str) -> Iterator[Problem]:
    yield from _scope_problems(spec, namespace)
    if "workloadSelector" in spec:
        yield Problem(at=("spec", "workloadSelector"), message=_UNSUPPORTED)
    if "trafficPolicy" in spec:
        yield from _policy_problems(spec["trafficPolicy"], ("spec", "trafficPolicy"))
    for index, subset in enumerate(spec.get("subsets") or ()):
        if "trafficPolicy" in subset:
            yield from _policy_problems(subset["trafficPolicy"], ("spec", "subsets", index, "trafficPolicy"))


def _policy_problems(policy: TrafficPolicy, at: At) -> Iterator[Problem]:
    for name, message in _POLICY.items():
        if name in policy:
            yield Problem(at=(*at, name), message=message)
    yield from _part_problems(policy, at)
    for index, settings in enumerate(policy.get("portLevelSettings") or ()):
        yield from _part_problems(settings, (*at, "portLevelSettings", index))


def _part_problems(policy: PolicyParts, at: At) -> Iterator[Problem]:
    mode = (policy.get("tls") or {}).get("mode", "DISABLE")
    if mode != "DISABLE":
        message = f"{mode} {_UNSUPPORTED}, which speaks plain HTTP; expected DISABLE"
        yield Problem(at=(*at, "tls", "mode"), message=message)
    balancer = policy.get("loadBalancer") or {}
    for name in _BALANCER:
        if name in balancer:
            yield Problem(at=(*at, "loadBalancer", name), message=f"{_UNSUPPORTED}; expected simple")
    if balancer.get("simple") == "PASSTHROUGH":
        yield Problem(at=(*at, "loadBalancer", "simple"), message=f"PASSTHROUGH {_UNSUPPORTED}")


def _scope_problems(spec: VirtualServiceSpec | DestinationRuleSpec, namespace: str) -> Iterator[Problem]:
    for index, scope in enumerate(spec.get("exportTo") or ()):
        if scope not in ("*", ".", namespace):
            message = f"{scope!r} {_UNSUPPORTED}, which has one namespace; expected '*', '.' or {namespace}"
            yield Problem(at=("spec", "exportTo", index), message=message)
