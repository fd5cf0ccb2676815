"""The Roles in deploy/: exactly the rights that runs and the reaper use, no more and no less."""

from __future__ import annotations

from contextlib import ExitStack, closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_kubernetes import FakeKubernetes
from faulting import fault_edits
from shop import Open
from test_cluster_faults import injected
from test_cluster_steps import ANYBODY, deployment, obey
from test_pod_limits import sized

from harness.clients.kubernetes.api import connect, ignore
from harness.errors import ClusterForbidden, WorkloadDeath
from harness.faults import (
    Fault,
    abort,
    bandwidth_limit,
    cpu_limit,
    delete_pods,
    deny,
    evict,
    partition,
    rate_limit,
    scale,
)
from harness.mesh.cluster.arms import fresh_arm_edits
from harness.mesh.cluster.mesh import ClusterMesh
from harness.mesh.cluster.recovery.reaping import reap
from harness.model.step import Edit
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
Rules = set[tuple[str, str, str, str]]


DISRUPTIONS: tuple[Fault, ...] = (
    deny("ratings"),
    partition("ratings"),
    scale("ratings", 1),
    evict("ratings"),
    bandwidth_limit("ratings", 64),
    cpu_limit("ratings", "50m"),
    delete_pods("ratings"),
)


def role(folder: str, name: str = "") -> Rules:
    """The rules of a Role as (verb, group, resource, namespace). name: of one that is not called like its folder."""
    documents = yaml.safe_load_all((DEPLOY / folder / "role.yaml").read_text())
    wanted = ("Role", name or f"harness-{folder}")
    rules = next(item for item in documents if (item["kind"], item["metadata"]["name"]) == wanted)["rules"]
    return {
        (verb, group, resource, "shop")
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(fake: FakeKubernetes, user: str) -> Rules:
    """What a user did."""
    return {(call.verb, call.group, call.resource, "shop") for call in fake.calls if call.user == user}


def crash(fake: FakeKubernetes) -> None:
    """The canary's container is restarted."""
    fake.logs["reviews-3", "app", True] = "out of cheese"
    crashed = deepcopy(fake.object("Pod", "reviews-3"))
    crashed["status"]["containerStatuses"] = [{"name": "app", "restartCount": 1}]
    fake.put(crashed)


def work(fake: FakeKubernetes, open_mesh: Open, token: str) -> None:
    """A split of a host with resources and of one without, a fault, a look, counts, a death, and everything back."""
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    with open_mesh(user={"token": token}) as mesh:
        arms_edits = fresh_arm_edits(
            mesh.resources("Deployment"), service="reviews", namespace="shop", owner="r0", **arms
        )
        with mesh.changed(arms_edits, name="arms"):
            pass
        for host in ("reviews", "details"):
            split = split_edits(
                mesh.resources(), Split(host=host, namespace="shop", canary_share=0.5, owner="r1", **arms)
            )
            with mesh.changed(split, name="split"):
                mesh.check()
        fault = fault_edits(
            abort("ratings", 503),
            mesh.resources(),
            namespace="shop",
            caller_labels={"app": "reviews"},
            owner="r1",
            index=0,
        )
        with mesh.changed(fault, name="fault"):
            mesh.request_counts()
        with mesh.changed(inbound(mesh, "r1"), name="inbound"):
            pass
        mesh.watch_arms([arms["baseline"], arms["canary"]])
        mesh.check()
        crash(fake)
        with pytest.raises(WorkloadDeath, match="out of cheese"):
            mesh.check()


def inbound(mesh: ClusterMesh, owner: str) -> tuple[Edit, ...]:
    """A fault in the called side's proxies, for test traffic."""
    fault, test = abort("ratings", 503, inbound=True), {"baggage": {"regex": "x"}}
    return fault_edits(
        fault, mesh.resources(), namespace="shop", caller_labels=None, owner=owner, index=1, test_headers=test
    )


def builds() -> list[Any]:
    """Deployments of both arms."""
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": f"reviews-{version}", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"version": version}}, "spec": {"containers": []}}},
        }
        for version in ("v1", "v3")
    ]


def test_the_runners_role_is_exactly_what_runs_use(fake: FakeKubernetes, open_mesh: Open) -> None:
    """A run works with its Role, and uses every rule of it."""
    fake.put(*builds())
    fake.grant("runner", "runner-token", role("runner"))
    work(fake, open_mesh, "runner-token")
    assert used(fake, "runner") == role("runner")


def test_the_reapers_role_is_exactly_what_it_uses(fake: FakeKubernetes, open_mesh: Open, tmp_path: Path) -> None:
    """The reaper works with its Role, and uses every rule of it; it can create nothing but Events."""
    fake.put(*builds())
    fake.grant("reaper", "reaper-token", role("reaper"))
    before = fake.specs()
    arms: dict[str, Any] = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}
    with ExitStack() as stack:
        mesh = stack.enter_context(open_mesh())
        arms_edits = fresh_arm_edits(
            mesh.resources("Deployment"), service="reviews", namespace="shop", owner="dead-arms", **arms
        )
        stack.enter_context(mesh.changed(arms_edits, name="arms"))
        for host in ("reviews", "details"):
            owner = f"dead-{host}"
            split = split_edits(
                mesh.resources(), Split(host=host, namespace="shop", canary_share=0.5, owner=owner, **arms)
            )
            stack.enter_context(mesh.changed(split, name="split"))
        stack.enter_context(mesh.changed(inbound(mesh, "dead-details"), name="inbound"))
        kinds = ("VirtualService", "DestinationRule", "EnvoyFilter", "Deployment", "ConfigMap", "Lease")
        during = deepcopy([item for kind in kinds for item in fake.objects(kind)])
    fake.put(*during)
    fake.let_pass(5)
    with closing(connect(kubeconfig=fake.kubeconfig(tmp_path / "reaper", token="reaper-token"))) as kube:
        done = reap(kube, "shop", patience_s=2, settle=ignore)
    assert [item.trouble for item in done] == ["", "", "", ""]
    assert fake.specs() == before
    assert used(fake, "reaper") == role("reaper")
    assert {resource for verb, _, resource, _ in role("reaper") if verb == "create"} == {"events"}


@pytest.fixture
def ratings(fake: FakeKubernetes) -> FakeKubernetes:
    """Ratings with a Deployment whose controller works, and two pods of it."""
    fake.put(deployment(), sized("ratings-1"), sized("ratings-2"), sized("ratings-3"))
    obey(fake)
    return fake


def test_the_role_for_disruptions_is_exactly_what_their_runs_use(ratings: FakeKubernetes, open_mesh: Open) -> None:
    """Faults of the called service itself need it in addition to the runner's Role."""
    ratings.grant("runner", "runner-token", role("runner") | role("disruptions"))
    with open_mesh(user={"token": "runner-token"}, limits=ANYBODY) as mesh:
        for fault in DISRUPTIONS:
            with injected(mesh, fault):
                pass
    assert used(ratings, "runner") - role("runner") == role("disruptions")


@pytest.mark.parametrize("fault", DISRUPTIONS, ids=str)
def test_without_the_role_for_disruptions_they_are_refused(
    ratings: FakeKubernetes, open_mesh: Open, fault: Fault
) -> None:
    """Before anything is changed, with what is missing."""
    ratings.grant("runner", "runner-token", role("runner"))
    refused = pytest.raises(
        ClusterForbidden, match=r'deploy/disruptions|cannot list resource "(networkpolicies|services)"'
    )
    with open_mesh(user={"token": "runner-token"}, limits=ANYBODY) as mesh, refused, injected(mesh, fault):
        pytest.fail("must not be entered")
    assert [] == ratings.objects("ConfigMap")


def test_a_rate_limit_needs_no_more_than_the_runners_role(ratings: FakeKubernetes, open_mesh: Open) -> None:
    """It is an EnvoyFilter, as for other faults in the called side's proxies."""
    ratings.grant("runner", "runner-token", role("runner"))
    with open_mesh(user={"token": "runner-token"}, limits=ANYBODY) as mesh, injected(mesh, rate_limit("ratings", 5)):
        assert ratings.objects("EnvoyFilter")


def test_the_reaper_may_revert_what_disruptions_leave(ratings: FakeKubernetes, open_mesh: Open, tmp_path: Path) -> None:
    """Of dead runs, with exactly the rights that it has in addition to its own Role."""
    more = role("disruptions", "harness-disruptions-reaper")
    ratings.grant("reaper", "reaper-token", role("reaper") | more)
    kinds = ("AuthorizationPolicy", "NetworkPolicy", "Deployment", "Pod", "ConfigMap", "Lease")
    for fault in DISRUPTIONS:
        with open_mesh(limits=ANYBODY) as mesh, injected(mesh, fault):
            during = deepcopy([item for kind in kinds for item in ratings.objects(kind)])
        ratings.put(*during)
        ratings.let_pass(5)
        with closing(connect(kubeconfig=ratings.kubeconfig(tmp_path / "reaper", token="reaper-token"))) as kube:
            (done,) = reap(kube, "shop", patience_s=2, settle=ignore)
        assert "" == done.trouble
        assert [] == ratings.objects("AuthorizationPolicy") + ratings.objects("NetworkPolicy")
        assert 2 == ratings.object("Deployment", "ratings-v1")["spec"]["replicas"]
    assert used(ratings, "reaper") - role("reaper") == more


def test_the_kustomizations_name_what_is_there() -> None:
    """Every resource of every kustomization is a file or a folder."""
    for file in DEPLOY.rglob("kustomization.yaml"):
        names = yaml.safe_load(file.read_text())["resources"]
        assert [name for name in names if not (file.parent / name).exists()] == []
