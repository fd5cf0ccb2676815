"""Outbound listeners of the callers.

Each caller has one listener that serves all services by Host header, and one for each service that it calls by URL.
"""

from __future__ import annotations

from pathlib import Path

from harness.clients.envoy.process import routes_from
from harness.mesh.local.actions import CORS_FILTER, FAULT_FILTER
from harness.mesh.local.telemetry import stats_logger
from harness.mesh.local.topology import Caller, Topology, table_name
from harness.model.json import JsonObject

CALLS = "outbound_"
"""What the names of Envoy's statistics of a listener start with; the listener's name follows."""
_FILTERS = "type.googleapis.com/envoy.extensions.filters."


def listeners(topology: Topology, folder: Path) -> list[JsonObject]:
    """Return listeners on loopback at ports that Envoy chooses.

    A listener and its route table have the same name; Envoy reads the table from ``folder``.
    """
    services = {service.name: service for service in topology.services}
    return [
        _listener(caller, table_name(caller.workload, name), folder, services[name].authority if name else "")
        for caller in topology.callers
        for name in ("", *caller.calls)
    ]


def _listener(caller: Caller, name: str, folder: Path, authority: str) -> JsonObject:
    manager: JsonObject = {
        "name": "envoy.filters.network.http_connection_manager",
        "typed_config": _connection_manager(caller, name, folder, authority),
    }
    return {
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [manager]}],
    }


def _connection_manager(caller: Caller, name: str, folder: Path, authority: str) -> JsonObject:
    """Return the settings that istiod gives a sidecar: filters for faults, CORS and routing; no idle timeout."""
    return {
        "@type": f"{_FILTERS}network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": f"{CALLS}{name}",
        "rds": routes_from(folder, name),
        "http_filters": [
            _filter(FAULT_FILTER, "fault.v3.HTTPFault"),
            _filter(CORS_FILTER, "cors.v3.Cors"),
            _filter("envoy.filters.http.router", "router.v3.Router"),
        ],
        "access_log": [stats_logger(caller, authority=authority)],
        "normalize_path": True,
        "path_with_escaped_slashes_action": "KEEP_UNCHANGED",
        "use_remote_address": False,
        "stream_idle_timeout": "0s",
        "upgrade_configs": [{"upgrade_type": "websocket"}],
    }


def _filter(name: str, kind: str) -> JsonObject:
    return {"name": name, "typed_config": {"@type": f"{_FILTERS}http.{kind}"}}
