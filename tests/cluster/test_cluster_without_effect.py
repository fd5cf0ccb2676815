"""For each kind of fault that a cluster has: the API server takes it, nothing happens, and the run ends with code 11."""

from __future__ import annotations

from typing import Any

import fake_kubernetes
import pytest
from aiohttp import web
from fake_kubernetes import FakeKubernetes
from fault_contract import ARGUMENTS, rows
from proving import decided, ended_by
from shop import Open
from test_cluster_faults import injected
from test_cluster_steps import ANYBODY, deployment
from test_kill import ours
from test_pod_limits import sized

from harness.errors import NotInForce
from harness.faults import BUILT_IN
from harness.faults.port import Fault
from harness.mesh.cluster.mesh import ClusterMesh
from harness.model.verdict import Analysis
from harness.runner.counts import fault_counts

KINDS = [kind for kind in BUILT_IN if kind.usage.can_use("cluster")]


@pytest.fixture
def liar(fake: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> FakeKubernetes:
    """An API server that reports success for everything, and whose proxies, kubelets and controllers do nothing.

    Ratings has a Deployment and two pods.
    """
    delete = fake.store.delete

    def kept(place: Any, options: Any, *, dry_run: bool) -> Any:
        return fake.store.get(place) if place.kind == "Pod" else delete(place, options, dry_run=dry_run)

    fake.put(deployment(), sized("ratings-1"), sized("ratings-2"))
    fake.deaf_pods.update(one["metadata"]["name"] for one in fake.objects("Pod"))
    fake.stale_policies = True
    fake.stuck_resize = {}
    monkeypatch.setattr(fake_kubernetes, "_evict", lambda *_: web.json_response({"status": "Success"}, status=201))
    monkeypatch.setattr(fake.store, "delete", kept)
    return fake


def without_effect(mesh: ClusterMesh, fault: Fault) -> Analysis:
    """The decision about a run with the fault: it is not seen in force, or all calls pass while it is said to be."""
    try:
        with injected(mesh, fault):
            said = fault.declared("x-0")
            live, end = rows(("-", 40)), rows(("-", 100))
            counts = fault_counts(fault, said, phase="fault", live=live, before_removal=end, end=end, arms={})
            return decided(fault, counts)
    except NotInForce as error:
        return ended_by(fault, error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind))
def test_a_fault_without_effect_is_noticed(liar: FakeKubernetes, open_mesh: Open, kind: type[Fault]) -> None:
    """The reason names the kind, and nothing is left. A new kind is tested here without being named."""
    fault, before = kind.parse(ARGUMENTS[kind.kind]), liar.specs()
    with open_mesh(limits=ANYBODY, live_within_s=0.3, ready_within_s=0.3) as mesh:
        analysis = without_effect(mesh, fault)
    assert 11 == analysis.verdict.exit_code
    assert fault.kind in analysis.reason
    assert (before, []) == (liar.specs(), ours(liar) + liar.objects("NetworkPolicy"))


def test_no_kind_is_missing() -> None:
    """All kinds but those of local processes and connections are tried here."""
    assert {"kill", "pause", "restart", "body_reset"} == {kind.kind for kind in BUILT_IN if kind not in KINDS}
