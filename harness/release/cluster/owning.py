"""Refuse to release what another controller releases, such as Argo Rollouts or Flagger."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterForbidden, ClusterUnknownKind, UsageError
from harness.mesh.cluster.safety.ownership import owners_of
from harness.model.json import JsonObject, text_at, texts_at, value_at

_CONTROLLERS = (
    ("Rollout", "argo-rollouts", "workloadRef"),
    ("Canary", "flagger", "targetRef"),
)
_ADVICE = (
    "which would fight with this release: let it ask the harness for its analysis instead (docs/server.md, Adapters)"
)


def require_ours_to_release(
    kube: Kubernetes, namespace: str, deployment: JsonObject, *, tell: Callable[[str], None]
) -> None:
    """Raise UsageError if a Rollout or a Canary manages the Deployment: use the adapters for these controllers."""
    name = text_at(deployment, "metadata", "name")
    marks = [owner.name for owner in owners_of(deployment) if owner.name in ("argo-rollouts", "flagger")]
    for owner in (*marks, *_by_reference(kube, namespace, name, tell)):
        raise UsageError(f"Deployment {namespace}/{name}: is released by {owner}, {_ADVICE}")


def require_no_rollout(
    kube: Kubernetes, namespace: str, service: str, labels: Mapping[str, str], *, tell: Callable[[str], None]
) -> None:
    """Raise UsageError if a Rollout creates the pods of the service itself, without a Deployment.

    labels: of the pods.
    """
    for rollout in _listed(kube, "Rollout", namespace, "argo-rollouts", tell):
        if labels.items() <= texts_at(rollout, "spec", "template", "metadata", "labels").items():
            name = text_at(rollout, "metadata", "name")
            raise UsageError(f"{service}: is released by argo-rollouts (Rollout {name}), {_ADVICE}")


def _by_reference(kube: Kubernetes, namespace: str, name: str, tell: Callable[[str], None]) -> Iterator[str]:
    """Yield the controllers with an object that refers to the Deployment, or whose copy it is."""
    for kind, owner, field in _CONTROLLERS:
        for item in _listed(kube, kind, namespace, owner, tell):
            target = value_at(item, "spec", field, "name")
            if name in (target, f"{target}-primary"):
                yield f"{owner} ({kind} {text_at(item, 'metadata', 'name')})"


def _listed(
    kube: Kubernetes, kind: str, namespace: str, owner: str, tell: Callable[[str], None]
) -> tuple[JsonObject, ...]:
    """Return the objects of a controller; none if it is not installed."""
    try:
        return kube.list(kind, namespace)
    except ClusterUnknownKind:
        return ()
    except ClusterForbidden:
        tell(f"not allowed to list {kind}s in {namespace}: only the marks of {owner} on the Deployment were checked")
        return ()
