"""A shop in a fake cluster: reviews in two versions, ratings, productpage, all with sidecars."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import FakeKubernetes, fake_kubernetes
from shop import QUICK, SHOP, Open

from harness.clients.kubernetes.api import Kubernetes, connect
from harness.mesh.cluster.factory import opened
from harness.mesh.cluster.mesh import ClusterMesh


@pytest.fixture
def fake() -> Iterator[FakeKubernetes]:
    """The shop's API server."""
    with fake_kubernetes() as server:
        server.put(*SHOP)
        yield server


@pytest.fixture
def kube(fake: FakeKubernetes, tmp_path: Path) -> Iterator[Kubernetes]:
    """An administrator's client."""
    with closing(connect(kubeconfig=fake.kubeconfig(tmp_path / "admin"))) as client:
        yield client


@pytest.fixture
def open_mesh(fake: FakeKubernetes, tmp_path: Path) -> Open:
    """Open the mesh of the shop with quick settings, changed by keyword."""

    def open_it(**changes: Any) -> AbstractContextManager[ClusterMesh]:
        kubeconfig = fake.kubeconfig(tmp_path / "config", **changes.pop("user", {}))
        settings = dataclasses.replace(QUICK, kubeconfig=kubeconfig, **changes)
        return opened(settings, "shop", folder=tmp_path / "run", tell=lambda text: None)

    return open_it
