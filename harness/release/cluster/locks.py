"""The lock of a service on a cluster: a Lease that exists while a release of the service is in progress."""

from __future__ import annotations

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import stamp
from harness.errors import ClusterConflict, UsageError
from harness.model.json import JsonObject, value_at
from harness.release.ports import Pair
from harness.routing.edits import MANAGED_BY


def take_lock(kube: Kubernetes, namespace: str, pair: Pair) -> None:
    """Take the Lease of the service. Raises UsageError while another release has it."""
    lease: JsonObject = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": _name(pair), "namespace": namespace, "labels": {**MANAGED_BY}},
        "spec": {"holderIdentity": pair.release, "acquireTime": stamp(kube.now())},
    }
    try:
        kube.create(lease)
    except ClusterConflict as error:
        holder = _holder(kube, namespace, pair)[1]
        if holder != pair.release:
            raise UsageError(
                f"{pair.service}: a release is already running ({holder}); wait for it, or end it where it was "
                f"started with harness release abort; if its record is lost: kubectl delete lease {_name(pair)} "
                f"-n {namespace}"
            ) from error


def release_lock(kube: Kubernetes, namespace: str, pair: Pair) -> None:
    """Delete the Lease, if the release holds it."""
    lease, holder = _holder(kube, namespace, pair)
    if lease is not None and holder == pair.release:
        kube.delete(lease)


def _holder(kube: Kubernetes, namespace: str, pair: Pair) -> tuple[JsonObject | None, object]:
    found = kube.get("Lease", namespace, _name(pair))
    return found, None if found is None else value_at(found, "spec", "holderIdentity")


def _name(pair: Pair) -> str:
    return f"harness-release-{pair.service}"
