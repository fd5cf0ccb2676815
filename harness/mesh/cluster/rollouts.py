"""Whether the namespace stands still: what is measured during a rollout is of no version."""

from __future__ import annotations

from harness.clients.kubernetes import Kubernetes
from harness.errors import MeshError
from harness.model.record import Json


def require_settled(kube: Kubernetes, namespace: str) -> None:
    """Raise MeshError while a Deployment of the namespace is being rolled out or lacks ready pods."""
    moving = [text for item in kube.list("Deployment", namespace) if (text := _moving(item))]
    if moving:
        raise MeshError(
            f"namespace {namespace}: expected every Deployment to be settled, found {'; '.join(moving)}; "
            "wait with: kubectl rollout status deployment -n " + namespace
        )


def _moving(deployment: Json) -> str:
    name, spec, status = deployment["metadata"]["name"], deployment.get("spec") or {}, deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    if spec.get("paused"):
        return ""
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return f"{name}: a change that no controller has seen yet"
    if status.get("updatedReplicas", 0) < wanted:
        return f"{name}: {status.get('updatedReplicas', 0)} of {wanted} pods are of the new version"
    if status.get("replicas", 0) > status.get("updatedReplicas", 0):
        return f"{name}: pods of the old version are still there"
    if status.get("availableReplicas", 0) < wanted:
        return f"{name}: {status.get('availableReplicas', 0)} of {wanted} pods are ready"
    return ""
