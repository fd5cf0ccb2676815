"""A mesh, a load generator, a judge and a clock that need no process and no time, for tests of the runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import HarnessError
from harness.judge.objectives import parse_objective
from harness.mesh.port import Entry
from harness.model.counts import RequestCount
from harness.model.judge import JudgeSettings
from harness.model.load import Arrivals, LoadPlan, LoadReport
from harness.model.record import Rollback
from harness.model.samples import Samples
from harness.model.verdict import Analysis, Verdict
from harness.routing.istio.api import IstioRouting
from harness.runner.scenario import Scenario
from harness.runner.settings import Parts, Settings

ZERO = 1_700_000_000.0


class Clock:
    """A clock that only goes on while someone sleeps. ``at`` holds what happens at which second."""

    def __init__(self) -> None:
        self.now_s = ZERO
        self.at: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        """Epoch seconds."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Go on, and do what is due by then."""
        self.now_s += seconds
        due = [event for event in self.at if event[0] <= self.now_s - ZERO]
        self.at = [event for event in self.at if event not in due]
        for _, happen in due:
            happen()


@dataclass(eq=False)
class LiveEdit:
    """One change of the fake mesh."""

    rollback: Rollback | None = None
    proof: str = "seen"

    def undo(self) -> None:
        """Nothing to do: the fake mesh reverts on leaving."""


class FakeMesh:
    """Takes every change and writes a diary of it. ``trouble`` is raised by ``check``."""

    target, gateway = "local", "mesh"
    routing = IstioRouting()

    def __init__(self, clock: Clock, *, takes_s: float = 0.0) -> None:
        """takes_s: seconds that each change takes until it is live."""
        self.diary: list[str] = []
        self.trouble: HarnessError | None = None
        self.refusal: HarnessError | None = None
        self._clock, self._takes_s = clock, takes_s

    def resources(self, kind: str = "") -> tuple[Any, ...]:
        """Two services with their routes, and nothing of another kind."""
        return () if kind else tuple(_routes("reviews")) + tuple(_routes("ratings"))

    @contextmanager
    def changed(self, steps: Sequence[Any], *, name: str) -> Iterator[LiveEdit]:
        """Make a change; ``refusal`` is raised instead if it is set."""
        if self.refusal is not None:
            raise self.refusal
        self._clock.sleep(self._takes_s)
        self.diary.append(f"+ {name}")
        change = LiveEdit()
        try:
            yield change
        finally:
            self.diary.append(f"- {name}")
            change.rollback = Rollback(change=name, verified=True, seconds=0.0)

    def entry(self) -> Entry:
        """An address that nobody asks."""
        return Entry(url="http://127.0.0.1:1")

    def request_counts(self) -> tuple[RequestCount, ...]:
        """Nothing is counted."""
        return ()

    def check(self) -> None:
        """Raise the trouble that was set, if any."""
        if self.trouble is not None:
            raise self.trouble


class FakeLoad:
    """Sends requests at an even rate, the arms in turn, as the clock goes on. ``death`` is raised by ``running``."""

    def __init__(self, clock: Clock) -> None:
        self.plans: list[LoadPlan] = []
        self.death: HarnessError | None = None
        self.status = (200, 200)
        self._clock = clock

    @contextmanager
    def start(self, plan: LoadPlan, folder: Path) -> Iterator[FakeRunning]:
        """Start at once."""
        self.plans.append(plan)
        yield FakeRunning(self, plan, self._clock)


class FakeRunning:
    """A load that is being sent."""

    def __init__(self, load: FakeLoad, plan: LoadPlan, clock: Clock) -> None:
        self.started_at = clock.now()
        self._load, self._plan, self._clock = load, plan, clock

    def samples(self) -> Samples:
        """One request for each arrival so far."""
        elapsed_s = min(self._clock.now() - self.started_at, self._plan.duration_s)
        count = int(elapsed_s * self._plan.stages[0].start_rps + 1e-9)
        arm = (np.arange(count) % 2).astype(np.int8)
        return Samples(
            due_s=np.arange(count) / self._plan.stages[0].start_rps,
            latency_s=np.full(count, 0.01),
            late_s=np.zeros(count),
            status=np.array(self._load.status, np.int16)[arm],
            arm=arm,
            operation=np.zeros(count, np.int16),
            error=np.zeros(count, np.int16),
            size=np.full(count, 300, np.int32),
            operations=("/reviews",),
            errors=("",),
        )

    def running(self) -> bool:
        """Raise the death that was set, if any."""
        if self._load.death is not None:
            raise self._load.death
        return True

    def finish(self) -> LoadReport:
        """All went as planned."""
        return report(recorded=len(self.samples()), started_at=self.started_at)


def report(**changed: Any) -> LoadReport:
    """A report without faults."""
    known: dict[str, Any] = {
        "planned": 0, "recorded": 0, "counted": 0, "dropped": 0, "late_p50_s": 0.0, "late_p99_s": 0.0, "workers": 1,
        "workers_alive": 1, "cpu_share": 0.1, "started_at": ZERO, "exit_code": 0,
    }  # fmt: skip
    return LoadReport(**known | changed)


@dataclass
class FakeJudge:
    """Says ``verdict`` at every look and counts the looks."""

    name: str = "fake"
    verdict: Verdict = Verdict.INCONCLUSIVE
    looks: list[float] = field(default_factory=list)

    def judge(self, evidence: Any, plan: Any, *, now_s: float, final: bool) -> Analysis:
        """Count, and answer."""
        self.looks.append(now_s)
        return Analysis(
            verdict=self.verdict, reason="p99 is worse", score=0.0, findings=(), judge=self.name, alpha=0.01,
            decided_at_s=now_s, final=final,
        )  # fmt: skip


class World:
    """All parts of a run, and where it writes."""

    def __init__(self, folder: Path, *, takes_s: float = 0.0) -> None:
        self.folder, self.clock = folder, Clock()
        self.mesh, self.load, self.judge = FakeMesh(self.clock, takes_s=takes_s), FakeLoad(self.clock), FakeJudge()
        self.settings = Settings(
            service="reviews", namespace="default", baseline={"app": "reviews", "version": "v1"},
            canary={"app": "reviews", "version": "v3"}, canary_share=0.5, profile=folder / "profile.py",
            arrivals=Arrivals.EVEN, processes=1, judge=JudgeSettings(), error_ceiling=0.5, kill_file=folder / "KILL",
            look_every_s=5.0, real_users=False, config={}, manifest={},
        )  # fmt: skip

    @property
    def parts(self) -> Parts:
        """The parts as a run takes them."""
        return Parts(
            mesh=self.mesh, load=self.load, judge=self.judge, now=self.clock.now, sleep=self.clock.sleep,
            wall=self.clock.now,
        )  # fmt: skip


SCENARIO = Scenario(
    name="slow ratings", load="browse", rate_rps=100.0, faults=(), warm_up_s=2.0, steady_s=10.0, fault_s=10.0,
    recovery_s=4.0, objectives=(parse_objective("error_rate < +1pp"),), seed=1,
)  # fmt: skip


def scenario(**changed: Any) -> Scenario:
    """The scenario, with some fields changed."""
    return replace(SCENARIO, **changed)


def _routes(host: str) -> Iterator[Any]:
    subsets = [{"name": version, "labels": {"version": version}} for version in ("v1", "v3")]
    yield {
        "apiVersion": "networking.istio.io/v1", "kind": "DestinationRule",
        "metadata": {"name": host, "namespace": "default"}, "spec": {"host": host, "subsets": subsets},
    }  # fmt: skip
    yield {
        "apiVersion": "networking.istio.io/v1", "kind": "VirtualService",
        "metadata": {"name": host, "namespace": "default"},
        "spec": {"hosts": [host], "http": [{"route": [{"destination": {"host": host, "subset": "v1"}}]}]},
    }  # fmt: skip
