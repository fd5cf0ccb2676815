"""Releases on a fake cluster: the shop, its configuration, a gate that gives chosen verdicts, and what must be left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fake_kubernetes import FakeKubernetes
from fake_world import CODES, STEPS, Clock

from harness.config import Config
from harness.model.release import Build, BuildKind, ReleasePlan, ReleaseSettings, ReleaseStep, StepResult
from harness.release.assembly import opened
from harness.release.driver import Driver, Parts
from harness.release.ports import Pair
from harness.release.store import Store, create

CONFIG = """\
service: reviews
arms: {baseline: v1, canary: v3}
namespace: shop
services:
  reviews: {versions: {v1: {}, v3: {}}}
release: {scenarios: [scenarios], hold: 60s}
cluster: {kubeconfig: kubeconfig, ready-within: 0.4s, live-within: 2s, patience: 2s, prove: false}
"""


class Gate:
    """A gate that gives one verdict after the other; then pass."""

    def __init__(self, fake: FakeKubernetes, *verdicts: str, arms: int = 2) -> None:
        """fake: in which so many arms must be there."""
        self.fake, self.verdicts, self.arms = fake, iter(verdicts), arms
        self.seen: list[Any] = []

    def check(self, pair: Pair, step: ReleaseStep, *, folder: Path, still: Callable[[], None]) -> StepResult:
        """Return the next verdict."""
        still()
        names = {item["metadata"]["name"] for item in self.fake.objects("Deployment")}
        assert self.arms == sum(name.startswith("harness-rel-") for name in names)
        self.seen.append(users_of(self.fake))
        verdict = next(self.verdicts, "pass")
        return StepResult(
            step=0, attempt=0, service=pair.service, check="gate", weight=step.weight, verdict=verdict,
            exit_code=CODES[verdict], reason=verdict, began_s=0.0, ended_s=1.0,
        )  # fmt: skip


def users_of(fake: FakeKubernetes) -> list[Any]:
    """Where the first route of reviews leads: weights by subset, as Istio has them."""
    first = fake.object("VirtualService", "reviews")["spec"]["http"][0]
    return [(item["destination"].get("subset"), item.get("weight")) for item in first["route"]]


def released(config: Config, image: str = "shop/reviews:2", settings: ReleaseSettings | None = None) -> Store:
    """A release that has not begun."""
    plan = ReleasePlan(
        builds=(Build(service="reviews", kind=BuildKind.IMAGE, name=image),),
        target="cluster",
        namespace="shop",
        settings=settings or ReleaseSettings(steps=STEPS, hold_s=1.0),
    )
    return create(config.out, plan, by="ann")


@contextmanager
def driven(config: Config, store: Store, gate: Gate) -> Iterator[Driver]:
    """A driver of a release with this gate."""
    clock = Clock()
    with opened(config, store, tell=lambda text: None) as parts:
        changed: Parts = replace(parts, gate=gate, sleep=clock.sleep, now=clock.now, shown=lambda record: None)
        yield Driver(store, changed)


def nothing_left(fake: FakeKubernetes, image: str) -> None:
    """The running Deployment has the image; no arm, no route, no lock and no subset of a release is there."""
    (deployment,) = fake.objects("Deployment")
    assert image == deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert [("", None)] == [(name or "", weight) for name, weight in users_of(fake)]
    assert ["v1"] == [one["name"] for one in fake.object("DestinationRule", "reviews")["spec"]["subsets"]]
    assert [] == fake.objects("Lease")
