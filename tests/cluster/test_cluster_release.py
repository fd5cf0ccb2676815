"""Releases on a fake cluster: digests, reasons of pods, and changes of others."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_store
import pytest
from cluster_releases import CONFIG, Gate, driven, nothing_left, released
from fake_kubernetes import FakeKubernetes, fake_kubernetes
from fake_store import Place
from http_routes import http_route
from rollouts import NEW, OLD, Controller, control, deployment_of
from shop import SHOP

from harness.config import Config, read_config
from harness.model.release import (
    Outcome,
    Phase,
)


@pytest.fixture
def shop() -> Iterator[FakeKubernetes]:
    """The shop with a controller for Deployments, open for experiments."""
    with fake_kubernetes() as server:
        server.put(*(item for item in SHOP if item["metadata"]["name"] not in ("reviews-1", "reviews-3")))
        yield server


@pytest.fixture
def controller(shop: FakeKubernetes) -> Controller:
    """What runs Deployments."""
    return control(shop)


@pytest.fixture
def config(shop: FakeKubernetes, controller: Controller, tmp_path: Path) -> Config:
    """The configuration of the shop."""
    shop.kubeconfig(tmp_path / "kubeconfig")
    (tmp_path / "harness.yaml").write_text(CONFIG)
    return read_config(tmp_path / "harness.yaml")


def test_a_good_image_is_promoted_by_its_digest(shop: FakeKubernetes, config: Config):
    """Users move by weights that others see in the VirtualService; the Deployment takes the digest, not the tag."""
    store, gate = released(config), Gate(shop)
    with driven(config, store, gate) as driver:
        record = driver.run()
    assert (Outcome.PROMOTED, f"shop/reviews@{NEW}") == (record.state.outcome, record.identities["reviews"])
    stable, canary = f"harness-{driver._pairs()[0].release}-stable", f"harness-{driver._pairs()[0].release}-canary"
    assert [[(stable, 90), (canary, 10)], [(stable, 50), (canary, 50)], [(canary, None)]] == gate.seen
    nothing_left(shop, f"shop/reviews@{NEW}")


def test_every_share_is_seen_in_the_proxies(shop: FakeKubernetes, config: Config, tmp_path: Path):
    """With cluster.prove each route must be in the sidecars, and at last gone from them."""
    file = tmp_path / "harness.yaml"
    file.write_text(CONFIG.replace("prove: false", "prove: true"))
    with driven(read_config(file), released(config), Gate(shop)) as driver:
        assert Outcome.PROMOTED is driver.run().state.outcome
    asked = [call for call in shop.calls if call.resource == "pods/portforward"]
    assert len(asked) >= 6
    shop.lag_s = 60.0
    with driven(read_config(file), released(config), Gate(shop)) as driver:
        state = driver.run(lambda state: state.undoing).state
    assert "expected the edit to be live in every proxy" in state.reason


def test_both_arms_are_copies_of_the_running_deployment_with_pinned_images(shop: FakeKubernetes, config: Config):
    """They have its size, and labels by which no other subset and no other Deployment selects them."""
    with driven(config, released(config), Gate(shop)) as driver:
        driver.run(lambda state: state.phase is Phase.SHIFT)
    arms = {
        item["spec"]["template"]["metadata"]["labels"]["version"]: item["spec"] for item in shop.objects("Deployment")
    }
    images = {name: spec["template"]["spec"]["containers"][0]["image"] for name, spec in arms.items()}
    assert {
        "v1": "shop/reviews:1", "harness-baseline": f"shop/reviews@{OLD}", "harness-canary": f"shop/reviews@{NEW}",
    } == images  # fmt: skip
    assert {2} == {spec["replicas"] for spec in arms.values()}


@pytest.mark.parametrize("verdict", ["fail", "marginal"])
def test_a_build_that_does_not_pass_is_taken_out(shop: FakeKubernetes, config: Config, verdict: str):
    """After a failure, and after a hold that nobody approved, everything is as before."""
    with driven(config, released(config), Gate(shop, "pass", verdict)) as driver:
        assert Outcome.REJECTED is driver.run().state.outcome
    nothing_left(shop, "shop/reviews:1")


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CrashLoopBackOff"])
def test_a_build_that_does_not_start_ends_with_the_reason_of_its_pod(
    shop: FakeKubernetes, controller: Controller, config: Config, reason: str
):
    """An image that does not exist and a crash loop are findings about the build: exit code 1, nothing left."""
    controller.waiting = {"shop/reviews:2": reason}
    with driven(config, released(config), Gate(shop)) as driver:
        state = driver.run().state
    assert (Outcome.REJECTED, 1) == (state.outcome, state.exit_code)
    assert f"{reason}: cannot run shop/reviews:2" in state.reason
    nothing_left(shop, "shop/reviews:1")


def test_a_quota_ends_the_release_with_its_text(shop: FakeKubernetes, controller: Controller, config: Config):
    """The ReplicaSet's own message tells which quota."""
    controller.quota = "exceeded quota: small"
    with driven(config, released(config), Gate(shop)) as driver:
        assert "exceeded quota: small" in driver.run().state.reason
    nothing_left(shop, "shop/reviews:1")


def test_a_tag_that_moves_during_the_release_does_not_promote_another_image(
    shop: FakeKubernetes, controller: Controller, config: Config
):
    """What was tested is promoted, although the tag means something else by then."""
    with driven(config, released(config), Gate(shop)) as driver:
        driver.run(lambda state: state.phase is Phase.SHIFT)
        controller.digests["shop/reviews:2"] = "sha256:" + "9" * 64
        controller.digests["moved"] = NEW
        assert Outcome.PROMOTED is driver.run().state.outcome
    nothing_left(shop, f"shop/reviews@{NEW}")


def test_a_deployment_that_somebody_changed_meanwhile_is_not_promoted(shop: FakeKubernetes, config: Config):
    """The gate judged another pod template; the change of the others stays."""
    with driven(config, released(config), Gate(shop)) as driver:
        driver.run(lambda state: state.phase is Phase.SWITCH)
        changed = shop.object("Deployment", "reviews-v1")
        changed["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
        shop.put(changed)
        state = driver.run().state
    assert (Outcome.REJECTED, 12) == (state.outcome, state.exit_code)
    assert "somebody changed it meanwhile" in state.reason
    nothing_left(shop, "shop/reviews:1")
    assert shop.object("Deployment", "reviews-v1")["spec"]["template"]["spec"]["containers"][0]["env"]


def test_a_service_that_an_http_route_routes_is_refused(
    shop: FakeKubernetes, config: Config, monkeypatch: pytest.MonkeyPatch
):
    """Proxies would ignore the VirtualService that shifts users, so all of them would stay where they are."""
    monkeypatch.setitem(fake_store.PLURALS, ("gateway.networking.k8s.io", "httproutes"), "HTTPRoute")
    for key in [key for key in shop.store.objects if key[1] in ("virtualservices", "destinationrules")]:
        shop.store.objects.pop(key)
    shop.put(http_route("reviews"))
    with driven(config, released(config), Gate(shop)) as driver:
        state = driver.run().state
    assert (Outcome.ABORTED, 2) == (state.outcome, state.exit_code)
    assert "reviews: HTTPRoute reviews routes it" in state.reason
    assert not shop.objects("VirtualService")


def _another_image(shop: FakeKubernetes, controller: Controller) -> None:
    changed = shop.object("Deployment", "reviews-v1")
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/reviews:3"
    controller.digests["shop/reviews:3"] = "sha256:" + "3" * 64
    shop.put(changed)


def _gone(shop: FakeKubernetes, _: Controller) -> None:
    shop.store.delete(Place("apps", "v1", "deployments", "shop", "reviews-v1"), {}, dry_run=False)


def _made_again(shop: FakeKubernetes, controller: Controller) -> None:
    _gone(shop, controller)
    shop.put(deployment_of())


@pytest.mark.parametrize("phase", [Phase.DEPLOY, Phase.PROMOTE])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_another_image, "found shop/reviews:3: somebody changed it"),
        (_gone, "somebody deleted it meanwhile"),
        (_made_again, "found a new one of that name"),
    ],
)
def test_what_somebody_did_to_the_deployment_meanwhile_ends_the_release(
    shop: FakeKubernetes,
    config: Config,
    phase: Phase,
    change: Callable[[FakeKubernetes, Controller], None],
    expected: str,
):
    """It is not promoted, what they did stays, and the reason says what is different."""
    controller: Any = shop.after
    with driven(config, released(config), Gate(shop)) as driver:
        driver.run(lambda state: state.phase is phase)
        change(shop, controller)
        controller.reconcile()
        state = driver.run().state
    assert (Outcome.REJECTED, 12) == (state.outcome, state.exit_code)
    assert expected in state.reason
    assert ([], []) == (
        shop.objects("Lease"),
        [one for one in shop.objects("Deployment") if "harness-" in one["metadata"]["name"]],
    )


def test_a_service_that_is_released_elsewhere_is_refused(shop: FakeKubernetes, config: Config):
    """The Lease of the other release stays."""
    with driven(config, released(config), Gate(shop)) as driver:
        driver.run(lambda state: state.phase is Phase.SHIFT)
        other = replace(config, out=config.out / "elsewhere")
        with driven(other, released(other), Gate(shop)) as second:
            assert "a release is already running (rel-" in second.run().state.reason
        assert Outcome.PROMOTED is driver.run().state.outcome


PUSH = """
import sys
from pathlib import Path
from typing import Any
from harness.clients.kubernetes.api import connect
from harness.release.cluster.deployments import with_image
kube = connect(kubeconfig=Path("kubeconfig"))
kube.change("Deployment", "shop", "reviews-v1", lambda it: with_image(it, "app", sys.argv[1]), patience_s=5)
"""


@pytest.mark.parametrize(("pushed", "outcome"), [("{image}@{digest}", "promoted"), ("shop/reviews:1", "rejected")])
def test_a_command_of_the_user_promotes_and_is_verified(
    shop: FakeKubernetes, config: Config, tmp_path: Path, pushed: str, outcome: str
):
    """As with a Git commit, the harness changes no Deployment itself; a command that brings another image fails."""
    (tmp_path / "push.py").write_text(PUSH)
    command = f"promote: {{command: [{sys.executable}, push.py, '{pushed}'], within: 0.1s}}"
    file = tmp_path / "harness.yaml"
    file.write_text(CONFIG.replace("hold: 60s}", f"hold: 60s, {command}}}"))
    changed = read_config(file)
    with driven(changed, released(changed, settings=changed.release), Gate(shop)) as driver:
        state = driver.run().state
    assert (outcome, "did not bring" in state.reason) == (state.outcome.value, outcome == "rejected")
    nothing_left(shop, f"shop/reviews@{NEW}" if outcome == "promoted" else "shop/reviews:1")
