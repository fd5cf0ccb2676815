"""The stage: a local mesh in a process of its own, in which builds are released while users send requests.

A scenario's local mesh ends with its process. The stage goes on when a release is killed, as a cluster does. A release
and its gates talk to it through a socket; what a gate changed is undone when its connection ends.
"""

from harness.mesh.local.scenario_checks import require_possible
from harness.mesh.stage.client import open_stage_mesh
from harness.mesh.targets import MeshKind

__all__ = ["KIND", "open_stage_mesh"]

KIND = MeshKind(open=open_stage_mesh, check=require_possible)
