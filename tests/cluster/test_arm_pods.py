"""The requests that reached the pods of each arm are counted, by the proxies of the load generator and of the pods."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import recorded
from fake_kubernetes import FakeKubernetes, fake_kubernetes
from fake_run import FakeJudge
from shop import Open, arm_pod
from test_cluster_run import ROOT, control_plane, judged

from harness.clients.http import http_get
from harness.config import Config, read_config
from harness.mesh.local import LocalMesh, start_local_mesh
from harness.model.cluster import ClusterSettings
from harness.model.verdict import Verdict
from harness.routing.istio.reading import read_resources
from harness.runner.counts import endpoint_requests
from harness.runner.deciding import decide

ARMS = ({"app": "reviews", "version": "v1"}, {"app": "reviews", "version": "v3"})
HOST = "reviews.shop.svc.cluster.local"


def failed(analysis: Any) -> dict[str, str]:
    """What the failed proofs about the arms found, by name."""
    return {one.name: one.observed for one in analysis.proofs if not one.held and one.name.startswith("arms differ")}


def upstreams(**sent: tuple[str, int]) -> Any:
    """What /clusters of a proxy shows: by subset, the address it leads to and the requests sent there."""
    return {
        "cluster_statuses": [
            {
                "name": f"outbound|9080|{subset}|{HOST}",
                "host_statuses": [
                    {
                        "address": {"socket_address": {"address": ip, "port_value": 9080}},
                        "stats": [{"name": "rq_total", "value": str(count)}, {"name": "rq_error"}],
                    }
                ],
            }
            for subset, (ip, count) in sent.items()
        ]
    }


@pytest.fixture
def addressed(fake: FakeKubernetes) -> FakeKubernetes:
    """The shop with addresses of both arms, and a load generator."""
    fake.put(
        arm_pod("reviews-1", ip="10.0.0.1", app="reviews", version="v1"),
        arm_pod("reviews-3", ip="10.0.0.3", app="reviews", version="v3"),
        arm_pod("loadgenerator-1", app="loadgenerator"),
    )
    return fake


def counted(open_mesh: Open, **settings: Any) -> dict[str, dict[str, int]]:
    """The requests that reached the endpoints of each arm, as the mesh counts them."""
    with open_mesh(**settings) as mesh:
        mesh.watch_arms(ARMS)
        return endpoint_requests((), mesh.request_counts(), service="reviews", arms={"v1": "baseline", "v3": "canary"})


def test_the_load_generators_proxy_tells_where_it_sent(addressed: FakeKubernetes, open_mesh: Open) -> None:
    """Requests are counted by the addresses of the pods, whatever subset led there."""
    addressed.upstreams["loadgenerator-1"] = upstreams(v1=("10.0.0.1", 70), v3=("10.0.0.3", 30))
    assert counted(open_mesh) == {
        "baseline": {"pod reviews-1 (10.0.0.1)": 70}, "canary": {"pod reviews-3 (10.0.0.3)": 30},
    }  # fmt: skip


def test_a_subset_that_leads_to_the_other_arm_is_seen(addressed: FakeKubernetes, open_mesh: Open) -> None:
    """The canary's own pods got nothing although the route meant them."""
    addressed.upstreams["loadgenerator-1"] = upstreams(v1=("10.0.0.1", 70), v3=("10.0.0.1", 30))
    found = counted(open_mesh)
    assert found == {"baseline": {"pod reviews-1 (10.0.0.1)": 100}}
    run = recorded.record(endpoint_requests={"baseline": {"pod reviews-1 (10.0.0.1)": 2600}})
    analysis = decide(run, FakeJudge(verdict=Verdict.PASS))
    assert analysis.verdict is Verdict.INCONCLUSIVE
    assert failed(analysis) == {"arms differ, canary": "0 requests reached them"}


def test_behind_a_gateway_the_pods_tell_what_arrived(addressed: FakeKubernetes, open_mesh: Open) -> None:
    """The gateway's proxy cannot be asked; requests of others do not count."""

    def arrived(source: str, total: int) -> str:
        labels = f'source_workload="{source}",destination_service="{HOST}",destination_version="v1"'
        return f'istio_requests_total{{reporter="destination",{labels}}} {total}\n'

    addressed.request_totals = {
        "reviews-1": arrived("door", 5) + arrived("productpage", 9),
        "reviews-3": arrived("door", 2),
    }
    assert counted(open_mesh, load_workload="door") == {
        "baseline": {"pod reviews-1 (10.0.0.1)": 5}, "canary": {"pod reviews-3 (10.0.0.3)": 2},
    }  # fmt: skip


def test_pods_in_the_network_of_their_node_are_told_by_their_ports(fake: FakeKubernetes, open_mesh: Open) -> None:
    """Two pods share the address of their node; the port says which one got the requests."""
    for name, version, port in (("reviews-1", "v1", 9080), ("reviews-3", "v3", 9081)):
        made = arm_pod(name, ip="10.0.0.9", app="reviews", version=version)
        made["spec"]["containers"][0]["ports"] = [{"containerPort": port}]
        fake.put(made)
    fake.put(arm_pod("loadgenerator-1", app="loadgenerator"))
    fake.upstreams["loadgenerator-1"] = upstreams(v1=("10.0.0.9", 70))
    assert counted(open_mesh) == {"baseline": {"pod reviews-1 (10.0.0.9)": 70}}


@contextmanager
def bridged(config: Config, folder: Path, edit: Any = None) -> Iterator[tuple[FakeKubernetes, Config, LocalMesh]]:
    """The demo behind a real proxy, with pods in the API server whose port-forward leads to that proxy.

    edit: changes the resources on their way to the proxies, as a broken control plane would.
    """
    with fake_kubernetes() as fake, start_local_mesh(config, folder / "mesh") as mesh:
        for resource in read_resources(config.istio, namespace="shop"):
            fake.put({**resource, "metadata": {**resource["metadata"], "namespace": "shop"}})
        rows = [row for row in mesh.request_counts() if row.reporter == "endpoint"]
        own = {row.destination_version: row.address for row in rows if row.destination_service.startswith("reviews.")}
        for version in ("v2", "v3"):
            ip, port = own[version].split(":")
            made = arm_pod(f"reviews-{version}", ip=ip, image=f"{version}@sha256:0", app="reviews", version=version)
            made["spec"]["containers"][0]["ports"] = [{"containerPort": int(port)}]
            fake.put(made)
        fake.put(arm_pod("loadgenerator-1", app="loadgenerator"))
        admin = mesh.metrics_url.removesuffix("/stats/prometheus")

        def ask(pod_name: str, path: str) -> bytes | None:
            counts_once = path.startswith("/stats") and pod_name != "loadgenerator-1"
            return b"" if counts_once else http_get(f"{admin}{path}", timeout_s=5)

        fake.admin = ask
        entry = mesh.entry()
        settings = ClusterSettings(
            kubeconfig=fake.kubeconfig(folder / "kubeconfig"), url=entry.url, headers=entry.headers, live_within_s=10
        )
        with control_plane(fake, mesh, edit=edit):
            yield fake, dataclasses.replace(config, cluster=settings), mesh


@pytest.fixture
def shop_config() -> Config:
    """The demo in the namespace shop."""
    return dataclasses.replace(read_config(ROOT / "harness.yaml"), namespace="shop")


def test_a_subset_with_the_other_arms_labels_voids_the_run(shop_config: Config, tmp_path: Path) -> None:
    """The control plane serves the canary's subset with the baseline's pods: the marks say canary, the pods do not."""

    def swapped(resource: Any) -> Any:
        if resource["kind"] != "DestinationRule":
            return resource
        subsets = [{**one, "labels": {**one["labels"], "version": "v2"}} for one in resource["spec"]["subsets"]]
        return {**resource, "spec": {**resource["spec"], "subsets": subsets}}

    with bridged(shop_config, tmp_path, swapped) as (_, config, _mesh):
        outcome = judged(config, tmp_path)
    assert outcome.analysis.verdict is Verdict.INCONCLUSIVE
    assert "arms differ, canary" in failed(outcome.analysis)
