"""What the fixtures hand out: a test's own mesh, its canary, its faults and its load."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from harness import gate, wiring
from harness.clients.processes.signals import signals_as_interrupts
from harness.config import Config
from harness.config.gauges import require_known
from harness.errors import UsageError
from harness.gate import Outcome
from harness.mesh.port import Mesh
from harness.model.fault import Fault
from harness.model.objective import Objective, parse_objective
from harness.model.scenario import Scenario
from harness.model.units import parse_duration
from harness.model.verdict import Analysis
from harness.plugin.locking import one_at_a_time
from harness.plugin.options import Session
from harness.runner.interactive_run import InteractiveRun
from harness.runner.manifest import manifest, started_by
from harness.runner.settings import Notify


class ScenarioContext:
    """One test's world: started when first used, put back and ended when the test is over."""

    __test__ = False

    def __init__(self, session: Session, *, name: str, folder: Path, again: str, tell: Notify) -> None:
        """folder: becomes the bundle (a test that judges twice gets ``-2`` and so on beside it)."""
        self.session, self.name, self.again, self.tell = session, name, again, tell
        self.outcomes: list[Outcome] = []
        self._folder = folder
        self._world = ExitStack()

    def __enter__(self) -> Self:
        self._world.enter_context(signals_as_interrupts())
        return self

    def __exit__(self, *_: object) -> None:
        self._world.close()

    @cached_property
    def mesh(self) -> Mesh:
        """Running services and proxies."""
        self._world.enter_context(one_at_a_time(self.session.folder))
        return self._world.enter_context(
            gate.open_mesh(self.session.config, target=self.session.target, folder=self._folder / "logs")
        )

    @cached_property
    def hand(self) -> InteractiveRun:
        """Free-hand work, begun."""
        owner = gate.new_owner()
        facts = manifest(
            owner=owner, again=self.again, argv=started_by(), cwd=self.session.config.root, started_at=time.time()
        )
        settings = wiring.settings(self.session.config, self.scenario(), manifest=facts)
        parts = wiring.parts(self.session.config, self.mesh)
        return self._world.enter_context(
            InteractiveRun(settings, parts, owner=owner, folder=self.next_folder(), notify=self.tell)
        )

    @property
    def chaos(self) -> Chaos:
        """Faults by hand."""
        return Chaos(self)

    @property
    def load(self) -> LoadSender:
        """Load by hand."""
        return LoadSender(self)

    @property
    def canary(self) -> Canary:
        """Judgement."""
        return Canary(self)

    def scenario(self, **given: object) -> Scenario:
        """A scenario of this test; what is not given comes from the configuration."""
        return wiring.scenario(self.session.config, name=self.name, seed=self.session.seed, **given)  # type: ignore[arg-type]

    def next_folder(self) -> Path:
        """The folder of the next bundle of this test."""
        count = len(self.outcomes)
        return self._folder if not count else self._folder.with_name(f"{self._folder.name}-{count + 1}")


class Chaos:
    """Faults by hand."""

    def __init__(self, test: ScenarioContext) -> None:
        """Of one test."""
        self._test = test

    def inject(self, fault: Fault) -> AbstractContextManager[None]:
        """The fault is live, and proven so, inside the ``with``; afterwards it is gone, and proven so."""
        return self._test.hand.inject(fault)


class LoadSender:
    """Load by hand, to both arms at once."""

    def __init__(self, test: ScenarioContext) -> None:
        """Of one test."""
        self._test = test

    def run(
        self,
        profile: str | None = None,
        duration: str | float = "20s",
        *,
        rate: float | None = None,
        warm_up: str | float = "2s",
    ) -> None:
        """Send ``profile`` (default: the configuration's) for ``duration`` after ``warm_up``, at ``rate`` requests per second."""
        self._test.hand.run_load(
            self._test.scenario(
                load=profile,
                rate_rps=rate,
                warm_up_s=parse_duration(warm_up, "warm_up"),
                steady_s=parse_duration(duration, "duration"),
            )
        )


class Canary:
    """The new build beside a fresh copy of the running one."""

    def __init__(self, test: ScenarioContext) -> None:
        """Of one test."""
        self._test = test

    def run(
        self,
        *,
        load: str | None = None,
        rate: float | None = None,
        faults: Sequence[Fault] = (),
        warm_up: str | float | None = None,
        steady: str | float | None = None,
        fault: str | float | None = None,
        recovery: str | float | None = None,
        objectives: Sequence[str | Objective] | None = None,
    ) -> Analysis:
        """Warm up, run steadily, inject the faults, let it recover; record, decide, report.

        load: name of a load profile. rate: requests per second. Durations: ``"30s"`` or seconds.
        What is not given comes from harness.yaml. Raises HarnessError when there is no verdict.
        """
        if "hand" in vars(self._test):
            raise UsageError(
                "canary.run carries out a whole scenario of its own: use it without load and chaos, or use canary.compare"
            )
        lengths = {"warm_up": warm_up, "steady": steady, "fault": fault, "recovery": recovery}
        scenario = self._test.scenario(
            load=load,
            rate_rps=rate,
            faults=tuple(faults),
            objectives=None if objectives is None else _objectives(objectives, self._test.session.config),
            **{f"{name}_s": None if text is None else parse_duration(text, name) for name, text in lengths.items()},
        )
        test = self._test
        gate.check_scenario(scenario, test.session.config, target=test.session.target)  # before anything is started
        return self._told(
            gate.judge_scenario(
                scenario, test.session.config, test.mesh, folder=test.next_folder(), again=test.again, notify=test.tell
            )
        )

    def compare(self, *objectives: str | Objective) -> Analysis:
        """Judge what ``load`` and ``chaos`` did in this test, by these objectives (default: the configuration's)."""
        test = self._test
        chosen = _objectives(objectives, test.session.config) if objectives else test.session.config.objectives
        record = gate.with_server_side(test.hand.record(chosen, name=test.name), test.session.config)
        return self._told(gate.judge_record(record, test.next_folder(), test.session.config.judge))

    def _told(self, outcome: Outcome) -> Analysis:
        self._test.outcomes.append(outcome)
        return outcome.analysis


def _objectives(given: Sequence[str | Objective], config: Config) -> tuple[Objective, ...]:
    if isinstance(given, str):
        raise UsageError(
            f"objectives: expected a list of objectives, found the single text {given!r}: put it in brackets"
        )
    objectives = tuple(parse_objective(one) if isinstance(one, str) else one for one in given)
    require_known(objectives, config.gauges)
    return objectives
