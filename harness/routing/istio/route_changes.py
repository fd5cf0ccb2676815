"""Put a change of requests into a VirtualService: each route that can reach the host gets a changed clone before it.

A fault belongs to a route, not to a destination, and the caller's proxy carries it out. The clone is therefore narrowed
by the caller's labels, and both arms of a split get the fault at the same dose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace

from harness.errors import ResourceError
from harness.model.declared import Scope, StringMatch
from harness.model.json import JsonObject
from harness.model.step import Edit, Insertion
from harness.model.units import format_duration, parse_duration
from harness.routing.edits import prefix
from harness.routing.hosts import full_name
from harness.routing.istio import governing, names
from harness.routing.istio.delay_buckets import REQUEST_ID, buckets
from harness.routing.istio.kinds import NAME, ROUTES, VIRTUAL_SERVICE
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
from harness.routing.istio.types import (
    HTTPFaultInjection,
    HTTPMatchRequest,
    HTTPRetry,
    HTTPRoute,
    Percent,
    VirtualService,
)
from harness.routing.istio.views import as_json, as_route, string_match
from harness.routing.port import Aim, NotExpressible, Retries, RouteChange

FAULT_HEADER = "x-harness-fault"
"""On every answer of a changed route, hit or spared: ``<owner>/<index>``."""


def route_edit(resources: Sequence[JsonObject], change: RouteChange, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that makes ``change`` in the callers' proxies.

    Raises ResourceError if the change would hit nothing, hit others, or be ignored.
    """
    scope, host = aim.declared.scope, aim.declared.host
    if scope.labels is not None and not scope.labels:
        raise ResourceError(
            f"{aim.declared.text}: expected labels of the caller, found none: every caller would be hit"
        )
    if change.lacks(NAME):
        return NotExpressible(why=f"{aim.declared.text}: Istio has no field for it")
    injection = _Injection(change=change, aim=aim, fault=fault_of(change, aim.declared.text))
    found = governing.virtual_service(resources, host=host, namespace=aim.namespace)
    if found is not None:
        return replace(_existing(injection, found, aim.namespace, resources), declared=aim.declared)
    route: HTTPRoute = {"route": [{"destination": {"host": host}}]}
    routes = injection.changed(Place(route=route, where=host, path="spec.http"), number=0)
    made = new_virtual_service(host=host, namespace=aim.namespace, owner=aim.owner, routes=routes)
    return replace(made, declared=aim.declared)


def fault_of(change: RouteChange, text: str) -> HTTPFaultInjection:
    """Return Istio's ``fault`` of an HTTP route; empty if the change has no delay and no abort.

    Raises ResourceError for values that Istio would drop, round, or pass on to an Envoy that rejects them.
    """
    fault: HTTPFaultInjection = {}
    if change.delay_s is not None:
        delay = duration(change.delay_s, text)
        fault["delay"] = {"fixedDelay": delay, "percentage": _percentage(change.share, text)}
    if change.abort_status is not None:
        if not 200 <= change.abort_status <= 599:
            # Istio admits 600, and Envoy then refuses the whole route table, which blocks every later change of
            # every service on that port.
            raise ResourceError(f"{text}: expected an HTTP status from 200 to 599, found {change.abort_status}")
        fault["abort"] = {"httpStatus": change.abort_status, "percentage": _percentage(change.share, text)}
    if change.abort_grpc is not None:
        fault["abort"] = {"grpcStatus": change.abort_grpc, "percentage": _percentage(change.share, text)}
    return fault


def duration(seconds: float, text: str) -> str:
    """Return a duration as Istio writes it. Raises ResourceError for one that Istio would round."""
    milliseconds = seconds * 1e3
    if abs(milliseconds - round(milliseconds)) > 1e-6 or round(milliseconds) < 1:
        raise ResourceError(
            f"{text}: expected a whole number of milliseconds, found {milliseconds:g} ms: Istio would round it"
        )
    return f"{round(milliseconds) / 1000:.3f}".rstrip("0").rstrip(".") + "s"


def retries_of(retries: Retries, text: str) -> HTTPRetry:
    """Return Istio's ``retries`` of an HTTP route."""
    found: HTTPRetry = {"attempts": retries.attempts}
    if retries.attempts:
        found["retryOn"] = retries.on
    if retries.per_try_s is not None:
        found["perTryTimeout"] = duration(retries.per_try_s, text)
    return found


def _percentage(dose: float, text: str) -> Percent:
    """Return Istio's ``percentage`` for a dose in (0, 1]; Istio injects nothing if it is missing.

    Raises ResourceError below Istio's resolution of 0.0001 percent, where Istio would inject nothing either.
    """
    value = round(dose * 100, 4)
    if not 0.0001 <= value <= 100:
        raise ResourceError(f"{text}: expected a percentage from 0.0001 to 100, found {dose * 100:g}")
    return {"value": int(value) if value == int(value) else value}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Injection:
    """A change for some callers. fault: the part of the change that Istio calls a fault."""

    change: RouteChange
    aim: Aim
    fault: HTTPFaultInjection

    @property
    def scope(self) -> Scope:
        return self.aim.declared.scope

    def changed(self, place: Place, *, number: int) -> list[HTTPRoute]:
        """Return the route's clones with the change: one, or one for each delay; none if no caller can take the route.

        number: of the first clone.
        """
        if not self.change.delays:
            return self._cloned(place, self.fault, number, {})
        found: list[HTTPRoute] = []
        for bucket in buckets(self.change.delays):
            one = RouteChange(delay_s=bucket.delay_s, share=bucket.share)
            fault = fault_of(one, self.aim.declared.text)
            found += self._cloned(place, fault, number + len(found), {REQUEST_ID: {"regex": bucket.regex}})
        return found

    def _cloned(
        self, place: Place, fault: HTTPFaultInjection, number: int, headers: Mapping[str, StringMatch]
    ) -> list[HTTPRoute]:
        """Return the clone for requests with ``headers``, or nothing if none of the callers can take the route."""
        name = f"{prefix(self.aim.owner)}fault-{self.aim.index}-{number}"
        match = self._match(place, name, headers)
        if not match:
            return []
        theirs: HTTPFaultInjection = place.route.get("fault") or {}
        both = sorted(set(fault) & set(theirs))
        if both:
            raise ResourceError(
                f"{place.where}: already injects {both[0]} {theirs.get(both[0])!r}, and a route has room for one: "
                f"remove it first",
                path=f"{place.path}.fault",
            )
        entry = clone(place.route, name=name, match=match)
        if fault:
            entry["fault"] = {**deepcopy(theirs), **fault}
        if self.change.timeout_s is not None:
            entry["timeout"] = self._timeout(place, self.change.timeout_s)
        if self.change.retries is not None:
            entry["retries"] = retries_of(self.change.retries, self.aim.declared.text)
        if self.change.subset is not None:
            for target in entry["route"]:
                target["destination"]["subset"] = self.change.subset
        written = self.change.rewritten(NAME, as_json(entry), matches="match", where=place.where, path=place.path)
        entry = as_route(written)
        entry["headers"] = marked(entry.get("headers"), FAULT_HEADER, f"{self.aim.owner}/{self.aim.index}")
        return [entry]

    def _timeout(self, place: Place, seconds: float) -> str:
        own = place.route.get("timeout")
        if own and parse_duration(own) <= seconds:
            raise ResourceError(
                f"{place.where}: already has a timeout of {own}, which {format_duration(seconds)} would not shorten: "
                "expected a shorter one",
                path=f"{place.path}.timeout",
            )
        return duration(seconds, self.aim.declared.text)

    def _match(self, place: Place, name: str, more: Mapping[str, StringMatch]) -> list[HTTPMatchRequest]:
        labels = self.scope.labels
        headers = {header: string_match(match) for header, match in {**(self.scope.headers or {}), **more}.items()}
        if labels is None and not headers:
            return unnarrowed(place.route, name=name)
        if labels is not None:
            blocks = narrowed_to_callers(place, labels=labels, namespace=self.scope.namespace)
            if not headers or not blocks:
                return blocks
            place = replace(place, route={**place.route, "match": blocks})
        return narrowed_to_headers(place, headers=headers)


def _existing(injection: _Injection, found: VirtualService, namespace: str, resources: Sequence[JsonObject]) -> Edit:
    said = injection.aim.declared
    service, hosts = full_name(said.host, namespace), found["spec"]["hosts"]
    shared = len(hosts) > 1 or "*" in hosts[0]
    insert: list[Insertion] = []
    for place in places(found, namespace, resources):
        if answered_here(place.route) or (shared and not _routes_to(place, service, found, namespace)):
            continue
        insert += [
            Insertion(entry=as_json(entry), before=as_json(deepcopy(place.anchor)))
            for entry in injection.changed(place, number=len(insert))
        ]
    if not insert:
        labels = injection.scope.labels
        callers = "any caller" if labels is None else f"callers with labels {dict(labels)!r}"
        raise ResourceError(
            f"{names.label(found, namespace)}: {said.text} would hit nothing: "
            f"expected a route to {service} that {callers} can take, found none"
        )
    return Edit(
        kind=VIRTUAL_SERVICE,
        namespace=names.namespace_of(found, namespace),
        name=found["metadata"]["name"],
        owner=injection.aim.owner,
        list_at=ROUTES,
        insert=tuple(insert),
    )


def _routes_to(place: Place, service: str, found: VirtualService, namespace: str) -> bool:
    """Return whether a route that several hosts share leads to the service.

    Raises ResourceError if it leads to other services too.
    """
    hosts = hosts_of(place.route, found, namespace)
    if service in hosts and hosts != {service}:
        raise ResourceError(
            f"{place.where}: leads to {', '.join(sorted(hosts))} for several hosts; "
            f"a fault on {service} would hit the others",
            path=f"{place.path}.route",
        )
    return service in hosts
