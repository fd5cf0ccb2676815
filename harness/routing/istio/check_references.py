"""Find contradictions between resources: unknown hosts, subsets and ports, and hosts with two owners."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias

from harness.model.json import JsonObject
from harness.routing.istio.governing import (
    MESH,
    covers,
    destination_name,
    fqdn,
    full_name_in,
    label,
    namespace_of,
)
from harness.routing.istio.shapes import At, Problem
from harness.routing.istio.types import Destination, DestinationRule, VirtualService
from harness.routing.istio.views import as_json

Services: TypeAlias = Mapping[str, Collection[int]]
"""Maps the full host name of each service of a mesh to its ports."""
Found: TypeAlias = tuple[JsonObject, Problem]
"""A resource and what is wrong with it."""


def reference_problems(
    routes: Sequence[VirtualService], rules: Sequence[DestinationRule], *, namespace: str, services: Services | None
) -> Iterator[Found]:
    """Yield contradictions between resources. services: None if they are not known; every host is then accepted."""
    subsets = _Subsets(rules, namespace)
    for resource in routes:
        for at, destination in destinations(resource):
            host = destination_name(destination, resource, namespace)
            for problem in _destination_problems(destination, at, host, services, subsets):
                yield as_json(resource), problem
        if services is not None:
            yield from ((as_json(resource), problem) for problem in _host_problems(resource, namespace, services))
    if services is not None:
        for rule in rules:
            name = full_name_in(rule, namespace)
            if not any(covers(name, host) for host in services):
                yield as_json(rule), Problem(at=("spec", "host"), message=_unknown_host(rule["spec"]["host"], services))
    yield from _twice(routes, rules, namespace)


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
    """Names of subsets by host; the rule with the longest matching host applies."""

    def __init__(self, rules: Sequence[DestinationRule], namespace: str) -> None:
        self._by_host = {
            full_name_in(rule, namespace): [subset["name"] for subset in rule["spec"].get("subsets") or ()]
            for rule in rules
        }

    def of(self, host: str) -> list[str]:
        matching = [pattern for pattern in self._by_host if covers(pattern, host)]
        return self._by_host[max(matching, key=len)] if matching else []


def _destination_problems(
    destination: Destination, at: At, host: str, services: Services | None, subsets: _Subsets
) -> Iterator[Problem]:
    if services is not None and host not in services:
        yield Problem(at=(*at, "host"), message=_unknown_host(destination["host"], services))
        return
    selector = destination.get("port")
    port = selector["number"] if selector else None
    if services is not None and port is not None and port not in services[host]:
        ports = ", ".join(map(str, sorted(services[host])))
        yield Problem(at=(*at, "port", "number"), message=f"expected a port of {host}: {ports}, found {port}")
    subset = destination.get("subset")
    known = subsets.of(host)
    if subset and subset not in known:
        names = f"its DestinationRule has {', '.join(known)}" if known else "no DestinationRule gives it subsets"
        message = f"unknown subset {subset!r} of {host}: {names}; Istio would answer requests with 503"
        yield Problem(at=(*at, "subset"), message=message)


def _host_problems(resource: VirtualService, namespace: str, services: Services) -> Iterator[Problem]:
    own = namespace_of(resource, namespace)
    for index, host in enumerate(resource["spec"].get("hosts") or ()):
        if not any(covers(fqdn(host, own), service) for service in services):
            yield Problem(at=("spec", "hosts", index), message=_unknown_host(host, services))


def _unknown_host(host: str, services: Services) -> str:
    parts = host.split(".")
    meant = next((name for name in services if len(parts) > 1 and name.split(".")[: len(parts)] == parts), None)
    if meant:
        return f"unknown host {host!r}: Istio completes only names without a dot; write {meant} or {parts[0]}"
    return f"unknown host {host!r}; known: {', '.join(sorted(services))}"


def _twice(routes: Sequence[VirtualService], rules: Sequence[DestinationRule], namespace: str) -> Iterator[Found]:
    """Yield hosts with two owners.

    Istio does not merge VirtualServices for sidecars; it uses only the oldest. It merges DestinationRules only partly,
    so the harness rejects those too.
    """
    seen: list[tuple[str, VirtualService]] = []
    for resource in routes:
        if MESH not in (resource["spec"].get("gateways") or (MESH,)):
            continue
        own = namespace_of(resource, namespace)
        names = [fqdn(host, own) for host in resource["spec"].get("hosts") or ()]
        for index, name in enumerate(names):
            other = next((item for host, item in seen if covers(host, name) or covers(name, host)), None)
            if other is not None:
                message = f"{label(other, namespace)} has the host {name} too: Istio would ignore one; merge them"
                yield as_json(resource), Problem(at=("spec", "hosts", index), message=message)
        seen.extend((name, resource) for name in names)
    hosts: dict[str, DestinationRule] = {}
    for rule in rules:
        name = full_name_in(rule, namespace)
        if name in hosts and not rule["spec"].get("workloadSelector"):
            message = f"{label(hosts[name], namespace)} has the host {name} too: merge them into one"
            yield as_json(rule), Problem(at=("spec", "host"), message=message)
        hosts.setdefault(name, rule)
