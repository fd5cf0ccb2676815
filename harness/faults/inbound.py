"""Faults in the called service's own proxies: an EnvoyFilter, an object of its own that nobody else writes.

Where a controller owns the VirtualService, this is the way beside it. Unlike a fault in the caller's proxy it can be
retried by the caller and counts for outlier detection, it is counted by the called side with the right
version, and it hits every caller: proxies do not tell callers apart there, headers do. Deleting it passes no webhook.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import ResourceError
from harness.faults import abort, delay
from harness.model.fault import Delay, Fault
from harness.model.json import Json
from harness.routing.istio.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL, Edit, prefix

_HTTP = "envoy.filters.network.http_connection_manager"
_FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"


def inbound_edit(
    fault: Fault,
    *,
    namespace: str,
    workload_labels: Mapping[str, str],
    owner: str,
    index: int,
    test_headers: Mapping[str, Json] | None = None,
) -> Edit:
    """The edit that creates the EnvoyFilter. workload_labels: of the pods of the fault's host.

    test_headers: hit only requests that carry these (name to Istio's string match, a regex). Raises ResourceError
    for a fault that is to hit some callers only, which a called proxy cannot tell.
    """
    if fault.caller:
        raise ResourceError(
            f"{fault}: a fault in the called side's proxies hits every caller, not only {fault.caller}: leave the caller out, "
            "narrow it to test traffic (cluster.only-test-traffic), or inject it in the callers' proxies"
        )
    name, host = f"{prefix(owner)}fault-{index}", fault.host.split(".", maxsplit=1)[0]
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {**MANAGED_BY, OWNER_LABEL: owner, HOST_LABEL: host},
    }
    match = {
        "context": "SIDECAR_INBOUND",
        "listener": {"filterChain": {"filter": {"name": _HTTP, "subFilter": {"name": "envoy.filters.http.router"}}}},
    }
    value = {"name": name, "typed_config": {"@type": _FAULT, **_config(fault, test_headers or {})}}
    patch = {"applyTo": "HTTP_FILTER", "match": match, "patch": {"operation": "INSERT_BEFORE", "value": value}}
    resource = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": metadata,
        "spec": {"workloadSelector": {"labels": dict(workload_labels)}, "configPatches": [patch]},
    }
    return Edit(kind="EnvoyFilter", namespace=namespace, name=name, owner=owner, create=resource)


def _config(fault: Fault, headers: Mapping[str, Json]) -> Json:
    """Envoy's HTTPFault, from what Istio would make of the same fault."""
    gates = [
        {"name": name, "string_match": {"safe_regex": {"regex": match["regex"]}}} for name, match in headers.items()
    ]
    gated = {"headers": gates} if gates else {}
    if isinstance(fault, Delay):
        istio = delay.http_fault(fault)["delay"]
        return {"delay": {"fixed_delay": istio["fixedDelay"], "percentage": _fraction(istio)}, **gated}
    istio = abort.http_fault(fault)["abort"]
    return {"abort": {"http_status": istio["httpStatus"], "percentage": _fraction(istio)}, **gated}


def _fraction(istio: Json) -> Json:
    return {"numerator": round(istio["percentage"]["value"] * 10_000), "denominator": "MILLION"}
