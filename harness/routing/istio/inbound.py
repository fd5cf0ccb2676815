"""Change requests in the called service's own proxies with an EnvoyFilter, an object that nobody else writes.

This also works if a controller owns the VirtualService. The caller can retry such a fault, it counts for outlier
detection, and the called side counts it with the right version. It hits every caller, because proxies there cannot tell
callers apart; they can only match headers. Deleting the object passes no webhook.
"""

from __future__ import annotations

from harness.errors import ResourceError
from harness.model.json import JsonObject, JsonValue
from harness.model.step import Edit
from harness.routing.edits import HOST_LABEL, MANAGED_BY, OWNER_LABEL, prefix
from harness.routing.istio.fields import GRPC_STATUS
from harness.routing.istio.kinds import AUTHORIZATION_POLICY, ENVOY_FILTER
from harness.routing.istio.route_changes import fault_of
from harness.routing.istio.types import Percent
from harness.routing.port import Aim, NotExpressible, RateLimit, RouteChange

_HTTP = "envoy.filters.network.http_connection_manager"
_FAULT = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"
_LIMIT = "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
_ALL = "cluster.only-test-traffic is set, but"


def inbound_edit(change: RouteChange, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that creates the EnvoyFilter.

    Raises ResourceError for a change that is to hit some callers only, which a called proxy cannot do.
    """
    said = aim.declared
    if said.scope.caller:
        raise ResourceError(
            f"{said.text}: a fault in the called side's proxies hits every caller, not only {said.scope.caller}: "
            f"leave the "
            "caller out, narrow it to test traffic (cluster.only-test-traffic), or inject it in the callers' proxies"
        )
    route_only = (change.timeout_s, change.retries, change.subset)
    if change.delays or change.rewrites or any(value is not None for value in route_only):
        return NotExpressible(
            why=f"{said.text}: only the callers' proxies can do this, not those of the called side: leave inbound out"
        )
    return _filter(aim, {"@type": _FAULT, **_config(change, aim)})


def rate_limit_edit(change: RateLimit, aim: Aim) -> Edit | NotExpressible:
    """Return the edit that creates an EnvoyFilter with a token bucket for the requests that arrive at each proxy."""
    said = aim.declared
    if said.scope.headers:
        return NotExpressible(why=f"{said.text}: {_ALL} a rate limit counts every request, not only test traffic")
    per_second: JsonObject = {"max_tokens": change.per_second, "tokens_per_fill": change.per_second}
    always: JsonObject = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return _filter(
        aim,
        {
            "@type": _LIMIT,
            "stat_prefix": f"{prefix(aim.owner)}limit",
            "token_bucket": {**per_second, "fill_interval": "1s"},
            "filter_enabled": always,
            "filter_enforced": always,
        },
    )


def refusal_edit(aim: Aim) -> Edit | NotExpressible:
    """Return the edit that creates an AuthorizationPolicy that denies every request to the host's pods."""
    said = aim.declared
    if said.scope.headers:
        return NotExpressible(
            why=f"{said.text}: {_ALL} an AuthorizationPolicy cannot match the baggage of test traffic"
        )
    name, labels = f"{prefix(aim.owner)}fault-{aim.index}", _pod_labels(aim)
    resource: JsonObject = {
        "apiVersion": "security.istio.io/v1",
        "kind": AUTHORIZATION_POLICY,
        "metadata": _metadata(name, aim),
        "spec": {"selector": {"matchLabels": labels}, "action": "DENY", "rules": [{}]},
    }
    return Edit(
        kind=AUTHORIZATION_POLICY, namespace=aim.namespace, name=name, owner=aim.owner, create=resource, declared=said
    )


def _filter(aim: Aim, config: JsonObject) -> Edit:
    """Return the edit that creates an EnvoyFilter, which inserts one HTTP filter before the router."""
    name = f"{prefix(aim.owner)}fault-{aim.index}"
    match: JsonObject = {
        "context": "SIDECAR_INBOUND",
        "listener": {"filterChain": {"filter": {"name": _HTTP, "subFilter": {"name": "envoy.filters.http.router"}}}},
    }
    patch: JsonObject = {
        "applyTo": "HTTP_FILTER",
        "match": match,
        "patch": {"operation": "INSERT_BEFORE", "value": {"name": name, "typed_config": config}},
    }
    resource: JsonObject = {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": ENVOY_FILTER,
        "metadata": _metadata(name, aim),
        "spec": {"workloadSelector": {"labels": _pod_labels(aim)}, "configPatches": [patch]},
    }
    return Edit(
        kind=ENVOY_FILTER, namespace=aim.namespace, name=name, owner=aim.owner, create=resource, declared=aim.declared
    )


def _short(aim: Aim) -> str:
    return aim.declared.host.split(".", maxsplit=1)[0]


def _pod_labels(aim: Aim) -> JsonObject:
    return {**(aim.workload_labels or {"app": _short(aim)})}


def _metadata(name: str, aim: Aim) -> JsonObject:
    labels: JsonObject = {**MANAGED_BY, OWNER_LABEL: aim.owner, HOST_LABEL: _short(aim)}
    return {"name": name, "namespace": aim.namespace, "labels": labels}


def _config(change: RouteChange, aim: Aim) -> JsonObject:
    """Return Envoy's HTTPFault, made from Istio's form of the same change."""
    fault = fault_of(change, aim.declared.text)
    gates: list[JsonValue] = [
        {"name": name, "string_match": {"safe_regex": {"regex": match["regex"]}}}
        for name, match in (aim.declared.scope.headers or {}).items()
    ]
    config: JsonObject = {}
    if "delay" in fault:
        delay = fault["delay"]
        config["delay"] = {"fixed_delay": delay["fixedDelay"], "percentage": _fraction(delay["percentage"])}
    if "abort" in fault:
        abort = fault["abort"]
        status: JsonObject = (
            {"http_status": abort["httpStatus"]}
            if "httpStatus" in abort
            else {"grpc_status": GRPC_STATUS[abort["grpcStatus"]]}
        )
        config["abort"] = {**status, "percentage": _fraction(abort["percentage"])}
    return {**config, "headers": gates} if gates else config


def _fraction(istio: Percent) -> JsonObject:
    return {"numerator": round(istio["value"] * 10_000), "denominator": "MILLION"}
