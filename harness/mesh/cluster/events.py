"""Write Kubernetes Events on the objects that are changed, which ``kubectl describe`` shows."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import stamp
from harness.clients.kubernetes.types import as_object
from harness.errors import ClusterError
from harness.model.json import JsonObject


def note_on(kube: Kubernetes, resource: JsonObject, *, reason: str, message: str) -> None:
    """Write an Event on ``resource``.

    A failure to write it is ignored, because the audit log has the change.
    """
    try:
        kube.create(_event(resource, kube.now(), reason=reason, message=message))
    except ClusterError:
        return


def note_restored(kube: Kubernetes, places: Iterable[tuple[str, str, str]], message: str) -> None:
    """Write an Event on every object that an undo has restored and that still exists. places: kind, namespace, name."""
    for place in places:
        with suppress(ClusterError):  # an Event is optional
            found = kube.get(*place)
            if found is not None:
                note_on(kube, found, reason="Restored", message=message)


def _event(resource: JsonObject, at: float, *, reason: str, message: str) -> JsonObject:
    changed = as_object(resource)
    metadata, namespace = changed["metadata"], changed["metadata"].get("namespace", "")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{int(at * 1e6):x}", "namespace": namespace},
        "involvedObject": {
            "apiVersion": changed.get("apiVersion", ""),
            "kind": changed.get("kind", ""),
            "name": metadata["name"],
            "namespace": namespace,
            "uid": metadata.get("uid", ""),
        },
        "reason": reason,
        "message": message,
        "type": "Normal",
        "source": {"component": "canary-harness"},
        "firstTimestamp": stamp(at)[:19] + "Z",
        "lastTimestamp": stamp(at)[:19] + "Z",
        "count": 1,
    }
