"""List the kinds of objects that the harness reads or writes. Each routing API adds its own kinds."""

from __future__ import annotations

from harness.errors import ClusterError
from harness.model.object_kind import ObjectKind
from harness.routing import APIS

Kind = ObjectKind
_ROWS = (
    ("ConfigMap", "", "v1", "configmaps"),
    ("Event", "", "v1", "events"),
    ("Pod", "", "v1", "pods"),
    ("Job", "batch", "v1", "jobs"),
    ("Secret", "", "v1", "secrets"),
    ("Service", "", "v1", "services"),
    ("Deployment", "apps", "v1", "deployments"),
    ("ReplicaSet", "apps", "v1", "replicasets"),
    ("Lease", "coordination.k8s.io", "v1", "leases"),
    ("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies"),
    ("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets"),
    ("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers"),
    ("SelfSubjectAccessReview", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("Namespace", "", "v1", "namespaces"),
    ("Rollout", "argoproj.io", "v1alpha1", "rollouts"),
    ("Canary", "flagger.app", "v1beta1", "canaries"),
)
_CLUSTER_WIDE = frozenset({"SelfSubjectAccessReview", "Namespace"})
KINDS = {
    **{kind.name: kind for api in APIS for kind in api.objects},
    **{
        name: ObjectKind(name=name, group=group, version=version, plural=plural, namespaced=name not in _CLUSTER_WIDE)
        for name, group, version, plural in _ROWS
    },
}


def kind_of(name: str) -> ObjectKind:
    """Return the kind with this name. Raises ClusterError, which lists the known kinds."""
    if name not in KINDS:
        raise ClusterError(f"unknown kind {name!r}; known: {', '.join(KINDS)}")
    return KINDS[name]
