"""Check that no Deployment is being rolled out: measurements during a rollout cannot be attributed to a version."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.times import epoch
from harness.clients.kubernetes.types import Deployment, as_deployment, as_pod
from harness.errors import MeshError

REAPER = "harness-reaper"
"""The Deployment in ``deploy/reaper``."""

_PAUSE_S, _UNSEEN_S = 0.2, 60.0


def require_settled(kube: Kubernetes, namespace: str) -> None:
    """Raise MeshError while a Deployment is being rolled out or lacks ready pods; the reaper's is not checked."""
    deployments = map(as_deployment, kube.list("Deployment", namespace))
    found = [item for item in deployments if item["metadata"]["name"] != REAPER]
    if found and all(_unseen_for_long(item, kube.now()) for item in found):
        return  # no controller works here, so nothing is being rolled out
    moving = ["; ".join((text, *_reasons(kube, namespace, item))) for item in found if (text := _moving(item))]
    if moving:
        raise MeshError(
            f"namespace {namespace}: expected every Deployment to be settled, found {'; '.join(moving)}; "
            "wait with: " + kube.commands.kubectl("rollout status deployment", namespace)
        )


def require_ready(kube: Kubernetes, namespace: str, name: str, *, within_s: float, still: Callable[[], None]) -> None:
    """Wait until all pods of a Deployment are ready. still: raises an error when nobody needs them any more.

    Raises MeshError that says why they are not ready.
    """
    give_up = time.monotonic() + within_s
    while True:
        still()
        there = kube.get("Deployment", namespace, name)
        found = None if there is None else as_deployment(there)
        missing = f"{name}: deleted by somebody" if found is None else _moving(found)
        if not missing:
            return
        if time.monotonic() > give_up:
            reasons = "; ".join(_reasons(kube, namespace, found)) or "no reason is given"
            raise MeshError(
                f"Deployment {namespace}/{name}: expected its pods to be ready within {within_s:g} s, found "
                f"{missing}: {reasons}; "
                "see " + kube.commands.kubectl(f"describe deployment {name}", namespace)
            )
        time.sleep(_PAUSE_S)


def _reasons(kube: Kubernetes, namespace: str, deployment: Deployment | None) -> Iterator[str]:
    """Yield what the Deployment and its pods report: quota, images that cannot be pulled, crashes."""
    if deployment is None:
        return
    for condition in (deployment.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "ReplicaFailure" or condition.get("status") == "False":
            yield f"{condition.get('reason')}: {condition.get('message')}"
    labels = (deployment["spec"].get("selector") or {}).get("matchLabels") or {}
    for pod in map(as_pod, kube.list("Pod", namespace, labels=labels) if labels else ()):
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            waiting = (status.get("state") or {}).get("waiting")
            if waiting:
                why = f"{waiting.get('reason')} {waiting.get('message', '')}".rstrip()
                yield f"pod {pod['metadata']['name']}: {status['name']}: {why}"


def _unseen_for_long(deployment: Deployment, now: float) -> bool:
    """Return whether no controller has processed the Deployment although it was created long ago."""
    seen = (deployment.get("status") or {}).get("observedGeneration")
    created = deployment["metadata"].get("creationTimestamp")
    return not seen and created is not None and now - epoch(created) > _UNSEEN_S


def _moving(deployment: Deployment) -> str:
    name, spec, status = deployment["metadata"]["name"], deployment["spec"], deployment.get("status") or {}
    wanted = spec.get("replicas", 1)
    if spec.get("paused") and not status.get("updatedReplicas") and status.get("availableReplicas", 0) >= wanted:
        return ""  # it is paused before a change that has not begun
    if status.get("observedGeneration", 0) < deployment["metadata"].get("generation", 0):
        return f"{name}: no controller has processed its latest change yet"
    if status.get("updatedReplicas", 0) < wanted:
        return f"{name}: {status.get('updatedReplicas', 0)} of {wanted} pods are of the new version"
    if status.get("replicas", 0) > status.get("updatedReplicas", 0):
        return f"{name}: pods of the old version are still there"
    if status.get("availableReplicas", 0) < wanted:
        return f"{name}: {status.get('availableReplicas', 0)} of {wanted} pods are ready"
    return ""
