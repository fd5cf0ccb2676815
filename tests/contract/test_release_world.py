"""What every world of a release does: each operation may be repeated, and users are where the routes say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_kubernetes import fake_kubernetes
from rollouts import control, deployment_of
from shop import SHOP

from harness.config import read_config
from harness.errors import BuildError, UsageError
from harness.mesh.stage.client import Stage
from harness.model.release import Build, BuildKind
from harness.release.assembly import connected
from harness.release.cluster import ClusterWorld
from harness.release.local import StageWorld
from harness.release.ports import Pair, World
from harness.release.stage_host import end_stage, stage_folder, started_stage

CLUSTER = """\
service: reviews
arms: {baseline: v1, canary: v3}
namespace: shop
services:
  reviews: {versions: {v1: {}, v3: {}}}
cluster: {kubeconfig: kubeconfig, ready-within: 0.4s, live-within: 2s, patience: 2s, prove: false}
"""
STAGE = """\
service: reviews
arms: {baseline: v1, canary: v3}
services:
  reviews:
    port: 9080
    command: ["{python}", -m, harness.demo.details, --port, "{port}"]
    versions:
      v1:
      v3: {env: {NEW: "1"}}
      broken: {command: ["{python}", -c, "import sys; sys.exit(3)", "{port}"]}
"""


FIRST = "release: {{scenarios: [scenarios], first: {{reviews: {file}}}}}\n"


@dataclasses.dataclass
class Subject:
    """A world, the build to release in it, one that does not start, and how to look at it."""

    world: World
    build: Build
    broken: Build
    resources: Callable[[], Any]
    arms: Callable[[], set[str]]


Open = Callable[..., AbstractContextManager[Subject]]


@pytest.fixture(params=["stage", "cluster"])
def opened(request: pytest.FixtureRequest) -> Open:
    """How to open each world."""
    kinds: dict[str, Open] = {"stage": _stage, "cluster": _cluster}
    return kinds[request.param]


@pytest.fixture
def subject(opened: Open, tmp_path: Path) -> Iterator[Subject]:
    """Each world with a running build of reviews."""
    with opened(tmp_path) as found:
        yield found


@contextmanager
def _stage(folder: Path, *, first: bool = False) -> Iterator[Subject]:
    (folder / "harness.yaml").write_text(STAGE + (FIRST.format(file="") if first else ""))
    config = read_config(folder / "harness.yaml")
    address, _ = started_stage(config)
    try:
        stage = Stage(address)
        yield Subject(
            world=StageWorld(stage, config, folder=folder, tell=lambda text: None),
            build=Build(service="reviews", kind=BuildKind.VERSION, name="v3"),
            broken=Build(service="reviews", kind=BuildKind.VERSION, name="broken"),
            resources=lambda: stage.ask("resources", kind="")["resources"],
            arms=lambda: set(stage.ask("state", service="reviews")["arms"]),
        )
    finally:
        end_stage(stage_folder(config))


@contextmanager
def _cluster(folder: Path, *, first: bool = False) -> Iterator[Subject]:
    with fake_kubernetes() as fake:
        fake.put(*(item for item in SHOP if item["metadata"]["name"] not in ("reviews-1", "reviews-3")))
        control(fake, running=not first)
        fake.kubeconfig(folder / "kubeconfig")
        (folder / "reviews.yaml").write_text(yaml.safe_dump(deployment_of()))
        (folder / "harness.yaml").write_text(CLUSTER + (FIRST.format(file="reviews.yaml") if first else ""))
        config = read_config(folder / "harness.yaml")
        kube = connected(config.cluster, folder)

        def arms() -> set[str]:
            names = [item["metadata"]["name"] for item in fake.objects("Deployment")]
            return {name.rpartition("-")[2] for name in names if name.startswith("harness-")}

        yield Subject(
            world=ClusterWorld(kube, config, tell=lambda text: None),
            build=Build(service="reviews", kind=BuildKind.IMAGE, name="shop/reviews:2"),
            broken=Build(service="reviews", kind=BuildKind.IMAGE, name="shop/reviews:none"),
            resources=lambda: [fake.specs()[name] for name in sorted(fake.specs())],
            arms=arms,
        )
        kube.close()


def _pair(subject: Subject, build: Build | None = None) -> Pair:
    return subject.world.examine(Pair(release="rel-1", build=build or subject.build))


def _shares(resources: Any) -> dict[str, int | None]:
    """The weights of the release's route by subset; None where one build gets everything."""
    for resource in resources:
        for route in resource.get("spec", resource).get("http", ()):
            if route.get("name", "").startswith("harness-rel-1-users"):
                return {item["destination"]["subset"]: item.get("weight") for item in route["route"]}
    return {}


def test_every_operation_may_be_repeated(subject: Subject):
    """Twice is once, from examining to the last route; in the end the resources are as before."""
    before = subject.resources()
    pair = _pair(subject)
    for share, wanted in ((0.0, {"stable": None}), (0.1, {"stable": 90, "canary": 10}), (1.0, {"canary": None})):
        for _ in range(2):
            subject.world.route(pair, share)
            assert {f"harness-rel-1-{name}": weight for name, weight in wanted.items()} == _shares(subject.resources())
        if share == 0.0:
            pair = subject.world.deploy(subject.world.deploy(pair))
            assert {"baseline", "canary"} == subject.arms()
    for _ in range(2):
        subject.world.settle(pair, new=True)
    for _ in range(2):
        subject.world.route(pair, 0.0)
    for _ in range(2):
        subject.world.remove(pair)
        assert set() == subject.arms()
    for _ in range(2):
        subject.world.route(pair, None)
    assert before == subject.resources()
    again = subject.world.examine(Pair(release="rel-2", build=subject.build))
    assert pair.stable != again.stable, "the running build is the new one now"


def test_a_promotion_can_be_taken_back(subject: Subject):
    """The running build is what it was; taking back what was never promoted changes nothing."""
    pair = _pair(subject)
    subject.world.route(pair, 0.0)
    pair = subject.world.deploy(pair)
    for new in (False, True, False, False):
        subject.world.settle(pair, new=new)
    subject.world.remove(pair)
    subject.world.route(pair, None)
    assert pair.stable == subject.world.examine(Pair(release="rel-1", build=subject.build)).stable


def test_a_first_release_makes_the_running_build_and_can_take_it_back(opened: Open, tmp_path: Path):
    """Both arms run the new build; promoting makes what runs, taking back removes it, and both may be repeated."""
    with opened(tmp_path, first=True) as subject:
        before = subject.resources()
        pair = _pair(subject)
        assert pair.first
        subject.world.route(pair, 0.0)
        pair = subject.world.deploy(subject.world.deploy(pair))
        assert {"baseline", "canary"} == subject.arms()
        for new in (False, True, True, False, False, True):
            subject.world.settle(pair, new=new)
        subject.world.route(pair, 0.0)
        subject.world.remove(pair)
        subject.world.route(pair, None)
        assert before == subject.resources()
        again = subject.world.examine(Pair(release="rel-2", build=subject.build))
        assert (False, set()) == (again.first, subject.arms())


def test_a_build_that_does_not_start_is_a_finding_and_can_be_removed(subject: Subject):
    """The error is the build's own; what was started of it goes, and the running build still serves."""
    pair = _pair(subject, subject.broken)
    subject.world.route(pair, 0.0)
    with pytest.raises(BuildError, match="does not start"):
        subject.world.deploy(pair)
    subject.world.remove(pair)
    subject.world.route(pair, None)
    assert set() == subject.arms()


def test_a_build_of_another_kind_is_refused(subject: Subject):
    """Images belong to a cluster, versions and revisions to this machine."""
    other = BuildKind.VERSION if subject.build.kind is BuildKind.IMAGE else BuildKind.IMAGE
    with pytest.raises(UsageError, match="expected"):
        subject.world.examine(Pair(release="rel-1", build=dataclasses.replace(subject.build, kind=other)))
