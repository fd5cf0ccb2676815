"""Find mistakes in a DestinationRule."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.routing.istio.policy_types import PolicyParts, TrafficPolicy
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import DestinationRuleSpec

_LABEL_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_PARTS = (
    "connectionPool",
    "loadBalancer",
    "outlierDetection",
    "tls",
    "portLevelSettings",
    "tunnel",
    "proxyProtocol",
    "retryBudget",
)


def destination_rule_problems(spec: DestinationRuleSpec) -> Iterator[Problem]:
    """Yield what is wrong with the ``spec`` of a DestinationRule whose fields have the right shapes."""
    if not spec["host"]:
        yield Problem(at=("spec", "host"), message="expected the name of a host, found an empty text")
    if "trafficPolicy" in spec:
        yield from _policy_problems(spec["trafficPolicy"], ("spec", "trafficPolicy"))
    names: set[str] = set()
    for index, subset in enumerate(spec.get("subsets") or ()):
        at = ("spec", "subsets", index)
        if not _LABEL_NAME.fullmatch(subset["name"]):
            message = f"expected small letters, digits and inner dashes, found {subset['name']!r}"
            yield Problem(at=(*at, "name"), message=message)
        if subset["name"] in names:
            yield Problem(at=(*at, "name"), message=f"expected each subset once, found {subset['name']!r} twice")
        names.add(subset["name"])
        if "trafficPolicy" in subset:
            yield from _policy_problems(subset["trafficPolicy"], (*at, "trafficPolicy"))


def _policy_problems(policy: TrafficPolicy, at: At) -> Iterator[Problem]:
    if not any(part in policy for part in _PARTS):
        yield Problem(at=at, message=f"expected at least one of {', '.join(_PARTS)}, found none")
    yield from _part_problems(policy, at)
    for index, settings in enumerate(policy.get("portLevelSettings") or ()):
        here = (*at, "portLevelSettings", index)
        if not any(part in settings for part in _PARTS):
            yield Problem(at=here, message=f"expected at least one of {', '.join(_PARTS[:4])}, found none")
        yield from _part_problems(settings, here)


def _part_problems(policy: PolicyParts, at: At) -> Iterator[Problem]:
    pool = policy.get("connectionPool")
    if pool is not None:
        if not pool:
            yield Problem(at=(*at, "connectionPool"), message="expected tcp or http, found neither")
        http = pool.get("http") or {}
        if http.get("h2UpgradePolicy") == "UPGRADE" and http.get("useClientProtocol"):
            where = (*at, "connectionPool", "http", "useClientProtocol")
            yield Problem(at=where, message="expected no useClientProtocol together with h2UpgradePolicy UPGRADE")
    outlier = policy.get("outlierDetection") or {}
    if outlier.get("consecutiveLocalOriginFailures") and not outlier.get("splitExternalLocalOriginErrors"):
        where = (*at, "outlierDetection", "consecutiveLocalOriginFailures")
        yield Problem(at=where, message="expected splitExternalLocalOriginErrors to be true as well")
    tls = policy.get("tls") or {}
    if tls.get("mode") == "MUTUAL" and not tls.get("credentialName"):
        for field in ("clientCertificate", "privateKey"):
            if not tls.get(field):
                yield Problem(at=(*at, "tls"), message=f"MUTUAL needs {field}, or credentialName; found neither")
    balancer = policy.get("loadBalancer")
    if balancer is not None and "simple" in balancer and "consistentHash" in balancer:
        where = (*at, "loadBalancer", "consistentHash")
        yield Problem(at=where, message="expected either simple or consistentHash, found both")
