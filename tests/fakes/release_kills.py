"""Kill releases at every write to a fake API server, resume or abort them, and look at what users get meanwhile.

A release dies before a write, or after it without having noted that it was done; the record on disk and the objects of
the server are all that is left of it. ``make soak-release`` kills it at each write of every kind of release.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from cluster_releases import CONFIG, Gate, driven
from fake_kubernetes import WRITES, FakeKubernetes
from fake_world import STEPS, Killed
from rollouts import NEW, control, deployment_of
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
from harness.release.driver import Driver, ended_by
from harness.release.store import Store, create

BOTH = CONFIG.replace("  reviews:", "  ratings: {versions: {v1: {}}}\n  reviews:")
FIRST = CONFIG.replace("hold: 60s}", "hold: 60s, first: {reviews: deployment.yaml}}")
CANARY = ReleaseSettings(steps=STEPS, hold_s=60.0)
IDLE = ReleaseStep(weight=0.0, scenarios=("a",), header={"x-idle": "1"})
BLUE_GREEN = ReleaseSettings(strategy=Strategy.BLUE_GREEN, steps=(IDLE, ReleaseStep(weight=1.0, observe_s=2.0)))
SHORT = ReleaseSettings(steps=(STEPS[1], STEPS[2]))
FINISHING = (Phase.RETURN, Phase.REMOVE, Phase.UNROUTE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of release. verdicts: of its gates, in order; then pass. approved: whether its hold is approved."""

    settings: ReleaseSettings = CANARY
    services: tuple[str, ...] = ("reviews",)
    config: str = CONFIG
    verdicts: tuple[str, ...] = ()
    approved: bool = False
    first: bool = False


KINDS: Mapping[str, Kind] = {
    "canary": Kind(),
    "rejected": Kind(verdicts=("pass", "fail")),
    "held and approved": Kind(verdicts=("marginal",), approved=True),
    "held and expired": Kind(verdicts=("inconclusive",)),
    "blue-green": Kind(settings=BLUE_GREEN),
    "header": Kind(settings=replace(CANARY, steps=(IDLE, STEPS[2]))),
    "two services": Kind(settings=SHORT, services=("reviews", "ratings"), config=BOTH),
    "first": Kind(settings=SHORT, config=FIRST, first=True),
    "first, rejected": Kind(settings=SHORT, config=FIRST, first=True, verdicts=("fail",)),
}


@dataclass
class Kills:
    """A fake cluster whose releases die. killed: how many died in each phase. wrong: what was left by whom."""

    server: FakeKubernetes
    folder: Path
    killed: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def kill(self, name: str, number: int, *, late: bool, ends: str) -> bool:
        """Release, die at the write of this number, and end it in one of both ways. Return whether it died.

        late: it dies after the write. ends: ``resume`` or ``abort``.
        """
        kind, where = KINDS[name], f"{name}, {'after' if late else 'before'} write {number}, {ends}"
        folder = self.folder / f"{name}-{number}-{late}-{ends}".replace(" ", "-").replace(",", "")
        config, store = self._begun(kind, folder)
        gate = Gate(self.server, *kind.verdicts, arms=2 * len(kind.services))
        with driven(config, store, gate) as driver:
            died = self._died(driver, number, late=late)
        if not died:
            return False
        phase = driver.record.state.phase
        self.killed[phase.value] = self.killed.get(phase.value, 0) + 1
        self.wrong += [f"{where}: after the kill in {phase.value}: {one}" for one in self._lost_users(kind)]
        with driven(config, store, gate) as driver:
            changed = driver.record.state.phase not in (*FINISHING, Phase.EXAMINE, Phase.OVER)
            if ends == "abort" and changed and not driver.record.state.undoing:
                driver.feed(ended_by(Decision(kind=DecisionKind.ABORT, by="ann", reason="test", at_s=1.0)))
            record = driver.run()
        promoted = record.state.outcome is Outcome.PROMOTED
        self.wrong += [f"{where}: at the end: {one}" for one in self._left(kind, promoted=promoted)]
        return True

    def _begun(self, kind: Kind, folder: Path) -> tuple[Config, Store]:
        """Make the cluster new, with a release that has not begun."""
        self.server.store.objects.clear()
        labels = {"canary-harness": "enabled"}
        self.server.put(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}},
            *(one for one in SHOP if one["metadata"]["name"] not in ("reviews-1", "reviews-3", "ratings-1")),
        )
        controller = control(self.server, running=not kind.first)
        self.server.put(*(deployment_of(name) for name in kind.services if name != "reviews"))
        controller.reconcile()
        folder.mkdir(parents=True)
        self.server.kubeconfig(folder / "kubeconfig")
        (folder / "deployment.yaml").write_text(yaml.safe_dump(deployment_of()))
        (folder / "harness.yaml").write_text(kind.config)
        config = read_config(folder / "harness.yaml")
        builds = tuple(Build(service=name, kind=BuildKind.IMAGE, name=f"shop/{name}:2") for name in kind.services)
        plan = ReleasePlan(builds=builds, target="cluster", namespace="shop", settings=kind.settings)
        store = create(config.out, plan, by="ann")
        if kind.approved:
            store.decide(0, Decision(kind=DecisionKind.APPROVE, by="ann", reason="test", at_s=1.0))
        return config, store

    def _died(self, driver: Driver, number: int, *, late: bool) -> bool:
        world: Any = driver._parts.world
        writes, send = iter(range(1000)), world._kube._write

        def dying(method: str, resource: Any, **options: Any) -> Any:
            doomed = method in WRITES and next(writes) == number
            if doomed and late:
                send(method, resource, **options)
            if doomed:
                raise Killed
            return send(method, resource, **options)

        world._kube._write = dying
        try:
            driver.run()
        except Killed:
            return True
        return False

    def _lost_users(self, kind: Kind) -> Iterator[str]:
        """Yield the routes of users that lead to no pods at all. A first release has no users to lose."""
        if kind.first:
            return
        pods = [one["spec"]["template"]["metadata"]["labels"] for one in self.server.objects("Deployment")]
        for service in kind.services:
            subsets = self._subsets(service)
            for route in self._routes(service):
                for target in route["route"]:
                    name = target["destination"].get("subset")
                    wanted = {"app": service, **(subsets.get(name) or {})}
                    if name is not None and name not in subsets:
                        yield f"route {route.get('name')} leads to the subset {name}, which is gone"
                    elif not any(wanted.items() <= labels.items() for labels in pods):
                        yield f"route {route.get('name')} leads to a Deployment that is gone"

    def _left(self, kind: Kind, *, promoted: bool) -> Iterator[str]:
        """Yield what a release that is over has left, or what does not run although it should."""
        images = {
            one["metadata"]["name"]: one["spec"]["template"]["spec"]["containers"][0]["image"]
            for one in self.server.objects("Deployment")
        }
        tag, none = f"@{NEW}" if promoted else ":1", kind.first and not promoted
        wanted = {} if none else {f"{name}-v1": f"shop/{name}{tag}" for name in kind.services}
        if images != wanted:
            yield f"expected the Deployments {wanted}, found {images}"
        if self.server.objects("Lease"):
            yield "a lock"
        for service in kind.services:
            if [name for name in self._subsets(service) if name.startswith("harness-")]:
                yield f"subsets of {service}"
            if any(target["destination"].get("subset") for route in self._routes(service) for target in route["route"]):
                yield f"routes of {service} to one build"

    def _subsets(self, service: str) -> dict[str, Any]:
        rules = [one for one in self.server.objects("DestinationRule") if one["spec"]["host"] == service]
        return {one["name"]: one["labels"] for rule in rules for one in rule["spec"].get("subsets") or ()}

    def _routes(self, service: str) -> list[Any]:
        found = [one for one in self.server.objects("VirtualService") if service in one["spec"]["hosts"]]
        return [route for one in found for route in one["spec"]["http"]]


def kills_of(subject: Kills, name: str, *, every: int = 1, turn: int = 0) -> int:
    """Kill a kind of release at its writes, one of ``every``, and return how many died.

    turn: with 1 each one dies on the other side of the write than with 0.
    """
    kills = 0
    for number in range(0, 200, every):
        late = (number // every + turn) % 2 == 1
        ends = "abort" if (number // every) % 4 >= 2 else "resume"
        if not subject.kill(name, number, late=late, ends=ends):
            break
        kills += 1
    return kills
