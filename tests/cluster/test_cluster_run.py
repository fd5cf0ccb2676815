"""A scenario runs unchanged on a cluster: a fake API server, real proxies, real services, real load."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_kubernetes import FakeKubernetes, fake_kubernetes
from shop import route_to

from harness import wiring
from harness.clients.http import answer_headers
from harness.config import Config, read_config
from harness.gate import Outcome, judge_scenario, open_mesh
from harness.istio.reading import read_resources
from harness.mesh.local import LocalMesh, start_local_mesh
from harness.model.cluster import ClusterSettings, Proxy
from harness.model.fault import abort
from harness.model.verdict import Verdict
from harness.watching import silent

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def control_plane(fake: FakeKubernetes, mesh: LocalMesh) -> Iterator[None]:
    """Gives every change of the API server's Istio resources to the proxies, as istiod does."""
    stop, served = threading.Event(), [""]

    def follow() -> None:
        while not stop.wait(0.02):
            found = [*fake.objects("VirtualService"), *fake.objects("DestinationRule")]
            now = str([(item["metadata"]["uid"], item["metadata"]["resourceVersion"]) for item in found])
            if now != served[0]:
                mesh.replace(found)
                served[0] = now

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[FakeKubernetes, Config]]:
    """The demo application behind real proxies whose routes follow the fake API server."""
    config = dataclasses.replace(read_config(ROOT / "harness.yaml"), namespace="shop")
    with fake_kubernetes() as fake, start_local_mesh(config, tmp_path / "mesh") as mesh:
        for resource in read_resources(config.istio, namespace="shop"):
            fake.put({**resource, "metadata": {**resource["metadata"], "namespace": "shop"}})
        admin = mesh.metrics_url.removesuffix("/stats/prometheus")
        callers = {"loadgenerator": {"app": "loadgenerator"}}
        callers |= {name: dict(config.workload("reviews", name[-2:]).labels) for name in ("reviews-v2", "reviews-v3")}
        settings = ClusterSettings(
            kubeconfig=fake.kubeconfig(tmp_path / "kubeconfig"),
            url=mesh.entry().url,
            headers=mesh.entry().headers,
            proxies=tuple(Proxy(name=name, url=admin, labels=labels) for name, labels in callers.items()),
            live_within_s=10,
        )
        with control_plane(fake, mesh):
            yield fake, dataclasses.replace(config, cluster=settings)


def judged(config: Config, folder: Path) -> Outcome:
    """A short run with an abort, on the cluster."""
    scenario = wiring.scenario(
        config,
        name="abort on a cluster",
        seed=1,
        faults=[abort("ratings", 503, percent=50)],
        rate_rps=100,
        warm_up_s=0.5,
        steady_s=3,
        fault_s=3,
        recovery_s=2,
    )
    with open_mesh(config, target="cluster", folder=folder / "logs") as mesh:
        return judge_scenario(scenario, config, mesh, folder=folder / "run", again="", notify=silent)


def test_a_scenario_runs_on_a_cluster(cluster: tuple[FakeKubernetes, Config], tmp_path: Path) -> None:
    """Split and fault are sent to the API server, seen in the proxies, counted, proven and undone to the last key."""
    fake, config = cluster
    before = fake.specs()
    outcome = judged(config, tmp_path)
    # Beside the other tests the load may well be late, which is about this machine.
    assert {proof.name for proof in outcome.analysis.proofs if not proof.held} <= {"load on time"}
    assert {proof.name for proof in outcome.analysis.proofs} >= {"split", "rollback", "counted alike"}
    assert outcome.record.plan.target == "cluster"
    assert outcome.analysis.verdict is not Verdict.FAIL
    assert fake.specs() == before
    assert fake.objects("ConfigMap") + fake.objects("Lease") == []


def test_real_users_see_neither_split_nor_fault(cluster: tuple[FakeKubernetes, Config], tmp_path: Path) -> None:
    """With only-test-traffic, answers to requests without the run's baggage carry no mark, while the run is proven."""
    _, config = cluster
    config = dataclasses.replace(config, cluster=dataclasses.replace(config.cluster, only_test_traffic=True))
    strangers: list[set[str]] = []
    stop = threading.Event()

    def be_a_user() -> None:
        while not stop.wait(0.5):
            headers = {**config.cluster.headers, "baggage": "harness.run=other"}
            strangers.append(set(answer_headers(f"{config.cluster.url}/reviews/1", headers, timeout_s=5)))

    user = threading.Thread(target=be_a_user)
    user.start()
    outcome = judged(config, tmp_path)
    stop.set()
    user.join()
    held = {proof.name: proof.held for proof in outcome.analysis.proofs}
    assert (held["split"], held["arms known"], held["rollback"]) == (True, True, True)
    assert len(strangers) > 5
    assert not any("x-harness-arm" in names for names in strangers)


def test_drift_makes_a_run_inconclusive(cluster: tuple[FakeKubernetes, Config], tmp_path: Path) -> None:
    """Somebody who rewrites the route while it is measured voids the run; their change stays."""
    fake, config = cluster
    fake.put(route_to("reviews"))

    def rewrite() -> None:
        changed = fake.object("VirtualService", "reviews")
        theirs = {
            "name": "theirs",
            "match": [{"uri": {"exact": "/x"}}],
            "route": [{"destination": {"host": "ratings"}}],
        }
        fake.put({**changed, "spec": {**changed["spec"], "http": [theirs, *changed["spec"]["http"]]}})

    timer = threading.Timer(4.0, rewrite)
    timer.start()
    outcome = judged(config, tmp_path)
    timer.join()
    assert outcome.analysis.verdict is Verdict.INCONCLUSIVE
    assert "undisturbed" in [proof.name for proof in outcome.analysis.proofs if not proof.held]
    left = [route.get("name") for route in fake.object("VirtualService", "reviews")["spec"]["http"]]
    assert left == ["theirs", None]
