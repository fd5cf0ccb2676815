"""The servers that the contract is tested on: the fake, and a real one if HARNESS_TEST_KUBECONFIG names it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_subject import REAL, SERVERS, Subject
from fake_kubernetes import fake_kubernetes

from harness.clients.kubernetes.api import connect
from harness.clients.kubernetes.audit import Audit


@pytest.fixture(params=SERVERS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """A client of the fake or of the real server, with a namespace that is deleted afterwards."""
    audits: list[Audit] = []
    if request.param == "fake":
        with fake_kubernetes() as fake:
            kube = connect(kubeconfig=fake.kubeconfig(tmp_path / "config"), record=audits.append)
            yield Subject(kube=kube, namespace="shop", audits=audits, fake=fake)
            kube.close()
        return
    kube = connect(kubeconfig=Path(REAL), record=audits.append)
    name = f"harness-contract-{uuid.uuid4().hex[:8]}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    audits.clear()
    yield Subject(kube=kube, namespace=name, audits=audits)
    namespace = kube.get("Namespace", None, name)
    if namespace is not None:
        kube.delete(namespace)
    kube.close()
