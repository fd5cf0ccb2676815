"""Read the resources that route requests in a namespace, without the bookkeeping of the API server and of kubectl."""

from __future__ import annotations

from collections.abc import Sequence

from harness.clients.kubernetes.api import Kubernetes
from harness.model.json import Json
from harness.model.step import Edit
from harness.routing.edits import applied

_NOISE = ("managedFields", "resourceVersion", "generation")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def plain_resources(kube: Kubernetes, namespace: str, kinds: Sequence[str]) -> tuple[Json, ...]:
    """Return the resources of some kinds in a namespace, without bookkeeping."""
    return tuple(_plain(item) for kind in kinds for item in kube.list(kind, namespace))


def _plain(resource: Json) -> Json:
    metadata = {key: value for key, value in resource["metadata"].items() if key not in _NOISE}
    if _LAST_APPLIED in (metadata.get("annotations") or {}):
        rest = {key: value for key, value in metadata["annotations"].items() if key != _LAST_APPLIED}
        metadata = {**metadata, "annotations": rest}
    return {**resource, "metadata": metadata}


def all_applied(edits: Sequence[Edit], resource: Json | None) -> Json | None:
    """Return a resource with all edits applied, one after the other; None where there is none."""
    for edit in edits:
        resource = applied(edit, resource)
    return resource
