"""What the local mesh cannot do is refused by name."""

from __future__ import annotations

from collections.abc import Sequence

from harness.mesh.local.topology import Topology
from harness.model.record import Json


def check_for_local_mesh(resources: Sequence[Json], topology: Topology) -> None:
    """Raise ResourceError for resources that are invalid, contradict each other or are not supported here."""
