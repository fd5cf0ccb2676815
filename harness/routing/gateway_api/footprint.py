"""Find how an edit of an HTTPRoute, or a Service of an arm, shows in Envoy's configuration while it is in force.

Istio gives an Envoy route the name of its rule (pilot/pkg/config/kube/gateway, ``convertHTTPRoute``).
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.json import JsonObject, objects_at, text_at
from harness.model.step import Edit
from harness.routing.gateway_api.governing import backend_services
from harness.routing.gateway_api.kinds import GATEWAY, HTTP_ROUTE, SERVICE
from harness.routing.hosts import full_name
from harness.routing.port import Footprint, Trace


def footprint(edit: Edit, resource: JsonObject | None) -> Footprint:
    """Return the traces of an edit. resource: as it is now, with or without the edit."""
    if edit.kind == SERVICE and edit.create is not None:
        host = full_name(edit.name, edit.namespace)
        return Footprint(traces=(Trace(part="clusters", name=f"|{host}"),), makes=frozenset({host}))
    if edit.kind != HTTP_ROUTE:
        return Footprint()
    parents = objects_at(resource or {}, "spec", "parentRefs")
    rules = [item.entry for item in edit.insert]
    return Footprint(
        traces=tuple(Trace(part="routes", name=item.name) for item in edit.insert),
        in_sidecars=not parents or any(text_at(one, "kind", default=GATEWAY) == SERVICE for one in parents),
        destinations=frozenset(name for rule in rules for name in backend_services(rule, edit.namespace)),
        marks=frozenset(name for rule in rules for name in _marks(rule)),
    )


def _marks(rule: JsonObject) -> Iterator[str]:
    for part in (rule, *objects_at(rule, "backendRefs")):
        for each in objects_at(part, "filters"):
            for header in objects_at(each, "responseHeaderModifier", "set"):
                name = text_at(header, "name").lower()
                if name.startswith("x-harness-"):
                    yield name
