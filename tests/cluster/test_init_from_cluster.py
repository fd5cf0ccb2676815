"""``harness init --from-cluster`` reads the versions of a service from its Deployments."""

import sys
from io import StringIO

import pytest
from fake_kubernetes import FakeKubernetes

from harness.cli import main
from harness.config import read_config


def deployment(version, created):
    """A Deployment of reviews."""
    labels = {"app": "reviews", "version": version}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"reviews-{version}", "namespace": "shop", "creationTimestamp": created},
        "spec": {"template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app"}]}}},
    }


@pytest.fixture
def cluster(fake: FakeKubernetes, tmp_path, monkeypatch):
    """The shop with two Deployments of reviews, and a folder with its kubeconfig, in which the command runs."""
    fake.put(deployment("v3", "2026-11-02T00:00:00Z"), deployment("v1", "2026-11-01T00:00:00Z"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", StringIO())
    return ["init", "--from-cluster", "--kubeconfig", str(fake.kubeconfig(tmp_path / "kubeconfig")), "-n", "shop"]


def test_the_newer_deployment_is_the_canary(cluster, tmp_path, capsys):
    """The load goes to the port of the Service, and the cluster is the default target."""
    assert 0 == main(cluster)
    config = read_config(tmp_path / "harness.yaml")
    assert ("reviews", "v1", "v3") == (config.service, config.baseline, config.canary)
    assert ("cluster", "shop", "http://reviews.shop:9080") == (config.target, config.namespace, config.cluster.url)
    assert "next   harness plan" in capsys.readouterr().out


def test_a_service_without_two_versions_is_refused(cluster, tmp_path, capsys):
    """The message has the labels that are needed and the services that have them."""
    assert 2 == main([*cluster, "--service", "ratings"])
    assert "services with two: reviews" in capsys.readouterr().err
    assert not (tmp_path / "harness.yaml").exists()
