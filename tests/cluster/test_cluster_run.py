"""A scenario runs unchanged on a cluster: a fake API server, real proxies, real services, real load."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import FakeKubernetes, fake_kubernetes
from shop import route_to

from harness import wiring
from harness.clients.http import response_headers
from harness.config import Config, read_config
from harness.console import silent
from harness.faults import abort
from harness.gate import Outcome, judge_scenario, open_mesh
from harness.mesh.cluster.proof import proxies
from harness.mesh.local import LocalMesh, start_local_mesh
from harness.mesh.local.starting import open_local_mesh, topology_of
from harness.mesh.services import ServiceSet, needed_workloads
from harness.model.cluster import ClusterSettings, Proxy
from harness.model.verdict import Verdict
from harness.routing.istio.reading import read_resources

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def control_plane(fake: FakeKubernetes, *meshes: LocalMesh, edit: Callable[[Any], Any] | None = None) -> Iterator[None]:
    """Gives every change of the API server's Istio resources to the proxies, as istiod does.

    edit: changes each resource on its way, as a broken control plane would.
    """
    stop, served = threading.Event(), [""]

    def follow() -> None:
        while not stop.wait(0.02):
            found = [*fake.objects("VirtualService"), *fake.objects("DestinationRule")]
            now = str([(item["metadata"]["uid"], item["metadata"]["resourceVersion"]) for item in found])
            if now != served[0]:
                for mesh in meshes:
                    mesh.replace([edit(item) for item in found] if edit else found)
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
        settings = settings_for(fake, dict.fromkeys(callers(config), mesh), config, tmp_path)
        with control_plane(fake, mesh):
            yield fake, dataclasses.replace(config, cluster=settings)


@pytest.fixture
def sidecars(tmp_path: Path) -> Iterator[Config]:
    """As ``cluster``, with a proxy of its own for each caller, as pods have them."""
    config = dataclasses.replace(read_config(ROOT / "harness.yaml"), namespace="shop")
    resources = read_resources(config.istio, namespace="shop")
    services = ServiceSet(config, needed_workloads(config), tmp_path / "services")
    with fake_kubernetes() as fake, ExitStack() as world:
        for resource in resources:
            fake.put({**resource, "metadata": {**resource["metadata"], "namespace": "shop"}})
        whole = topology_of(config, services)
        meshes = {}
        for caller in whole.callers:
            own = dataclasses.replace(whole, callers=(dataclasses.replace(caller, any_service=True),))
            meshes[caller.workload] = world.enter_context(
                open_local_mesh(own, resources, tmp_path / caller.workload, entry="reviews", check=services.check)
            )
        world.enter_context(services)
        services.start(lambda workload, callee: meshes[workload.name].url(workload.name, callee))
        world.enter_context(control_plane(fake, *meshes.values()))
        asked = {name: meshes[name] for name in callers(config)}
        yield dataclasses.replace(config, cluster=settings_for(fake, asked, config, tmp_path))


def callers(config: Config) -> dict[str, dict[str, str]]:
    """Whose proxies are asked, with their labels."""
    arms = {name: dict(config.workload("reviews", name[-2:]).labels) for name in ("reviews-v2", "reviews-v3")}
    return {"loadgenerator": {"app": "loadgenerator"}, **arms}


def settings_for(
    fake: FakeKubernetes, meshes: Mapping[str, LocalMesh], config: Config, folder: Path
) -> ClusterSettings:
    """A cluster whose callers' proxies are these."""
    entry, labels = meshes["loadgenerator"].entry(), callers(config)
    admins = {name: mesh.metrics_url.removesuffix("/stats/prometheus") for name, mesh in meshes.items()}
    return ClusterSettings(
        kubeconfig=fake.kubeconfig(folder / "kubeconfig"),
        url=entry.url,
        headers=entry.headers,
        proxies=tuple(Proxy(name=name, url=url, labels=labels[name]) for name, url in admins.items()),
        live_within_s=10,
    )


def judged(config: Config, folder: Path) -> Outcome:
    """A short run with an abort, on the cluster."""
    scenario = wiring.scenario(
        config,
        name="abort on a cluster",
        seed=1,
        faults=[abort("ratings", 503, percent=50)],
        rate_rps=100,
        warm_up_s=0.5,
        steady_s=2,
        fault_s=2,
        recovery_s=1,
    )
    with open_mesh(config, target="cluster", folder=folder / "run" / "logs") as mesh:
        return judge_scenario(scenario, config, mesh, folder=folder / "run", again="", notify=silent)


def test_a_scenario_runs_on_a_cluster(cluster: tuple[FakeKubernetes, Config], tmp_path: Path) -> None:
    """Split and fault are sent to the API server, seen in the proxies, counted, proven and undone to the last key."""
    fake, config = cluster
    before = fake.specs()
    outcome = judged(config, tmp_path)
    # While other tests run, the load may be late, which says something about this machine only.
    assert {proof.name for proof in outcome.analysis.proofs if not proof.held} <= {"load on time"}
    assert {proof.name for proof in outcome.analysis.proofs} >= {"split", "rollback", "counted alike"}
    assert outcome.record.plan.target == "cluster"
    called = {(hop.phase, hop.arm) for hop in outcome.record.hops if hop.destination.startswith("ratings.")}
    assert {("steady", "baseline"), ("steady", "canary"), ("fault", "baseline"), ("fault", "canary")} <= called
    proofs = [event.fields["proof"] for event in outcome.record.events if "proof" in event.fields]
    assert "10 answers of" in proofs[0]
    assert outcome.analysis.verdict is not Verdict.FAIL
    assert fake.specs() == before
    assert fake.objects("ConfigMap") + fake.objects("Lease") == []


def test_a_mesh_without_istios_metrics_proves_as_much(sidecars: Config, tmp_path: Path, monkeypatch) -> None:
    """Telemetry switched off: split, dose for each arm and the count of samples come from Envoy's own counters."""
    monkeypatch.setattr(proxies, "_COUNTS", "/stats/prometheus?filter=there_is_no_such_metric")
    outcome = judged(sidecars, tmp_path)
    held = {proof.name: proof.held for proof in outcome.analysis.proofs}
    assert {name for name, holds in held.items() if not holds} <= {"load on time"}
    assert {name for name in held if name.startswith("dose of")} == {
        f"dose of abort(ratings, 503, 50 %), {arm}" for arm in ("baseline", "canary")
    }
    assert sum(outcome.record.proxy_requests.values()) == len(outcome.record.samples)


def test_real_users_see_neither_split_nor_fault(cluster: tuple[FakeKubernetes, Config], tmp_path: Path) -> None:
    """With only-test-traffic, answers to requests without the run's baggage carry no mark, while the run is proven."""
    _, config = cluster
    config = dataclasses.replace(config, cluster=dataclasses.replace(config.cluster, only_test_traffic=True))
    strangers: list[set[str]] = []
    stop = threading.Event()

    def be_a_user() -> None:
        while not stop.wait(0.5):
            headers = {**config.cluster.headers, "baggage": "harness.run=other"}
            strangers.append(set(response_headers(f"{config.cluster.url}/reviews/1", headers, timeout_s=5)))

    user = threading.Thread(target=be_a_user)
    user.start()
    outcome = judged(config, tmp_path)
    stop.set()
    user.join()
    assert [proof for proof in outcome.analysis.proofs if not proof.held] == []
    assert len(strangers) > 5
    assert not any("x-harness-arm" in names for names in strangers)


def once_split(fake: FakeKubernetes, act: Callable[[], None], *, after_s: float = 2.0) -> threading.Thread:
    """Act a little after the run has split the traffic, however long its start took. The thread has been started."""

    def wait() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            routes = [route for item in fake.objects("VirtualService") for route in item["spec"].get("http", [])]
            if any(str(route.get("name", "")).startswith("harness-") for route in routes):
                time.sleep(after_s)
                act()
                return
            time.sleep(0.05)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


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

    timer = once_split(fake, rewrite)
    outcome = judged(config, tmp_path)
    timer.join()
    assert outcome.analysis.verdict is Verdict.INCONCLUSIVE
    assert "undisturbed" in [proof.name for proof in outcome.analysis.proofs if not proof.held]
    left = [route.get("name") for route in fake.object("VirtualService", "reviews")["spec"]["http"]]
    assert left == ["theirs", None]


def test_the_kill_switch_ends_a_run_with_what_it_has_seen(
    cluster: tuple[FakeKubernetes, Config], tmp_path: Path
) -> None:
    """Engaged during a run it ends it at once, everything is reverted, and the verdict names it."""
    fake, config = cluster
    before = fake.specs()
    switch = {"kind": "ConfigMap", "metadata": {"name": "harness-kill-switch"}, "data": {"engaged": "true"}}
    timer = once_split(fake, lambda: fake.put(switch))
    outcome = judged(config, tmp_path)
    timer.join()
    assert outcome.analysis.verdict is Verdict.INCONCLUSIVE
    assert "the kill switch is engaged" in outcome.record.aborted
    assert all(rollback.verified for rollback in outcome.record.rollbacks)
    assert fake.specs() == before
    assert [item["metadata"]["name"] for item in fake.objects("ConfigMap")] == ["harness-kill-switch"]
