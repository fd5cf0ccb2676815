"""The cluster mesh: the same Istio resources as on the local one, given to the Kubernetes API."""

from harness.mesh.cluster.factory import open_cluster_mesh

__all__ = ["open_cluster_mesh"]
