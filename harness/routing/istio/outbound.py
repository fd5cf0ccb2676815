"""Limit what callers' proxies pass on to a host and back, with an EnvoyFilter, an object that nobody else writes."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import ResourceError
from harness.model.json import JsonObject, JsonValue, list_at, object_at, objects_at, text_at, texts_at
from harness.model.step import Edit
from harness.routing.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.istio.kinds import ENVOY_FILTER
from harness.routing.istio.names import fqdn
from harness.routing.port import Aim, Bandwidth, NotExpressible

LIMITED = "server.limited."
"""What the names of the counters begin with; the full name of the host follows.

Envoy's counters have the prefix that a filter chooses. Sidecars only keep some of them, those of ``server`` among them.
"""
ENFORCED = ".http_bandwidth_limit."
"""What follows in the names of the counters; then ``request_enforced`` or ``response_enforced``."""
BANDWIDTH_TYPE = "type.googleapis.com/envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit"
_HTTP = "envoy.filters.network.http_connection_manager"


def bandwidth_edit(change: Bandwidth, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that creates the EnvoyFilter: a filter that is off, and its settings for calls to the host.

    Raises ResourceError without a port of the host, because nothing would be limited.
    """
    said = aim.declared
    if said.scope.headers:
        return NotExpressible(
            why=f"{said.text}: cluster.only-test-traffic is set, but a bandwidth limit counts every call of the callers"
        )
    if not change.ports:
        raise ResourceError(f"{said.text}: expected a Service {said.host} with ports, found none")
    name, host = f"{prefix(aim.owner)}fault-{aim.index}", fqdn(said.host, aim.namespace)
    settings: JsonObject = {
        "@type": BANDWIDTH_TYPE,
        "stat_prefix": f"{LIMITED}{host}",
        "enable_mode": "REQUEST_AND_RESPONSE",
        "limit_kbps": change.kib_per_s,
    }
    off: JsonObject = {"@type": BANDWIDTH_TYPE, "stat_prefix": f"{LIMITED}off"}
    at_router: JsonObject = {"filter": {"name": _HTTP, "subFilter": {"name": "envoy.filters.http.router"}}}
    patches = [
        _patch("HTTP_FILTER", {"listener": {"filterChain": at_router}}, "INSERT_BEFORE", _named(name, off)),
        *(
            _patch("VIRTUAL_HOST", _vhost(f"{host}:{port}"), "MERGE", {"typed_per_filter_config": {name: settings}})
            for port in change.ports
        ),
        *(_reset(f"{host}:{port}", change.reset_after_s) for port in change.ports if change.reset_after_s is not None),
    ]
    callers: JsonObject = {**(said.scope.labels or {})}
    selector: JsonObject = {"workloadSelector": {"labels": callers}} if callers else {}
    labels: JsonObject = {**MANAGED_BY, OWNER_LABEL: aim.owner, HOST_LABEL: host.partition(".")[0]}
    resource: JsonObject = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": ENVOY_FILTER,
        "metadata": {"name": name, "namespace": aim.namespace, "labels": labels},
        "spec": {**selector, "configPatches": [*patches]},
    }
    return Edit(kind=ENVOY_FILTER, namespace=aim.namespace, name=name, owner=aim.owner, create=resource, declared=said)


def is_bandwidth_limit(resource: JsonObject) -> bool:
    """Return whether a resource is an EnvoyFilter that only limits bandwidth, as ``bandwidth_edit`` makes it."""
    if resource.get("kind") != ENVOY_FILTER:
        return False
    return all(kind == BANDWIDTH_TYPE for kind in _types(list_at(resource, "spec", "configPatches")))


def limits_in(resource: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield the host with its port, and the settings, of each limit in an EnvoyFilter."""
    for patch in objects_at(resource, "spec", "configPatches"):
        if patch.get("applyTo") == "VIRTUAL_HOST":
            host = text_at(patch, "match", "routeConfiguration", "vhost", "name")
            for settings in object_at(patch, "patch", "value", "typed_per_filter_config").values():
                yield host, object_at(settings)


def resets_in(resource: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield the host with its port, and the fields of Envoy's route action, of each limit of a call's duration."""
    for patch in objects_at(resource, "spec", "configPatches"):
        if patch.get("applyTo") == "HTTP_ROUTE":
            host = text_at(patch, "match", "routeConfiguration", "vhost", "name")
            yield host, object_at(patch, "patch", "value", "route")


def callers_of(resource: JsonObject) -> dict[str, str]:
    """Return the labels of the callers whose proxies an EnvoyFilter changes; none means every caller."""
    return texts_at(resource, "spec", "workloadSelector", "labels")


def _types(value: object) -> Iterator[object]:
    """Yield every ``@type`` in a document."""
    if isinstance(value, list):
        for item in value:
            yield from _types(item)
    if isinstance(value, dict):
        if "@type" in value:
            yield value["@type"]
        for item in value.values():
            yield from _types(item)


def _named(name: str, config: JsonObject) -> JsonObject:
    return {"name": name, "typed_config": config}


def _vhost(name: str, **more: JsonValue) -> JsonObject:
    return {"routeConfiguration": {"vhost": {"name": name, **more}}}


def _reset(host: str, after_s: float) -> JsonObject:
    """Return the patch that cuts off calls which have lasted too long, also in the body of an answer."""
    longest: JsonObject = {"max_stream_duration": {"max_stream_duration": f"{after_s:g}s"}}
    return _patch("HTTP_ROUTE", _vhost(host, route={"action": "ROUTE"}), "MERGE", {"route": longest})


def _patch(kind: str, match: JsonObject, operation: str, value: JsonObject) -> JsonObject:
    return {
        "applyTo": kind,
        "match": {"context": "SIDECAR_OUTBOUND", **match},
        "patch": {"operation": operation, "value": value},
    }
