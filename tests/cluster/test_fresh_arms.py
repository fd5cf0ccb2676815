"""Fresh arms: two Deployments alike in everything but the build, there for the run and gone after it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fake_kubernetes import Call, FakeKubernetes
from shop import pod

from harness import wiring
from harness.config import Config, read_config
from harness.errors import MeshError, ResourceError
from harness.mesh.cluster.arms import fresh_arm_edits

CONFIG = """\
service: reviews
arms: {baseline: v1, canary: v3}
namespace: shop
services:
  reviews: {versions: {v1: {}, v3: {}}}
cluster: {kubeconfig: kubeconfig, fresh-arms: true, ready-within: 0.3s, live-within: 3s, patience: 3s}
"""


def deployment(version: str, *, replicas: int, memory: str, **labels: str) -> Any:
    """A Deployment of reviews."""
    marks = {"app": "reviews", "version": version, **labels}
    container = {"name": "app", "image": f"reviews:{version}", "resources": {"limits": {"memory": memory}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"reviews-{version}", "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": marks},
            "template": {"metadata": {"labels": marks}, "spec": {"containers": [container]}},
        },
    }


@pytest.fixture
def config(fake: FakeKubernetes, tmp_path: Path) -> Config:
    """The shop's configuration for a cluster with both builds."""
    fake.put(deployment("v1", replicas=9, memory="9Gi"), deployment("v3", replicas=2, memory="1Gi"))
    fake.kubeconfig(tmp_path / "kubeconfig")
    (tmp_path / "harness.yaml").write_text(CONFIG)
    return wiring.for_target(read_config(tmp_path / "harness.yaml"), "cluster")


def test_both_arms_are_alike_but_for_the_build(fake: FakeKubernetes, config: Config, tmp_path: Path) -> None:
    """Both have the canary's replicas and resources, their own version, and are gone afterwards."""
    before = {item["metadata"]["name"] for item in fake.objects("Deployment")}
    with wiring.mesh(config, target="cluster", folder=tmp_path / "run"):
        made = [item for item in fake.objects("Deployment") if item["metadata"]["name"] not in before]
        specs = {item["spec"]["template"]["metadata"]["labels"]["version"]: item["spec"] for item in made}
        assert sorted(specs) == ["harness-baseline", "harness-canary"]
        for version, image in (("harness-baseline", "reviews:v1"), ("harness-canary", "reviews:v3")):
            spec = specs[version]
            container = spec["template"]["spec"]["containers"][0]
            assert (spec["replicas"], container["image"]) == (2, image)
            assert container["resources"] == {"limits": {"memory": "1Gi"}}
            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
            assert spec["selector"]["matchLabels"]["version"] == version
    assert {item["metadata"]["name"] for item in fake.objects("Deployment")} == before
    assert fake.objects("ConfigMap") == []


def test_a_run_compares_the_fresh_arms(config: Config) -> None:
    """The labels that the split leads to are those of the copies."""
    scenario = wiring.scenario(config, name="s", seed=1, load="browse")
    labels = [config.workload(config.service, arm).labels for arm in (config.baseline, config.canary)]
    assert labels == [
        {"app": "reviews", "version": "harness-baseline"},
        {"app": "reviews", "version": "harness-canary"},
    ]
    assert scenario.name == "s"


def test_pods_that_do_not_come_up_end_it_before_any_change(
    fake: FakeKubernetes, config: Config, tmp_path: Path
) -> None:
    """A quota and an image that does not pull are named, and the copies are removed."""
    fake.store.pods_come_up = False
    fake.store.trouble = {
        "conditions": [
            {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
        ]
    }

    def stuck(call: Call) -> None:
        if (call.method, call.resource, call.dry_run) == ("POST", "deployments", False):
            last = max(fake.objects("Deployment"), key=lambda item: int(item["metadata"]["resourceVersion"]))
            labels = last["spec"]["template"]["metadata"]["labels"]
            waiting = {"name": "app", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
            fake.put({**pod("stuck", **labels), "status": {"phase": "Pending", "containerStatuses": [waiting]}})

    fake.after = stuck
    with pytest.raises(MeshError, match="exceeded quota: small") as caught, ExitStack() as stack:
        stack.enter_context(wiring.mesh(config, target="cluster", folder=tmp_path / "run"))
    assert "ready within 0.3 s" in str(caught.value)
    assert "pod stuck: app: ImagePullBackOff" in str(caught.value)
    assert len(fake.objects("Deployment")) == 2


@pytest.mark.parametrize("versions", [["v3"], ["v1", "v1"]], ids=str)
def test_a_build_must_have_one_deployment(versions: list[str]) -> None:
    """None or two Deployments for an arm's labels are an error that says so."""
    found = [deployment(version, replicas=1, memory="1Gi") for version in versions]
    with pytest.raises(ResourceError, match="expected one Deployment"):
        fresh_arm_edits(
            found, service="reviews", namespace="shop", baseline={"version": "v1"}, canary={"version": "v3"}, owner="r1"
        )
