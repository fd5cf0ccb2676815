"""The objects that the fixtures return: the mesh, the canary, the faults and the load of a test."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self, Unpack

from harness import bundle, gate, wiring
from harness.clients.processes.signals import signals_as_interrupts
from harness.config import Config
from harness.config.gauges import require_known
from harness.console import waiting
from harness.errors import UsageError, WorkloadDeath
from harness.faults import Fault
from harness.gate import Outcome
from harness.judge.objectives import parse_objective
from harness.load.planning.endpoints import require_sent
from harness.load.planning.profiles import find_profile
from harness.mesh.port import Mesh
from harness.metrics.live_traffic import DEFAULT_OBJECTIVES
from harness.model.names import new_run_id
from harness.model.objective import Objective
from harness.model.phase import parse_length
from harness.model.record import Event, Record
from harness.model.units import parse_duration
from harness.model.verdict import Analysis
from harness.plugin.folders import claimed
from harness.plugin.foreseen import foreseen
from harness.plugin.locking import one_at_a_time
from harness.plugin.matrix import Matrix
from harness.plugin.options import Session
from harness.plugin.planning import TestPlan
from harness.runner.interactive_run import InteractiveRun
from harness.runner.live_run import LiveTraffic, observable
from harness.runner.manifest import manifest, started_by
from harness.runner.scenario import Scenario
from harness.runner.server_side import with_server_side
from harness.runner.settings import Notify


class ScenarioContext:
    """The mesh and the runs of one test. They start when they are first used, and end with the test."""

    __test__ = False

    def __init__(
        self,
        session: Session,
        *,
        name: str,
        folder_name: str,
        again: str,
        tell: Notify,
        about: str = "",
        test: Callable[..., object] | None = None,
        matrix: Matrix | None = None,
    ) -> None:
        """Start nothing yet.

        folder_name: of the bundle; further verdicts of the test get folders of their own. test: its function. matrix:
        of the faults with which it shares a steady phase.
        """
        self.matrix = matrix
        self.session, self.name, self.again, self.tell, self.about = session, name, again, tell, about
        self.outcomes: list[Outcome] = []
        self.plan = TestPlan(name, session.target) if session.plans_only else None
        self._folder_name = folder_name
        self._world = ExitStack()
        self._foreseen = foreseen(test)
        self._others: Callable[[], tuple[Event, ...]] = tuple

    def __enter__(self) -> Self:
        self._world.enter_context(signals_as_interrupts())
        self.session.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._world.close()

    @cached_property
    def mesh(self) -> Mesh:
        """The running services and proxies."""
        if self.plan is not None:
            self.plan.unknown()
        self._world.enter_context(one_at_a_time(self.session.folder, self._say))
        self.tell(waiting(self.session.target))
        return self._world.enter_context(
            gate.open_mesh(self.session.config, target=self.session.target, folder=self._folder / "logs")
        )

    def _say(self, text: str) -> None:
        self.tell(Event(at_s=0.0, kind="wait", text=f"{self.name}: {text}", fields={}))

    @cached_property
    def interactive_run(self) -> InteractiveRun:
        """The interactive run of this test."""
        if self.plan is not None:
            self.plan.unknown()
        owner = new_run_id()
        facts = manifest(
            owner=owner, again=self.again, argv=started_by(), cwd=self.session.config.root, started_at=time.time(),
            about=self.about, approve=self.session.config.approve,
        )  # fmt: skip
        settings = wiring.settings(self.session.config, self.scenario(), target=self.session.target, manifest=facts)
        parts = wiring.parts(self.session.config, self.mesh)
        folder = self.next_folder()
        live = self._world.enter_context(
            gate.live_run(folder, self.name, self.session.config, target=self.session.target, tell=self.tell)
        )
        self._others = gate.notice_others(self.session.folder, live)
        return self._world.enter_context(InteractiveRun(settings, parts, owner=owner, folder=folder, notify=live))

    def record(self, objectives: tuple[Objective, ...]) -> Record:
        """Return what the interactive run measured, with the other runs on this machine in its events."""
        record = self.interactive_run.record(objectives, name=self.name)
        record = replace(record, events=(*record.events, *self._others()))
        return with_server_side(record, self.session.config, self.mesh)

    def say_verdict(self, analysis: Analysis) -> None:
        """Tell the verdict at once in a worker of xdist, whose reports its controller shows much later."""
        if "PYTEST_XDIST_WORKER" in os.environ:
            self._say(f"{analysis.verdict}: {analysis.reason}")

    @property
    def chaos(self) -> Chaos:
        """What injects faults."""
        return Chaos(self)

    @property
    def load(self) -> LoadSender:
        """What sends load."""
        return LoadSender(self)

    def check_ahead(self, profile: str | None) -> None:
        """Raise UsageError, before the first load is sent, for an endpoint in ``canary.compare`` that no load has.

        profile: of the first load; the others are read from the test.
        """
        ahead, config = self._foreseen, self.session.config
        names = None if ahead.profiles is None else [profile or "", *ahead.profiles]
        if names is not None:
            profiles = [find_profile(name or config.load.profile, config.load.folders) for name in names]
            by_default = config.objectives if ahead.by_default else ()
            require_sent([*_objectives(ahead.objectives, config), *by_default], *profiles)

    @property
    def canary(self) -> Canary:
        """What runs scenarios and judges."""
        return Canary(self)

    def scenario(self, **given: Unpack[wiring.Given]) -> Scenario:
        """Return a scenario of this test; everything that is not given comes from the configuration."""
        return wiring.scenario(self.session.config, name=self.name, seed=self.session.seed, **given)

    @cached_property
    def _folder(self) -> Path:
        return self._claimed()

    def _claimed(self) -> Path:
        folder = self.session.folder / self._folder_name
        with bundle.recording(folder):
            return claimed(folder)

    def next_folder(self) -> Path:
        """Return the folder of the next bundle of this test."""
        return self._folder if not self.outcomes else self._claimed()


class Chaos:
    """Injects faults into the interactive run of a test."""

    def __init__(self, test: ScenarioContext) -> None:
        """Belongs to one test."""
        self._test = test

    def inject(self, fault: Fault) -> AbstractContextManager[None]:
        """Keep ``fault`` injected inside the ``with`` block. Verify that it is live, and later that it is gone."""
        session = self._test.session
        wiring.check_faults([fault], session.config, target=session.target)
        if self._test.plan is not None:
            self._test.plan.inject(fault)
            return nullcontext()
        return self._test.interactive_run.inject(fault)


class LoadSender:
    """Sends load to both arms at once, in the interactive run of a test."""

    def __init__(self, test: ScenarioContext) -> None:
        """Belongs to one test."""
        self._test = test

    def run(
        self,
        profile: str | None = None,
        duration: str | float = "20s",
        *,
        rate: float | None = None,
        warm_up: str | float = "2s",
    ) -> None:
        """Send the load ``profile`` for ``duration`` after ``warm_up``, at ``rate`` requests per second.

        What is not given comes from harness.yaml. Durations are ``"30s"`` or seconds.
        """
        if "interactive_run" not in vars(self._test) or not self._test.interactive_run.has_load:
            self._test.check_ahead(profile)
        scenario = self._test.scenario(
            load=profile,
            rate_rps=rate,
            warm_up_s=parse_duration(warm_up, "warm_up"),
            steady_s=parse_duration(duration, "duration"),
        )
        if self._test.plan is not None:
            self._test.plan.load(scenario)
        else:
            self._test.interactive_run.run_load(scenario)


_WHOLE_SCENARIO = (
    "canary.run carries out a whole scenario: use it without load and chaos, or use canary.compare instead"
)


class Canary:
    """The new build, which is compared with a copy of the running one."""

    def __init__(self, test: ScenarioContext) -> None:
        """Belongs to one test."""
        self._test = test

    def run(
        self,
        *,
        load: str | None = None,
        rate: float | None = None,
        faults: Sequence[Fault] = (),
        stages: Sequence[Sequence[Fault]] = (),
        warm_up: str | float | None = None,
        steady: str | float | None = None,
        fault: str | float | None = None,
        recovery: str | float | None = None,
        objectives: Sequence[str | Objective] | None = None,
    ) -> Analysis:
        """Carry out a whole scenario: warm-up, steady phase, fault phase, recovery; then record, decide and report.

        load: a load profile's name. rate: requests per second. faults: injected together. stages: instead of faults,
        each with a fault phase of its own, such as from ``ramp``. Durations: ``"30s"``, seconds, or ``"10s..2m"`` for a
        judged phase that ends when decided. The rest: harness.yaml. Raises HarnessError when there is no verdict.
        """
        if "interactive_run" in vars(self._test):
            raise UsageError(_WHOLE_SCENARIO)
        scenario = self._test.scenario(
            load=load,
            rate_rps=rate,
            faults=tuple(faults),
            stages=stages,
            objectives=None if objectives is None else _objectives(objectives, self._test.session.config),
            **_lengths(warm_up=warm_up, steady=steady, fault=fault, recovery=recovery),
        )
        gate.check_scenario(
            scenario, self._test.session.config, target=self._test.session.target
        )  # nothing has started
        if self._test.plan is not None:
            return self._test.plan.run(scenario, self._test.session.config)
        return self._told(self._carried_out(scenario))

    def _carried_out(self, scenario: Scenario) -> Outcome:
        """Run a scenario and judge it, also if an arm dies before any load is sent."""
        test, config, folder = self._test, self._test.session.config, self._test.next_folder()
        try:
            shared = None if test.matrix is None else test.matrix.take(scenario, partial(self._shared, folder=folder))
            if shared is not None:
                return gate.judge_shared(
                    shared, scenario, config, folder=folder, again=test.again, notify=test.tell, about=test.about
                )
            return gate.judge_scenario(
                scenario, config, test.mesh, folder=folder, again=test.again, notify=test.tell, about=test.about
            )
        except WorkloadDeath as death:
            return gate.judge_death(
                scenario, config, death, target=test.session.target, folder=folder, again=test.again, about=test.about
            )

    def _shared(self, scenario: Scenario, *, folder: Path) -> Sequence[Record]:
        """Run all faults of the matrix in one load."""
        config, mesh = self._test.session.config, self._test.mesh
        return gate.record_matrix(scenario, config, mesh, folder=folder, notify=self._test.tell)

    def observe(
        self,
        duration: str | float = "30m",
        *,
        every: str | float = "30s",
        objectives: Sequence[str | Objective] | None = None,
    ) -> Analysis:
        """Judge what real users do, without any load of ours: look every 30 s until it is decided or time is up.

        The Prometheus of harness.yaml has their requests; split the traffic before. objectives: about the server side;
        by default those of harness.yaml that are, or its error rate and latencies. Durations are ``"10m"`` or seconds.
        """
        test, config, target = self._test, self._test.session.config, self._test.session.target
        chosen = (
            observable(config.objectives, [parse_objective(text) for text in DEFAULT_OBJECTIVES])
            if objectives is None
            else _objectives(objectives, config)
        )
        users = LiveTraffic(
            name=test.name,
            objectives=chosen,
            length_s=parse_duration(duration, "duration"),
            every_s=min(parse_duration(every, "every"), parse_duration(duration, "duration")),
        )
        gate.plan_of_users(users, config, target=target)  # before anything is asked
        if test.plan is not None:
            return test.plan.observe(users)
        outcome = gate.observe_traffic(
            users, config, target=target, folder=test.next_folder(), again=test.again, notify=test.tell,
            about=test.about,
        )  # fmt: skip
        return self._told(outcome)

    def compare(self, *objectives: str | Objective) -> Analysis:
        """Judge what ``load`` and ``chaos`` did in this test, by these objectives or by those of the configuration."""
        test = self._test
        chosen = _objectives(objectives, test.session.config) if objectives else test.session.config.objectives
        if test.plan is not None:
            return test.plan.compare(chosen)
        outcome = gate.judge_record(test.record(chosen), test.next_folder(), test.session.config.judge)
        gate.tell_others(outcome, test.session.config, test.tell)
        return self._told(outcome)

    def _told(self, outcome: Outcome) -> Analysis:
        self._test.outcomes.append(outcome)
        self._test.session.account.judged(self._test.name, outcome.analysis.verdict.value)
        self._test.say_verdict(outcome.analysis)
        return outcome.analysis


def _objectives(given: Sequence[str | Objective], config: Config) -> tuple[Objective, ...]:
    if isinstance(given, str):
        raise UsageError(
            f"objectives: expected a list of objectives, found the single text {given!r}: put it in brackets"
        )
    objectives = tuple(parse_objective(one) if isinstance(one, str) else one for one in given)
    require_known(objectives, config)
    return objectives


def _lengths(**given: str | float | None) -> dict[str, float | None]:
    """Return the lengths of phases by the names that a scenario has for them; None for what is not given."""
    parsers = {name: parse_duration if name == "warm_up" else parse_length for name in given}
    return {f"{name}_s": None if text is None else parsers[name](text, name) for name, text in given.items()}
