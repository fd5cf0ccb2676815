"""Find contradictions between resources: misspelt hosts, unknown subsets and ports, and hosts with two owners."""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from harness.model.json import JsonObject
from harness.routing.istio.governing import destination_name, full_name_in, gateways_in, hosts_in
from harness.routing.istio.names import MESH, covers, fqdn, label, namespace_of
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import Destination, DestinationRule, VirtualService
from harness.routing.istio.views import as_json

Services: TypeAlias = Mapping[str, Collection[int]]
"""Maps the full host name of each service of a mesh to its ports."""
Found: TypeAlias = tuple[JsonObject, Problem]
"""A resource and what is wrong with it."""
_SLIP = 0.8
"""How similar two names are, from 0 to 1, if one is probably the other one misspelt."""


def reference_problems(
    routes: Sequence[VirtualService], rules: Sequence[DestinationRule], *, namespace: str, services: Services | None
) -> Iterator[Found]:
    """Yield contradictions between resources, but for hosts with two owners and unknown subsets.

    services: None if they are not known. A host that is no service is no contradiction, unless it is the misspelt name
    of one: files often contain more services than run in one place.
    """
    if services is None:
        return
    for resource in routes:
        own = namespace_of(resource, namespace)
        for at, destination in destinations(resource):
            host = destination_name(destination, resource, namespace)
            for problem in _destination_problems(destination, at, host, services):
                yield as_json(resource), problem
        hosts = hosts_in(resource) if MESH in gateways_in(resource) else ()
        for index, host in enumerate(hosts):
            message = _misspelt(host, fqdn(host, own), services)
            if message:
                yield as_json(resource), Problem(at=("spec", "hosts", index), message=message)
    for rule in rules:
        message = _misspelt(rule["spec"]["host"], full_name_in(rule, namespace), services)
        if message:
            yield as_json(rule), Problem(at=("spec", "host"), message=message)


def subset_problems(
    routes: Sequence[VirtualService], rules: Sequence[DestinationRule], *, namespace: str, services: Services | None
) -> Iterator[Found]:
    """Yield routes to subsets that no DestinationRule defines. services: if known, only routes to these are checked."""
    subsets = _Subsets(rules, namespace)
    for resource in routes:
        for at, destination in destinations(resource):
            host = destination_name(destination, resource, namespace)
            subset, known = destination.get("subset"), subsets.of(host)
            if not subset or subset in known or (services is not None and host not in services):
                continue
            defined = f"its DestinationRule has {', '.join(known)}" if known else "no DestinationRule gives it subsets"
            message = f"unknown subset {subset!r} of {host}: {defined}; Istio would answer requests with 503"
            yield as_json(resource), Problem(at=(*at, "subset"), message=message)


def destinations(resource: VirtualService) -> Iterator[tuple[At, Destination]]:
    """Yield every destination of a VirtualService, including mirrors, with its path."""
    for index, http in enumerate(resource["spec"].get("http") or ()):
        at: At = ("spec", "http", index)
        for number, item in enumerate(http.get("route") or ()):
            yield (*at, "route", number, "destination"), item["destination"]
        if http.get("mirror"):
            yield (*at, "mirror"), http["mirror"]
        for number, copies in enumerate(http.get("mirrors") or ()):
            yield (*at, "mirrors", number, "destination"), copies["destination"]


class _Subsets:
    """Names of subsets by host; the rules with the longest matching host apply."""

    def __init__(self, rules: Sequence[DestinationRule], namespace: str) -> None:
        self._by_host: dict[str, list[str]] = defaultdict(list)
        for rule in rules:
            names = [subset["name"] for subset in rule["spec"].get("subsets") or ()]
            self._by_host[full_name_in(rule, namespace)] += names
        self._wild = [pattern for pattern in self._by_host if "*" in pattern]

    def of(self, host: str) -> list[str]:
        if host in self._by_host:
            return self._by_host[host]
        matching = [pattern for pattern in self._wild if covers(pattern, host)]
        return self._by_host[max(matching, key=len)] if matching else []


def _destination_problems(destination: Destination, at: At, host: str, services: Services) -> Iterator[Problem]:
    if host not in services:
        message = _misspelt(destination["host"], host, services)
        if message:
            yield Problem(at=(*at, "host"), message=message)
        return
    selector = destination.get("port")
    port = selector["number"] if selector else None
    if port is not None and port not in services[host]:
        ports = ", ".join(map(str, sorted(services[host])))
        yield Problem(at=(*at, "port", "number"), message=f"expected a port of {host}: {ports}, found {port}")


def _misspelt(host: str, name: str, services: Services) -> str:
    """Return what is wrong with a host that is no service but looks like the name of one, or an empty text."""
    if name in services or ("*" in name and any(covers(name, service) for service in services)):
        return ""
    parts = host.split(".")
    meant = next((one for one in services if len(parts) > 1 and one.split(".")[: len(parts)] == parts), None)
    if meant:
        return f"unknown host {host!r}: Istio completes only names without a dot; write {meant} or {parts[0]}"
    near = next((one for one in services if _is_slip(name, one)), None)
    return f"unknown host {host!r}, did you mean {near}?" if near else ""


def _is_slip(found: str, meant: str) -> bool:
    """Return whether a name differs from another one of the same namespace by a slip of the keyboard."""
    (one, _, rest), (other, _, others) = found.partition("."), meant.partition(".")
    if rest != others or abs(len(one) - len(other)) > 1 or one.startswith(other) or other.startswith(one):
        return False
    if re.sub(r"\d", "", one) == re.sub(r"\d", "", other):  # reviews-v1 and reviews-v2 are two names
        return False
    return difflib.SequenceMatcher(None, one, other).ratio() >= _SLIP


def owner_problems(
    routes: Sequence[VirtualService], rules: Sequence[DestinationRule], *, namespace: str
) -> Iterator[Found]:
    """Yield hosts with two owners.

    Istio does not merge VirtualServices for sidecars; it uses only the oldest. It joins DestinationRules unless they
    are for different namespaces.
    """
    seen: dict[str, VirtualService] = {}
    for resource in routes:
        if MESH not in gateways_in(resource):
            continue
        own = namespace_of(resource, namespace)
        for index, host in enumerate(hosts_in(resource)):
            name = fqdn(host, own)
            if seen.setdefault(name, resource) is not resource:
                message = f"{label(seen[name], namespace)} has the host {name} too: Istio would ignore one; merge them"
                yield as_json(resource), Problem(at=("spec", "hosts", index), message=message)
    hosts: dict[tuple[str, str], DestinationRule] = {}
    for rule in (one for one in rules if not one["spec"].get("workloadSelector")):
        key = (namespace_of(rule, namespace), full_name_in(rule, namespace))
        first = hosts.setdefault(key, rule)
        if set(first["spec"].get("exportTo") or ("*",)) != set(rule["spec"].get("exportTo") or ("*",)):
            message = f"{label(first, namespace)} has the host {key[1]} too, for other namespaces: merge them into one"
            yield as_json(rule), Problem(at=("spec", "host"), message=message)
