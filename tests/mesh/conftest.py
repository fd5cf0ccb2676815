"""One Envoy and one set of servers for all tests of the mesh; each test gives them resources of its own.

Tests of processes use the demo application.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mesh_world import World, running_world

from harness.config import read_config
from harness.mesh.local import start_local_mesh
from harness.mesh.local.mesh import LocalMesh


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("mesh")) as world:
        yield world


@pytest.fixture
def world(_running: World) -> World:
    """The mesh without resources."""
    return _running.clear()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalMesh]:
    """The demo application with its processes. A test that changes it for good starts one of its own."""
    config = read_config(Path(__file__).resolve().parents[2] / "harness.yaml")
    with start_local_mesh(config, tmp_path_factory.mktemp("demo")) as mesh:
        yield mesh
