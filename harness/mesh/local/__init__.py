"""The mesh on one machine: a real Envoy translates Istio resources in front of ordinary local processes."""

from harness.mesh.local.applying import AppliedFiles
from harness.mesh.local.mesh import LocalMesh
from harness.mesh.local.starting import open_local_mesh, start_local_mesh

__all__ = ["AppliedFiles", "LocalMesh", "open_local_mesh", "start_local_mesh"]
