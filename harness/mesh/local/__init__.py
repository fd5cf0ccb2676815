"""The mesh on one machine: a real Envoy serves Istio resources in front of ordinary local processes.

The local mesh serves VirtualServices, DestinationRules, Gateways and ServiceEntries as istiod would translate them for
the sidecar of each calling workload. What one machine lacks is left out with a note (``harness.mesh.local.taking``),
and mistakes are errors (``harness.mesh.local.checks``).
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
