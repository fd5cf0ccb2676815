"""A world in memory for releases: builds, arms and routes, which check themselves after every call."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import BuildError
from harness.model.release import (
    Build,
    BuildKind,
    ReleasePlan,
    ReleaseRecord,
    ReleaseSettings,
    ReleaseStep,
    StepResult,
)
from harness.release.driver import Parts
from harness.release.ports import Pair, Seen
from harness.release.store import Store, create

STEPS = tuple(ReleaseStep(weight=share, scenarios=("scenarios",)) for share in (0.1, 0.5, 1.0))
CODES = {"pass": 0, "fail": 1, "marginal": 10, "inconclusive": 11, "trouble": 12}


class Killed(BaseException):
    """The process is gone, as after SIGKILL: no code of it runs any more."""


@dataclass
class FakeWorld:
    """World, watch and gate. verdicts: of the gates, in order; then pass. kill_at: the number of the write to die at."""

    stable: dict[str, str] = field(default_factory=lambda: {"reviews": "old", "ratings": "old"})
    arms: dict[str, dict[str, str]] = field(default_factory=dict)
    routes: dict[str, float] = field(default_factory=dict)
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    verdicts: Iterator[str] = field(default_factory=lambda: itertools.repeat("pass"))
    tags: dict[str, str] = field(default_factory=lambda: {"new": "sha256:new"})
    refuses: set[str] = field(default_factory=set)
    dead: bool = False
    kill_at: int = -1
    calls: int = 0
    log: list[str] = field(default_factory=list)
    answers: int = 0
    errors: int = 0

    def _write(self, what: str, change: Callable[[], None]) -> None:
        """Make one change, with a chance to be killed before it and after it."""
        for late in (False, True):
            if self.calls == self.kill_at:
                self.calls += 1
                if late:
                    change()
                    self.check()
                raise Killed
            self.calls += 1
        change()
        self.log.append(what)
        self.check()

    def check(self) -> None:
        """Users get a build that runs, at every moment."""
        for service, share in self.routes.items():
            assert not share or "canary" in self.arms.get(service, {}), f"{share} of the users of {service} get nothing"

    def examine(self, pair: Pair) -> Pair:
        """Return what runs."""
        if "examine" in self.refuses:
            raise BuildError("refused on purpose")
        return replace(pair, stable=self.stable.get(pair.service, "none"), first=pair.service not in self.stable)

    def deploy(self, pair: Pair) -> Pair:
        """Start both arms, or fail with the first one there."""
        if "deploy" in self.refuses:
            self._write("canary", lambda: self._start(pair, "canary"))
            raise BuildError("ImagePullBackOff")
        self._write("canary", lambda: self._start(pair, "canary"))
        self._write("baseline", lambda: self._start(pair, "baseline"))
        return replace(pair, identity=self.tags[pair.build.name])

    def _start(self, pair: Pair, arm: str) -> None:
        self.arms.setdefault(pair.service, {})[arm] = self.tags[pair.build.name] if arm == "canary" else pair.stable

    def route(self, pair: Pair, share: float | None, header: Mapping[str, str] | None = None) -> None:
        """Route users."""
        self.headers[pair.service] = dict(header or {})
        if share is None:
            self._write("unroute", lambda: self.routes.pop(pair.service, None) and None)
        else:
            self._write(f"route {share:g}", lambda: self.routes.__setitem__(pair.service, share))

    def settle(self, pair: Pair, *, new: bool) -> None:
        """Change the stable build."""
        if new and f"promote {pair.service}" in self.refuses:
            raise BuildError("the rollout does not end")
        build = pair.identity if new else pair.stable
        if build == "none":
            self._write("unsettle", lambda: self.stable.pop(pair.service, None) and None)
            return
        self._write(f"settle {build}", lambda: self.stable.__setitem__(pair.service, build))

    def remove(self, pair: Pair) -> None:
        """Remove both arms."""
        for arm in ("canary", "baseline"):
            self._write(f"remove {arm}", lambda arm=arm: self.arms.get(pair.service, {}).pop(arm, None) and None)

    def look(self, pair: Pair) -> Seen:
        """Count answers to users."""
        if self.dead:
            raise BuildError("the new build died")
        self.answers += 100
        return Seen(requests={"canary": self.answers}, failed={"canary": self.errors * self.answers // 100})

    def check_step(self, pair: Pair, step: ReleaseStep, *, folder: Path, still: Callable[[], None]) -> StepResult:
        """Return the next verdict."""
        still()
        assert {"canary", "baseline"} <= set(self.arms.get(pair.service, {})), "a gate needs both arms"
        verdict = next(self.verdicts)
        return StepResult(
            step=0, attempt=0, service=pair.service, check="gate", weight=step.weight, verdict=verdict,
            exit_code=CODES[verdict], reason=f"it was {verdict}", began_s=0.0, ended_s=1.0,
        )  # fmt: skip

    def serves(self) -> None:
        """After a release all users get the stable build, and nothing of the release is left."""
        assert not self.routes
        assert not any(self.arms.values())


@dataclass
class Gate:
    """The gate of a fake world."""

    world: FakeWorld

    def check(self, pair: Pair, step: ReleaseStep, *, folder: Path, still: Callable[[], None]) -> StepResult:
        """Return the next verdict of the world."""
        return self.world.check_step(pair, step, folder=folder, still=still)


class Clock:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.at_s = 1000.0
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> float:
        """Return the time."""
        return self.at_s

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.at_s += seconds
        self.on_sleep()


def parts(world: FakeWorld, clock: Clock | None = None) -> Parts:
    """What a driver needs, in memory."""
    clock = clock or Clock()
    return Parts(
        world=world,
        watch=world,
        gate=Gate(world),
        tell=lambda text: None,
        shown=lambda record: None,
        sleep=clock.sleep,
        now=clock.now,
    )


def new_release(out: Path, *services: str, settings: ReleaseSettings | None = None) -> tuple[Store, ReleaseRecord]:
    """A release that has not begun."""
    builds = tuple(Build(service=name, kind=BuildKind.VERSION, name="new") for name in services or ("reviews",))
    plan = ReleasePlan(
        builds=builds, target="stage", namespace="shop", settings=settings or ReleaseSettings(steps=STEPS)
    )
    store = create(out, plan, by="ann")
    return store, store.load()
