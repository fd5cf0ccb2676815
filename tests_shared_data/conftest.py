"""Tests over published files that are not part of the repository; ``make test-shared-data`` runs them.

HARNESS_TEST_DATA names the folder that holds the files. Without it the run ends as wrong usage; nothing is skipped.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mesh_world import World, running_world


def pytest_configure() -> None:
    """End the run at once where the data is missing."""
    import shared_data  # noqa: F401, PLC0415 - importing it looks for the data


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("mesh")) as world:
        yield world


@pytest.fixture
def world(_running: World) -> World:
    """The local mesh without resources, in front of Bookinfo's services."""
    return _running.clear()
