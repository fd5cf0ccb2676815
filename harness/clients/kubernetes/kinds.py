"""The kinds of objects that the harness reads or writes, and where the API server keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import ClusterError


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of objects. group: the API group, which is empty for the core."""

    name: str
    group: str
    version: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """Return the path in the URL of one object, or of all objects in a namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{root}{space}/{self.plural}" + (f"/{name}" if name else "")


_ISTIO = ("networking.istio.io", "v1")
_ROWS = (
    ("VirtualService", *_ISTIO, "virtualservices"),
    ("DestinationRule", *_ISTIO, "destinationrules"),
    ("Gateway", *_ISTIO, "gateways"),
    ("ServiceEntry", *_ISTIO, "serviceentries"),
    ("Sidecar", *_ISTIO, "sidecars"),
    ("EnvoyFilter", "networking.istio.io", "v1alpha3", "envoyfilters"),
    ("ConfigMap", "", "v1", "configmaps"),
    ("Event", "", "v1", "events"),
    ("Pod", "", "v1", "pods"),
    ("Job", "batch", "v1", "jobs"),
    ("Service", "", "v1", "services"),
    ("Deployment", "apps", "v1", "deployments"),
    ("ReplicaSet", "apps", "v1", "replicasets"),
    ("Lease", "coordination.k8s.io", "v1", "leases"),
    ("SelfSubjectAccessReview", "authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("Namespace", "", "v1", "namespaces"),
)
_CLUSTER_WIDE = frozenset({"SelfSubjectAccessReview", "Namespace"})
KINDS = {
    name: Kind(name=name, group=group, version=version, plural=plural, namespaced=name not in _CLUSTER_WIDE)
    for name, group, version, plural in _ROWS
}


def kind_of(name: str) -> Kind:
    """Return the kind with this name. Raises ClusterError that lists the known ones."""
    if name not in KINDS:
        raise ClusterError(f"unknown kind {name!r}; known: {', '.join(KINDS)}")
    return KINDS[name]
