"""Free-hand work: faults and loads in any order, judged together at the end.

Each load is a phase: of kind fault when a fault was live all through it, steady otherwise. What the
loads recorded is put on one time axis, so that the same judge and the same reports take it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from harness.errors import LoadError, UsageError
from harness.load.port import RunningLoad
from harness.mesh.port import RequestCount
from harness.model.fault import Fault
from harness.model.json import Json
from harness.model.load import LoadReport
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, Record
from harness.model.samples import Samples, concatenated
from harness.model.scenario import Scenario
from harness.runner.abort_conditions import SharedLoad, conditions
from harness.runner.changes import Changes
from harness.runner.counts import arm_requests
from harness.runner.guard_thread import Ending, GuardThread
from harness.runner.planning import cut_short, plan_load, plan_run
from harness.runner.progress import progress
from harness.runner.run import LOAD_CALLER
from harness.runner.settings import Notify, Parts, Settings
from harness.runner.stall_detector import StallDetector
from harness.runner.timeline import Timeline


class InteractiveRun:
    """One test's faults and loads. As a context manager it puts everything back on leaving."""

    def __init__(self, settings: Settings, parts: Parts, *, owner: str, folder: Path, notify: Notify) -> None:
        """``settings`` and ``parts`` as for a declared run; ``folder`` becomes the bundle."""
        self._settings = settings
        self._parts = parts
        self._owner = owner
        self._folder = folder
        self._notify = notify
        self._timeline = Timeline(parts.now, notify)
        self._changes = Changes(parts.mesh, settings, self._timeline, owner=owner)
        self._load = SharedLoad(parts.now)
        self._guards = GuardThread(
            conditions(settings, parts.mesh, self._load), undo=self._changes.undo, misses=settings.misses
        )
        self._world = ExitStack()
        self._live: list[Fault] = []
        self._injected: list[Fault] = []
        self._phases: list[tuple[Phase, PhasePlan]] = []
        self._loads: list[tuple[Samples, LoadReport]] = []
        self._rate_rps = 0.0
        self._seed = 0
        self._before: tuple[Json, ...] = ()
        self._during: tuple[Json, ...] = ()
        self._start: tuple[RequestCount, ...] = ()
        self._split = False
        self._ended = ""
        self._over = False

    def __enter__(self) -> Self:
        self._before = self._during = self._parts.mesh.resources()
        return self

    def __exit__(self, *_: object) -> None:
        self._world.close()

    @contextmanager
    def inject(self, fault: Fault) -> Iterator[None]:
        """The fault is live inside, for the calls of the service under test."""
        self._require_open()
        if self._end(self._guards.ended()):
            yield
            return
        self._ensure_split()
        with self._changes.inject(fault, phase=_phase_name([*self._live, fault])):
            self._live.append(fault)
            self._injected.append(fault)
            try:
                yield
            finally:
                self._live.remove(fault)

    def run_load(self, scenario: Scenario) -> None:
        """Send the scenario's load for its steady time, after its warm-up; its faults are not used.

        A breached limit ends it, and what follows is not sent.
        """
        self._require_open()
        if self._end(self._guards.ended()):
            return
        self._ensure_split()
        faults = tuple(map(str, self._live))
        kind = PhaseKind.FAULT if faults else PhaseKind.STEADY
        plan = plan_run(scenario, self._settings, target=self._parts.mesh.target)
        load_plan = plan_load(plan, self._settings, self._parts.mesh.entry(), owner=self._owner)
        self._during = self._parts.mesh.resources()
        folder = self._folder / f"load-{len(self._loads)}"
        with self._parts.load.start(load_plan, folder) as running:
            if not self._loads:
                self._timeline.zero = running.started_at
            shift_s = running.started_at - self._timeline.zero
            self._timeline.note("phase", _phase_name(self._live))
            self._load.begin(running)
            try:
                now_s = self._watch(running, plan)
            finally:
                self._load.end()
            report = running.finish()
            samples = running.samples()
        self._loads.append((_shifted(samples, shift_s), report))
        self._rate_rps, self._seed = plan.rate_rps, plan.seed
        for phase, start_s, end_s in _windows(cut_short(plan, now_s) if self._ended else plan):
            actual = phase if phase.kind is PhaseKind.WARM_UP else replace(phase, name=_phase_name(self._live), kind=kind, faults=faults)  # fmt: skip
            window = Phase(name=actual.name, kind=actual.kind, start_s=start_s + shift_s, end_s=end_s + shift_s, faults=actual.faults)  # fmt: skip
            self._phases.append((window, actual))

    def record(self, objectives: tuple[Objective, ...], *, name: str) -> Record:
        """Put everything back, and all that happened as one record; nothing can follow.

        Raises UsageError when no load was sent, and while a fault is live.
        """
        self._require_open()
        if self._live:
            raise UsageError(f"{name}: {_phase_name(self._live)} is still live: compare after leaving chaos.inject")
        if not self._loads:
            raise UsageError(f"{name}: nothing to compare: no load was sent; call load.run(...) first")
        met = {text for phase, _ in self._phases for text in phase.faults}
        unmet = [str(fault) for fault in self._injected if str(fault) not in met]
        if unmet and not self._ended:
            raise UsageError(
                f"{name}: no load was sent while {unmet[0]} was live: call load.run(...) inside chaos.inject"
            )
        mesh, settings = self._parts.mesh, self._settings
        end, samples = mesh.request_counts(), concatenated([samples for samples, _ in self._loads])
        self._world.close()
        self._over = True
        return Record(
            plan=self._plan(objectives, name),
            phases=tuple(window for window, _ in self._phases),
            samples=samples,
            load=_together([report for _, report in self._loads]),
            events=self._timeline.events(),
            fault_counts=self._changes.fault_counts(end, samples),
            rollbacks=tuple(self._changes.rollbacks),
            proxy_requests=arm_requests(
                self._start, end, service=settings.service, caller=LOAD_CALLER, arms=self._changes.arms_by_version()
            ),
            resources={"before": self._before, "during": self._during, "after": mesh.resources()},
            manifest=settings.manifest,
            config=settings.config,
            aborted=self._ended,
        )

    def _plan(self, objectives: tuple[Objective, ...], name: str) -> Plan:
        settings = self._settings
        return Plan(
            scenario=name,
            service=settings.service,
            target=self._parts.mesh.target,
            phases=tuple(plan for _, plan in self._phases),
            objectives=objectives,
            canary_share=settings.canary_share,
            split_by=settings.split_by,
            rate_rps=self._rate_rps,
            seed=self._seed,
            judge=settings.judge,
        )

    def _require_open(self) -> None:
        if self._over:
            raise UsageError("canary.compare ends a test's free-hand work: do all of it before, or write another test")

    def _watch(self, running: RunningLoad, plan: Plan) -> float:
        """Until the plan's end, or until the guards end it; seconds since the start."""
        pulse = StallDetector(self._parts.now, self._parts.wall or self._parts.now, self._timeline)
        while (now_s := self._parts.now() - running.started_at) < plan.duration_s:
            tick_s = min(1.0, plan.duration_s - now_s)
            self._parts.sleep(tick_s)
            pulse.beat(tick_s)
            if self._lost(running):
                return now_s
            samples, seen_s = self._load.samples() or (running.samples(), now_s)
            self._tell(samples, plan, _phase_name(self._live), seen_s)
            if self._end(self._guards.ended()):
                return now_s
        self._end(self._guards.ask())
        return now_s

    def _lost(self, running: RunningLoad) -> bool:
        """Whether the load generator died; what it recorded until then is the evidence."""
        try:
            running.running()
        except LoadError as lost:
            return self._end(Ending(kind="load", text=str(lost).partition(";")[0]))
        return False

    def _end(self, ending: Ending | None) -> bool:
        """Whether nothing more is to be sent; the first reason is kept."""
        if ending is not None and not self._ended:
            self._ended = ending.text
            self._timeline.note(ending.kind, ending.text)
        return bool(self._ended)

    def _ensure_split(self) -> None:
        if not self._split:
            self._world.enter_context(self._guards)
            self._world.enter_context(self._changes.split())
            self._split = True
            self._start = self._parts.mesh.request_counts()

    def _tell(self, samples: Samples, plan: Plan, phase: str, now_s: float) -> None:
        self._notify(
            progress(samples, elapsed_s=now_s, total_s=plan.duration_s, phase=phase, phase_start_s=0.0, window_s=1.0)
        )


def _phase_name(faults: list[Fault]) -> str:
    return " + ".join(map(str, faults)) or PhaseKind.STEADY.value


def _windows(plan: Plan) -> Iterator[tuple[PhasePlan, float, float]]:
    start_s = 0.0
    for phase in plan.phases:
        yield phase, start_s, start_s + phase.duration_s
        start_s += phase.duration_s


def _shifted(samples: Samples, by_s: float) -> Samples:
    return replace(samples, due_s=np.asarray(samples.due_s + by_s))


def _together(reports: list[LoadReport]) -> LoadReport:
    """One report of several loads: sums of counts, the worst of what can be bad."""
    first = reports[0]
    counted = [report.counted for report in reports]
    return replace(
        first,
        planned=sum(report.planned for report in reports),
        recorded=sum(report.recorded for report in reports),
        counted=None if None in counted else sum(count or 0 for count in counted),
        dropped=sum(report.dropped for report in reports),
        silent=sum(report.silent for report in reports),
        unanswered=sum(report.unanswered for report in reports),
        task_errors=sum(report.task_errors for report in reports),
        broken="; ".join(report.broken for report in reports if report.broken),
        closed=any(report.closed for report in reports),
        late_p50_s=max(report.late_p50_s for report in reports),
        late_p99_s=max(report.late_p99_s for report in reports),
        workers=sum(report.workers for report in reports),
        workers_alive=sum(report.workers_alive for report in reports),
        cpu_share=max(report.cpu_share for report in reports),
        exit_code=max(report.exit_code for report in reports),
        notes=tuple(note for report in reports for note in report.notes),
    )
