"""Write Kubernetes Events on the objects that are changed, which ``kubectl describe`` shows."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import stamp
from harness.errors import ClusterError
from harness.model.json import Json


def note_on(kube: Kubernetes, resource: Json, *, reason: str, message: str) -> None:
    """Write an Event on ``resource``.

    A failure to write it is ignored, because the audit log has the change.
    """
    metadata, at = resource["metadata"], kube.now()
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{int(at * 1e6):x}", "namespace": metadata["namespace"]},
        "involvedObject": {
            "apiVersion": resource["apiVersion"],
            "kind": resource["kind"],
            "name": metadata["name"],
            "namespace": metadata["namespace"],
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
    try:
        kube.create(event)
    except ClusterError:
        return


def note_restored(kube: Kubernetes, places: Iterable[tuple[str, str, str]], message: str) -> None:
    """Write an Event on every object that an undo has restored and that still exists. places: kind, namespace, name."""
    for place in places:
        with suppress(ClusterError):  # an Event is optional
            found = kube.get(*place)
            if found is not None:
                note_on(kube, found, reason="Restored", message=message)
