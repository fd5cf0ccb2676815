"""One Envoy and one set of servers for all tests of the mesh; each test gives them resources of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mesh_world import World, running_world


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("mesh")) as world:
        yield world


@pytest.fixture
def world(_running: World) -> World:
    """The mesh without resources."""
    return _running.clear()
