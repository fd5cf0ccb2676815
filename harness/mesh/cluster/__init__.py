"""The cluster mesh sends edits of Istio resources to the Kubernetes API; the local mesh accepts the same edits."""

from harness.mesh.cluster.arms import with_fresh_arms
from harness.mesh.cluster.factory import open_cluster_mesh
from harness.mesh.targets import MeshKind
from harness.model.config import Config

__all__ = ["KIND", "open_cluster_mesh"]


def _adapted(config: Config) -> Config:
    """Return the configuration with fresh copies of both arms, if it asks for them."""
    return with_fresh_arms(config) if config.cluster.fresh_arms else config


KIND = MeshKind(open=open_cluster_mesh, adapt=_adapted)
