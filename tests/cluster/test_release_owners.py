"""A Deployment that Argo Rollouts or Flagger releases is refused, with objects as these controllers write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_store
import pytest
from cluster_releases import CONFIG, Gate, driven, released
from fake_kubernetes import WRITES, FakeKubernetes, fake_kubernetes
from fake_store import Place
from rollouts import control
from shop import SHOP

from harness.config import Config, read_config
from harness.model.release import Outcome


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeKubernetes, Config]]:
    """The shop on a cluster that knows the kinds of both controllers."""
    monkeypatch.setitem(fake_store.PLURALS, ("argoproj.io", "rollouts"), "Rollout")
    with fake_kubernetes() as server:
        server.put(*(item for item in SHOP if item["metadata"]["name"] not in ("reviews-1", "reviews-3")))
        control(server)
        server.kubeconfig(tmp_path / "kubeconfig")
        (tmp_path / "harness.yaml").write_text(CONFIG)
        yield server, read_config(tmp_path / "harness.yaml")


def _canary(target: str) -> Any:
    """A Canary as its user writes it; Flagger refers to the Deployment by it and writes no mark on the Deployment."""
    return {
        "apiVersion": "flagger.app/v1beta1", "kind": "Canary",
        "metadata": {"name": "reviews", "namespace": "shop", "uid": "c-1"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "service": {"port": 9080},
            "analysis": {"interval": "1m", "threshold": 5, "maxWeight": 50, "stepWeight": 10},
        },
        "status": {"phase": "Initialized", "canaryWeight": 0, "lastAppliedSpec": "5978589476"},
    }  # fmt: skip


def _rollout(**spec: Any) -> Any:
    return {
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": "reviews", "namespace": "shop", "annotations": {"rollout.argoproj.io/revision": "3"}},
        "spec": {"replicas": 2, "strategy": {"canary": {"steps": [{"setWeight": 20}]}}, **spec},
    }  # fmt: skip


def _owned_by(kind: str, api: str) -> Callable[[Any], None]:
    reference = {"apiVersion": api, "kind": kind, "name": "reviews", "uid": "c-1", "controller": True}

    def own(deployment: Any) -> None:
        deployment["metadata"]["ownerReferences"] = [{**reference, "blockOwnerDeletion": True}]

    return own


def _written_by_argo(deployment: Any) -> None:
    """What the controller of Argo Rollouts leaves on a Deployment that a Rollout took its template from."""
    deployment["metadata"]["managedFields"] = [{"manager": "rollouts-controller", "operation": "Update"}]
    deployment["spec"]["replicas"] = 0


LABELS = {"app": "reviews", "version": "v1"}


@pytest.mark.parametrize(
    ("made", "change", "owner"),
    [
        ([_canary("reviews-v1")], None, "flagger (Canary reviews)"),
        ([_canary("reviews")], ("reviews-primary", _owned_by("Canary", "flagger.app/v1beta1")), "flagger"),
        ([_rollout(workloadRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "reviews-v1"})], None, "argo-rollouts (Rollout reviews)"),
        ([], ("reviews-v1", _written_by_argo), "argo-rollouts"),
        ([_rollout(template={"metadata": {"labels": LABELS}, "spec": {}})], None, "argo-rollouts (Rollout reviews)"),
    ],
    ids=["target of a Canary", "primary of Flagger", "workloadRef", "written by Argo", "pods of a Rollout"],
)  # fmt: skip
def test_what_another_controller_releases_is_refused(
    world: tuple[FakeKubernetes, Config], made: list[Any], change: tuple[str, Callable[[Any], None]] | None, owner: str
):
    """Nothing is changed; the message names the controller and the adapters, through which both work together."""
    shop, config = world
    shop.put(*made)
    if change is not None:
        name, mark = change
        (found,) = shop.objects("Deployment")
        shop.store.delete(Place("apps", "v1", "deployments", "shop", "reviews-v1"), {}, dry_run=False)
        del found["metadata"]["uid"], found["metadata"]["resourceVersion"]
        found["metadata"]["name"] = name
        mark(found)
        shop.put(found)
    routes, writes = shop.specs(), len([call for call in shop.calls if call.method in WRITES])
    with driven(config, released(config), Gate(shop)) as driver:
        state = driver.run().state
    assert (Outcome.ABORTED, 2) == (state.outcome, state.exit_code)
    assert f"is released by {owner}" in state.reason
    assert "docs/server.md, Adapters" in state.reason
    assert routes == shop.specs()
    later = [call for call in shop.calls if call.method in WRITES and not call.dry_run][writes:]
    assert {"selfsubjectaccessreviews"} >= {call.resource for call in later}
