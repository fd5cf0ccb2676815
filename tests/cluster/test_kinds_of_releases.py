"""Every kind of release on a fake cluster: the first of a service, with a header, blue-green, of several services."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster_releases import CONFIG, Gate, driven, nothing_left, released, users_of
from fake_kubernetes import FakeKubernetes, fake_kubernetes
from rollouts import NEW, Controller, control, deployment_of
from shop import SHOP

from harness.config import Config, read_config
from harness.model.release import (
    Build,
    BuildKind,
    Decision,
    DecisionKind,
    Outcome,
    Phase,
    ReleasePlan,
    ReleaseSettings,
    ReleaseStep,
    Strategy,
)
from harness.release.store import create

BOTH = CONFIG.replace("  reviews:", "  ratings: {versions: {v1: {}}}\n  reviews:")
BLUE_GREEN = ReleaseSettings(
    strategy=Strategy.BLUE_GREEN,
    steps=(ReleaseStep(weight=0.0, scenarios=("a",), header={"x-idle": "1"}), ReleaseStep(weight=1.0, observe_s=60.0)),
)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[FakeKubernetes]:
    """The shop, without a running Deployment yet."""
    with fake_kubernetes() as server:
        server.put(*(one for one in SHOP if one["metadata"]["name"] not in ("reviews-1", "reviews-3", "ratings-1")))
        server.kubeconfig(tmp_path / "kubeconfig")
        yield server


def configured(folder: Path, text: str = CONFIG) -> Config:
    """The configuration of the shop."""
    (folder / "harness.yaml").write_text(text)
    return read_config(folder / "harness.yaml")


def _first(folder: Path) -> Config:
    file = {**deployment_of(), "status": {"replicas": 9}}
    (folder / "deployment.yaml").write_text(yaml.safe_dump_all([{"kind": "Service"}, file]))
    return configured(folder, CONFIG.replace("hold: 60s}", "hold: 60s, first: {reviews: deployment.yaml}}"))


@pytest.mark.parametrize("verdict", ["pass", "fail"])
def test_a_first_release_makes_the_deployment_from_its_file_or_leaves_none(
    shop: FakeKubernetes, tmp_path: Path, verdict: str
):
    """Users get nothing before the first step, as before; the promoted Deployment has the digest and no release label."""
    config = _first(tmp_path)
    control(shop, running=False)
    with driven(config, released(config), gate := Gate(shop, "pass", verdict)) as driver:
        record = driver.run()
    release = driver._pairs()[0].release
    assert ("reviews",) == record.first
    assert [(f"harness-{release}-canary", None)] == gate.seen[0]
    if verdict == "fail":
        assert ([], Outcome.REJECTED) == (shop.objects("Deployment"), record.state.outcome)
        assert [] == shop.objects("Lease")
        return
    nothing_left(shop, f"shop/reviews@{NEW}")
    (made,) = shop.objects("Deployment")
    assert (2, {"app": "reviews"}) == (made["spec"]["replicas"], made["metadata"]["labels"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [("service", "expected a Service of that name"), ("file", "expected one Deployment in"), ("name", "release.first")],
)
def test_a_first_release_without_its_parts_is_refused(shop: FakeKubernetes, tmp_path: Path, change: str, expected: str):
    """A missing Service, a file with another Deployment, and a service that the configuration does not name."""
    config = _first(tmp_path)
    control(shop, running=False)
    if change == "service":
        shop.store.objects = {key: one for key, one in shop.store.objects.items() if key[1] != "services"}
    if change == "file":
        (tmp_path / "deployment.yaml").write_text(yaml.safe_dump(deployment_of("ratings")))
    if change == "name":
        config = configured(tmp_path)
    with driven(config, released(config), Gate(shop)) as driver:
        assert expected in driver.run().state.reason
    assert [] == shop.objects("Deployment")


def test_somebody_who_deploys_during_a_first_release_keeps_what_is_theirs(shop: FakeKubernetes, tmp_path: Path):
    """A Deployment that appears meanwhile is not overwritten, and not removed."""
    config = _first(tmp_path)
    controller = control(shop, running=False)
    with driven(config, released(config), Gate(shop)) as driver:
        driver.run(lambda state: state.phase is Phase.PROMOTE)
        shop.put(deployment_of())
        controller.reconcile()
        state = driver.run().state
    assert "somebody deployed it meanwhile" in state.reason
    nothing_left(shop, "shop/reviews:1")


@pytest.mark.parametrize("prove", ["true", "false"])
def test_users_with_a_header_come_before_any_share(shop: FakeKubernetes, tmp_path: Path, prove: str):
    """Their route is before that of all others and is seen in the proxies; a share follows, and nothing is left."""
    steps = "steps: [{weight: 0, header: {x-group: staff}}, 50%, 100%]"
    text = CONFIG.replace("hold: 60s}", f"hold: 60s, {steps}}}").replace("prove: false", f"prove: {prove}")
    config = configured(tmp_path, text)
    control(shop)
    seen: list[Any] = []
    gate = Gate(shop)
    with driven(config, released(config, settings=config.release), gate) as driver:
        driver.run(lambda state: state.phase is Phase.GATE)
        seen = shop.object("VirtualService", "reviews")["spec"]["http"]
        assert "users with x-group: staff get the new build" == driver.record.users
        assert Outcome.PROMOTED is driver.run().state.outcome
    first, second, *_ = seen
    assert {"x-group": {"exact": "staff"}} == first["match"][0]["headers"]
    subsets = [[item["destination"]["subset"].rpartition("-")[2] for item in one["route"]] for one in (first, second)]
    assert [["canary"], ["stable"]] == subsets
    assert [1, 2, 1] == [len(one) for one in gate.seen]
    nothing_left(shop, f"shop/reviews@{NEW}")


@pytest.mark.parametrize("rolled_back", [True, False])
def test_blue_green_switches_all_users_and_back_at_once(shop: FakeKubernetes, tmp_path: Path, rolled_back: bool):
    """The idle side has its own header, the switch is one route, and the old build is warm until the bake is over."""
    config = configured(tmp_path)
    control(shop)
    store = released(config, settings=BLUE_GREEN)
    with driven(config, store, Gate(shop)) as driver:
        driver.run(lambda state: state.phase is Phase.GATE)
        assert {"x-idle": {"exact": "1"}} == shop.object("VirtualService", "reviews")["spec"]["http"][0]["match"][0][
            "headers"
        ]
        driver.run(lambda state: state.phase is Phase.OBSERVE)
        ((subset, _),) = users_of(shop)
        assert subset.endswith("canary")
        old = shop.object("Deployment", "reviews-v1")
        assert ("shop/reviews:1", 2) == (
            old["spec"]["template"]["spec"]["containers"][0]["image"],
            old["spec"]["replicas"],
        )
        if rolled_back:
            store.ask_to_end(Decision(kind=DecisionKind.ROLL_BACK, by="ann", reason="errors", at_s=1.0))
        outcome = driver.run().state.outcome
    assert (Outcome.ROLLED_BACK if rolled_back else Outcome.PROMOTED) is outcome
    nothing_left(shop, "shop/reviews:1" if rolled_back else f"shop/reviews@{NEW}")


@pytest.mark.parametrize("changed", [False, True])
def test_services_are_promoted_together_or_not_at_all(shop: FakeKubernetes, tmp_path: Path, changed: bool):
    """If one of them cannot be promoted, because somebody changed it, the other one is taken back."""
    config = configured(tmp_path, BOTH)
    controller: Controller = control(shop)
    shop.put(deployment_of("ratings"))
    controller.reconcile()
    builds = tuple(Build(service=name, kind=BuildKind.IMAGE, name=f"shop/{name}:2") for name in ("reviews", "ratings"))
    settings = replace(
        BLUE_GREEN, steps=(ReleaseStep(weight=0.5, scenarios=("a",)), ReleaseStep(weight=1.0, scenarios=("a",)))
    )
    plan = ReleasePlan(builds=builds, target="cluster", namespace="shop", settings=settings)
    store = create(config.out, plan, by="ann")
    gate = Gate(shop, arms=4)
    with driven(config, store, gate) as driver:
        driver.run(lambda state: state.phase is Phase.PROMOTE)
        if changed:
            theirs = shop.object("Deployment", "ratings-v1")
            theirs["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "A", "value": "1"}]
            shop.put(theirs)
        state = driver.run().state
    images = {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]["image"]
        for one in shop.objects("Deployment")
    }
    tag = ":1" if changed else f"@{NEW}"
    assert {f"{name}-v1": f"shop/{name}{tag}" for name in ("reviews", "ratings")} == images
    assert (Outcome.REJECTED if changed else Outcome.PROMOTED) is state.outcome
    assert [] == shop.objects("Lease")
    assert 4 == len(gate.seen)
