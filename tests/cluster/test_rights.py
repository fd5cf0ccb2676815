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

from harness.clients.kubernetes.api import connect, ignore
from harness.errors import WorkloadDeath
from harness.faults import abort
from harness.mesh.cluster.arms import fresh_arm_edits
from harness.mesh.cluster.mesh import ClusterMesh
from harness.mesh.cluster.recovery.reaping import reap
from harness.model.step import Edit
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
Rules = set[tuple[str, str, str, str]]


def role(folder: str) -> Rules:
    """The rules of a Role as (verb, group, resource, namespace)."""
    documents = yaml.safe_load_all((DEPLOY / folder / "role.yaml").read_text())
    rules = next(item for item in documents if item["kind"] == "Role")["rules"]
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


def test_the_kustomizations_name_what_is_there() -> None:
    """Every resource of every kustomization is a file or a folder."""
    for file in DEPLOY.rglob("kustomization.yaml"):
        names = yaml.safe_load(file.read_text())["resources"]
        assert [name for name in names if not (file.parent / name).exists()] == []
