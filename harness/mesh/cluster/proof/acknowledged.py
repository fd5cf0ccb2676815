"""Ask istiod whether a proxy has acknowledged the configuration that was sent to it.

istiod's ``/debug/syncz`` shows, for each proxy and type of configuration, the nonce that it sent last and the one that
the proxy acknowledged last. A sidecar that is stopped or rejects its configuration stays behind.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.mesh.cluster.proof.envoy_dump import Part
from harness.model.json import JsonValue, object_at, text_at

PATH = "/debug/syncz"
_NAMES: dict[Part, str] = {"routes": "route", "clusters": "cluster", "listeners": "listener"}


def unacknowledged(statuses: JsonValue, proxy: str, parts: Iterable[Part]) -> str:
    """Return why a proxy does not count as up to date, or an empty string.

    statuses: istiod's answer. proxy: ``POD.NAMESPACE``.
    """
    listed = statuses if isinstance(statuses, list) else []
    found = [status for status in map(object_at, listed) if text_at(status, "proxy", default="") == proxy]
    if not found:
        return "is not connected to the istiod that was asked (cluster.istiod)"
    behind = [part for part in sorted(set(parts)) if not any(_is_acked(status, _NAMES[part]) for status in found)]
    return f"has not acknowledged the {' and '.join(behind)} that istiod sent" if behind else ""


def _is_acked(status: JsonValue, name: str) -> bool:
    sent, acked = (text_at(status, f"{name}_{word}", default="") for word in ("sent", "acked"))
    return bool(sent) and sent == acked
