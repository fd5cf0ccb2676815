"""The mesh on one machine: a real Envoy translates Istio resources in front of ordinary local processes.

It takes VirtualService (HTTP routes with everything but delegates) and DestinationRule (subsets, connection
pools, outlier detection, simple load balancing, settings by port) of one namespace, as istiod would translate
them for the sidecar of each calling workload. All else is refused by name: see ``harness.mesh.local.checks``.
"""

from harness.mesh.local.applying import AppliedFiles
from harness.mesh.local.mesh import LocalMesh
from harness.mesh.local.starting import open_local_mesh, start_local_mesh

__all__ = ["AppliedFiles", "LocalMesh", "open_local_mesh", "start_local_mesh"]
