"""The mesh on one machine: a real Envoy translates Istio resources in front of ordinary local processes."""

from harness.mesh.local.mesh import LocalMesh
from harness.mesh.local.starting import start_local_mesh

__all__ = ["LocalMesh", "start_local_mesh"]
