"""One run of one scenario: split, load, phases, fault, recovery; everything put back; a record at the end.

Every change of the mesh is a context manager, so whatever ends a run (an exception, Ctrl-C, a breached
limit) leaves through the same undo. Judges are only asked for looks here; the verdict is decided from
the record (``harness.runner.deciding``).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from harness.errors import LoadError, MeshGuard
from harness.judge.port import Evidence
from harness.load.port import RunningLoad
from harness.model.json import Json
from harness.model.load import LoadReport
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Record
from harness.model.samples import Samples
from harness.model.scenario import Scenario
from harness.model.verdict import Verdict
from harness.runner.abort_conditions import SharedLoad, conditions
from harness.runner.changes import Changes
from harness.runner.counts import arm_requests, attributed
from harness.runner.guard_thread import Ending, GuardThread
from harness.runner.planning import cut_short, plan_load, plan_run
from harness.runner.progress import progress
from harness.runner.settings import Notify, Parts, Settings
from harness.runner.stall_detector import StallDetector
from harness.runner.timeline import Timeline

LOAD_CALLER = "loadgenerator"
_TICK_S = 1.0


def run_scenario(
    scenario: Scenario, settings: Settings, parts: Parts, *, owner: str, folder: Path, notify: Notify
) -> Record:
    """Carry the scenario out and return what happened.

    owner: the run's mark, unique among runs; part of the name of everything that is inserted.
    folder: where the load generator writes. Raises UsageError before anything is changed when the
    scenario makes no sense, and other HarnessErrors, after everything is back, when the run broke.
    """
    return _Run(scenario, settings, parts, owner=owner, folder=folder, notify=notify).carry_out()


class _Run:
    def __init__(
        self, scenario: Scenario, settings: Settings, parts: Parts, *, owner: str, folder: Path, notify: Notify
    ) -> None:
        self._scenario = scenario
        self._settings = settings
        self._parts = parts
        self._owner = owner
        self._folder = folder
        self._notify = notify
        self._plan = plan_run(scenario, settings, target=parts.mesh.target)
        self._timeline = Timeline(parts.now, notify)
        self._pulse = StallDetector(parts.now, parts.wall or parts.now, self._timeline)
        self._changes = Changes(parts.mesh, settings, self._timeline, owner=owner)
        self._load = SharedLoad(parts.now)
        self._guards = GuardThread(
            conditions(settings, parts.mesh, self._load), undo=self._changes.undo, misses=settings.misses
        )
        self._phases: list[Phase] = []
        self._resources: dict[str, tuple[Json, ...]] = {}
        self._ended = ""
        self._next_look_s = settings.look_every_s

    def carry_out(self) -> Record:
        mesh, changes = self._parts.mesh, self._changes
        mesh.check()
        changes.check(self._scenario.faults)
        self._resources["before"] = mesh.resources()
        with self._guards, changes.split():
            self._resources["during"] = mesh.resources()
            start = mesh.request_counts()
            samples, report = self._under_load()
            end = mesh.request_counts()
        self._resources["after"] = mesh.resources()
        elapsed = self._phases[-1].end_s
        proxy_requests = arm_requests(
            start, end, service=self._settings.service, caller=LOAD_CALLER, arms=changes.arms_by_version()
        )
        return Record(
            plan=cut_short(self._plan, elapsed) if self._ended else self._plan,
            phases=tuple(self._phases),
            samples=attributed(samples, proxy_requests),
            load=report,
            events=self._timeline.events(),
            fault_counts=changes.fault_counts(end, samples),
            rollbacks=tuple(changes.rollbacks),
            proxy_requests=proxy_requests,
            resources=self._resources,
            manifest=self._settings.manifest,
            config=self._settings.config,
            aborted=self._ended,
        )

    def _under_load(self) -> tuple[Samples, LoadReport]:
        load_plan = plan_load(self._plan, self._settings, self._parts.mesh.entry(), owner=self._owner)
        with self._parts.load.start(load_plan, self._folder) as running:
            self._timeline.zero = running.started_at
            self._timeline.note("phase", "load started", rate_rps=self._plan.rate_rps)
            self._pulse.start()
            self._load.begin(running)
            try:
                self._carry_out_phases(running)
            finally:
                self._load.end()
            report = running.finish()
            return running.samples(), report

    def _carry_out_phases(self, running: RunningLoad) -> None:
        edge_s = 0.0
        for phase in self._plan.phases:
            edge_s += phase.duration_s
            self._timeline.note("phase", phase.name)
            with ExitStack() as injected:
                if phase.kind is PhaseKind.FAULT:
                    self._inject(phase, injected)
                start_s = self._elapsed()
                self._watch(phase, start_s, edge_s, running)
                self._phases.append(_window(phase, start_s, self._elapsed()))
            if self._ended:
                return

    def _inject(self, phase: PhasePlan, injected: ExitStack) -> None:
        """The scenario's faults, until ``injected`` is left; none when the guards end the run meanwhile."""
        try:
            for fault in self._scenario.faults:
                injected.enter_context(self._changes.inject(fault, phase=phase.name))
            self._resources["during"] = self._parts.mesh.resources()
        except MeshGuard:
            if not self._end(self._guards.ended()):
                raise

    def _watch(self, phase: PhasePlan, start_s: float, edge_s: float, running: RunningLoad) -> None:
        """Until the edge: progress and limits once a second, a look of the judge now and then."""
        while not self._ended and (now_s := self._elapsed()) < edge_s:
            tick_s = min(_TICK_S, edge_s - now_s)
            self._parts.sleep(tick_s)
            self._pulse.beat(tick_s)
            if self._end(self._guards.ended()):
                return
            try:
                running.running()
            except LoadError as lost:  # what was recorded until then is the evidence, and no proof about the load holds
                self._end(Ending(kind="load", text=str(lost).partition(";")[0]))
                return
            samples, now_s = self._load.samples() or (running.samples(), self._elapsed())
            self._notify(
                progress(
                    samples,
                    elapsed_s=now_s,
                    total_s=self._plan.duration_s,
                    phase=phase.name,
                    phase_start_s=start_s,
                    window_s=min(_TICK_S, max(now_s, 0.1)),
                )
            )
            harm = self._look(_window(phase, start_s, now_s), samples, now_s)
            if harm:
                self._end(Ending(kind="guard", text=harm))
        self._end(self._guards.ask())

    def _end(self, ending: Ending | None) -> bool:
        """Whether the run is to end; the first reason is kept."""
        if ending is not None and not self._ended:
            self._ended = ending.text
            self._timeline.note(ending.kind, ending.text)
        return bool(self._ended)

    def _look(self, window: Phase, samples: Samples, now_s: float) -> str:
        if now_s < self._next_look_s:
            return ""
        self._next_look_s = now_s + self._settings.look_every_s
        evidence = Evidence(samples=samples, phases=(*self._phases, window))
        analysis = self._parts.judge.judge(evidence, self._plan, now_s=now_s, final=False)
        return f"harm is proven: {analysis.reason}" if analysis.verdict is Verdict.FAIL else ""

    def _elapsed(self) -> float:
        return self._parts.now() - self._timeline.zero


def _window(phase: PhasePlan, start_s: float, end_s: float) -> Phase:
    return Phase(name=phase.name, kind=phase.kind, start_s=start_s, end_s=end_s, faults=phase.faults)
