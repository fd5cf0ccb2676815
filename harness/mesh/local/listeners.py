"""Outbound listeners of the callers.

Each caller has one listener that serves all services by Host header, and one for each service that it calls by URL.
"""

from __future__ import annotations

from pathlib import Path

from harness.clients.envoy.process import routes_from
from harness.mesh.local.actions import CORS_FILTER, FAULT_FILTER
from harness.mesh.local.answer_taps import tap_filter
from harness.mesh.local.bandwidth import BANDWIDTH_FILTER
from harness.mesh.local.clusters import DNS_CACHE
from harness.mesh.local.telemetry import stats_logger
from harness.mesh.local.topology import CALL_HEADER, Caller, Topology, by_call, listener_name, table_of
from harness.mesh.local.tracing import tracing
from harness.model.json import JsonObject, list_at, object_at, objects_at
from harness.routing.istio.outbound import LIMITED

CALLS = "outbound_"
"""What the names of Envoy's statistics of a listener start with; the listener's name follows."""
_FILTERS = "type.googleapis.com/envoy.extensions.filters."


def listeners(topology: Topology, folder: Path, bodies: Path | None = None) -> list[JsonObject]:
    """Return listeners on loopback at ports that Envoy chooses; Envoy reads their route tables from ``folder``.

    bodies: where Envoy writes the bodies of answers, if the topology has services of which they are recorded.
    """
    known = by_call(topology.services)
    made = []
    for caller in topology.callers:
        for name in (*([""] if caller.any_service else []), *caller.calls):
            authority = known[name].authority if name in known else name
            one = _listener(caller, name, folder, authority, allow_any=topology.istio.allow_any)
            most_bytes = topology.recorded_bytes.get(known[name].name, 0) if name in known else 0
            if bodies is not None and most_bytes:
                _insert_before_router(one, tap_filter(bodies, known[name].name, most_bytes))
            made.append(one)
    return made


def _insert_before_router(listener: JsonObject, added: JsonObject) -> None:
    for chain in objects_at(listener, "filter_chains"):
        for one in objects_at(chain, "filters"):
            typed = object_at(one, "typed_config")
            *others, router = list_at(typed, "http_filters")
            typed["http_filters"] = [*others, added, router]


def _listener(caller: Caller, service: str, folder: Path, authority: str, *, allow_any: bool) -> JsonObject:
    name = listener_name(caller.workload, service)
    rds = routes_from(folder, table_of(caller.workload, service))
    typed = connection_manager(f"{CALLS}{name}", rds, stats_logger(caller, authority=authority), caller)
    if allow_any:
        typed["http_filters"] = [_passthrough_filter(), *list_at(typed, "http_filters")]
    if service:
        # The route table is shared: this header says whose call it is, and by which Host it came.
        typed["early_header_mutation_extensions"] = [_header(CALL_HEADER, f"{name.lower()}.%REQ(:AUTHORITY)%")]
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "enable_reuse_port": False,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": typed}]}
        ],
    }


def connection_manager(prefix: str, rds: JsonObject, logger: JsonObject, caller: Caller) -> JsonObject:
    """Return the settings that istiod gives a sidecar: filters for faults, CORS and routing; no idle timeout.

    The filter for bandwidth does nothing until a virtual host has settings for it.
    prefix: of the statistics. rds: where the routes come from. logger: counts the requests.
    caller: whose calls are traced.
    """
    return {
        "@type": f"{_FILTERS}network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": prefix,
        "rds": rds,
        "http_filters": [
            _filter(FAULT_FILTER, "fault.v3.HTTPFault"),
            _filter(CORS_FILTER, "cors.v3.Cors"),
            _filter(BANDWIDTH_FILTER, "bandwidth_limit.v3.BandwidthLimit", stat_prefix=f"{LIMITED}off"),
            _filter("envoy.filters.http.router", "router.v3.Router"),
        ],
        "access_log": [logger],
        "tracing": tracing(caller),
        "normalize_path": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "use_remote_address": False,
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }


def _passthrough_filter() -> JsonObject:
    """Return the filter that looks up the hosts that requests are passed on to."""
    name = "envoy.filters.http.dynamic_forward_proxy"
    kind = f"{_FILTERS}http.dynamic_forward_proxy.v3.FilterConfig"
    return {"name": name, "typed_config": {"@type": kind, "dns_cache_config": {**DNS_CACHE}}}


def _header(name: str, value: str) -> JsonObject:
    """Return the extension that sets a header before Envoy looks for a route."""
    kind = "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation"
    mutation: JsonObject = {
        "append": {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
    }
    return {
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {"@type": f"type.googleapis.com/{kind}", "mutations": [mutation]},
    }


def _filter(name: str, kind: str, **settings: str) -> JsonObject:
    return {"name": name, "typed_config": {"@type": f"{_FILTERS}http.{kind}", **settings}}
