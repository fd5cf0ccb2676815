"""Put a change of requests into an HTTPRoute. Its rules have time-outs, but no delays, aborts or callers.

The Gateway API has no filter for faults (gateway-api#3575). A fault in the called side's own proxies, an EnvoyFilter,
works whatever routes the requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import ResourceError
from harness.model.json import JsonObject, object_at, objects_at, text_at
from harness.model.step import Edit
from harness.model.units import format_duration, parse_duration
from harness.routing.edits import prefix
from harness.routing.gateway_api.governing import http_route, label
from harness.routing.gateway_api.kinds import NAME
from harness.routing.gateway_api.rules import RESPONSE, Place, answered_here, clone, insertion, places, with_header
from harness.routing.port import Aim, NotExpressible, RouteChange

FAULT_HEADER = "x-harness-fault"


def rule_edit(resources: Sequence[JsonObject], change: RouteChange, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that makes ``change`` in the callers' proxies.

    Raises ResourceError if the change would hit nothing, hit others, or be ignored.
    """
    said = aim.declared
    found = http_route(resources, host=said.host, namespace=aim.namespace)
    if found is None:
        return NotExpressible(why=f"{said.text}: no HTTPRoute routes {said.host}")
    where = label(found, aim.namespace)
    empty = change.timeout_s is None and not change.rewrites
    known = RouteChange(timeout_s=change.timeout_s, share=change.share, rewrites=change.rewrites)
    if empty or change != known or change.lacks(NAME):
        return NotExpressible(
            why=f"{said.text}: {where} routes {said.host}, and HTTPRoutes have time-outs only: a delay or an abort can "
            "be injected in the called side's proxies (inbound)"
        )
    if said.scope.labels is not None:
        return NotExpressible(
            why=f"{said.text}: {where} routes {said.host}, and its rules cannot tell callers apart: leave the caller "
            "out, or narrow the fault to test traffic (cluster.only-test-traffic)"
        )
    inserted: list[tuple[JsonObject, Place]] = []
    for place in places(found, aim.namespace):
        if not answered_here(place.rule):
            inserted.append((_changed(place, change, aim, number=len(inserted)), place))
    if not inserted:
        raise ResourceError(f"{where}: {said.text} would hit nothing: every rule answers with a redirect")
    return replace(insertion(found, aim.namespace, aim.owner, inserted), declared=said)


def _changed(place: Place, change: RouteChange, aim: Aim, *, number: int) -> JsonObject:
    name = f"{prefix(aim.owner)}fault-{aim.index}-{number}"
    entry = clone(place, name=name, headers=dict(aim.declared.scope.headers or {}))
    if change.timeout_s is not None:
        entry["timeouts"] = _timeouts(place, change.timeout_s, aim.declared.text)
    entry = change.rewritten(NAME, entry, matches="matches", where=place.where, path=place.path)
    filters = objects_at(entry, "filters")
    entry["filters"] = with_header(filters, RESPONSE, FAULT_HEADER, f"{aim.owner}/{aim.index}")
    return entry


def _timeouts(place: Place, seconds: float, text: str) -> JsonObject:
    """Return the rule's time-outs with a shorter one for the request; one for each attempt must not be longer."""
    own = object_at(place.rule, "timeouts")
    request = text_at(own, "request", default="")
    if request and parse_duration(request) <= seconds:
        raise ResourceError(
            f"{place.where}: already has a timeout of {request}, which {format_duration(seconds)} would not shorten: "
            "expected a shorter one",
            path=f"{place.path}.timeouts.request",
        )
    milliseconds = seconds * 1e3
    if abs(milliseconds - round(milliseconds)) > 1e-6 or round(milliseconds) < 1:
        raise ResourceError(f"{text}: expected a whole number of milliseconds, found {milliseconds:g} ms")
    changed: JsonObject = {**own, "request": f"{round(milliseconds)}ms"}
    attempt = text_at(own, "backendRequest", default="")
    if attempt and parse_duration(attempt) > seconds:
        del changed["backendRequest"]
    return changed
