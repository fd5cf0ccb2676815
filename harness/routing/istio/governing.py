"""Find the resources that govern a host, as Istio resolves hosts, scopes and precedence.

Where Istio's behaviour is undefined (two owners of one host), these functions raise an error and do not guess.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from harness.errors import ResourceError
from harness.model.json import JsonObject
from harness.routing.hosts import full_name
from harness.routing.istio.delegates import delegate_of
from harness.routing.istio.joining import by_age, joined
from harness.routing.istio.names import (
    MESH,
    covers,
    fqdn,
    gateway_name,
    label,
    namespace_of,
)
from harness.routing.istio.types import Destination, DestinationRule, Resource, VirtualService
from harness.routing.istio.views import destination_rules, virtual_services


def virtual_service(
    resources: Sequence[JsonObject], *, host: str, namespace: str, gateway: str = MESH
) -> VirtualService | None:
    """Return the VirtualService that routes requests for ``host`` behind ``gateway``, or None.

    gateway: ``mesh`` for calls between sidecars. As in Istio, one that names the host goes before one with a wildcard,
    and a longer wildcard before a shorter one. Behind a gateway, whose hosts are those of users, it is the one whose
    routes lead to the host. Raises ResourceError if there are two, because Istio's choice then depends on their age.
    """
    name = full_name(host, namespace)
    if gateway != MESH:
        visible = [one for one in _seen(resources, namespace, gateway) if hosts_in(one)]
        leading = [one for one in visible if name in _leads_to(one, resources, namespace)]
        if leading:
            _only_one(leading, name, namespace, "merge them into one")
            return leading[0]
    return routes_by_host(resources, [name], namespace=namespace, gateway=gateway).get(name)


def routes_by_host(
    resources: Sequence[JsonObject], hosts: Iterable[str], *, namespace: str, gateway: str = MESH
) -> dict[str, VirtualService]:
    """Return the VirtualService of each host that has one, by its full name. Raises ResourceError for two owners."""
    exact: dict[str, list[VirtualService]] = defaultdict(list)
    wild: dict[str, list[VirtualService]] = defaultdict(list)
    for resource in _seen(resources, namespace, gateway):
        own = namespace_of(resource, namespace)
        for pattern in dict.fromkeys(fqdn(host, own) for host in hosts_in(resource)):
            (wild if "*" in pattern else exact)[pattern].append(resource)
    longest_first = sorted(wild, key=len, reverse=True)
    found: dict[str, VirtualService] = {}
    for name in hosts:
        pattern = name if name in exact else next((one for one in longest_first if covers(one, name)), "")
        owners = exact.get(pattern) or wild.get(pattern) or []
        _only_one(owners, name, namespace, "merge them into one")
        if owners:
            found[name] = owners[0]
    return found


def _seen(resources: Sequence[JsonObject], namespace: str, gateway: str) -> list[VirtualService]:
    """Return the VirtualServices that are for a gateway and that workloads of a namespace see."""
    bound = [one for one in virtual_services(resources) if binds(one, gateway, namespace)]
    return [one for one in bound if _visible(one, namespace)]


def rules_of(resources: Sequence[JsonObject], *, host: str, namespace: str) -> list[DestinationRule]:
    """Return the DestinationRules for exactly ``host`` that Istio joins, the oldest first; empty if there are none.

    Rules of the caller's namespace go before those of others, which count only in Istio's root namespace: its name is
    not known here. Raises ResourceError for a rule that applies to some workloads only, and for rules that Istio does
    not join because they are in different namespaces or for different ones.
    """
    name = full_name(host, namespace)
    found = [
        one
        for one in by_age(destination_rules(resources))
        if _visible(one, namespace) and full_name_in(one, namespace) == name
    ]
    own = [one for one in found if namespace_of(one, namespace) == namespace]
    return _joinable(own or found, name, namespace) if found else []


def destination_rule(resources: Sequence[JsonObject], *, host: str, namespace: str) -> DestinationRule | None:
    """Return the DestinationRule for exactly ``host``, joined from several if there are several, or None.

    Raises ResourceError as ``rules_of`` does.
    """
    rules = rules_of(resources, host=host, namespace=namespace)
    return joined(rules) if rules else None


def wildcard_rule(resources: Sequence[JsonObject], *, host: str, namespace: str) -> DestinationRule | None:
    """Return the DestinationRule with the longest wildcard for ``host``, which a new rule for the host replaces."""
    name = full_name(host, namespace)
    visible = [one for one in by_age(destination_rules(resources)) if _visible(one, namespace)]
    patterns = [(full_name_in(one, namespace), one) for one in visible]
    found = [one for pattern, one in patterns if "*" in pattern and covers(pattern, name)]
    own = [one for one in found if namespace_of(one, namespace) == namespace] or found
    longest = max((full_name_in(one, namespace) for one in own), key=len, default="")
    rules = [one for one in own if full_name_in(one, namespace) == longest]
    return joined(rules) if rules else None


def rules_by_host(
    resources: Sequence[JsonObject], hosts: Iterable[str], *, namespace: str
) -> dict[str, DestinationRule]:
    """Return the DestinationRule, joined from several, of each host that has one, by its full name.

    As in Istio, any rule of the callers' namespace goes before every other rule, and among those of one namespace the
    longest host. Raises ResourceError as ``rules_of`` does.
    """
    owned: dict[bool, dict[str, list[DestinationRule]]] = {True: defaultdict(list), False: defaultdict(list)}
    for rule in by_age(destination_rules(resources)):
        if _visible(rule, namespace):
            owned[namespace_of(rule, namespace) == namespace][full_name_in(rule, namespace)].append(rule)
    wild = {own: sorted((one for one in rules if "*" in one), key=len, reverse=True) for own, rules in owned.items()}
    found: dict[str, DestinationRule] = {}
    for name in hosts:
        for own, rules in owned.items():
            pattern = name if name in rules else next((one for one in wild[own] if covers(one, name)), "")
            if pattern:
                found[name] = joined(_joinable(rules[pattern], name, namespace))
                break
    return found


def full_name_in(resource: DestinationRule, namespace: str) -> str:
    """Return the full name of the host of a DestinationRule."""
    return fqdn(str((resource.get("spec") or {}).get("host") or ""), namespace_of(resource, namespace))


def destination_name(destination: Destination, resource: VirtualService, namespace: str) -> str:
    """Return the full name of the host of a route's destination in ``resource``."""
    return fqdn(destination["host"], namespace_of(resource, namespace))


def hosts_in(resource: VirtualService) -> Sequence[str]:
    """Return the hosts of a VirtualService; a delegate has none."""
    return (resource.get("spec") or {}).get("hosts") or ()


def gateways_in(resource: VirtualService) -> Sequence[str]:
    """Return the gateways of a VirtualService as it names them; without any it is for the mesh."""
    return (resource.get("spec") or {}).get("gateways") or (MESH,)


def binds(resource: VirtualService, gateway: str, namespace: str) -> bool:
    """Return whether a VirtualService is for a gateway, which may be named with or without its namespace."""
    own = namespace_of(resource, namespace)
    named = gateways_in(resource)
    return gateway in named or gateway_name(gateway, namespace) in {gateway_name(one, own) for one in named}


def _leads_to(resource: VirtualService, resources: Sequence[JsonObject], namespace: str) -> Iterator[str]:
    """Yield the full names of the hosts that the routes of a VirtualService, and of its delegates, lead to."""
    for route in (resource.get("spec") or {}).get("http") or ():
        for item in route.get("route") or ():
            yield destination_name(item["destination"], resource, namespace)
        delegate = delegate_of(route, resource, resources, namespace) if route.get("delegate") else None
        for inner in ((delegate.get("spec") or {}).get("http") or ()) if delegate else ():
            for item in inner.get("route") or ():
                yield destination_name(item["destination"], delegate or resource, namespace)


def _visible(resource: Resource, namespace: str) -> bool:
    export = (resource.get("spec") or {}).get("exportTo") or ("*",)
    own = namespace_of(resource, namespace) == namespace
    return "*" in export or namespace in export or (own and "." in export)


def _joinable(rules: list[DestinationRule], name: str, namespace: str) -> list[DestinationRule]:
    for rule in rules:
        if (rule.get("spec") or {}).get("workloadSelector"):
            raise ResourceError(
                f"{label(rule, namespace)}: has a workloadSelector, so its subsets would apply to some callers only"
            )
    scopes = {(namespace_of(rule, namespace), *sorted(rule["spec"].get("exportTo") or ("*",))) for rule in rules}
    if len(scopes) > 1:
        _only_one(rules, name, namespace, "merge their subsets into one")
    return rules


def _only_one(found: Sequence[Resource], host: str, namespace: str, remedy: str) -> None:
    if len(found) > 1:
        listed = " and ".join(label(resource, namespace) for resource in found)
        raise ResourceError(
            f"expected one {found[0]['kind']} for {host}, found {listed}: Istio ignores one of them; {remedy}"
        )
