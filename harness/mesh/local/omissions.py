"""Translate deprecated spellings of routes and policies, and leave out settings that mean nothing on one machine.

Every function returns a changed copy and yields what it changed, for one warning each.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TypeAlias

from harness.mesh.local.outbound_tls import STARTED
from harness.routing.istio.policy_types import LoadBalancer, PolicyParts, TrafficPolicy
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import DestinationRuleSpec, HTTPMatchRequest, HTTPRoute

Notes: TypeAlias = list[Problem]
_CLAIM = "@request.auth."


def local_route(original: HTTPRoute, at: At, notes: Notes) -> HTTPRoute | None:
    """Return a route as the local mesh serves it; None if no request can meet its conditions here."""
    http = deepcopy(original)
    percent = http.pop("mirrorPercent", None)
    percent = http.pop("mirror_percent", percent)
    if percent is not None:
        http.setdefault("mirrorPercentage", {"value": percent})
        notes.append(Problem(at=at, message="mirrorPercent is deprecated and read as mirrorPercentage.value"))
    cors = http.get("corsPolicy") or {}
    origins = cors.pop("allowOrigin", None)
    if origins is not None:
        cors.setdefault("allowOrigins", [{"exact": origin} for origin in origins])
        where = (*at, "corsPolicy", "allowOrigin")
        notes.append(Problem(at=where, message="is deprecated and read as exact allowOrigins"))
    if (http.get("retries") or {}).pop("retryRemoteLocalities", None):
        where = (*at, "retries", "retryRemoteLocalities")
        notes.append(Problem(at=where, message="is left out: this machine is one locality"))
    if http.get("match"):
        matches = [_local_match(one, (*at, "match", index), notes) for index, one in enumerate(http["match"])]
        http["match"] = [one for one in matches if one is not None]
        if not http["match"]:
            return None
    return http


def _local_match(match: HTTPMatchRequest, at: At, notes: Notes) -> HTTPMatchRequest | None:
    """Return a condition without what is said about JWT claims; None if it requires one, which no request here has."""
    wanted = [header for header in match.get("headers") or {} if header.startswith(_CLAIM)]
    if wanted:
        where = (*at, "headers", wanted[0])
        notes.append(Problem(at=where, message="is never met: the local mesh reads no JWT claims"))
        return None
    for header in [header for header in match.get("withoutHeaders") or {} if header.startswith(_CLAIM)]:
        del match["withoutHeaders"][header]
        where = (*at, "withoutHeaders", header)
        notes.append(Problem(at=where, message="is always met: the local mesh reads no JWT claims"))
    return match


def local_rule(original: DestinationRuleSpec, notes: Notes, *, outside: bool = False) -> DestinationRuleSpec:
    """Return a rule as the local mesh serves it. outside: whether its host is outside the mesh; TLS is spoken then."""
    spec = deepcopy(original)
    if "trafficPolicy" in spec:
        _local_policy(spec["trafficPolicy"], ("spec", "trafficPolicy"), notes, outside=outside)
    for index, subset in enumerate(spec.get("subsets") or ()):
        if "trafficPolicy" in subset:
            _local_policy(subset["trafficPolicy"], ("spec", "subsets", index, "trafficPolicy"), notes, outside=outside)
    return spec


def _local_policy(policy: TrafficPolicy, at: At, notes: Notes, *, outside: bool) -> None:
    if policy.pop("tunnel", None) is not None:
        notes.append(Problem(at=(*at, "tunnel"), message="is left out: the local mesh speaks plain HTTP"))
    if policy.pop("proxyProtocol", None) is not None:
        notes.append(Problem(at=(*at, "proxyProtocol"), message="is left out: the local mesh speaks plain HTTP"))
    _local_parts(policy, at, notes, outside=outside)
    for index, settings in enumerate(policy.get("portLevelSettings") or ()):
        _local_parts(settings, (*at, "portLevelSettings", index), notes, outside=outside)


def _local_parts(policy: PolicyParts, at: At, notes: Notes, *, outside: bool) -> None:
    tls = policy.pop("tls", None) or {}
    mode = tls.get("mode", "DISABLE")
    if mode in STARTED and outside:
        policy["tls"] = tls
        if tls.get("credentialName"):
            files = "caCertificates" if mode == "SIMPLE" else "clientCertificate, privateKey and caCertificates"
            shown = "" if mode == "SIMPLE" else ", and the server gets no certificate of the client"
            message = (
                f"is left out: there are no Secrets here; name files in {files}, else the system's are trusted{shown}"
            )
            notes.append(Problem(at=(*at, "tls", "credentialName"), message=message))
    elif mode != "DISABLE":
        message = f"{mode} is left out: the local mesh speaks plain HTTP to the processes of this machine"
        notes.append(Problem(at=(*at, "tls", "mode"), message=message))
    if (policy.get("outlierDetection") or {}).pop("consecutiveErrors", None) is not None:
        where = (*at, "outlierDetection", "consecutiveErrors")
        message = "is deprecated and ignored by Istio; write consecutive5xxErrors or consecutiveGatewayErrors"
        notes.append(Problem(at=where, message=message))
    if "loadBalancer" in policy:
        _local_balancer(policy["loadBalancer"], (*at, "loadBalancer"), notes)


def _local_balancer(balancer: LoadBalancer, at: At, notes: Notes) -> None:
    one_locality = "is left out: this machine is one locality"
    at_once = "is left out: processes here get their full share at once"
    if balancer.pop("localityLbSetting", None) is not None:
        notes.append(Problem(at=(*at, "localityLbSetting"), message=one_locality))
    if balancer.pop("zoneAwareLbSetting", None) is not None:
        notes.append(Problem(at=(*at, "zoneAwareLbSetting"), message=one_locality))
    if balancer.pop("warmup", None) is not None:
        notes.append(Problem(at=(*at, "warmup"), message=at_once))
    if balancer.pop("warmupDurationSecs", None) is not None:
        notes.append(Problem(at=(*at, "warmupDurationSecs"), message=at_once))
    if balancer.pop("backendUtilization", None) is not None:
        notes.append(Problem(at=(*at, "backendUtilization"), message="is left out: no endpoint reports its load here"))
    if balancer.get("simple") == "PASSTHROUGH":
        del balancer["simple"]
        message = "PASSTHROUGH is left out: the local mesh balances over the processes that it runs"
        notes.append(Problem(at=(*at, "simple"), message=message))
