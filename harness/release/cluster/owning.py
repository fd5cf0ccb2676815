"""Refuse to release what another controller releases: Argo Rollouts or Flagger."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import ClusterForbidden, ClusterUnknownKind, UsageError
from harness.mesh.cluster.safety.ownership import owners_of
from harness.model.json import JsonObject, text_at, value_at

_CONTROLLERS = (
    ("Rollout", "argo-rollouts", "workloadRef"),
    ("Canary", "flagger", "targetRef"),
)


def require_ours_to_release(
    kube: Kubernetes, namespace: str, deployment: JsonObject, *, tell: Callable[[str], None]
) -> None:
    """Raise UsageError if a Rollout or a Canary manages the Deployment: use the adapters for these controllers."""
    name = text_at(deployment, "metadata", "name")
    marks = [owner.name for owner in owners_of(deployment) if owner.name in ("argo-rollouts", "flagger")]
    for owner in (*marks, *_by_reference(kube, namespace, name, tell)):
        raise UsageError(
            f"Deployment {namespace}/{name}: is released by {owner}, which would fight with this release: let it ask "
            "the harness for its analysis instead (see docs/release.md)"
        )


def _by_reference(kube: Kubernetes, namespace: str, name: str, tell: Callable[[str], None]) -> Iterator[str]:
    """Yield the controllers with an object that refers to the Deployment, or whose copy it is."""
    for kind, owner, field in _CONTROLLERS:
        try:
            found = kube.list(kind, namespace)
        except ClusterUnknownKind:
            continue  # the controller is not installed
        except ClusterForbidden:
            tell(
                f"not allowed to list {kind}s in {namespace}: only the marks of {owner} on the Deployment were checked"
            )
            continue
        for item in found:
            target = value_at(item, "spec", field, "name")
            if name in (target, f"{target}-primary"):
                yield f"{owner} ({kind} {text_at(item, 'metadata', 'name')})"
