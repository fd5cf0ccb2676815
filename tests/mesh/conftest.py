"""One Envoy and one set of servers for all tests of the mesh; each test gives them resources of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from mesh_world import World, topology, workloads

from harness.mesh.local import open_local_mesh


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    received: Counter = Counter()
    folder = tmp_path_factory.mktemp("mesh")
    with (
        workloads(received) as ports,
        open_local_mesh(topology(ports), (), folder, entry="productpage", check=lambda: None) as mesh,
    ):
        yield World(mesh=mesh, folder=folder, received=received)


@pytest.fixture
def world(_running: World) -> World:
    """The mesh without resources."""
    _running.mesh.replace(())
    _running.received.clear()
    return _running
