"""One run of one scenario: split, load, phases, fault, recovery; everything put back; a record at the end.

Every change of the mesh is a context manager of the mesh, so whatever ends a run (an exception, Ctrl-C,
a breached limit) leaves through the same undo. Judges are only asked for looks here; the verdict is
decided from the record (``harness.runner.deciding``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.faults import fault_edits
from harness.istio.routing import split_edits
from harness.judge.port import Evidence
from harness.load.port import RunningLoad
from harness.mesh.port import Change
from harness.model.fault import Fault
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import FaultCount, Json, Record, Rollback
from harness.model.samples import ARMS
from harness.model.scenario import Scenario
from harness.model.verdict import Verdict
from harness.runner.counts import Counts, arm_requests, fault_counts, service_name
from harness.runner.guard import breach
from harness.runner.planning import cut_short, plan_load, plan_run
from harness.runner.progress import progress
from harness.runner.settings import Notify, Parts, Settings
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
        self._phases: list[Phase] = []
        self._rollbacks: list[Rollback] = []
        self._open_counts: list[tuple[Fault, str, Counts, Counts]] = []
        self._resources: dict[str, tuple[Json, ...]] = {}
        self._ended = ""
        self._next_look_s = settings.look_every_s

    def carry_out(self) -> Record:
        mesh = self._parts.mesh
        mesh.check()
        self._resources["before"] = mesh.resources()
        record = self._with_split()
        self._resources["after"] = mesh.resources()
        mesh.check()
        return replace(
            record,
            resources=dict(self._resources),
            rollbacks=tuple(self._rollbacks),
            events=self._timeline.events(),
        )

    def _with_split(self) -> Record:
        settings, mesh = self._settings, self._parts.mesh
        edits = split_edits(
            self._resources["before"],
            host=settings.service,
            namespace=settings.namespace,
            baseline=settings.baseline,
            canary=settings.canary,
            canary_share=settings.canary_share,
            owner=self._owner,
        )
        with self._change(mesh.changed(edits, name="split"), f"split: {settings.canary_share:.0%} to the canary"):
            self._resources["during"] = mesh.resources()
            start = mesh.request_counts()
            load_plan = plan_load(self._plan, settings, mesh.entry(), owner=self._owner)
            with self._parts.load.start(load_plan, self._folder) as running:
                self._timeline.zero = running.started_at
                self._timeline.note("phase", "load started", rate_rps=self._plan.rate_rps)
                self._carry_out_phases(running)
                report = running.finish()
                samples = running.samples()
            end = mesh.request_counts()
        elapsed = self._phases[-1].end_s if self._phases else 0.0
        return Record(
            plan=cut_short(self._plan, elapsed) if self._ended else self._plan,
            phases=tuple(self._phases),
            samples=samples,
            load=report,
            fault_counts=tuple(self._fault_counts(end)),
            proxy_requests=arm_requests(
                start, end, service=settings.service, caller=LOAD_CALLER, arms=self._arms_by_version()
            ),
            manifest=settings.manifest,
            config=settings.config,
            aborted=self._ended,
        )

    def _carry_out_phases(self, running: RunningLoad) -> None:
        edge_s = 0.0
        for phase in self._plan.phases:
            edge_s += phase.duration_s
            self._timeline.note("phase", phase.name)
            if phase.kind is PhaseKind.FAULT:
                self._fault_phase(phase, edge_s, running)
            else:
                start_s = self._elapsed()
                self._watch(phase, start_s, edge_s, running)
                self._close(phase, start_s, self._elapsed())
            if self._ended:
                self._timeline.note("guard", self._ended)
                return

    def _fault_phase(self, phase: PhasePlan, edge_s: float, running: RunningLoad) -> None:
        mesh = self._parts.mesh
        with ExitStack() as injected:
            for index, fault in enumerate(self._scenario.faults):
                injected.enter_context(self._inject(fault, index))
            self._resources["during"] = mesh.resources()
            live = mesh.request_counts()
            start_s = self._elapsed()
            self._watch(phase, start_s, edge_s, running)
            before_removal = mesh.request_counts()
            self._close(phase, start_s, self._elapsed())
            self._open_counts += [(fault, phase.name, live, before_removal) for fault in self._scenario.faults]

    @contextmanager
    def _inject(self, fault: Fault, index: int) -> Iterator[None]:
        mesh, settings = self._parts.mesh, self._settings
        on_service = service_name(fault.host) == service_name(settings.service)
        caller_labels = None if on_service else settings.common_labels
        edits = fault_edits(
            fault,
            mesh.resources(),
            namespace=settings.namespace,
            caller_labels={"app": fault.caller} if fault.caller else caller_labels,
            owner=self._owner,
            index=index,
        )
        with self._change(mesh.changed(edits, name=str(fault)), str(fault)):
            yield

    @contextmanager
    def _change(self, changed: AbstractContextManager[Change], what: str) -> Iterator[None]:
        began = self._parts.now()
        with changed as change:
            self._timeline.note("fault", f"{what}: live", seconds=round(self._parts.now() - began, 4))
            yield
            self._timeline.note("rollback", f"{what}: removing")
        if change.rollback is not None:
            self._rollbacks.append(change.rollback)
            state = "removed and verified" if change.rollback.verified else "NOT VERIFIED"
            self._timeline.note("rollback", f"{what}: {state}", seconds=round(change.rollback.seconds, 4))

    def _watch(self, phase: PhasePlan, start_s: float, edge_s: float, running: RunningLoad) -> None:
        """Until the edge: progress and limits once a second, a look of the judge now and then."""
        while (now_s := self._elapsed()) < edge_s:
            self._parts.sleep(min(_TICK_S, edge_s - now_s))
            self._parts.mesh.check()
            running.running()
            samples, now_s = running.samples(), self._elapsed()
            self._notify(
                progress(
                    samples, elapsed_s=now_s, total_s=self._plan.duration_s, phase=phase.name,
                    phase_start_s=start_s, window_s=min(_TICK_S, max(now_s, 0.1)),
                )
            )  # fmt: skip
            self._ended = breach(
                samples, elapsed_s=now_s, error_ceiling=self._settings.error_ceiling, kill_file=self._settings.kill_file
            ) or self._look(phase, start_s, now_s, running)
            if self._ended:
                return

    def _look(self, phase: PhasePlan, start_s: float, now_s: float, running: RunningLoad) -> str:
        if not self._settings.stop_early or now_s < self._next_look_s:
            return ""
        self._next_look_s = now_s + self._settings.look_every_s
        window = Phase(name=phase.name, kind=phase.kind, start_s=start_s, end_s=now_s, faults=phase.faults)
        evidence = Evidence(samples=running.samples(), phases=(*self._phases, window))
        analysis = self._parts.judge.judge(evidence, self._plan, now_s=now_s, final=False)
        return f"harm is proven: {analysis.reason}" if analysis.verdict is Verdict.FAIL else ""

    def _close(self, phase: PhasePlan, start_s: float, end_s: float) -> None:
        self._phases.append(Phase(name=phase.name, kind=phase.kind, start_s=start_s, end_s=end_s, faults=phase.faults))

    def _elapsed(self) -> float:
        return self._parts.now() - self._timeline.zero

    def _arms_by_version(self) -> dict[str, str]:
        versions = (self._settings.baseline.get("version", ""), self._settings.canary.get("version", ""))
        return dict(zip(versions, ARMS, strict=True))

    def _fault_counts(self, end: Counts) -> Iterator[FaultCount]:
        for fault, phase, live, before_removal in self._open_counts:
            yield from fault_counts(
                fault, phase=phase, live=live, before_removal=before_removal, end=end, arms=self._arms_by_version()
            )
