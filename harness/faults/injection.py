"""From faults to edits: every route that can reach the host gets a faulted clone before it.

An HTTP fault belongs to a route, not to a destination, and is enforced by the caller's proxy. So the
clone is narrowed by the caller's labels, and both arms of a split get it at the same dose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from harness.errors import ResourceError
from harness.faults import abort, delay
from harness.faults.inbound import inbound_edit
from harness.model.declared import Scope
from harness.model.fault import Delay, Fault, declared
from harness.model.json import Json
from harness.routing.istio import governing
from harness.routing.istio.edits import Edit, Insertion, applied_all, prefix
from harness.routing.istio.routes import (
    Place,
    answered_here,
    clone,
    hosts_of,
    marked,
    narrowed_to_callers,
    narrowed_to_headers,
    places,
    unnarrowed,
)
from harness.routing.istio.routing import new_virtual_service

FAULT_HEADER = "x-harness-fault"
"""On every answer of a faulted route, hit or spared: ``<owner>/<index>``."""


def http_fault(fault: Fault) -> Json:
    """Istio's ``fault`` for any fault."""
    return delay.http_fault(fault) if isinstance(fault, Delay) else abort.http_fault(fault)


def fault_edits(
    fault: Fault,
    resources: Sequence[Json],
    *,
    namespace: str,
    caller_labels: Mapping[str, str] | None,
    owner: str,
    index: int,
    caller_namespace: str | None = None,
    test_headers: Mapping[str, Json] | None = None,
    workload_labels: Mapping[str, str] | None = None,
) -> tuple[Edit, ...]:
    """The edits that inject ``fault`` into ``resources`` as they are now.

    namespace: of the fault's host and of resources that name none. caller_labels: pod labels of the
    callers that are hit; None hits every caller. caller_namespace: where only callers of one namespace
    are meant. test_headers: hit only requests that carry these (name to Istio's string match); services must pass
    them on. index: tells the run's faults apart. workload_labels: pod labels of the fault's host, for a fault in its own
    proxies (``caller_labels`` do not count there); ``app`` with its name where they are not known. Several faults at once: see ``faults_edits``.
    Raises ResourceError for resources in which the fault would hit nothing, others, or be ignored.
    """
    name = type(fault).__name__.lower()
    scope = Scope(
        caller=fault.caller,
        labels=None if fault.inbound else caller_labels,
        namespace=None if fault.inbound else caller_namespace,
        headers=test_headers,
        side="host" if fault.inbound else "caller",
    )
    does = declared(fault, f"{name}-{index}", scope)
    if fault.inbound:
        labels = workload_labels or {"app": fault.host.split(".", maxsplit=1)[0]}
        edit = inbound_edit(
            fault, namespace=namespace, workload_labels=labels, owner=owner, index=index, test_headers=test_headers
        )
        return (replace(edit, declared=does),)
    if caller_labels is not None and not caller_labels:
        raise ResourceError(f"{fault}: expected labels of the caller, found none: every caller would be hit")
    injection = _Injection(
        fault=fault,
        labels=caller_labels,
        namespace=caller_namespace,
        headers=test_headers,
        owner=owner,
        index=index,
    )
    found = governing.virtual_service(resources, host=fault.host, namespace=namespace)
    if found is None:
        route = {"route": [{"destination": {"host": fault.host}}]}
        entry = injection.faulted(Place(route=route, where=fault.host, path="spec.http"), number=0)
        routes = [] if entry is None else [entry]
        made = new_virtual_service(host=fault.host, namespace=namespace, owner=owner, routes=routes)
        return (replace(made, declared=does),)
    return (replace(_existing(injection, found, namespace), declared=does),)


def faults_edits(
    faults: Sequence[Fault],
    resources: Sequence[Json],
    *,
    namespace: str,
    callers: Sequence[Mapping[str, str] | None],
    owner: str,
    caller_namespace: str | None = None,
    test_headers: Mapping[str, Json] | None = None,
) -> tuple[Edit, ...]:
    """The edits of several faults at once; ``callers`` holds the caller's labels for each, the rest is as for one.

    Each is made on top of the ones before it, so that a delay and an abort of the same calls both hit.
    """
    edits: tuple[Edit, ...] = ()
    current = tuple(resources)
    for index, (fault, labels) in enumerate(zip(faults, callers, strict=True)):
        more = fault_edits(
            fault,
            current,
            namespace=namespace,
            caller_labels=labels,
            owner=owner,
            index=index,
            caller_namespace=caller_namespace,
            test_headers=test_headers,
        )
        current = applied_all(more, current, namespace=namespace)
        edits = (*edits, *more)
    return edits


@dataclass(frozen=True, slots=True, kw_only=True)
class _Injection:
    """A fault for the calls of ``labels`` (None: of everyone) in ``namespace`` (None: in any) with ``headers`` (None: all)."""

    fault: Fault
    labels: Mapping[str, str] | None
    namespace: str | None
    headers: Mapping[str, Json] | None
    owner: str
    index: int

    def faulted(self, place: Place, *, number: int) -> Json | None:
        """The route's clone with the fault, or None when none of the callers can take the route."""
        name = f"{prefix(self.owner)}fault-{self.index}-{number}"
        match = self._match(place, name)
        if not match:
            return None
        ours, theirs = http_fault(self.fault), place.route.get("fault") or {}
        both = sorted(set(ours) & set(theirs))
        if both:
            raise ResourceError(
                f"{place.where}: already injects {both[0]} {theirs[both[0]]!r}, and a route has room for one: remove it first",
                path=f"{place.path}.fault",
            )
        entry = clone(place.route, name=name, match=match)
        entry["fault"] = {**deepcopy(theirs), **ours}
        entry["headers"] = marked(place.route.get("headers"), FAULT_HEADER, f"{self.owner}/{self.index}")
        return entry

    def _match(self, place: Place, name: str) -> list[Json]:
        if self.labels is None and self.headers is None:
            return unnarrowed(place.route, name=name)
        if self.labels is not None:
            blocks = narrowed_to_callers(place, labels=self.labels, namespace=self.namespace)
            if self.headers is None or not blocks:
                return blocks
            place = replace(place, route={**place.route, "match": blocks})
        return narrowed_to_headers(place, headers=self.headers or {})


def _existing(injection: _Injection, found: Json, namespace: str) -> Edit:
    service, hosts = governing.full_name(injection.fault.host, namespace), found["spec"]["hosts"]
    shared = len(hosts) > 1 or "*" in hosts[0]
    insert: list[Insertion] = []
    for place in places(found, namespace):
        if answered_here(place.route) or (shared and not _routes_to(place, service, found, namespace)):
            continue
        entry = injection.faulted(place, number=len(insert))
        if entry is not None:
            insert.append(Insertion(entry=entry, before=deepcopy(place.route)))
    if not insert:
        callers = "any caller" if injection.labels is None else f"callers with labels {dict(injection.labels)!r}"
        raise ResourceError(
            f"{governing.label(found, namespace)}: {injection.fault} would hit nothing: "
            f"expected a route to {service} that {callers} can take, found none"
        )
    return Edit(
        kind="VirtualService",
        namespace=governing.namespace_of(found, namespace),
        name=found["metadata"]["name"],
        owner=injection.owner,
        insert=tuple(insert),
    )


def _routes_to(place: Place, service: str, found: Json, namespace: str) -> bool:
    """Whether a route that several hosts share leads to the service; refuses one that leads to others as well."""
    hosts = hosts_of(place.route, found, namespace)
    if service in hosts and hosts != {service}:
        raise ResourceError(
            f"{place.where}: leads to {', '.join(sorted(hosts))} for several hosts; "
            f"a fault on {service} would hit the others",
            path=f"{place.path}.route",
        )
    return service in hosts
