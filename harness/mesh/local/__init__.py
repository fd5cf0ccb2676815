"""The mesh on one machine: a real Envoy serves Istio resources in front of ordinary local processes.

The local mesh accepts the VirtualServices (HTTP routes, but no delegates) and DestinationRules (subsets, connection
pools, outlier detection, simple load balancing, settings by port) of one namespace. It translates them as istiod
would for the sidecar of each calling workload. It rejects every other resource and field by name: see
``harness.mesh.local.checks``.
"""

from harness.mesh.local.applying import AppliedFiles
from harness.mesh.local.mesh import LocalMesh
from harness.mesh.local.scenario_checks import require_possible
from harness.mesh.local.starting import open_local_mesh, start_local_mesh
from harness.mesh.targets import MeshKind

__all__ = ["KIND", "AppliedFiles", "LocalMesh", "open_local_mesh", "start_local_mesh"]

KIND = MeshKind(
    open=start_local_mesh, check=require_possible, real_users=False, where=lambda _: "processes on this machine"
)
