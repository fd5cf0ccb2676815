"""Read the resources that route requests in a namespace, without the bookkeeping of the API server and of kubectl."""

from __future__ import annotations

from collections.abc import Sequence

from harness.clients.kubernetes.api import Kubernetes
from harness.model.json import JsonObject, object_at
from harness.model.step import Edit
from harness.routing.edits import applied

_NOISE = ("managedFields", "resourceVersion", "generation")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def plain_resources(kube: Kubernetes, namespace: str, kinds: Sequence[str]) -> tuple[JsonObject, ...]:
    """Return the resources of some kinds in a namespace, without bookkeeping."""
    return tuple(_plain(item) for kind in kinds for item in kube.list(kind, namespace))


def _plain(resource: JsonObject) -> JsonObject:
    metadata = {key: value for key, value in object_at(resource, "metadata").items() if key not in _NOISE}
    annotations = object_at(metadata, "annotations")
    if _LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != _LAST_APPLIED}
    return {**resource, "metadata": metadata}


def all_applied(edits: Sequence[Edit], resource: JsonObject | None) -> JsonObject | None:
    """Return a resource with all edits applied, one after the other; None where there is none."""
    for edit in edits:
        resource = applied(edit, resource)
    return resource
