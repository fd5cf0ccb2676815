"""An interactive run: a test injects faults and sends loads in any order, and has them judged together at the end.

Each load is a warm-up and one more phase: a fault phase if a fault is live during it, a steady phase otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import MeshGuard, UsageError
from harness.faults import Fault
from harness.model.objective import Objective
from harness.model.phase import PhaseKind, PhasePlan
from harness.model.record import Plan, Record
from harness.runner.engine import Engine
from harness.runner.planning import plan_run
from harness.runner.scenario import Scenario
from harness.runner.settings import Notify, Parts, Settings


class InteractiveRun:
    """The faults and loads of one test. As a context manager it reverts every change on leaving."""

    def __init__(self, settings: Settings, parts: Parts, *, owner: str, folder: Path, notify: Notify) -> None:
        """Prepare a run; ``settings``, ``parts`` and ``owner`` are as for a declared run, ``folder`` is the bundle."""
        self._settings, self._parts, self._folder = settings, parts, folder
        self._engine = Engine(settings, parts, owner=owner, notify=notify)
        self._live: list[Fault] = []
        self._injected: list[Fault] = []
        self._plan: Plan | None = None
        self._finished = False

    def __enter__(self) -> Self:
        self._engine.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.__exit__(kind, error, trace)

    @property
    def has_load(self) -> bool:
        """Whether a load was sent."""
        return bool(self._engine.loads)

    @contextmanager
    def inject(self, fault: Fault) -> Iterator[None]:
        """Keep ``fault`` injected into the calls of the service under test inside the block."""
        self._require_unfinished()
        if self._engine.ended():
            yield
            return
        self._engine.split()
        with self._engine.inject(fault, phase=_phase_name([*self._live, fault])):
            self._live.append(fault)
            self._injected.append(fault)
            try:
                yield
            finally:
                self._live.remove(fault)

    def run_load(self, scenario: Scenario) -> None:
        """Send the load of ``scenario`` for its warm-up and steady time. Its faults are not used.

        Nothing is sent once an abort condition has ended the run.
        """
        self._require_unfinished()
        if self._engine.ended():
            return
        self._engine.split()
        plan = plan_run(scenario, self._settings, target=self._parts.mesh.target)
        plan = replace(plan, phases=tuple(map(self._under_live_faults, plan.phases)))
        self._engine.send(plan, folder=self._folder / f"load-{len(self._engine.loads)}")
        self._plan = plan

    def _under_live_faults(self, phase: PhasePlan) -> PhasePlan:
        if phase.kind is PhaseKind.WARM_UP or not self._live:
            return phase
        faults = tuple(fault.words().text for fault in self._live)
        return replace(phase, name=_phase_name(self._live), kind=PhaseKind.FAULT, faults=faults)

    def record(self, objectives: tuple[Objective, ...], *, name: str) -> Record:
        """Revert every change and return all that happened as one record; nothing can follow.

        objectives: what the record is to be judged by. name: the scenario's name in reports. Raises UsageError when no
        load was sent, while a fault is live, and when no load was sent under a fault that was injected.
        """
        self._require_unfinished()
        if self._live:
            raise UsageError(
                f"{name}: {_phase_name(self._live)} is still live: call canary.compare after the chaos.inject block"
            )
        if self._plan is None:
            if self._engine.ended():
                raise MeshGuard(f"{name}: the run ended before any load was sent: {self._engine.reason}")
            raise UsageError(f"{name}: there is nothing to compare, because no load was sent: call load.run(...) first")
        self._require_every_fault_met(name)
        self._finished = True
        return self._engine.finish(replace(self._plan, scenario=name, objectives=objectives))

    def _require_every_fault_met(self, name: str) -> None:
        met = {text for load in self._engine.loads for phase in load.planned for text in phase.faults}
        unmet = [text for fault in self._injected if (text := fault.words().text) not in met]
        if unmet and not self._engine.ended():
            raise UsageError(
                f"{name}: no load was sent while {unmet[0]} was live: call load.run(...) inside the chaos.inject block"
            )

    def _require_unfinished(self) -> None:
        if self._finished:
            raise UsageError(
                "canary.compare is the last step of a test's interactive run: inject faults and send loads before it, "
                "or write another test"
            )


def _phase_name(faults: list[Fault]) -> str:
    return " + ".join(fault.words().text for fault in faults) or PhaseKind.STEADY.value
