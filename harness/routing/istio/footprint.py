"""Find how an edit of an Istio resource shows in Envoy's configuration while it is in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import MeshError
from harness.model.json import JsonObject, JsonValue, list_at, texts_at
from harness.model.step import Edit
from harness.routing.edits import applied, undone
from harness.routing.istio.governing import full_name_in
from harness.routing.istio.kinds import AUTHORIZATION_POLICY, DESTINATION_RULE, ENVOY_FILTER, VIRTUAL_SERVICE
from harness.routing.istio.names import fqdn
from harness.routing.istio.policies import cluster_fields, for_port, for_subset
from harness.routing.istio.types import HTTPRoute, VirtualServiceSpec
from harness.routing.istio.views import as_destination_rule, as_route, as_virtual_service
from harness.routing.port import MESH, Footprint, PodSelector, Trace


def footprint(edit: Edit, resource: JsonObject | None, *, namespace: str) -> Footprint:
    """Return the traces of an edit. resource: as it is now, with or without the edit. namespace: of the run."""
    if edit.kind == VIRTUAL_SERVICE:
        return _of_routes(edit, resource, namespace)
    if edit.kind == DESTINATION_RULE:
        return Footprint(traces=tuple(_of_policies(edit, resource, namespace)))
    if edit.kind in (ENVOY_FILTER, AUTHORIZATION_POLICY) and edit.create is not None:
        return Footprint(traces=tuple(_of_object(edit.create, edit)))
    return Footprint()


def _of_routes(edit: Edit, resource: JsonObject | None, namespace: str) -> Footprint:
    """Return the traces of routes.

    The last route of a VirtualService that we create changes nothing, so it has no trace.
    """
    spec: VirtualServiceSpec = {}
    if edit.create is not None:
        routes = as_virtual_service(edit.create)["spec"]["http"]
    else:
        routes = [as_route(item.entry) for item in edit.insert]
        spec = {} if resource is None else as_virtual_service(resource)["spec"]
    traces = tuple(
        Trace(
            part="routes",
            name=route["name"],
            pods=tuple(
                PodSelector(labels=block.get("sourceLabels") or {}, namespace=block.get("sourceNamespace"))
                for block in route["match"]
            ),
        )
        for route in routes
        if route.get("match")
    )
    return Footprint(
        traces=traces,
        in_sidecars=MESH in (spec.get("gateways") or [MESH]),
        destinations=frozenset(_destinations(routes, namespace)),
        marks=frozenset(_marks(routes)),
    )


def _destinations(routes: Sequence[HTTPRoute], namespace: str) -> Iterator[str]:
    for route in routes:
        for item in route.get("route") or ():
            host = (item.get("destination") or {}).get("host")
            if host:
                yield fqdn(str(host), namespace)


def _marks(routes: Sequence[HTTPRoute]) -> Iterator[str]:
    for route in routes:
        for part in (route, *(route.get("route") or ())):
            for name in ((part.get("headers") or {}).get("response") or {}).get("set") or {}:
                if name.lower().startswith("x-harness-"):
                    yield name.lower()


def _of_policies(edit: Edit, resource: JsonObject | None, namespace: str) -> Iterator[Trace]:
    """Yield the clusters that the edit makes, and those whose fields it changes, with these fields."""
    before = undone(edit, resource)
    try:
        after = applied(edit, before)
    except MeshError:  # somebody else changed the rule: what the proxies had before or should have is not known
        return
    old, new = _clusters(before, namespace), _clusters(after, namespace)
    for name, fields in new.items():
        changed = _difference(old.get(name, cluster_fields({})), fields)
        is_new = name not in old and not name.startswith("|")  # a host's own cluster is there without a rule, too
        if is_new or changed:
            yield Trace(part="clusters", name=name, fields=changed)


def _clusters(resource: JsonObject | None, namespace: str) -> dict[str, JsonObject]:
    """Return Envoy's fields of each cluster of a rule, by ``subset|host``."""
    if resource is None:
        return {}
    rule = as_destination_rule(resource)
    host, spec = full_name_in(rule, namespace), rule["spec"]
    policy = for_port(spec.get("trafficPolicy"), 0)
    found = {f"|{host}": cluster_fields(policy)}
    for subset in spec.get("subsets") or ():
        found[f"{subset['name']}|{host}"] = cluster_fields(for_subset(policy, subset.get("trafficPolicy"), 0))
    return found


def _difference(old: JsonObject, new: JsonObject) -> JsonObject:
    """Return what of ``new`` is not in ``old``; lists of equal length are compared item by item."""
    found: JsonObject = {}
    for name, value in new.items():
        changed = _changed(old.get(name), value)
        if changed is not None:
            found[name] = changed
    return found


def _changed(old: JsonValue, new: JsonValue) -> JsonValue:
    if old == new:
        return None
    if isinstance(old, dict) and isinstance(new, dict):
        return _difference(old, new) or None
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_changed(first, second) for first, second in zip(old, new, strict=True) if first != second]
    return new


def _of_object(resource: JsonObject, edit: Edit) -> Iterator[Trace]:
    """Yield the filter of an EnvoyFilter, or the rules of an AuthorizationPolicy, in the proxies of its workloads."""
    selected = texts_at(resource, "spec", "workloadSelector", "labels")
    selected = selected or texts_at(resource, "spec", "selector", "matchLabels")
    pods = (PodSelector(labels=selected),) if selected else ()
    if resource["kind"] == ENVOY_FILTER:
        yield Trace(part="listeners", name=edit.name, pods=pods)
    for number, _ in enumerate(list_at(resource, "spec", "rules")):
        name = f"ns[{edit.namespace}]-policy[{edit.name}]-rule[{number}]"
        yield Trace(part="listeners", name=name, pods=pods)
