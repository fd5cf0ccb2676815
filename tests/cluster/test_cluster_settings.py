"""The cluster section of harness.yaml: safe without it, and wrong keys and values are named with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import read_config
from harness.errors import ConfigError
from harness.model.cluster import ClusterSettings, Limits, Proxy

TOP = """\
service: reviews
arms: {baseline: v1, canary: v2}
services: {reviews: {versions: {v1: {}, v2: {}}}}
"""


def settings(tmp_path: Path, text: str) -> ClusterSettings:
    """What a cluster section says."""
    file = tmp_path / "harness.yaml"
    file.write_text(TOP + text)
    return read_config(file).cluster


def test_without_a_section_the_defaults_are_safe(tmp_path: Path) -> None:
    """Namespaces must opt in, changes must be proven, nobody may be hit unasked."""
    found = settings(tmp_path, "")
    assert found == ClusterSettings()
    assert (found.opt_in, found.prove, found.owners) == ("canary-harness=enabled", True, ())
    assert not found.limits.every_caller


def test_every_key_is_read(tmp_path: Path) -> None:
    """Each key has its place; relative paths start at the file."""
    found = settings(
        tmp_path,
        """\
cluster:
  kubeconfig: kube/config
  context: dev
  contexts: [dev, test]
  uid: abc
  url: http://door
  headers: {Host: reviews}
  gateway: shop/door
  load-workload: door
  probe: /health
  istiod: http://istiod:15014/
  proxies: {vm-1: {url: "http://10.0.0.1:15000", labels: {app: reviews}}}
  opt-in: team=a
  owners: [argocd]
  only-test-traffic: true
  fresh-arms: true
  ready-within: 1m
  prove: false
  live-within: 5s
  heartbeat: 1s
  patience: 10s
  limits: {dose: 20%, duration: 1m, faults: 1, restarts: 0, every-caller: true}
""",
    )
    assert found == ClusterSettings(
        kubeconfig=tmp_path / "kube/config",
        context="dev",
        contexts=("dev", "test"),
        uid="abc",
        url="http://door",
        headers={"Host": "reviews"},
        gateway="shop/door",
        load_workload="door",
        probe="/health",
        istiod="http://istiod:15014",
        proxies=(Proxy(name="vm-1", url="http://10.0.0.1:15000", labels={"app": "reviews"}),),
        opt_in="team=a",
        owners=("argocd",),
        only_test_traffic=True,
        fresh_arms=True,
        ready_within_s=60,
        prove=False,
        live_within_s=5,
        heartbeat_s=1,
        patience_s=10,
        limits=Limits(dose=0.2, duration_s=60, faults=1, restarts=0, every_caller=True),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cluster: {kontext: dev}", r"harness.yaml:4: cluster.kontext: unknown key"),
        ("cluster: {url: reviews}", r"cluster.url: expected a URL"),
        ("cluster: {owners: [argo]}", r"cluster.owners\[0\]: expected one of flagger"),
        ("cluster: {opt-in: enabled}", r"cluster.opt-in: expected a label"),
        ("cluster: {prove: sometimes}", r"cluster.prove: expected true or false"),
        ("cluster: {limits: {dose: 150%}}", r"cluster.limits.dose: .*0 to 100"),
        ("cluster: {limits: {faults: 0}}", r"cluster.limits.faults: expected a whole number from 1"),
        ("cluster: {live-within: soon}", r"cluster.live-within: .*duration"),
        ("cluster: {proxies: {vm: {url: nowhere}}}", r"cluster.proxies.vm.url: expected the URL of Envoy's admin port"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    """File, line, key, what was expected and found."""
    with pytest.raises(ConfigError, match=message):
        settings(tmp_path, text)
